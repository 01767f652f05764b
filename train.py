"""Train CycleGAN, pix2pix or a plain GAN from the command line: `python train.py --dataset facades`."""

from __future__ import annotations

import logging
import shlex
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated

import torch
import tyro
from tqdm import tqdm

from cyclegan.config import (
    METHODS,
    ConfigError,
    Direction,
    GANConfig,
    MethodConfig,
    Pix2PixConfig,
    TranslationConfig,
    method_of,
)
from cyclegan.data.batches import Batches
from cyclegan.data.choice import (
    check_classes,
    choose_inputs,
    describe_direction,
    find_dataset,
    held_out,
    known_datasets,
    name_domains,
)
from cyclegan.data.datasets import DatasetError, Split, find_split
from cyclegan.data.downloads import DownloadError
from cyclegan.data.hub_datasets import pinned
from cyclegan.data.noise import NoiseBatches, read_pictures
from cyclegan.hub.errors import HubError
from cyclegan.hub.fetching import open_run
from cyclegan.hub.publishing import BackgroundPublisher
from cyclegan.hub.repositories import is_on_hub
from cyclegan.hub.uploads import Repository, check_login, open_repository
from cyclegan.images.io import ImageError
from cyclegan.networks.storage import WeightsError
from cyclegan.runs.run import Run, RunError, SampleInputs
from cyclegan.runs.samples import Inputs, draw_noise
from cyclegan.runtime import distributed
from cyclegan.runtime.devices import pick_device
from cyclegan.runtime.memory import keep_freed_memory
from cyclegan.runtime.signals import stop_signals
from cyclegan.training.checkpoint import check_free, create, exclusive, find_checkpoint, resume
from cyclegan.training.data_parallel import check_processes
from cyclegan.training.launch import (
    default_out,
    explain_resume,
    further_command,
    is_begun,
    revision,
    settled_dataset,
    settled_source,
)
from cyclegan.training.plan import describe
from cyclegan.training.progress import Progress
from cyclegan.training.reference_options import explain
from cyclegan.training.trainer import Trainer, TrainingError

NO_PREFIX = tyro.conf.arg(name="")
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
class Resume:
    """Go on exactly where a run stopped; everything but the machine is taken from the run."""

    resume: Path
    """Folder of the run."""
    machine: Annotated[Machine, NO_PREFIX]
    dataset: str | None = None
    """Folder of the training images, where they have moved since."""


OTHER_COMMANDS = """Other commands:

python train.py pix2pix --dataset facades: pix2pix (labels -> photo) instead; pix2pix --help lists its options.

python train.py gan --dataset fashion-mnist: a plain GAN, pictures from noise; gan --help lists its options.

python train.py --resume RUN: go on exactly where a run stopped; --resume RUN --help lists what it takes.

python train.py --dataset facades --dry-run: what it would take: time, disk, parameters.

torchrun --nproc_per_node 8 train.py --dataset facades --batch-size 8: on 8 GPUs, the same training."""


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
    except (distributed.LostError, OSError) as error:
        where = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
        complain(f"{getattr(error, 'strerror', None) or error}{where}; what was saved before is whole")
    except KeyboardInterrupt:
        complain("interrupted; what was saved before is whole")
        return 128 + signal.SIGINT
    return 1


def run(arguments: Sequence[str]) -> int:
    """Do what the command line says."""
    if hint := explain(arguments):
        raise ConfigError(f"{hint}; docs/recipes.md has more of them")
    if any(argument.split("=")[0] == "--resume" for argument in arguments):
        if refusal := explain_resume(arguments):
            raise ConfigError(refusal)
        return run_resume(tyro.cli(Resume, args=arguments, prog="train.py"))
    return run_new(*parse(arguments))


def parse(arguments: Sequence[str]) -> tuple[MethodConfig, Launch]:
    """Return what the command line says about a new run: its configuration, and the machine's settings."""
    named = [name for name in METHODS if list(arguments[:1]) == [name]]
    kind = METHODS[named[0] if named else "cyclegan"]
    return tyro.cli(
        tuple[Annotated[kind, NO_PREFIX], Annotated[Launch, NO_PREFIX]],  # type: ignore[valid-type]
        args=arguments[1:] if named else arguments,
        prog=" ".join(["train.py", *named]),
        description=kind.__doc__ if named else f"{kind.__doc__} {OTHER_COMMANDS}",
    )


def run_new(config: MethodConfig, launch: Launch) -> int:
    """Start a run, or print its plan."""
    check_machine(launch)
    dataset = distributed.from_first(lambda: settled_dataset(config, launch.out, launch.data_root))
    config = replace(config, dataset=dataset)
    folder = find_dataset(config, launch.data_root, download=not launch.dry_run)
    if config.dataset not in known_datasets(config) and not is_on_hub(config.dataset):
        config = replace(config, dataset=str(folder))  # --resume may be typed in another folder
    split = None if isinstance(config, GANConfig) else find_split(folder, mode=config.dataset_mode)
    if split is not None and isinstance(config, TranslationConfig):
        check_classes(split, config)
    out = launch.out or default_out(config)
    if distributed.from_first(lambda: is_begun(out, config)):
        return run_resume(Resume(out, launch))
    if not launch.dry_run:
        check_free(out)
    config = replace(config, init_from=distributed.from_first(lambda: settled_source(config.init_from)))
    domains = name_domains(split, config, launch.domain_names)
    trainer = prepare(Run(out, method_of(config), domains, config, {}, revision()), folder, launch, split)
    if config.init_from:
        with distributed.first_on_machine():
            taken = trainer.initialize_from(open_run(config.init_from, samples=False))
        say(f"initialised from {config.init_from}: {taken}")
    if launch.dry_run:
        plan = describe(trainer)
        if distributed.is_first():
            print(plan)
        return 0
    repository = find_repository(launch)
    create(trainer)
    with exclusive(out):
        return train(trainer, launch, repository)


