"""Translate a folder of images: `python -m cyclegan.translate RUN IMAGES OUT --to photo`."""

from __future__ import annotations

import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import torch
import tyro
from PIL import Image
from tqdm import tqdm

from cyclegan.config import ConfigError, Precision
from cyclegan.hub.errors import HubError
from cyclegan.images.files import SUFFIXES, list_files, warn_of_dark
from cyclegan.images.io import IMAGE_SUFFIXES, ImageError, claimed_size, to_png
from cyclegan.networks.storage import WeightsError
from cyclegan.runs.run import RunError
from cyclegan.runtime import distributed
from cyclegan.runtime.files import sweep_strays, write_atomically
from cyclegan.runtime.signals import stop_signals
from cyclegan.translate.translator import Translator

PROG = "python -m cyclegan.translate"
WORKERS = 4
"""Small images that are translated at the same time, at most: each takes memory."""
AHEAD = 2 * WORKERS
"""Images that are begun, or wait for a worker, before the first of them is waited for."""


@dataclass(frozen=True)
class TranslateFolder:
    """Translate every image in a folder and below. Names and subfolders stay, as .png files; what is there already is
    left as it is, so that a second start goes on where the first one stopped. Under torchrun the processes share the
    images among them."""

    run: Annotated[str, tyro.conf.Positional]
    """Folder of the run, or its repository on the Hugging Face Hub, owner/name."""
    images: Annotated[Path, tyro.conf.Positional]
    """Folder of the images, or one image."""
    out: Annotated[Path, tyro.conf.Positional]
    """Folder for the translations, made where it is missing; for one image also a file, such as photo.png."""
    to: str | None = None
    """What to translate to, such as photo; needed where the run knows two directions."""
    epoch: int | None = None
    """Epoch of the generator; the best on val, else the last, unless given."""
    overwrite: bool = False
    """Translate again what is there already."""
    device: str = "auto"
    """auto (CUDA, else Apple's GPU, else CPU), cpu, cuda, cuda:1, mps."""
    precision: Precision = "auto"
    """auto: bf16 where the device gains by it; fp32; bf16."""
    threads: int = 0
    """CPU threads; 0 takes PyTorch's default, all cores."""


@dataclass
class Report:
    """What became of the images."""

    made: int = 0
    there: int = 0
    failed: dict[Path, str] = field(default_factory=dict)

    def __add__(self, other: Report) -> Report:
        return Report(self.made + other.made, self.there + other.there, self.failed | other.failed)

    def __str__(self) -> str:
        lines = [f"{self.made} translated, {self.there} there already, {len(self.failed)} failed"]
        lines += [f"  {path}: {reason}" for path, reason in self.failed.items()]
        return "\n".join(lines)


def find_images(folder: Path) -> list[Path]:
    """Image files in a folder and below, by name; without hidden ones, and without following links to folders.

    Raises ImageError where there is no folder, or none in it.
    """
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise ImageError(f"{folder} is neither a folder nor an image")
    if found := list_files(folder):
        return found
    raise ImageError(f"{folder} holds no images; put {', '.join(SUFFIXES)} files there")


def destinations(paths: Sequence[Path], folder: Path, out: Path) -> dict[Path, Path]:
    """Where the translation of each image goes: the same place and stem below `out`, .png; files that differ in nothing
    but the suffix keep theirs, as house.jpg.png. One image may go to a file, if `out` has the suffix of an image."""
    if _is_one_file(folder, out):
        return {folder: out}
    root = folder.parent if folder.is_file() else folder
    places = {path: path.relative_to(root) for path in paths}
    found = {path: place.with_suffix(".png") for path, place in places.items()}
    short = set(paths)
    while short:  # the whole name of one may be the stem of another
        count = Counter(str(place).casefold() for place in found.values())
        clashing = {path for path in short if count[str(found[path]).casefold()] > 1}
        if not clashing:
            break
        short -= clashing
        found |= {path: Path(f"{places[path]}.png") for path in clashing}
    return {path: out / place for path, place in found.items()}


def _is_one_file(images: Path, out: Path) -> bool:
    return images.is_file() and not out.is_dir() and out.suffix.lower() in IMAGE_SUFFIXES


def check_writes(wanted: Mapping[Path, Path], *, overwrite: bool) -> None:
    """Raise ConfigError if a translation would replace an input, or with `overwrite` an image beside one."""
    folders = {path.parent.resolve() for path in wanted}
    for path, destination in wanted.items():
        if not destination.exists():
            continue
        if destination.is_dir():
            raise ConfigError(f"{destination} is a folder; give another for the translations")
        is_input = destination.samefile(path)
        if is_input or (overwrite and destination.parent.resolve() in folders):
            what = "the input" if is_input else "an image beside the input, perhaps its label map"
            free = path.with_name(f"{path.stem}-translated.png")
            raise ConfigError(
                f"{destination} is {what}, and would be overwritten; give another folder, or for one image a file that "
                f"is not there, such as {free}"
            )


