"""Train CycleGAN, pix2pix or a plain GAN from the command line: `python train.py --dataset facades`."""

from __future__ import annotations

import logging
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated

import torch
import tyro
from tqdm import tqdm

from cyclegan.config import (
    METHODS,
    ConfigError,
    CycleGANConfig,
    Direction,
    GANConfig,
    Method,
    MethodConfig,
    Pix2PixConfig,
    TranslationConfig,
)
from cyclegan.data.batches import Batches
from cyclegan.data.choice import check_classes, choose_inputs, find_dataset, held_out, known_datasets, name_domains
from cyclegan.data.datasets import DatasetError, Split, find_split
from cyclegan.data.downloads import DownloadError
from cyclegan.data.hub_datasets import address_of, pinned
from cyclegan.data.noise import NoiseBatches, read_pictures
from cyclegan.hub.errors import HubError
from cyclegan.hub.fetching import is_address, open_run
from cyclegan.hub.publishing import BackgroundPublisher
from cyclegan.hub.repositories import COMMIT, Address, is_on_hub, list_files
from cyclegan.hub.uploads import Repository, check_login, open_repository
from cyclegan.images.io import ImageError
from cyclegan.networks.storage import WeightsError
from cyclegan.runs.recipes import options_of
from cyclegan.runs.run import Run, RunError, SampleInputs
from cyclegan.runs.samples import Inputs, draw_noise
from cyclegan.runtime import distributed
from cyclegan.runtime.devices import pick_device
from cyclegan.runtime.memory import keep_freed_memory
from cyclegan.runtime.signals import stop_signals
from cyclegan.training.checkpoint import check_free, create, exclusive, find_checkpoint, resume
from cyclegan.training.data_parallel import check_processes
from cyclegan.training.plan import describe
from cyclegan.training.progress import Progress
from cyclegan.training.reference_options import renamed
from cyclegan.training.trainer import Trainer, TrainingError

USAGE_ERRORS = (ConfigError, DatasetError, DownloadError, HubError, ImageError, RunError)


@dataclass(frozen=True)
class Machine:
    """What to train on: settings of this machine, not of the run."""

    data_root: Path | None = None
    """Folder of the downloaded datasets; $CYCLEGAN_DATASETS or the user's cache folder unless given."""
    device: str = "auto"
    """auto (CUDA, else Apple's GPU, else CPU), cpu, cuda, cuda:1, mps."""
    threads: int = 0
    """CPU threads; 0 takes PyTorch's default, all cores."""
    compile: bool = False
    """Compile the networks with torch.compile: a minute at the start, faster steps on a GPU."""
    publish: str | None = None
    """Repository on the Hugging Face Hub, owner/name, to publish the run in at every snapshot; log in before."""
    private: bool = False
    """Make a new repository of `publish` private."""


@dataclass(frozen=True)
class Launch(Machine):
    """A new run."""

    out: Path | None = None
    """Folder of the run; runs/DATASET-METHOD unless given."""
    domain_names: tuple[str, str] | None = None
    """What domains a and b are called in the app; known for named datasets."""
    dry_run: bool = False
    """Print the plan (parameters, steps, measured time, disk); write and download nothing."""


@dataclass(frozen=True)
class TrainCycleGAN:
    """Train CycleGAN (Zhu et al. 2017), both directions from unpaired images. Other commands:

    python train.py pix2pix --dataset facades: pix2pix (labels -> photo) instead; pix2pix --help lists its options.

    python train.py gan --dataset fashion-mnist: a plain GAN, pictures from noise; gan --help lists its options.

    python train.py --resume RUN: go on exactly where a run stopped; --resume RUN --help lists what it takes.

    python train.py --dataset facades --dry-run: what it would take: time, disk, parameters.

    torchrun --nproc_per_node 8 train.py --dataset facades --batch-size 8: on 8 GPUs, the same training.
    """

    config: Annotated[CycleGANConfig, tyro.conf.arg(name="")]
    launch: Annotated[Launch, tyro.conf.arg(name="")]


@dataclass(frozen=True)
class TrainPix2Pix:
    """Train pix2pix (Isola et al. 2017), one direction from aligned pairs."""

    config: Annotated[Pix2PixConfig, tyro.conf.arg(name="")]
    launch: Annotated[Launch, tyro.conf.arg(name="")]


