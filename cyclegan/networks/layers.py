"""Layers that generators and discriminators are made of."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclegan.config import Activation, Norm

MATRIX_PIXELS = 64
"""Up to this many pixels at its smaller side a U-Net convolution is computed as a matrix product on the CPU: there
reading the weights is all the work, and oneDNN would first copy them into its own layout, at every call.

Rows and columns are split, and merged, beside each other in NHWC order: split after a transposition, a batch of one
gets strides that neither contiguous nor channels-last tensors have, with which the gradient of `F.batch_norm` is wrong
(PyTorch 2.15, CPU)."""

SMALL_MAP = 512
"""Pixels of a map up to which group normalisation with one channel a group takes 20 to 50 times as long as batch
normalisation (PyTorch 2.15, CPU, bf16)."""


class InstanceNorm(nn.Module):
    """Normalise every channel of every image by its own mean and variance.

    Ulyanov et al. 2016 (arXiv:1607.08022). The function is `nn.InstanceNorm2d`'s (no running statistics,
    eps 1e-5), but that layer copies channels-last tensors to NCHW and back; these two kernels do not:
    batch normalisation of a batch of one has the fast backward, group normalisation with one channel a
    group the fast forward, but for small maps of one image on the CPU.

    Shapes: [N, channels, H, W] -> the same. Without `affine` it has no parameters.
    """

    def __init__(self, channels: int, *, affine: bool = False) -> None:
        super().__init__()
        self.channels = channels
        self.weight = nn.Parameter(torch.ones(channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        if not torch.is_grad_enabled() and not _is_small(x):
            return F.group_norm(x, self.channels, self.weight, self.bias)
        images = [F.batch_norm(image, None, None, self.weight, self.bias, training=True) for image in x.split(1)]
        return images[0] if len(images) == 1 else torch.cat(images)


def _is_small(x: Tensor) -> bool:
    """Whether batch normalisation is the faster kernel without gradients, too; never while a network is exported for
    images of any size, whose sides cannot be asked."""
    if torch.compiler.is_exporting() or x.device.type != "cpu" or len(x) > 1:
        return False
    return 1 < x.shape[2] * x.shape[3] <= SMALL_MAP


NORMS: dict[Norm, Callable[[int], nn.Module]] = {
    "instance": InstanceNorm,
    "batch": nn.BatchNorm2d,
    "none": lambda _: nn.Identity(),
}

ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
}


class ResizeConv(nn.Conv2d):
    """Repeat every pixel in a square of four, then convolve 3x3: [N, in, H, W] -> [N, out, 2H, 2W].

    Odena et al. 2016 (doi:10.23915/distill.00003): every output pixel sees equally many weights, so that none of the
    checkerboards of transposed convolutions appears.
    """

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class HalvingConv(nn.Conv2d):
    """Conv2d of kernel 4, stride 2, padding 1: [N, in, H, W] -> [N, out, H/2, W/2]."""

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool) -> None:
        super().__init__(in_channels, out_channels, 4, stride=2, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2] // 2, x.shape[3] // 2
        if x.device.type != "cpu" or height * width > MATRIX_PIXELS:
            return super().forward(x)
        patches = F.unfold(x, 4, stride=2, padding=1).transpose(1, 2)
        y = F.linear(patches, self.weight.flatten(1), self.bias)
        return y.unflatten(1, (height, width)).permute(0, 3, 1, 2)


class DoublingConv(nn.ConvTranspose2d):
    """ConvTranspose2d of kernel 4, stride 2, padding 1: [N, in, H, W] -> [N, out, 2H, 2W]."""

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool) -> None:
        super().__init__(in_channels, out_channels, 4, stride=2, padding=1, bias=bias)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        height, width = x.shape[2:]
        if output_size is not None or x.device.type != "cpu" or height * width > MATRIX_PIXELS:
            return super().forward(x, output_size)
        patches = torch.matmul(x.permute(0, 2, 3, 1).flatten(1, 2), self.weight.flatten(1)).transpose(1, 2)
        y = F.fold(patches, (2 * height, 2 * width), 4, stride=2, padding=1)
        return y if self.bias is None else y + self.bias[:, None, None]
