"""What a training would take: parameters, time, disk."""

from __future__ import annotations

import shutil
import time
from datetime import timedelta
from statistics import median

import torch

from cyclegan.networks.build import parameter_count
from cyclegan.training.trainer import Trainer

SAMPLE_BYTES = 15_000
"""Of a picture in a sample image."""


def describe(trainer: Trainer) -> str:
    """Return the plan in lines, after some steps for the time. The trainer is not usable afterwards."""
    config, batches, folder = trainer.config, trainer.batches, trainer.run.folder
    parameters = {name: parameter_count(network) for name, network in trainer.updates.networks.items()}
    free = shutil.disk_usage(next(parent for parent in folder.absolute().parents if parent.is_dir())).free
    step = measure_step(trainer)
    epoch, whole = (timedelta(seconds=round(step * batches.steps * epochs)) for epochs in (1, config.total_epochs))
    lines = {
        "parameters": ", ".join(f"{name} {count / 1e6:.2f} M" for name, count in parameters.items()),
        "images": f"{batches.images} an epoch, {batches.steps} steps of {config.batch_size}",
        "epochs": f"{config.epochs} + {config.decay_epochs}: {config.total_epochs * batches.steps} steps",
        "time": f"{step:.3f} s a step (median of 3), {epoch} an epoch, {whole} in all (h:min:s)",
        "disk": f"{disk_bytes(trainer) / 1e6:.0f} MB; {free / 1e6:.0f} MB are free",
        "run": str(folder),
    }
    return "\n".join(f"{name:<12}{text}" for name, text in lines.items())


def disk_bytes(trainer: Trainer) -> int:
    """Return the disk space that the whole run needs: snapshots and discriminators in half precision, samples, and
    twice the checkpoint, whose old one stays until the new one is whole."""
    config = trainer.config
    weights, critics = (parameter_count(network) for network in trainer.updates.networks.values())
    snapshots = sum(config.keeps_snapshot(epoch) for epoch in range(1, config.total_epochs + 1))
    first = trainer.batches.batch(1, 0)
    images = {"a": first.a[0], "b": first.b[0]}
    pools = sum(pool.size * images[domain].nbytes for domain, pool in trainer.objective.pools.items())
    averaged = weights if trainer.ema else 0
    checkpoint = 4 * (3 * (weights + critics) + averaged) + pools  # with Adam's two moments
    samples = config.total_epochs * sum(map(len, trainer.inputs.values())) * SAMPLE_BYTES
    return 2 * (snapshots * weights + critics) + 2 * checkpoint + samples


def measure_step(trainer: Trainer) -> float:
    """Return the median seconds of three training steps on real batches, after one to warm up; each the mean over
    `critic_steps`, of which one updates the generators."""
    turn, seconds = trainer.config.critic_steps, list[float]()
    for first in range(0, 4 * turn, turn):
        started = time.monotonic()
        for index in range(first, first + turn):
            losses = trainer.step(trainer.batches.batch(1, index % trainer.batches.steps), index)
            torch.stack(list(losses.values())).tolist()  # waits for the device
        seconds.append((time.monotonic() - started) / turn)
    return median(seconds[1:])
