"""Projected discriminator: heads on frozen ImageNet features that are mixed across channels and scales.

In the manner of Sauer et al. 2021 (arXiv:2111.01007), whose mixing has residual blocks, and whose heads are larger and
see no source. Only the heads are trained and stored.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from cyclegan.config import DiscriminatorConfig
from cyclegan.networks.features import CHANNELS, feature_network

MIXED = (64, 128, 256, 512)
"""Channels of the mixed features: more than there are features, so that mixing loses none of them."""
MIXING_SEED = 0
"""All runs share one random mixing, which is no part of a checkpoint."""


class Mixing(nn.Module):
    """Cross-channel and cross-scale mixing by fixed random convolutions, in the manner of section 3.2.

    A 1x1 convolution mixes the channels of each scale. From the coarsest scale on, a 3x3 convolution and bilinear
    upsampling add each scale to the next finer one. Kaiming initialisation, no activations, no biases.

    Shapes: [N, CHANNELS[i], h, w] for each scale -> [N, MIXED[i], h, w].
    """

    def __init__(self) -> None:
        super().__init__()
        # NumPy promises that the numbers of a RandomState never change; PyTorch does not for its generators, and a draw
        # from its global one, at whatever step comes first, would change the training.
        random = np.random.RandomState(MIXING_SEED)

        def convolution(in_channels: int, out_channels: int, kernel: int) -> nn.Conv2d:
            layer = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False, device="meta")
            spread = (2 / (in_channels * kernel**2)) ** 0.5
            layer.weight = nn.Parameter(torch.from_numpy(spread * random.standard_normal(layer.weight.shape)).float())
            return layer

        self.channels = nn.ModuleList(convolution(*widths, 1) for widths in zip(CHANNELS, MIXED, strict=True))
        self.scales = nn.ModuleList(convolution(coarse, fine, 3) for fine, coarse in pairwise(MIXED))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        with torch.autocast(maps[0].device.type, enabled=False):
            mixed = [layer(x) for layer, x in zip(self.channels, maps, strict=True)]
            for scale in reversed(range(len(self.scales))):
                coarse = self.scales[scale](mixed[scale + 1])
                mixed[scale] = mixed[scale] + F.interpolate(coarse, mixed[scale].shape[2:], mode="bilinear")
        return mixed


@cache
@torch.inference_mode(False)
def mixing(device: torch.device, dtype: torch.dtype) -> Mixing:
    """Return the one mixing that all discriminators share, frozen."""
    return Mixing().requires_grad_(False).to(device, dtype).to(memory_format=torch.channels_last)


class Head(nn.Module):
    """Judge every place of one scale: [N, in_channels, h, w], and the source [N, source_channels, H, W] if there is
    one -> logits [N, 1, h, w], high for real. Spectral norm in every layer."""

    def __init__(self, in_channels: int, source_channels: int, width: int) -> None:
        super().__init__()
        self.features = spectral_norm(nn.Conv2d(in_channels, width, 1))
        self.source = spectral_norm(nn.Conv2d(source_channels, width, 3, padding=1)) if source_channels else None
        self.layers = nn.Sequential(
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(width, width, 3, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(width, 1, 3, padding=1)),
        )

    def forward(self, features: Tensor, source: Tensor | None) -> Tensor:
        x = self.features(features)
        if self.source is not None and source is not None:
            x = x + self.source(F.interpolate(source, x.shape[2:], mode="area"))
        return self.layers(x)


class ProjectedDiscriminator(nn.Module):
    """Judge an image by its ImageNet features at four scales, with a head for each.

    Conditional on the source for pix2pix: its channels come first, and join the features of each head.
    The features are no part of the module: they are neither trained nor stored.

    Shapes: [N, source_channels + 1 or 3, H, W] in [-1, 1] -> a list of logits [N, 1, H / 2**i, W / 2**i], i = 2..5,
    sides rounded up. Raises FeaturesError if the feature network is not installed.
    """

    def __init__(self, config: DiscriminatorConfig, in_channels: int, source_channels: int = 0) -> None:
        super().__init__()
        self.source_channels = source_channels
        self.heads = nn.ModuleList(Head(channels, source_channels, config.width) for channels in MIXED)

    def forward(self, x: Tensor) -> list[Tensor]:
        source, image = x.split([self.source_channels, x.shape[1] - self.source_channels], 1)
        maps = feature_network("lite0", image)(image)
        maps = mixing(image.device, maps[0].dtype)(maps)
        return [head(features.to(x.dtype), source) for head, features in zip(self.heads, maps, strict=True)]