def run_resume(command: Resume) -> int:
    """Go on with a run."""
    check_machine(command.machine)
    run = Run.open(command.resume)
    find_checkpoint(run)
    chosen, data_root = command.dataset or run.config.dataset, command.machine.data_root
    config = replace(run.config, dataset=distributed.from_first(lambda: pinned(chosen, data_root)))
    with exclusive(run.folder):
        trainer = prepare(run, find_dataset(config, data_root), command.machine)
        resume(trainer)
        repository = find_repository(command.machine)
        if not trainer.finished:
            return train(trainer, command.machine, repository)
    if not distributed.is_first():
        return 0
    print(
        f"{run.folder} is finished: all {run.config.total_epochs} epochs are trained; to train its networks further, "
        f"in another run: {further_command(run)}"
    )
    if repository:
        publisher = BackgroundPublisher(run.folder, repository)
        publisher.notify()
        wait_for(publisher)
    return 0


def check_machine(machine: Machine) -> None:
    """Set the number of threads. Raises ConfigError or HubError if a setting is wrong, or a login is missing."""
    if machine.threads < 0:
        raise ConfigError(f"threads is {machine.threads}; it must be 0 (all cores) or more")
    if machine.threads:
        torch.set_num_threads(machine.threads)
    if machine.publish:
        check_login(machine.publish)
    elif machine.private:
        raise ConfigError("private is for a repository that is made; name it with --publish owner/name")


def find_repository(machine: Machine) -> Repository | None:
    """Return where the first process publishes, created if it is missing. Raises HubError if that fails."""
    if machine.publish and distributed.is_first():
        return open_repository(machine.publish, private=machine.private)
    return None


def prepare(run: Run, folder: Path, machine: Machine, split: Split | None = None) -> Trainer:
    """Read the images, of the split where it is known already, and build the networks of a run."""
    check_processes(run.config, compiled=machine.compile)
    device = pick_device(machine.device)
    if isinstance(run.config, GANConfig):
        batches: Batches | NoiseBatches = NoiseBatches(read_pictures(folder, run.config), run.config)
        inputs: Inputs = {"ab": [draw_noise(run.config)]}
        kinds: dict[Direction, SampleInputs] = {"ab": "noise"}
        say(f"{folder}: {batches.images} images")
    else:
        split = split or find_split(folder, mode=run.config.dataset_mode)
        say(f"{folder}: {split}")
        if isinstance(run.config, Pix2PixConfig):
            say(describe_direction(run.config.direction, run.domains, split))
        batches = Batches(split, run.config)
        shown = [way for way in run.directions if way in (run.samples or run.directions)]
        inputs, kinds = choose_inputs(held_out(folder, split, run.config), shown, run.config.image_size)
    trainer = Trainer(replace(run, samples=kinds), batches, inputs, device=device, compiled=machine.compile)
    say(f"training on {device} in {str(trainer.updates.dtype).removeprefix('torch.')}")
    return trainer


def train(trainer: Trainer, machine: Machine, repository: Repository | None = None) -> int:
    """Train with a progress bar until the end, a signal or an error, and publish in the repository on the way."""
    run, epochs, steps = trainer.run, trainer.config.total_epochs, trainer.batches.steps

    def images(progress: Progress) -> int:
        return ((progress.epoch - 1) * steps + progress.step) * trainer.config.batch_size

    def show(progress: Progress) -> None:
        bar.set_description(f"epoch {progress.epoch}/{epochs}", refresh=False)
        bar.set_postfix({name: f"{loss:.3f}" for name, loss in progress.losses.items()}, refresh=False)
        bar.update(images(progress) - bar.n)

    total, done, hidden = images(Progress(epochs + 1)), images(trainer.progress), not distributed.is_first()
    bar = tqdm(total=total, initial=done, unit="img", dynamic_ncols=True, smoothing=0.02, disable=hidden)
    publisher = BackgroundPublisher(run.folder, repository) if repository else None
    if publisher and run.epochs:  # what an earlier training could not publish
        publisher.notify()
    with bar, stop_signals() as stopped:
        finished = trainer.train(
            on_progress=show,
            on_snapshot=publisher.notify if publisher else lambda: None,
            should_stop=lambda: bool(stopped),
        )
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
    with suppress(KeyboardInterrupt):
        if publisher.finish():
            say(f"published: {where.url}")
            return
    later = shlex.join(["python", "-m", "cyclegan.hub", "publish", str(publisher.folder), where.name])
    say(f"not published; do it later with: {later}")


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


def say(line: str) -> None:
    if distributed.is_first():
        print(line, file=sys.stderr)


def complain(line: str) -> None:
    rank = distributed.place().rank
    print(f"train.py: {f'process {rank}: ' if rank else ''}{line}", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
