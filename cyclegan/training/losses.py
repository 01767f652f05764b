"""Losses: terms computed from the outputs of the networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cyclegan.config import GanMode, Palette
from cyclegan.networks.layers import palette_colours
from cyclegan.training.data_parallel import draw
from cyclegan.training.edges import smooth_edges

Losses = dict[str, Tensor]
"""Weighted terms of a loss by their names in the log."""
Logits = Tensor | list[Tensor]
"""What a discriminator gives: one map of logits, or one for each of its heads."""
PENALTY_WEIGHT = 10.0
"""Weight of the gradient penalty. Gulrajani et al. 2017 (arXiv:1704.00028), section 4."""

COLOR_REACH = 30 / 127.5
"""Distance from a colour up to which JPEG has shifted it: 30 levels, as in `facades.looks_like_labels`."""


def lsgan(logits: Tensor, is_real: bool) -> Tensor:
    """Mean squared distance of the logits to 1 (real) or 0 (fake). Mao et al. 2017 (arXiv:1611.04076), equation 9."""
    return (logits - float(is_real)).square().mean()


def vanilla(logits: Tensor, is_real: bool) -> Tensor:
    """Mean cross entropy of the logits. Goodfellow et al. 2014 (arXiv:1406.2661), non-saturating."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(is_real)))


def wgangp(logits: Tensor, is_real: bool) -> Tensor:
    """Mean of a critic's scores, negative for real. Gulrajani et al. 2017 (arXiv:1704.00028), equation 3."""
    return -logits.mean() if is_real else logits.mean()


def hinge(logits: Tensor, is_real: bool) -> Tensor:
    """Mean distance of the logits to beyond 1 (real) or -1 (fake). Lim & Ye 2017 (arXiv:1705.02894)."""
    return F.relu(1 - logits if is_real else 1 + logits).mean()


GAN_LOSSES: dict[GanMode, Callable[[Tensor, bool], Tensor]] = {
    "lsgan": lsgan,
    "vanilla": vanilla,
    "wgangp": wgangp,
    "hinge": hinge,
}


def l1_loss(x: Tensor, y: Tensor) -> Tensor:
    """Mean absolute difference, in float32 or wider."""
    return F.l1_loss(_wide(x), _wide(y))


def gan_loss(mode: GanMode, logits: Logits, is_real: bool) -> Tensor:
    """Return the adversarial loss of logits of any shape, or the sum over several heads': a scalar.

    Sauer et al. 2021 (arXiv:2111.01007), section 3.1, for the sum.
    """
    if isinstance(logits, Tensor):
        return GAN_LOSSES[mode](_wide(logits), is_real)
    return torch.stack([gan_loss(mode, each, is_real) for each in logits]).sum()


def generator_gan_loss(mode: GanMode, logits: Logits) -> Tensor:
    """Return the adversarial loss of a generator, whose fakes got these logits: as if they were real images.

    For hinge there is no margin then: minus the mean of the logits, as for a critic (Lim & Ye 2017).
    """
    return gan_loss("wgangp" if mode == "hinge" else mode, logits, True)


def discriminator_losses(
    mode: GanMode,
    discriminator: Callable[[Tensor], Logits],
    real: Tensor,
    fakes: Sequence[Tensor],
    lambda_edges: float = 0.0,
) -> Losses:
    """Return a discriminator's terms on real images and the batches of fakes from the image pool.

    Halved, so that it learns at half the pace of a generator (CycleGAN section 7.1, pix2pix section 3.3), but for
    wgangp, whose critic is meant to be ahead and whose penalty is weighted against the whole.

    Smoothed edges are fakes too (CartoonGAN equation 3). A critic's scores have no zero, so that theirs are compared
    with the real images' scores: else it would win by lowering all scores for ever.
    """
    share = 1.0 if mode == "wgangp" else 0.5
    real_loss = gan_loss(mode, discriminator(real), True)
    fake_loss = torch.stack([gan_loss(mode, discriminator(fake), False) for fake in fakes]).mean()
    terms = {"discriminator": share * (real_loss + fake_loss)}
    if lambda_edges:
        edges_loss = gan_loss(mode, discriminator(smooth_edges(real)), False)
        terms["edges"] = share * lambda_edges * (edges_loss + real_loss if mode == "wgangp" else edges_loss)
    if mode == "wgangp":
        terms["penalty"] = PENALTY_WEIGHT * gradient_penalty(discriminator, real, fakes[0])
    return terms


