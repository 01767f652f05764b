"""Which run a command line means: its folder, and the dataset and networks that it begins with, found again later."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from cyclegan.config import METHODS, MethodConfig, method_of
from cyclegan.data.hub_datasets import address_of, pinned
from cyclegan.hub.fetching import is_address
from cyclegan.hub.repositories import COMMIT, Address, is_on_hub, list_files
from cyclegan.runs.run import Run
from cyclegan.runs.run_file import flat, options_of
from cyclegan.runtime import distributed


def default_out(config: MethodConfig) -> Path:
    """Return the folder of a run unless one is given: named by the dataset, or the folder of its images; for a run with
    the networks of another, not the same as that one's."""
    dataset = config.dataset
    name = (
        address_of(dataset).name.partition("/")[2] if is_on_hub(dataset) else Path(dataset).expanduser().resolve().name
    )
    return Path("runs") / f"{name}-{method_of(config)}{'-further' if config.init_from else ''}"


def settled_source(source: str | None) -> str | None:
    """Return the run to initialise from so that it can be found again: by its commit on the Hub, or its whole path."""
    if source is None:
        return None
    if not is_address(source):
        return str(Path(source).expanduser().resolve())
    address = Address.parse(source)
    return source if COMMIT.fullmatch(address.revision or "") else f"{address.name}@{list_files(address).commit}"


def settled_dataset(config: MethodConfig, out: Path | None, data_root: Path | None) -> str:
    """Return a dataset of the Hub by its commit, any other as it is.

    If several processes repeat the command that began a run, the run's own commit, not the newest.
    """
    if is_on_hub(config.dataset) and address_of(config.dataset).revision is None:
        begun = begun_config(out or default_out(config))
        if begun and begun.dataset.startswith(f"{config.dataset}@"):
            return begun.dataset
    return pinned(config.dataset, data_root)


def is_begun(out: Path, config: MethodConfig) -> bool:
    """Return whether several processes repeat the command that began the run in this folder."""
    begun = begun_config(out)
    return begun is not None and replace(begun, init_from=None) == replace(config, init_from=None)


def begun_config(out: Path) -> MethodConfig | None:
    """Return the configuration of the run in this folder, if several processes may have begun it before: torchrun
    repeats the command when a process failed, a scheduler when a machine did."""
    if distributed.size() == 1 or not (out / "checkpoint.pt").is_file():
        return None
    return Run.open(out).config


def further_command(run: Run) -> str:
    """Return the command that trains a finished run's networks as long again, in another run."""
    method = [] if run.method == "cyclegan" else [run.method]
    words = ["python", "train.py", *method, "--dataset", run.config.dataset]
    return f"{shlex.join(words)} {options_of(replace(run.config, init_from=str(run.folder.resolve())))}"


def explain_resume(arguments: Sequence[str]) -> str | None:
    """Return why options of a method do not go with --resume, and the command for a new run; None if there are none."""
    words = [argument.partition("=")[0] for argument in arguments]
    options = {
        f"--{'.'.join(key).replace('_', '-')}" for kind in METHODS.values() for key in flat(asdict(kind(dataset="any")))
    }
    wanted = [word for word in words if word in options - {"--dataset"}]
    if not wanted:
        return None
    place = words.index("--resume")
    name = arguments[place].partition("=")[2]
    after = place + 1 if name else place + 2
    name = name or next(iter(arguments[place + 1 :]), "")
    others = [*arguments[:place], *arguments[after:]]
    return (
        f"a run keeps its options, so --resume does not take {' and '.join(wanted)}; to train its networks with other "
        f"options, start a new run: {further_command(Run.open(name))} {shlex.join(others)}"
    )


def revision() -> str | None:
    """Return the commit of this code if it is a git checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
