"""Losses: how what the networks give becomes one number."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from cyclegan.config import GanMode
from cyclegan.training.sharing import draw

COLOR_SPREAD = 32 / 127.5
"""Standard deviation of the colours of label maps: 32 levels of 255, where the closest two classes are 58 apart. A
narrower one moves only what lies between two colours, a wider one mixes them up."""
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


GAN_LOSSES: dict[GanMode, Callable[[Tensor, bool], Tensor]] = {"lsgan": lsgan, "vanilla": vanilla, "wgangp": wgangp}


def l1_loss(x: Tensor, y: Tensor) -> Tensor:
    """Mean absolute difference, in float32 or wider."""
    return F.l1_loss(_wide(x), _wide(y))


def gan_loss(mode: GanMode, logits: Tensor, is_real: bool) -> Tensor:
    """The loss of logits of any shape against the verdict they should give: a scalar, in float32 or wider."""
    return GAN_LOSSES[mode](_wide(logits), is_real)


def feature_loss(made: Sequence[Tensor], true: Sequence[Tensor]) -> Tensor:
    """Sum over the layers of a discriminator of the L1 distance of their outputs for a made image and the true one.

    pix2pixHD (Wang et al. 2018, arXiv:1711.11585), equation 4, for one discriminator. No gradient goes to the true.
    """
    return torch.stack([l1_loss(x, y.detach()) for x, y in zip(made, true, strict=True)]).sum()


def palette_loss(images: Tensor, truth: Tensor, palette: Tensor) -> Tensor:
    """Expected share of the pixels of label maps, in [0, 1], of another class than those of the true maps.

    Were colours the classes' own with Gaussian noise, the probability of a class would be a softmax of
    -distance^2 / (2 spread^2), with the spread COLOR_SPREAD: the loss is the mean of one minus that of the true class,
    half the mean absolute error of Ghosh et al. 2017 (arXiv:1712.09482), which bears wrong labels. It is least where a
    colour is surely of the likeliest class. Cross entropy, least where a colour says how likely each class is, leads to
    colours between the likely ones, which are a third's. Two classes' own colours are not quite sure (0.16, 0.19), and
    colours beyond the palette's ends are more so: an L1 loss beside it holds them. True pixels COLOR_REACH away from
    all colours, the blurred edges of JPEG label maps, are of no class, and not counted as wrong.

    Shapes: [N, 3, H, W] twice and [classes, 3], all in [-1, 1] -> a scalar.
    """
    with torch.autocast(images.device.type, enabled=False):
        palette = palette.to(truth)
        nearest, classes = _squared_distances(truth, palette).min(1, keepdim=True)
        logits = _squared_distances(_wide(images), palette) / (-2 * COLOR_SPREAD**2)
        wrong = 1 - logits.softmax(1).gather(1, classes)
        return wrong.where(nearest < COLOR_REACH**2, 0.0).mean()


def class_loss(logits: Tensor, truth: Tensor, palette: Tensor) -> Tensor:
    """Mean cross entropy of the logits of the classes of label maps; pixels of no class, as for `palette_loss`, count
    as 0.

    Shapes: [N, classes, H, W], [N, 3, H, W] in [-1, 1] and [classes, 3] in [-1, 1] -> a scalar, in float32 or wider.
    """
    with torch.autocast(logits.device.type, enabled=False):
        nearest, classes = _squared_distances(truth, palette.to(truth)).min(1)
        return F.cross_entropy(_wide(logits), classes, reduction="none").where(nearest < COLOR_REACH**2, 0.0).mean()


def _squared_distances(images: Tensor, palette: Tensor) -> Tensor:
    """Of each pixel to each colour: [N, 3, H, W] and [classes, 3] -> [N, classes, H, W]."""
    products = torch.einsum("nchw,kc->nkhw", images, palette)
    return images.square().sum(1, keepdim=True) - 2 * products + palette.square().sum(1)[:, None, None]


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """Mean squared distance from 1 of the norm of the critic's gradient, at random points between real and fake.

    Gulrajani et al. 2017 (arXiv:1704.00028), equation 3: a point a pair of images [N, C, H, W], drawn evenly; each
    image's score is the mean over its patches. Of images of two sizes, the part that both have. Computed in the
    precision of the images, without autocast, since the norm of a gradient in bf16 is coarse.
    """
    with torch.autocast(real.device.type, enabled=False):
        mixing = draw(len(real), lambda rows: torch.rand(rows, 1, 1, 1, device=real.device, dtype=real.dtype))
        height, width = map(min, real.shape[2:], fake.shape[2:])
        made, true = (image.detach()[..., :height, :width].to(real.dtype) for image in (fake, real))
        between = torch.lerp(made, true, mixing).requires_grad_()
        scores = critic(between).flatten(1).mean(1)
        (gradient,) = torch.autograd.grad(scores.sum(), between, create_graph=True)
        return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()