@dataclass(frozen=True)
class TrainGAN:
    """Train a plain GAN (Goodfellow et al. 2014), which makes pictures from noise."""

    config: Annotated[GANConfig, tyro.conf.arg(name="")]
    launch: Annotated[Launch, tyro.conf.arg(name="")]


@dataclass(frozen=True)
class Resume:
    """Go on exactly where a run stopped; everything but the machine is taken from the run."""

    resume: Path
    """Folder of the run."""
    machine: Annotated[Machine, tyro.conf.arg(name="")]
    dataset: str | None = None
    """Folder of the training images, where they have moved since."""


COMMANDS: dict[str, type[TrainCycleGAN | TrainPix2Pix | TrainGAN]] = {
    "cyclegan": TrainCycleGAN,
    "pix2pix": TrainPix2Pix,
    "gan": TrainGAN,
}


def main(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit code: 0, 1 where training failed, 2 for a mistake in the input,
    128 + the signal's number where it was stopped by one."""
    level = logging.INFO if distributed.place().rank == 0 else logging.WARNING
    logging.basicConfig(level=level, format="%(message)s", stream=sys.stderr)
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # it would tell of every request to the Hub
    keep_freed_memory()
    try:
        with distributed.joined():
            return run(arguments)
    except USAGE_ERRORS as error:
        complain(str(error))
        return 2
    except (TrainingError, WeightsError) as error:
        complain(str(error))
        return 1
    except distributed.LostError as error:
        complain(f"{error}; what was saved before is whole")
        return 1
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        complain(f"{error.strerror or error}{where}; what was saved before is whole")
        return 1
    except KeyboardInterrupt:
        complain("interrupted; what was saved before is whole")
        return 128 + signal.SIGINT


def run(arguments: Sequence[str]) -> int:
    """Do what the command line says."""
    if hint := renamed(arguments):
        raise ConfigError(f"{hint}; docs/recipes.md has all of the reference's options")
    if any(argument.split("=")[0] == "--resume" for argument in arguments):
        return run_resume(tyro.cli(Resume, args=arguments, prog="train.py"))
    named = arguments[0] if arguments and arguments[0] in COMMANDS else None
    command = COMMANDS[named or "cyclegan"]
    prog = f"train.py {named}" if named else "train.py"
    parsed = tyro.cli(command, args=arguments[1:] if named else arguments, prog=prog)
    return run_new(parsed.config, parsed.launch)


def run_new(config: MethodConfig, launch: Launch) -> int:
    """Start a run, or print its plan."""
    set_threads(launch.threads)
    check_publishing(launch)
    method = next(name for name, kind in METHODS.items() if isinstance(config, kind))
    config = replace(config, dataset=distributed.from_first(lambda: settled_dataset(config, method, launch)))
    folder = find_dataset(config, launch.data_root, download=not launch.dry_run)
    if config.dataset not in known_datasets(config) and not is_on_hub(config.dataset):
        config = replace(config, dataset=str(folder))  # --resume may be typed in another folder
    split = None if isinstance(config, GANConfig) else find_split(folder, mode=config.dataset_mode)
    if split is not None and isinstance(config, TranslationConfig):
        check_classes(split, config)
    out = launch.out or default_out(config, folder.name, method)
    if distributed.from_first(lambda: goes_on(out, config)):
        return run_resume(Resume(out, launch))
    config = replace(config, init_from=distributed.from_first(lambda: settled_source(config.init_from)))
    source = None
    if config.init_from:
        with distributed.first_on_machine():
            source = open_run(config.init_from, samples=False)
    run = Run(out, method, name_domains(split, config, launch.domain_names), config, {}, revision())
    if not launch.dry_run:
        check_free(out)
    trainer = prepare(run, folder, launch, split)
    if source:
        with distributed.first_on_machine():
            taken = trainer.initialize_from(source)
        say(f"initialised from {config.init_from}: {taken}")
    if launch.dry_run:
        say(f"measuring {4 * config.critic_steps} training steps; at full size on a CPU that takes minutes")
        plan = describe(trainer)
        if distributed.is_first():
            print(plan)
        return 0
    repository = find_repository(launch)
    create(trainer)
    with exclusive(out):
        return train(trainer, launch, repository)


def default_out(config: MethodConfig, folder: str, method: Method) -> Path:
    """Where a run is, unless told: named by the dataset, without its owner and commit where it is on the Hub, or by its
    folder; not where the run may be that it begins with."""
    name = address_of(config.dataset).name.partition("/")[2] if is_on_hub(config.dataset) else folder
    return Path("runs") / f"{name}-{method}{'-further' if config.init_from else ''}"


def settled_source(source: str | None) -> str | None:
    """The run to begin with, so that it can be found again: one of the Hub by its commit, or the whole path."""
    if source is None:
        return None
    if not is_address(source):
        return str(Path(source).expanduser().resolve())
    address = Address.parse(source)
    if COMMIT.fullmatch(address.revision or ""):
        return source
    return f"{address.name}@{list_files(address).commit}"


def settled_dataset(config: MethodConfig, method: Method, launch: Launch) -> str:
    """A dataset of the Hub by its commit. Where several processes begin again what they began without a revision, that
    of their run, whatever is newest by now."""
    dataset = config.dataset
    if is_on_hub(dataset) and (address := address_of(dataset)).revision is None and distributed.size() > 1:
        out = launch.out or default_out(config, dataset, method)
        if (out / "checkpoint.pt").is_file():
            begun = Run.open(out).config.dataset
            if is_on_hub(begun) and address_of(begun).name == address.name:
                return begun
    return pinned(dataset, launch.data_root)


def goes_on(out: Path, config: MethodConfig) -> bool:
    """Whether the command has begun this very run before: torchrun repeats it when a process failed, a scheduler when a
    machine did."""
    if distributed.size() == 1 or not (out / "checkpoint.pt").is_file():
        return False
    begun, told = asdict(Run.open(out).config), asdict(config)
    return begun | {"init_from": None} == told | {"init_from": None}  # which says more by now


def run_resume(command: Resume) -> int:
    """Go on with a run."""
    set_threads(command.machine.threads)
    run = Run.open(command.resume)
    find_checkpoint(run)
    chosen, data_root = command.dataset or run.config.dataset, command.machine.data_root
    config = replace(run.config, dataset=distributed.from_first(lambda: pinned(chosen, data_root)))
    check_publishing(command.machine)
    with exclusive(run.folder):
        trainer = prepare(run, find_dataset(config, data_root), command.machine)
        resume(trainer)
        repository = find_repository(command.machine)
        if not trainer.finished:
            return train(trainer, command.machine, repository)
    if not distributed.is_first():
        return 0
    method = [] if run.method == "cyclegan" else [run.method]
    again = shlex.join(["python", "train.py", *method, "--dataset", run.config.dataset])
    print(
        f"{run.folder} is finished: all {run.config.total_epochs} epochs are trained; to train its networks further, "
        f"in another run: {again} {options_of(further(run))}"
    )
    if repository:
        publisher = BackgroundPublisher(run.folder, repository)
        publisher.notify()
        wait_for(publisher)
    return 0


def further(run: Run) -> MethodConfig:
    """The configuration that trains a finished run's networks as long again, in another run."""
    return replace(run.config, init_from=str(run.folder.resolve()))


def set_threads(threads: int) -> None:
    """Use this many CPU threads; 0 leaves PyTorch's choice. Raises ConfigError for a negative number."""
    if threads < 0:
        raise ConfigError(f"threads is {threads}; it must be 0 (all cores) or more")
    if threads:
        torch.set_num_threads(threads)


def check_publishing(machine: Machine) -> None:
    """Raise HubError or ConfigError, before the Hub is asked for anything, if what is given cannot be published."""
    if machine.publish:
        check_login(machine.publish)
    elif machine.private:
        raise ConfigError("private is for a repository that is made; name it with --publish owner/name")


def find_repository(machine: Machine) -> Repository | None:
    """Return where to publish, created if it is missing: the last thing that is checked before a training.

    Raises HubError if it cannot be written. Of several processes the first publishes.
    """
    if machine.publish and distributed.is_first():
        return open_repository(machine.publish, private=machine.private)
    return None


def prepare(run: Run, folder: Path, machine: Machine, split: Split | None = None) -> Trainer:
    """Read the images, of the split where it is known already, and build the networks of a run."""
    check_processes(run.config, compiled=machine.compile)
    device = pick_device(machine.device)
    batches: Batches | NoiseBatches
    inputs: Inputs
    kinds: dict[Direction, SampleInputs]
    if isinstance(run.config, GANConfig):
        batches = NoiseBatches(read_pictures(folder, run.config), run.config)
        inputs, kinds = {"ab": [draw_noise(run.config)]}, {"ab": "noise"}
        say(f"{folder}: {batches.images} images")
    else:
        split = split or find_split(folder, mode=run.config.dataset_mode)
        say(f"{folder}: {split}")
        batches = Batches(split, run.config)
        shown = [way for way in run.directions if way in (run.samples or run.directions)]
        inputs, kinds = choose_inputs(held_out(folder, split, run.config), shown)
    trainer = Trainer(replace(run, samples=kinds), batches, inputs, device=device, compiled=machine.compile)
    say(f"training on {device} in {str(trainer.updates.dtype).removeprefix('torch.')}")
    return trainer


def train(trainer: Trainer, machine: Machine, repository: Repository | None = None) -> int:
    """Train with a progress bar until the end, a signal or an error, and publish in the repository on the way."""
    run, config, batches = trainer.run, trainer.config, trainer.batches
    done = (trainer.progress.epoch - 1) * batches.steps + trainer.progress.step
    bar = tqdm(
        total=config.total_epochs * batches.steps * config.batch_size,
        initial=done * config.batch_size,
        unit="img",
        dynamic_ncols=True,
        smoothing=0.02,
        disable=not distributed.is_first(),
    )

    def show(progress: Progress) -> None:
        steps = (progress.epoch - 1) * batches.steps + progress.step
        bar.set_description(f"epoch {progress.epoch}/{config.total_epochs}", refresh=False)
        bar.set_postfix({name: f"{loss:.3f}" for name, loss in progress.losses.items()}, refresh=False)
        bar.update(steps * config.batch_size - bar.n)

    publisher = BackgroundPublisher(run.folder, repository) if repository else None
    if publisher and run.epochs:  # what an earlier training could not publish
        publisher.notify()

    def on_snapshot(_: int) -> None:
        if publisher:
            publisher.notify()

    with bar, stop_signals() as stopped:
        finished = trainer.train(on_progress=show, on_snapshot=on_snapshot, should_stop=lambda: bool(stopped))
    if finished:
        say(f"finished: {run.folder}; kept epochs: {', '.join(map(str, run.epochs))}")
        if publisher:
            wait_for(publisher)
        return 0
    say(f"stopped and saved; go on with: {resume_command(run, machine)}")
    return 128 + stopped[0]  # what shells report of a stopped command, so that `train && next` does not go on


def wait_for(publisher: BackgroundPublisher) -> None:
    """Wait until the run is published, but not for ever; say what to type where it is not."""
    where = publisher.repository
    say(f"publishing in {where.url}; Ctrl-C leaves that for later")
    published = False
    with suppress(KeyboardInterrupt):
        published = publisher.finish()
    later = shlex.join(["python", "-m", "cyclegan.hub", "publish", str(publisher.folder), where.name])
    say(f"published: {where.url}" if published else f"not published; do it later with: {later}")


def resume_command(run: Run, machine: Machine) -> str:
    """What to type to go on with a run on this machine, as it was told to train here."""
    processes = distributed.place().local_size
    words = ["torchrun", f"--nproc_per_node={processes}"] if distributed.size() > 1 else ["python"]
    words += ["train.py", "--resume", str(run.folder)]
    for option in fields(Machine):
        value = getattr(machine, option.name)
        if value != option.default:
            words += [f"--{option.name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return shlex.join(words)


def revision() -> str | None:
    """The commit of this code, where it is a git checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def say(line: str) -> None:
    if distributed.is_first():
        print(line, file=sys.stderr)


def complain(line: str) -> None:
    place = distributed.place()
    print(f"train.py: {f'process {place.rank}: ' if place.rank else ''}{line}", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