def translate_all(
    translator: Translator,
    wanted: Mapping[Path, Path],
    *,
    to: str,
    epoch: int | None = None,
    overwrite: bool = False,
    on_done: Callable[[Path], object] = lambda _: None,
    should_stop: Callable[[], object] = lambda: False,
) -> Report:
    """Translate each file to its destination, until `should_stop`; `on_done` hears of each that is finished, was there,
    or failed.

    On a CPU several small images are translated at the same time, by a thread each, which reads and writes as well; of
    others one is, while the next is read, or the last one written. Raises OSError where the disk refuses, WeightsError
    where the run is damaged; a bad image is only noted.
    """
    report = Report()
    todo = []
    for path, destination in wanted.items():
        if destination.exists() and not overwrite:
            report.there += 1
            on_done(path)
        else:
            todo.append(path)
    begun: deque[tuple[Path, Future[None]]] = deque()
    broken_off = threading.Event()

    def heed(_: float) -> None:
        if broken_off.is_set() or should_stop():
            raise CancelledError

    def work(path: Path) -> None:
        picture = translator.translate(path, to=to, epoch=epoch, on_progress=heed)
        _write(picture, wanted[path])

    def finish(count: int) -> None:
        """Wait for the first that were begun, until no more than `count` are left."""
        while len(begun) > count:
            path, done = begun.popleft()
            try:
                done.result()
                report.made += 1
            except CancelledError:
                continue
            except ImageError as error:
                report.failed[path] = str(error)
            on_done(path)

    with _workers(translator) as (small, others):
        try:
            before = others
            for path in todo:
                if should_stop():
                    break
                size = claimed_size(path)
                workers = small if translator.side_by_side and size and translator.is_small(*size) else others
                if workers is not before:
                    finish(0)  # else both would compute at the same time, and wait for each other's cores
                before = workers
                begun.append((path, workers.submit(work, path)))
                finish(AHEAD)
            finish(0)
        except BaseException:
            broken_off.set()
            for _, waiting in begun:
                waiting.cancel()
            raise
    return report


@contextmanager
def _workers(translator: Translator) -> Iterator[tuple[ThreadPoolExecutor, ThreadPoolExecutor]]:
    """Threads for small images, which share the cores, and threads for others, which have all of them, or the GPU, in
    turn, and read and write meanwhile."""
    cores = torch.get_num_threads()
    translator.side_by_side = translator.device.type == "cpu" and not translator.compiles
    workers = max(each for each in range(1, WORKERS + 1) if cores % each == 0)
    try:
        in_turn = 2 if translator.side_by_side else WORKERS  # large ones take memory while they wait, too
        with _threads(workers, cores // workers) as small, _threads(in_turn, cores) as others:
            yield small, others
    finally:
        translator.side_by_side = False
        torch.set_num_threads(cores)  # what a thread sets for itself is where those begin that begin later


def _threads(count: int, cores: int) -> ThreadPoolExecutor:
    """So many threads that compute on so many cores each."""

    def begin() -> None:
        torch.get_num_threads()  # at its first use PyTorch would otherwise take what another thread has set
        torch.set_num_threads(cores)

    return ThreadPoolExecutor(count, initializer=begin)


def _write(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".png":
        write_atomically(path, to_png(picture))
        return
    kind = Image.registered_extensions()[path.suffix.lower()]
    write_atomically(path, lambda file: picture.save(file, kind, quality=95))


def main(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit code: 0, 1 where an image, the disk or another process of torchrun failed,
    2 for a mistake in the input, 128 + the signal's number where one stopped
    it."""
    command = tyro.cli(TranslateFolder, args=arguments, prog=PROG)
    try:
        with distributed.joined():
            return _run(command)
    except (ConfigError, HubError, ImageError, RunError, WeightsError) as error:
        sys.stderr.write(f"cyclegan.translate: {error}\n")
        return 2
    except (OSError, distributed.LostError) as error:
        sys.stderr.write(f"cyclegan.translate: {error}; start again to go on\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("cyclegan.translate: interrupted; start again to go on\n")
        return 130


def _run(command: TranslateFolder) -> int:
    if command.threads:
        torch.set_num_threads(command.threads)
    translator = Translator.load(command.run, device=command.device, precision=command.precision)
    targets = translator.targets
    if command.to is None and len(targets) != 1:
        raise ConfigError(f"{translator.name} translates to {' and '.join(targets) or 'nothing'}; choose with --to")
    to = command.to or targets[0]
    translator.source_of(to)
    translator.run.check_epoch(command.epoch)
    if command.images.is_dir() and command.images.resolve() in (command.out.resolve(), *command.out.resolve().parents):
        raise ConfigError(f"{command.out} lies in {command.images}: translations would be translated; choose another")
    wanted = destinations(find_images(command.images), command.images, command.out)
    check_writes(wanted, overwrite=command.overwrite)
    warn_of_dark(list(wanted))
    own = dict(distributed.own_items(list(wanted.items())))
    out = command.out.parent if _is_one_file(command.images, command.out) else command.out
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file; give a folder, or for one image a file with the suffix of an image")
    out.mkdir(parents=True, exist_ok=True)
    first = distributed.is_first()
    if first:
        sweep_strays(out)
    distributed.wait_for_all()
    bar = tqdm(total=len(own), unit="img", dynamic_ncols=True, disable=None if first else True)
    with bar, stop_signals() as received:
        report = translate_all(
            translator,
            own,
            to=to,
            epoch=command.epoch,
            overwrite=command.overwrite,
            on_done=lambda _: bar.update(),
            should_stop=lambda: received,
        )
    if received:
        sys.stderr.write(f"{command.out}: {report}\ncyclegan.translate: interrupted; start again to go on\n")
        return 128 + received[0]
    # torchrun ends all processes where one fails: none may, for a bad image, before the others are through.
    whole = sum(distributed.exchanged(report), Report())
    if first:
        sys.stderr.write(f"{command.out}: {whole}\n")
    return 1 if whole.failed else 0
