"""Losses, by hand."""

from __future__ import annotations

from math import exp, log
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from cyclegan.config import DiscriminatorConfig, GanMode, Norm
from cyclegan.facades.labels import PALETTES, Array
from cyclegan.networks.build import build_discriminator
from cyclegan.training.losses import class_loss, gan_loss, gradient_penalty

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
        ("wgangp", True, -2.5 / 4),
        ("wgangp", False, 2.5 / 4),
        ("hinge", True, (2.0 + 1.0 + 0.5 + 0.0) / 4),
        ("hinge", False, (0.0 + 1.0 + 1.5 + 4.0) / 4),
    ],
)
def test_gan_loss_is_the_papers(mode: GanMode, is_real: bool, expected: float) -> None:
    logits = torch.tensor(LOGITS, dtype=torch.float64).reshape(1, 1, 2, 2)
    assert gan_loss(mode, logits, is_real).item() == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("mode", get_args(GanMode))
@pytest.mark.parametrize(
    ("given", "computed"), [(torch.bfloat16, torch.float32), (torch.float32, torch.float32), (torch.float64,) * 2]
)
def test_gan_loss_is_computed_in_float32_or_better(mode: GanMode, given: torch.dtype, computed: torch.dtype) -> None:
    loss = gan_loss(mode, torch.ones(2, 1, 3, 3, dtype=given), True)
    assert (loss.shape, loss.dtype) == ((), computed)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def slanted(slope: Tensor, patches: int = 1) -> nn.Module:
    """A critic of this slope everywhere, whose score is spread over some patches."""

    class Slanted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            direction = noise(*x.shape[1:]).to(x.dtype)
            score = slope * (x * direction / direction.norm()).sum((1, 2, 3))
            return score[:, None] * torch.linspace(0, 2, patches + 2, dtype=x.dtype)[1:-1]

    return Slanted()


@pytest.mark.parametrize(("slope", "penalty"), [(1.0, 0.0), (-1.0, 0.0), (2.0, 1.0), (0.5, 0.25), (0.0, 1.0)])
@pytest.mark.parametrize("patches", [1, 9])
def test_the_penalty_of_a_linear_critic_is_its_slopes_distance_from_1(
    slope: float, penalty: float, patches: int
) -> None:
    """WGAN-GP equation 3; and its gradient, which the reference never computes, pulls the slope to 1."""
    value = torch.tensor(slope, dtype=torch.float64, requires_grad=True)
    real, fake = (noise(3, 2, 4, 5, seed=seed).double() for seed in (1, 2))
    computed = gradient_penalty(slanted(value, patches), real, fake)
    assert computed.item() == pytest.approx(penalty, abs=1e-12)
    (gradient,) = torch.autograd.grad(computed, value)
    distance = 2 * (abs(slope) - 1) * ((slope > 0) - (slope < 0))
    assert gradient.item() == pytest.approx(distance, abs=1e-6)


def test_the_penalty_is_taken_at_points_drawn_evenly_for_each_pair() -> None:
    """Where the critic's slope is twice the distance from real to fake, from 0 to 2, (slope - 1) ** 2 averages 1/3."""
    real, fake = torch.zeros(4000, 1, 2, 2), torch.ones(4000, 1, 2, 2)
    torch.manual_seed(0)
    penalty = gradient_penalty(lambda x: x.square().sum((1, 2, 3))[:, None] / 2, real, fake)
    assert penalty.item() == pytest.approx(1 / 3, abs=0.01)


@pytest.mark.parametrize("norm", ["instance", "none"])
def test_the_penaltys_gradient_is_the_derivative(norm: Norm) -> None:
    """Through the second derivative of every layer of a critic; autocast changes nothing."""
    torch.manual_seed(0)
    critic = build_discriminator(DiscriminatorConfig(width=2, norm=norm), in_channels=1).double()
    real, fake = (noise(2, 1, 32, 32, seed=seed).double() for seed in (1, 2))

    def penalty() -> Tensor:
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16):
            return gradient_penalty(critic, real, fake)

    weights = [parameter for parameter in critic.parameters() if parameter.ndim == 4]
    for weight, gradient in zip(weights, torch.autograd.grad(penalty(), weights), strict=True):
        direction, step, values = noise(*weight.shape).double(), 1e-6, []
        for move in (step, -2 * step, step):
            weight.data.add_(direction, alpha=move)
            values.append(penalty().item())
        slope = (gradient * direction).sum().item()
        assert (values[0] - values[1]) / (2 * step) == pytest.approx(slope, rel=1e-4, abs=1e-9)


def test_images_of_two_sizes_are_compared_where_both_have_pixels() -> None:
    """Unpaired images that are not cropped, and older ones from the pool, are of any size."""
    critic = build_discriminator(DiscriminatorConfig(width=2), in_channels=3)
    real, fake = noise(1, 3, 32, 48), noise(1, 3, 40, 32, seed=1)
    torch.manual_seed(0)
    penalty = gradient_penalty(critic, real, fake)
    torch.manual_seed(0)
    assert penalty.item() == gradient_penalty(critic, real[..., :32], fake[..., :32, :]).item()


@pytest.mark.parametrize("palette", PALETTES.values(), ids=list(PALETTES))
def test_the_class_loss_is_the_cross_entropy_of_the_true_class_wherever_there_is_one(palette: Array) -> None:
    colours = torch.from_numpy(palette / 127.5 - 1)
    logits = torch.randn(1, 12, 1, 12, generator=torch.Generator().manual_seed(0)).double()
    truth = colours.T[None, :, None]  # each class once
    chances = [logits[0, :, 0, pixel].exp() for pixel in range(12)]
    terms = [-log((chance[pixel] / chance.sum()).item()) for pixel, chance in enumerate(chances)]
    assert class_loss(logits, truth, colours).item() == pytest.approx(sum(terms) / 12, rel=1e-9)
    blurred = truth.clone()
    blurred[..., 3] = 1.0  # white is no class
    left = [term for pixel, term in enumerate(terms) if pixel != 3]
    assert class_loss(logits, blurred, colours).item() == pytest.approx(sum(left) / 12, rel=1e-9)
    with torch.autocast("cpu", torch.bfloat16):
        assert class_loss(logits.bfloat16(), truth, colours).dtype == torch.float32