def class_terms(classes: Palette | None, logits: Tensor | None, target: Tensor, weight: float) -> Losses:
    """Return the weighted loss of a generator of classes; nothing for one of colours."""
    if classes is None or logits is None:
        return {}
    return {"classes": weight * class_loss(logits, target, palette_colours(classes))}


def feature_loss(fake: Sequence[Tensor], target: Sequence[Tensor]) -> Tensor:
    """Return the L1 distance between a discriminator's outputs for a fake and its target, summed over the layers.

    pix2pixHD (Wang et al. 2018, arXiv:1711.11585), equation 4, for one discriminator. No gradient goes to the target.
    """
    return torch.stack([l1_loss(x, y.detach()) for x, y in zip(fake, target, strict=True)]).sum()


def perceptual_loss(fake: Sequence[Tensor], target: Sequence[Tensor]) -> Tensor:
    """Return the L1 distance of feature maps, relative to the size of the target's: the mean over scales and images.

    In the manner of Johnson et al. 2016 (arXiv:1603.08155, section 3.2), who take squared distances in VGG-16.
    """
    one = (1, 2, 3)
    scales = [(x - y).abs().mean(one) / y.abs().mean(one) for x, y in zip(fake, target, strict=True)]
    return torch.stack(scales).mean()


def class_loss(logits: Tensor, truth: Tensor, palette: Tensor) -> Tensor:
    """Mean cross entropy of the logits of the classes of label maps; pixels COLOR_REACH away from
    all colours, the blurred edges of JPEG label maps, are of no class and count as 0.

    Shapes: [N, classes, H, W], [N, 3, H, W] in [-1, 1] and [classes, 3] in [-1, 1] -> a scalar, in float32 or wider.
    """
    with torch.autocast(logits.device.type, enabled=False):
        colours = palette.to(truth)
        products = torch.einsum("nchw,kc->nkhw", truth, colours)
        distances = truth.square().sum(1, keepdim=True) - 2 * products + colours.square().sum(1)[:, None, None]
        nearest, classes = distances.min(1)  # squared, of each pixel to each colour
        return F.cross_entropy(_wide(logits), classes, reduction="none").where(nearest < COLOR_REACH**2, 0.0).mean()


def gradient_penalty(critic: Callable[[Tensor], Any], real: Tensor, fake: Tensor) -> Tensor:
    """Mean squared distance from 1 of the norm of the critic's gradient, at random points between real and fake.

    Gulrajani et al. 2017 (arXiv:1704.00028), equation 3: a point a pair of images [N, C, H, W], drawn evenly; each
    image's score is the mean over its patches. Of images of two sizes, the part that both have. Computed in the
    precision of the images, without autocast, since the norm of a gradient in bf16 is coarse.
    """
    with torch.autocast(real.device.type, enabled=False):
        mixing = draw(len(real), lambda rows: torch.rand(rows, 1, 1, 1, device=real.device, dtype=real.dtype))
        height, width = map(min, real.shape[2:], fake.shape[2:])
        fakes, reals = (image.detach()[..., :height, :width].to(real.dtype) for image in (fake, real))
        between = torch.lerp(fakes, reals, mixing).requires_grad_()
        scores = critic(between).flatten(1).mean(1)
        (gradient,) = torch.autograd.grad(scores.sum(), between, create_graph=True)
        return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()
