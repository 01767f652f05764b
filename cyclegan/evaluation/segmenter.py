"""The network that reads a photo of a facade as a label map, by which generated photos are scored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from pydantic import ConfigDict
from torch import Tensor, nn

from cyclegan.config import from_json
from cyclegan.facades.labels import CLASSES
from cyclegan.images.io import to_tensor
from cyclegan.networks.storage import WeightsError, check_tensors, read_config, read_tensors

SHIPPED = Path(__file__).with_name("segmenter_weights")


@dataclass(frozen=True)
class SegmenterConfig:
    """How a segmenter was made; stored beside its weights as `config.json`."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    dataset: str
    """What it was trained on, the training split of which."""
    width: int = 16
    """Channels of the first convolution."""
    epochs: int = 30
    batch_size: int = 8
    learning_rate: float = 2e-3
    """Adam's largest step size; a cosine wave leads up to it and down to nothing."""
    seed: int = 0
    """Seed of the initial weights, the order and the augmentation."""


class Segmenter(nn.Module):
    """Class scores of every pixel of a photo, from four scales joined by skip connections.

    A U-Net (Ronneberger et al. 2015, arXiv:1505.04597) with batch norm that works at a quarter of the size and less. It
    stands in the place of the FCN-8s by which pix2pix (section 4) and CycleGAN (section 5.1.1) score Cityscapes.

    Shapes: [N, 3, H, W] in [-1, 1] -> [N, 12, H, W] logits. H and W must be multiples of 32.
    """

    def __init__(self, config: SegmenterConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        widths = [2 * width, 4 * width, 6 * width, 8 * width]
        self.stem = nn.Sequential(*_conv(3, width, 4, 2), *_conv(width, widths[0], 4, 2))
        self.down = nn.ModuleList(_block(a, b) for a, b in zip([widths[0], *widths], widths, strict=False))
        self.up = nn.ModuleList(
            _block(below + level, level) for below, level in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.head = nn.Conv2d(widths[0], len(CLASSES), 1)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2] % 32 or x.shape[3] % 32:
            raise ValueError(f"image is {x.shape[3]}x{x.shape[2]}; both sides must be multiples of 32")
        return F.interpolate(self.scores(x), x.shape[2:], mode="bilinear", align_corners=False)

    def scores(self, x: Tensor) -> Tensor:
        """The logits at a quarter of the size: [N, 3, H, W] -> [N, 12, H/4, W/4]."""
        x, passed = self.stem(x), []
        for level, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if level else x)
            passed.append(x)
        passed.pop()
        for block in self.up:
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0), passed.pop()], 1))
        return self.head(x)


def _conv(channels: int, out: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, out, kernel, stride, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(out), nn.ReLU()]


def _block(channels: int, out: int) -> nn.Module:
    return nn.Sequential(*_conv(channels, out), *_conv(out, out))


def segment(segmenter: Segmenter, photo: Image.Image) -> NDArray[np.int64]:
    """The likeliest class of every pixel, [H, W] of 0..11, of an RGB photo whose sides are multiples of 32."""
    weight = next(segmenter.parameters())
    with torch.inference_mode():
        return segmenter(to_tensor(photo)[None].to(weight.device)).argmax(1)[0].cpu().numpy()


def load_segmenter(folder: Path = SHIPPED) -> Segmenter:
    """The segmenter in a folder, float32 on the CPU. Raises WeightsError or ConfigError where it is missing, damaged,
    or fits not exactly."""
    path = folder / "config.json"
    if not path.exists():
        raise WeightsError(f"{path} is missing; make a segmenter with: python -m benchmarks.segmenter")
    config = from_json(SegmenterConfig, read_config(path), str(path))
    with torch.device("meta"):
        segmenter = Segmenter(config)
    state = read_tensors(folder / "model.safetensors")
    check_tensors(state, segmenter.state_dict(), str(folder / "model.safetensors"))
    segmenter.load_state_dict(state, strict=True, assign=True)
    return segmenter.eval().requires_grad_(False)
