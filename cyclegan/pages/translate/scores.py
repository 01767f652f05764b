"""How near a result comes to the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from cyclegan.evaluation.metrics import confusion, l1, label_agreement, ssim
from cyclegan.facades.labels import CLASSES, class_indices, colorize, label_palette
from cyclegan.pages.inputs import shrink, size_text
from cyclegan.pages.languages import Text
from cyclegan.pages.models import Route
from cyclegan.pages.translate import texts as translate_texts

SSIM_PIXELS = 512 * 512
"""Largest picture whose structure is compared as it is; of larger ones a smaller copy, as the paper's authors do it
(their ssim.m brings the shorter side to about 256 pixels)."""
SSIM_SIDE = 11
"""Side of SSIM's window in pixels: nothing smaller has a structure."""
SAME_SHAPE = 0.02
"""How much the shape of a truth, width by height, may differ from that of the picture: the rounding of a small copy."""


@dataclass(frozen=True)
class Scores:
    """L1 in [0, 1], SSIM in [-1, 1], and of label maps the share of pixels whose class is right; None where a measure
    does not apply."""

    l1: float
    ssim: float | None
    agreement: float | None

    @property
    def text(self) -> Text:
        """The scores in a line."""
        parts = [f"L1 {self.l1:.3f}"]
        if self.ssim is not None:
            parts.append(f"SSIM {self.ssim:.3f}")
        line = Text.same(" · ".join(parts))
        if self.agreement is None:
            return line
        return translate_texts.WITH_AGREEMENT.format(scores=line, percent=f"{100 * self.agreement:.0f}")


def score(image: Image.Image, truth: Image.Image, route: Route) -> Scores:
    """The scores of a result of the route beside a truth of the same size."""
    pixels, true_pixels = np.asarray(image), np.asarray(truth)
    small = [np.asarray(shrink(each, SSIM_PIXELS)) for each in (image, truth)]
    agreement = None
    if route.to_labels:
        counts = confusion(class_indices(image), class_indices(truth), len(CLASSES))
        agreement = label_agreement(counts).pixel_accuracy
    return Scores(l1(pixels, true_pixels), ssim(*small) if min(image.size) >= SSIM_SIDE else None, agreement)


def fit_truth(truth: Image.Image, size: tuple[int, int], route: Route) -> tuple[Image.Image | None, Text | None]:
    """A visitor's truth in the size of the results, or None and why it cannot be one."""
    palette = label_palette(truth)
    if (route.to_labels and palette is None) or (route.from_labels and palette is not None):
        return None, translate_texts.TRUTH_IS_ANOTHER.format(domain=route.target_label)
    (width, height), (true_width, true_height) = size, truth.size
    if abs(width * true_height / (height * true_width) - 1) > SAME_SHAPE:
        sizes = {"truth": size_text(truth.size), "picture": size_text(size)}
        return None, translate_texts.TRUTH_HAS_ANOTHER_SHAPE.format(**sizes)
    if palette is None or not route.to_labels:
        return truth if truth.size == size else truth.resize(size, Image.Resampling.LANCZOS), None
    return colorize(class_indices(truth, palette)).resize(size, Image.Resampling.NEAREST), None
