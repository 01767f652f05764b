"""The discriminator's eye: how real every patch of an image looks to a run's discriminator."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from cyclegan.config import DiscriminatorConfig, Domain, GanMode, smallest_judged
from cyclegan.images.encodings import encode
from cyclegan.images.io import ImageError
from cyclegan.networks.build import for_translation
from cyclegan.runs.run import Run

Realness = NDArray[np.float32]

SCALES: dict[GanMode, Callable[[Tensor], Tensor]] = {
    "lsgan": lambda logits: logits.clamp(0, 1),  # trained towards 0 for fake and 1 for real
    "vanilla": torch.sigmoid,  # trained as a probability
    "hinge": lambda logits: ((logits + 1) / 2).clamp(0, 1),  # trained to pass -1 for fake and 1 for real
}
"""From logits to 0 (fake) .. 1 (real). Scores of a Wasserstein critic have neither zero nor unit: there is none."""


class Eye:
    """The discriminators of a run, read when they are first asked. Safe to use from several threads."""

    def __init__(self, run: Run, *, device: torch.device) -> None:
        self.run = run
        self.device = device
        self._networks: dict[Domain, nn.Module] = {}
        self._lock = threading.Lock()

    @property
    def is_open(self) -> bool:
        """Whether it can judge: the run translates, carries its discriminators, and their scores have a scale."""
        run = self.run
        has_scale = run.config.gan_mode in SCALES and ("gan_mode",) not in run.unknown
        return run.translates and has_scale and run.has_discriminators

    def realness(self, image: Image.Image, domain: Domain, *, source: Image.Image | None = None) -> Realness:
        """How real every patch of an RGB image of a domain looks, float32 [h, w] in 0..1; `over_pixels` lays it over
        the image: the mean over the heads of a projected discriminator, as fine as the finest. pix2pix's discriminator
        judges the image as the translation of `source`, of the same size.

        Raises ImageError if the image is too small, KeyError if the run does not judge this domain, WeightsError or
        ConfigError if the weights are damaged, or those of the feature network are not installed.
        """
        smallest = smallest_judged(self.run.discriminator(domain))
        if min(image.size) < smallest:
            raise ImageError(
                f"the image is {image.width}x{image.height} pixels; the discriminator needs {smallest} or more"
            )
        seen = self.run.encodings
        x = encode(image, seen[domain])
        if source is not None and self.run.method == "pix2pix":
            x = torch.cat([encode(source, seen["a" if domain == "b" else "b"]), x])
        with self._lock, torch.inference_mode():
            logits = self._network(domain)(x[None].to(self.device))
            first, *others = map(SCALES[self.run.config.gan_mode], logits if isinstance(logits, list) else [logits])
            coarse = [F.interpolate(each, first.shape[2:], mode="bilinear") for each in others]
            patches: Realness = torch.stack([first, *coarse]).mean(0)[0, 0].cpu().numpy()
        return patches

    def _network(self, domain: Domain) -> nn.Module:
        if domain not in self._networks:
            # The statistics of the image itself, as for generators: it was trained on batches of few images.
            self._networks[domain] = for_translation(self.run.load_discriminator(domain), device=self.device)
        return self._networks[domain]


def over_pixels(patches: Realness, size: tuple[int, int], config: DiscriminatorConfig) -> Realness:
    """For every pixel of an image of this size (width, height) the value of the patch whose middle is nearest: [H, W].

    The middle of patch i is at 2**layers * (i + 1.5) pixels from the edge: what the strides and paddings of
    `discriminators.PatchDiscriminator` add up to. A projected one has a value for each square of 4 pixels.
    """
    if config.architecture == "pixel":
        return patches
    stride, first = (4, 0) if config.architecture == "projected" else (2**config.layers, 1)
    width, height = size
    rows, columns = (
        np.clip(np.arange(side) // stride - first, 0, count - 1)
        for side, count in zip((height, width), patches.shape, strict=True)
    )
    return patches[rows[:, None], columns]
