"""The exponential moving average (EMA) of a network's weights, which is steadier than the weights themselves."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

RAMP = 0.05
"""Longest half-life, as a share of the images seen so far: the initial weights are soon forgotten."""


class EMA:
    """The exponential moving average of a network's weights over the images it was trained on.

    Karras et al. 2018 (arXiv:1710.10196, appendix A.1) average the generator that makes their pictures; Yazici et al.
    2019 (arXiv:1806.04498) measure what it brings. The half-life in images, and its ramp, are those of EDM's training
    loop (Karras et al. 2022, arXiv:2206.00364). The buffers of a batch norm are copied, not averaged.
    """

    def __init__(self, network: nn.Module, half_life: float) -> None:
        self.half_life = half_life
        self.network = copy.deepcopy(network).requires_grad_(False)

    def update(self, network: nn.Module, *, images: int, seen: int) -> None:
        """Move towards the network's weights, which `images` more images have moved, of `seen` in all."""
        decay = 0.5 ** (images / min(self.half_life, RAMP * seen))
        averaged, current = (list(each.parameters()) for each in (self.network, network))
        get_ema_multi_avg_fn(decay)(averaged, current, 0)
        with torch.no_grad():
            for buffer, value in zip(self.network.buffers(), network.buffers(), strict=True):
                buffer.copy_(value)
