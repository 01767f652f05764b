"""Adversarial losses, by hand."""

from __future__ import annotations

from math import exp, log

import pytest
import torch

from cyclegan.config import GanMode
from cyclegan.losses import gan_loss

LOGITS = [-1.0, 0.0, 0.5, 3.0]


def softplus(x: float) -> float:
    return log(1 + exp(x))


@pytest.mark.parametrize(
    ("mode", "is_real", "expected"),
    [
        ("lsgan", True, (4.0 + 1.0 + 0.25 + 4.0) / 4),
        ("lsgan", False, (1.0 + 0.0 + 0.25 + 9.0) / 4),
        ("vanilla", True, sum(softplus(-x) for x in LOGITS) / 4),
        ("vanilla", False, sum(softplus(x) for x in LOGITS) / 4),
    ],
)
def test_gan_loss_is_the_papers(mode: GanMode, is_real: bool, expected: float) -> None:
    logits = torch.tensor(LOGITS, dtype=torch.float64).reshape(1, 1, 2, 2)
    assert gan_loss(mode, logits, is_real).item() == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("mode", ["lsgan", "vanilla"])
@pytest.mark.parametrize(
    ("given", "computed"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_gan_loss_is_computed_in_float32_or_better(mode: GanMode, given: torch.dtype, computed: torch.dtype) -> None:
    loss = gan_loss(mode, torch.ones(2, 1, 3, 3, dtype=given), True)
    assert (loss.shape, loss.dtype) == ((), computed)


@pytest.mark.parametrize("mode", ["lsgan", "vanilla"])
@pytest.mark.parametrize("is_real", [True, False])
def test_the_gradient_pulls_logits_towards_the_answer(mode: GanMode, is_real: bool) -> None:
    logits = torch.full((1, 1, 2, 2), 0.5, requires_grad=True)
    (gradient,) = torch.autograd.grad(gan_loss(mode, logits, is_real), logits)
    assert (gradient < 0).all() if is_real else (gradient > 0).all()


def test_extreme_logits_give_finite_losses() -> None:
    assert gan_loss("vanilla", torch.full((1, 1, 1, 1), 1e4), False).item() == pytest.approx(1e4)
