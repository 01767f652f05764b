"""Pictures with smoothed edges, which teach a discriminator that cartoons have sharp ones."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

THRESHOLD = 0.25
"""Brightness step per pixel, of 2 from black to white, from which on a pixel belongs to an edge."""
SPREAD = 5
"""Side in pixels of the square by which edges are dilated, and of the Gaussian that smooths them."""


def smooth_edges(images: Tensor) -> Tensor:
    """The images with a blur along their edges and nothing else changed: [N, C, H, W] in [-1, 1] -> the same.

    CartoonGAN (Chen et al. 2018, CVPR, section 3.2.1): edges are detected, dilated, and smoothed by a Gaussian there.
    Edges here are where the Sobel gradient of the brightness passes THRESHOLD, which runs on the images' device at
    every step, where the paper prepares Canny edges beforehand. No gradient flows back.
    """
    with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
        brightness = images.mean(1, keepdim=True)
        ramp, bell = images.new_tensor([-1.0, 0.0, 1.0]), images.new_tensor([1.0, 2.0, 1.0])
        across = torch.outer(bell, ramp) / 8
        sobel = torch.stack([across, across.T])[:, None]
        strength = F.conv2d(F.pad(brightness, (1, 1, 1, 1), mode="replicate"), sobel).norm(dim=1, keepdim=True)
        edges = F.max_pool2d((strength > THRESHOLD).to(images.dtype), SPREAD, stride=1, padding=SPREAD // 2)
        return torch.lerp(images, _blur(images), edges)


def _blur(images: Tensor) -> Tensor:
    """A Gaussian of standard deviation SPREAD / 4 over SPREAD x SPREAD pixels."""
    places = torch.arange(SPREAD, device=images.device, dtype=images.dtype) - SPREAD // 2
    weights = torch.softmax(-places.square() / (2 * (SPREAD / 4) ** 2), 0)
    channels, margin = images.shape[1], SPREAD // 2
    padded = F.pad(images, (margin, margin, margin, margin), mode="replicate")
    row = weights.repeat(channels, 1, 1, 1)
    return F.conv2d(F.conv2d(padded, row, groups=channels), row.transpose(2, 3), groups=channels)
