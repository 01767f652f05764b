"""Sudden death at many moments of a training, which goes on each time to its end: `python -m tests.faults.kills`.

Half of the moments are operations on files, one after the other through all saves; half are drawn from a clock of
processor time, which a busy machine does not make faster or slower as it does the one on the wall. Prints one line of
JSON: the kills, and what was found wrong after them.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import tyro

from cyclegan.config import CycleGANConfig, DiscriminatorConfig, GeneratorConfig
from cyclegan.data.batches import Batches
from cyclegan.data.datasets import find_split
from cyclegan.facades.labels import draw_facade
from cyclegan.runs.run import Domains, Run
from cyclegan.training.checkpoint import create, resume
from cyclegan.training.trainer import Trainer
from tests.conftest import make_pairs

CONFIG = CycleGANConfig(
    dataset="facades",
    generator=GeneratorConfig("resnet_6blocks", width=4),
    discriminator=DiscriminatorConfig(width=4),
    load_size=72,
    crop_size=64,
    epochs=2,
    decay_epochs=1,
    snapshot_epochs=(1, 2),
    checkpoint_steps=1,
    precision="fp32",
    pool_size=3,
)


@dataclass(frozen=True)
class Options:
    count: int = 50
    """Kills."""
    seed: int = 0


def trainer_of(folder: Path, images: Path) -> Trainer:
    """The trainer of a run that begins, or of one that goes on where there is its folder."""
    run = Run(folder, "cyclegan", Domains("photo", "labels"), CONFIG, {"ab": "drawn", "ba": "drawn"})
    labels = [draw_facade(1, size=64)]
    trainer = Trainer(
        run, Batches(find_split(images), CONFIG), {"ab": labels, "ba": labels}, device=torch.device("cpu")
    )
    if folder.exists():
        resume(trainer)
    else:
        create(trainer)
    return trainer


def train(folder: Path, images: Path) -> None:
    trainer_of(folder, images).train()


def die_at(operation: int) -> Callable[[], int]:
    """Kill this process before its so manyth operation on a file that is written; how many there were is returned by
    what this returns."""
    done = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def act(*arguments: Any, **named: Any) -> Any:
            nonlocal done
            done += 1
            if done == operation:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)

        return act

    os.fsync = counted(os.fsync)
    Path.replace = counted(Path.replace)  # type: ignore[method-assign]
    Path.mkdir = counted(Path.mkdir)  # type: ignore[method-assign]
    return lambda: done


def in_child(work: Callable[[], object], *, seconds: float = 0) -> tuple[bool, float]:
    """Do it in a process of its own, which dies after some seconds of processor time (0: never); whether it came to
    its end, and the seconds that it took."""
    process = os.fork()
    if process == 0:
        signal.setitimer(signal.ITIMER_PROF, seconds)  # SIGPROF ends a process that does not handle it, as SIGKILL does
        try:
            work()
        except BaseException as error:
            sys.stderr.write(f"{error!r}\n")
            os._exit(1)
        os._exit(0)
    _, status, used = os.wait4(process, 0)
    return status == 0, used.ru_utime + used.ru_stime


def state_of(folder: Path) -> list[Any]:
    """What the training came to: weights, optimisers, pools, position."""
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    return [state[name] for name in ("objective", "optimizers", "pools", "progress", "random")]


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(
            same(one[key], other[key]) for key in one if key not in ("seconds", "sums")
        )
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def found_wrong(folder: Path) -> list[str]:
    """What of a run that was killed cannot be read, or is torn."""
    if not folder.exists():
        return []
    wrong = []
    try:
        run = Run.open(folder)
        for epoch in run.epochs:
            for direction in run.directions:
                run.load_generator(epoch, direction)
        epochs = [record["epoch"] for record in run.history()]
        if epochs != list(range(1, len(epochs) + 1)):
            wrong.append(f"history of epochs {epochs}")
        if epochs and not (folder / "history.jsonl").read_bytes().endswith(b"\n"):
            wrong.append("torn history")
        torch.load(folder / "checkpoint.pt", weights_only=True)
    except Exception as error:
        wrong.append(repr(error))
    return wrong


def main(options: Options) -> int:
    torch.set_num_threads(1)
    moments = random.Random(options.seed)
    killed, wrong = 0, []
    with tempfile.TemporaryDirectory() as place:
        images, whole = Path(place, "images"), Path(place, "whole")
        make_pairs(images / "train", 2, size=72)

        def count() -> None:
            operations = die_at(0)
            train(whole, images)
            Path(place, "operations").write_text(str(operations()))

        if not in_child(count)[0]:
            raise SystemExit("the training fails by itself")
        _, duration = in_child(partial(train, Path(place, "again"), images))  # the first one loaded libraries
        operations = int(Path(place, "operations").read_text())
        expected = state_of(whole)
        for number in range(options.count):
            folder = Path(place, f"run{number}")
            by_operation = number % 2 == 0
            operation = 1 + number // 2 * operations // ((options.count + 1) // 2)

            def work(folder: Path = folder, operation: int = operation if by_operation else 0) -> None:
                die_at(operation)
                train(folder, images)

            what = f"operation {operation}" if by_operation else f"moment {number}"
            ended, _ = in_child(work, seconds=0 if by_operation else moments.uniform(0, duration))
            killed += not ended
            wrong += [f"{what}: {each}" for each in found_wrong(folder)]
            if not in_child(partial(train, folder, images))[0]:
                wrong.append(f"{what}: the training does not go on")
            elif not same(state_of(folder), expected):
                wrong.append(f"{what}: it comes to other weights")
            elif strays := [path.name for path in folder.rglob(".tmp-*")]:
                wrong.append(f"{what}: {strays} is left")
    print(json.dumps({"kills": killed, "wrong": wrong}))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(tyro.cli(Options, prog="python -m tests.faults.kills")))
