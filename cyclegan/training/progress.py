"""The log of an epoch: its position, the means of its losses, and its line of the history."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from cyclegan.runtime import distributed


class NotFiniteError(ArithmeticError):
    """A loss is not finite: the message names it, and the step."""


@dataclass
class Progress:
    """Position of a training, and what the current epoch has come to so far."""

    epoch: int = 1
    """The current epoch, from 1."""
    step: int = 0
    """Its steps that are done."""
    sums: dict[str, float] = field(default_factory=dict)
    """Sum of each loss over those steps."""
    counts: dict[str, int] = field(default_factory=dict)
    """Steps that had each loss: generators may be updated less often than discriminators."""
    skipped_steps: int = 0
    """Optimizer steps that were skipped for gradients that are not finite, or explode."""
    seconds: float = 0.0
    """Training time spent on it."""

    @property
    def losses(self) -> dict[str, float]:
        """Mean of each loss over the epoch so far."""
        return {name: total / self.counts[name] for name, total in self.sums.items()}

    def add(self, steps: list[dict[str, Tensor]], skipped: Tensor) -> None:
        """Add the losses of some steps, over all processes, with one wait for the device. Raises NotFiniteError."""
        if not steps:
            return
        unread = torch.stack([loss for losses in steps for loss in losses.values()])
        values = iter(distributed.add_up(unread).tolist())
        self.skipped_steps += int(skipped)
        skipped.zero_()
        for losses in steps:
            for name in losses:
                value = next(values)
                if not math.isfinite(value):
                    raise NotFiniteError(f"loss {name} is {value} in epoch {self.epoch}, step {self.step + 1}")
                self.sums[name] = self.sums.get(name, 0.0) + value
                self.counts[name] = self.counts.get(name, 0) + 1
            self.step += 1

    def record(self, *, learning_rate: float, images: int) -> dict[str, Any]:
        """Return the line of the history for this epoch, which has so many images."""
        record = {
            "epoch": self.epoch,
            "learning_rate": learning_rate,
            "seconds": round(self.seconds, 3),
            "images_per_second": round(images / max(self.seconds, 1e-9), 3),
            "losses": {name: round(value, 6) for name, value in self.losses.items()},
        }
        return record | ({"skipped_steps": self.skipped_steps} if self.skipped_steps else {})


def generator_loss(losses: Mapping[str, float]) -> float:
    """Return the sum of the generators' losses of an epoch."""
    return sum(value for name, value in losses.items() if not name.startswith(("discriminator", "penalty", "edges")))
