"""Learning rates by epoch, each a function of the configuration and of the losses so far: nothing to save."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from cyclegan.config import LrPolicy, TrainingConfig

PLATEAU_FACTOR = 0.2
PLATEAU_PATIENCE = 5
"""Epochs without a better loss that the plateau policy bears."""
PLATEAU_THRESHOLD = 0.01
"""Share by which a loss must fall to be better. The three are the reference's."""


def linear(config: TrainingConfig, epoch: int, _: Sequence[float]) -> float:
    """Constant, then linear to one step above zero, so that the last epoch still learns.

    CycleGAN (arXiv:1703.10593) appendix 7.1; the reference's factor, 1 - max(0, epoch - epochs) / (decay_epochs + 1).
    """
    return 1 - max(0, epoch - config.epochs) / (config.decay_epochs + 1)


def step(config: TrainingConfig, epoch: int, _: Sequence[float]) -> float:
    """A tenth every `lr_step_epochs`."""
    return 0.1 ** ((epoch - 1) // config.lr_step_epochs)


def plateau(_: TrainingConfig, epoch: int, losses: Sequence[float]) -> float:
    """A fifth whenever the loss has not been better for more than PLATEAU_PATIENCE epochs."""
    factor, limit, waited = 1.0, math.inf, 0
    for loss in losses[: epoch - 1]:
        if loss < limit:
            limit, waited = loss - PLATEAU_THRESHOLD * abs(loss), 0
        else:
            waited += 1
        if waited > PLATEAU_PATIENCE:
            factor, waited = factor * PLATEAU_FACTOR, 0
    return factor


def cosine(config: TrainingConfig, epoch: int, _: Sequence[float]) -> float:
    """Half a wave from 1 to nearly 0 over the whole training. Loshchilov & Hutter 2017 (arXiv:1608.03983), eq. 5."""
    return (1 + math.cos(math.pi * (epoch - 1) / config.total_epochs)) / 2


SCHEDULES: dict[LrPolicy, Callable[[TrainingConfig, int, Sequence[float]], float]] = {
    "linear": linear,
    "step": step,
    "plateau": plateau,
    "cosine": cosine,
}


def learning_rate_at(config: TrainingConfig, epoch: int, losses: Sequence[float] = ()) -> float:
    """The learning rate of an epoch (1-based), given the generators' loss of each epoch before it."""
    return config.learning_rate * SCHEDULES[config.lr_policy](config, epoch, losses)
