"""Smoothed edges: a blur where a picture has edges, and nowhere else."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cyclegan.training.edges import SPREAD, THRESHOLD, smooth_edges

REACH = SPREAD // 2
"""Pixels beside an edge's own two that are smoothed."""


def textured(channels: int = 3, size: int = 32) -> Tensor:
    """Soft differences, all below the threshold, with none of the pixels equal."""
    values = torch.rand(2, channels, size, size, generator=torch.Generator().manual_seed(0))
    return 0.2 * values - 0.1


def stepped(column: int, jump: float = 1.2, size: int = 32) -> Tensor:
    """The same with a sharp edge before this column, dark on its left."""
    images = textured(size=size)
    images[..., column:] += jump / 2
    images[..., :column] -= jump / 2
    return images


@pytest.mark.parametrize("direction", [2, 3])
def test_soft_shades_and_grain_are_unchanged(direction: int) -> None:
    slope = 0.8 * THRESHOLD
    shade = (torch.arange(8) * slope - 0.8).reshape([8 if axis == direction else 1 for axis in range(4)])
    for images in (shade.expand(1, 3, 8, 8), textured()):
        assert torch.equal(smooth_edges(images), images)


@pytest.mark.parametrize("turned", [False, True], ids=["vertical", "horizontal"])
def test_a_sharp_edge_is_smoothed_and_all_else_is_bit_equal(turned: bool) -> None:
    column = 16
    images = stepped(column)
    smoothed = smooth_edges(images.mT).mT if turned else smooth_edges(images)
    left, right = column - 1 - REACH, column + 1 + REACH
    assert torch.equal(smoothed[..., :left], images[..., :left])
    assert torch.equal(smoothed[..., right:], images[..., right:])
    assert (smoothed != images)[..., left:right].all()
    jump = (images[..., column] - images[..., column - 1]).mean()
    softer = (smoothed[..., column] - smoothed[..., column - 1]).mean()
    assert 0.2 * jump < softer < 0.5 * jump
    profile = smoothed[..., left + 1 : right - 1].mean((0, 1, 2))
    assert (profile.diff() > 0.05 * jump).all()


def test_an_edge_smooths_its_own_image_alone() -> None:
    edged, soft = stepped(16)[:1], textured()[1:]
    smoothed = smooth_edges(torch.cat([edged, soft]))
    torch.testing.assert_close(smoothed[:1], smooth_edges(edged))
    assert not torch.equal(smoothed[:1], edged)
    assert torch.equal(smoothed[1:], soft)


def test_no_gradient_flows_and_autocast_changes_nothing() -> None:
    images = stepped(16)
    with torch.autocast("cpu", torch.bfloat16):
        under_autocast = smooth_edges(images.requires_grad_())
    assert not under_autocast.requires_grad
    assert torch.equal(under_autocast, smooth_edges(images))
    doubled = smooth_edges(images.double())
    assert doubled.dtype == torch.float64
    torch.testing.assert_close(doubled.float(), under_autocast)
