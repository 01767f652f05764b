"""What a training would take: time, disk, parameters."""

from __future__ import annotations

import shutil
import time

import torch

from cyclegan.networks.build import parameter_count
from cyclegan.training.trainer import Trainer


def describe(trainer: Trainer) -> str:
    """Return the plan in lines, after a few steps for the time. The trainer is not usable afterwards."""
    config, batches, folder = trainer.config, trainer.batches, trainer.run.folder
    disk = estimate_bytes(trainer)
    step = measure_step(trainer)
    epoch = step * batches.steps
    free = shutil.disk_usage(next(parent for parent in folder.absolute().parents if parent.is_dir())).free
    lines = [
        (name, " + ".join(f"{parameter_count(network) / 1e6:.2f} M" for network in networks.values()) + " parameters")
        for name, networks in (
            ("generators", trainer.objective.generators),
            ("discriminators", trainer.objective.discriminators),
        )
    ]
    parts = ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in disk.items())
    lines += [
        ("images", f"{batches.images} an epoch, {batches.steps} steps of {config.batch_size}"),
        ("epochs", f"{config.epochs} + {config.decay_epochs}: {config.total_epochs * batches.steps} steps"),
        (
            "time",
            f"{step:.3f} s a step (median of 3), {duration(epoch)} an epoch, "
            f"{duration(epoch * config.total_epochs)} in all",
        ),
        ("disk", f"{sum(disk.values()) / 1e6:.0f} MB ({parts}); {free / 1e6:.0f} MB are free"),
        ("run", str(folder)),
    ]
    return "\n".join(f"{name:<15}{text}" for name, text in lines)


def estimate_bytes(trainer: Trainer) -> dict[str, int]:
    """Disk that the whole run needs, in bytes, by kind of file."""
    config = trainer.config
    weights, judges = (parameter_count(network) for network in trainer.updates.networks.values())
    averaged = weights if trainer.ema else 0
    snapshots = sum(config.keeps_snapshot(epoch) for epoch in range(1, config.total_epochs + 1))
    # A checkpoint holds weights and their EMA in float32, and Adam's two moments; the old stays until the new is whole.
    first = trainer.batches.batch(1, 0)
    images = {"a": first.a[0], "b": first.b[0]}
    pools = sum(pool.size * images[domain].nbytes for domain, pool in trainer.objective.pools.items())
    return {
        "snapshots": (snapshots * weights + judges) * 2,
        "checkpoint": 2 * ((weights + judges) * 4 * 3 + averaged * 4 + pools),
        "samples": config.total_epochs * sum(map(len, trainer.inputs.values())) * 15_000,
    }


def measure_step(trainer: Trainer, steps: int = 3) -> float:
    """Median seconds of a training step on real batches, after one to warm up; the mean over `critic_steps`, of
    which one updates the generators. The trainer is not usable afterwards."""
    turn = trainer.config.critic_steps
    seconds: list[float] = []
    for index in range((steps + 1) * turn):
        real = trainer.batches.batch(1, index % trainer.batches.steps)
        started = time.monotonic()
        losses = trainer.step(real, index)
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
