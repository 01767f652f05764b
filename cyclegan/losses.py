"""Adversarial losses: how a discriminator's logits become one number."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from cyclegan.config import GanMode


def lsgan(logits: Tensor, is_real: bool) -> Tensor:
    """Mean squared distance of the logits to 1 (real) or 0 (fake). Mao et al. 2017 (arXiv:1611.04076), equation 9."""
    return (logits - float(is_real)).square().mean()


def vanilla(logits: Tensor, is_real: bool) -> Tensor:
    """Mean cross entropy of the logits. Goodfellow et al. 2014 (arXiv:1406.2661), non-saturating."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(is_real)))


GAN_LOSSES: dict[GanMode, Callable[[Tensor, bool], Tensor]] = {"lsgan": lsgan, "vanilla": vanilla}


def gan_loss(mode: GanMode, logits: Tensor, is_real: bool) -> Tensor:
    """The loss, a scalar in float32 or better, that asks for logits [N, 1, H, W] which say real or fake."""
    return GAN_LOSSES[mode](logits if logits.dtype == torch.float64 else logits.float(), is_real)
