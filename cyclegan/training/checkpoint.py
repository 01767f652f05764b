"""The checkpoint of a run: all that resuming needs, in one file; and the lock and the creation of the run's folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from filelock import FileLock, Timeout

from cyclegan.data.batches import Batches
from cyclegan.data.noise import NoiseBatches
from cyclegan.runs.run import Run, RunError
from cyclegan.runs.run_file import check_known
from cyclegan.runtime import distributed
from cyclegan.runtime.files import new_folder, sweep_strays, write_atomically
from cyclegan.training.ema import EMA
from cyclegan.training.launch import further_command
from cyclegan.training.objectives import Objective
from cyclegan.training.progress import Progress
from cyclegan.training.updates import Updates

log = logging.getLogger(__name__)


class Training(Protocol):
    """What a checkpoint holds the state of: `trainer.Trainer`."""

    run: Run
    batches: Batches | NoiseBatches
    device: torch.device
    objective: Objective
    ema: dict[str, EMA]
    updates: Updates
    progress: Progress


class ChangedDataError(ValueError):
    """The images are not those that the checkpoint was trained on."""


def state_of(trainer: Training) -> dict[str, Any]:
    """Return all that resuming needs: networks, optimizers, image pools, random states, position."""
    cuda = trainer.device.type == "cuda"
    return {
        "objective": trainer.objective.state_dict(),
        "ema": {name: ema.network.state_dict() for name, ema in trainer.ema.items()},
        "optimizers": {name: each.state_dict() for name, each in trainer.updates.optimizers.items()},
        "pools": {name: pool.state_dict() for name, pool in trainer.objective.pools.items()},
        "progress": vars(trainer.progress),
        "data": trainer.batches.fingerprint,
        "precision": str(trainer.updates.dtype),
        "threads": torch.get_num_threads(),
        "random": torch.get_rng_state(),
        "cuda_random": torch.cuda.get_rng_state(trainer.device) if cuda else None,
    }


def load_state(trainer: Training, state: dict[str, Any]) -> None:
    """Put a trainer where `state_of` was taken. Raises ChangedDataError if its images are others."""
    if state["data"] != trainer.batches.fingerprint:
        raise ChangedDataError
    trainer.objective.load_state_dict(state["objective"], strict=True)
    for direction, ema in trainer.ema.items():
        ema.network.load_state_dict(state["ema"][direction], strict=True)
    for name, optimizer in trainer.updates.optimizers.items():
        optimizer.load_state_dict(state["optimizers"][name])
    for domain, pool in trainer.objective.pools.items():
        pool.load_state_dict(state["pools"][domain])
        pool.images = [image.to(trainer.device) for image in pool.images]
    trainer.progress = Progress(**state["progress"])
    if state["precision"] != str(trainer.updates.dtype):  # "auto" measures again, and may decide otherwise
        trainer.updates.dtype = {str(dtype): dtype for dtype in (torch.float32, torch.bfloat16)}[state["precision"]]
        log.info("resuming in %s, as the run began", state["precision"])
    if trainer.device.type == "cpu" and state["threads"] != torch.get_num_threads():
        threads = state["threads"]
        log.info("the run was trained on %d threads: to resume bit for bit, use --threads %d", threads, threads)
    torch.set_rng_state(state["random"])
    if trainer.device.type == "cuda" and state["cuda_random"] is not None:
        torch.cuda.set_rng_state(state["cuda_random"], trainer.device)


def save(trainer: Training, folder: Path | None = None) -> None:
    """Write the checkpoint, whole or not at all, into the run's folder unless another one is given."""
    state = state_of(trainer)
    write_atomically((folder or trainer.run.folder) / "checkpoint.pt", lambda file: torch.save(state, file))


def save_together(trainer: Training) -> None:
    """Save the checkpoint of all processes: none continues, or leaves, before it is written."""
    if distributed.is_first():
        save(trainer)
    distributed.wait_for_all()


def check_free(folder: Path) -> None:
    """Raise RunError if a new run cannot use this folder: it is not empty, or cannot be written."""
    if not distributed.is_first():
        return
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file; choose another folder with --out")
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise RunError(f"{folder} cannot be created in {existing}; choose another folder with --out")
    if folder.exists() and any(folder.iterdir()):
        hint = f"resume it with --resume {folder}" if (folder / "run.json").exists() else "it is not empty"
        raise RunError(f"{folder} exists already: {hint}, or choose another folder with --out")


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Lock the run in this folder for this training. Raises RunError if another process trains it."""
    if not distributed.is_first():
        yield
        return
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RunError(f"{folder} is being trained by another process; wait for it, or stop it") from None
    try:
        yield
    finally:
        lock.release()


def create(trainer: Training) -> None:
    """Create the run's folder, complete with a checkpoint, in one move. Raises RunError if it exists."""
    if not distributed.is_first():
        return
    folder = trainer.run.folder
    check_free(folder)
    with new_folder(folder) as temporary:
        replace(trainer.run, folder=temporary).write()
        save(trainer, temporary)


def find_checkpoint(run: Run) -> Path:
    """Return the path of a run's checkpoint. Raises RunError if it has none, ConfigError if this version does not know
    all of the run's options."""
    path = run.folder / "checkpoint.pt"
    if not path.is_file():
        raise RunError(
            f"{path} is missing: published and converted runs have none; initialise a new run from "
            f"its networks: --init-from {run.folder}"
        )
    check_known(run.unknown, str(run.folder / "run.json"))
    return path


def resume(trainer: Training) -> None:
    """Load the newest checkpoint of the trainer's run. Raises RunError if it is missing or damaged."""
    path = find_checkpoint(trainer.run)
    if distributed.is_first():
        sweep_strays(trainer.run.folder)
    try:
        state = cast(dict[str, Any], torch.load(path, map_location="cpu", weights_only=True))
        load_state(trainer, state)
    except ChangedDataError:
        raise RunError(
            f"the training images are not those that {trainer.run.folder} began with: names or their number differ; "
            f"put them back, or start a new run from its networks: {further_command(trainer.run)}"
        ) from None
    except Exception as error:  # torch.load raises whatever a damaged file makes it meet
        raise RunError(f"{path} cannot be loaded ({type(error).__name__}: {str(error).splitlines()[0]})") from error
