"""What a training would take: time, disk, parameters."""

from __future__ import annotations

import shutil
import time

import torch

from cyclegan.networks.build import parameter_count
from cyclegan.runs.run import Run
from cyclegan.training.trainer import Trainer


def describe(trainer: Trainer, earlier: Run | None = None) -> str:
    """The plan in lines, after a few steps for the time; of a training that goes on with the epochs of an earlier run,
    whose files it copies. The trainer is not usable afterwards."""
    config, batches, folder = trainer.config, trainer.batches, trainer.run.folder
    disk = estimate_bytes(trainer, earlier)
    step = measure_step(trainer)
    epoch = step * batches.steps
    free = shutil.disk_usage(next(parent for parent in folder.absolute().parents if parent.is_dir())).free
    lines = [
        (name, " + ".join(f"{parameter_count(network) / 1e6:.2f} M" for network in player.values()) + " parameters")
        for name, player in trainer.players.items()
    ]
    parts = ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in disk.items())
    goes_on = f", from {config.first_epoch} on" if config.first_epoch > 1 else ""
    lines += [
        ("images", f"{batches.images} an epoch, {batches.steps} steps of {config.batch_size}"),
        ("epochs", f"{config.epochs} + {config.decay_epochs}{goes_on}: {config.own_epochs * batches.steps} steps"),
        (
            "time",
            f"{step:.3f} s a step (median of 3), {duration(epoch)} an epoch, "
            f"{duration(epoch * config.own_epochs)} in all",
        ),
        ("disk", f"{sum(disk.values()) / 1e6:.0f} MB ({parts}); {free / 1e6:.0f} MB are free"),
        ("run", str(folder)),
    ]
    return "\n".join(f"{name:<15}{text}" for name, text in lines)


def estimate_bytes(trainer: Trainer, earlier: Run | None = None) -> dict[str, int]:
    """Disk that the whole run needs, in bytes, by kind of file."""
    config = trainer.config
    weights, judges = (sum(value.numel() for value in player.parameters()) for player in trainer.players.values())
    everything = sum(value.numel() for value in trainer.objective.parameters())
    averaged = weights if trainer.averages else 0
    snapshots = sum(config.keeps_snapshot(epoch) for epoch in range(config.first_epoch, config.total_epochs + 1))
    snapshots += len(earlier.epochs) if earlier else 0
    # A checkpoint holds values and averages in float32, and Adam's two moments; the old stays until the new is whole.
    first = trainer.batches.batch(1, 0)
    images = {"a": first.a[0], "b": first.b[0]}
    pools = sum(pool.size * images[domain].nbytes for domain, pool in trainer.objective.pools.items())
    shown = sum(config.shows_samples(epoch) for epoch in range(config.first_epoch, config.total_epochs + 1))
    shown += len(earlier.sample_epochs) if earlier else 0
    return {
        "snapshots": (snapshots * weights + judges) * 2,
        "checkpoint": 2 * (everything * 4 * 3 + averaged * 4 + pools),
        "samples": shown * sum(map(len, trainer.inputs.values())) * 15_000,
    }


def measure_step(trainer: Trainer, steps: int = 3) -> float:
    """Median seconds of a training step on real batches, after one to warm up: where generators do not move in every
    step, of turns in which they move once. The trainer is not usable afterwards."""
    turn = trainer.config.critic_steps
    seconds: list[float] = []
    begun = (trainer.config.first_epoch - 1) * trainer.batches.steps
    for index in range((steps + 1) * turn):
        real = trainer.batches.batch(1, index % trainer.batches.steps)
        started = time.monotonic()
        losses = trainer.step(real, begun + index)
        torch.stack(list(losses.values())).tolist()  # waits for the device
        seconds.append(time.monotonic() - started)
    turns = [sum(seconds[first : first + turn]) / turn for first in range(turn, len(seconds), turn)]
    return sorted(turns)[steps // 2]


def duration(seconds: float) -> str:
    """Seconds as people say it: 42 s, 3 min 20 s, 5 h 10 min."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours} h {minutes_left} min" if hours else f"{minutes} min {rest} s"
