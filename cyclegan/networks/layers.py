"""Layers that generators and discriminators are made of."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclegan.config import Activation, Norm, Palette
from cyclegan.facades.labels import PALETTES

MATRIX_PIXELS = 64
"""Up to this many pixels at its smaller side a U-Net convolution is computed as a matrix product on the CPU: there
reading the weights is all the work, and oneDNN would first copy them into its own layout, at every call.

Rows and columns are split, and merged, beside each other in NHWC order: split after a transposition, a batch of one
gets strides that neither contiguous nor channels-last tensors have, with which the gradient of `F.batch_norm` is wrong
(PyTorch 2.15, CPU)."""

SMALL_MAP = 512
"""Pixels of a map up to which group normalisation with one channel a group takes 20 to 50 times as long as batch
normalisation (PyTorch 2.15, CPU, bf16)."""


SHARPNESS = 30.0
"""Factor of the logits of the classes of a label map that is no longer trained: the likeliest class wins, but for
pixels where two are almost as likely, whose colour would otherwise turn with any rounding."""


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
        exporting = torch.compiler.is_exporting()
        if not torch.is_grad_enabled() and x.dtype == torch.float32 and x.device.type == "cpu" and not exporting:
            # Of channels-last tensors the kernels below subtract the squared mean from the mean square (PyTorch 2.15),
            # which leaves no digits of a flat map.
            variance, mean = torch.var_mean(x, (2, 3), keepdim=True, correction=0)
            x = (x - mean) * torch.rsqrt(variance + 1e-5)
            return (
                x
                if self.weight is None or self.bias is None
                else torch.addcmul(self.bias.view(-1, 1, 1), x, self.weight.view(-1, 1, 1))
            )
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


class ReflectionPad(nn.ReflectionPad2d):
    """Mirror an image at its edges: [N, C, H, W] -> [N, C, H + 2 padding, W + 2 padding].

    In the precision of the image, gradients too: autocast would have a CPU turn it to float32 and back, which for the
    values themselves changes nothing.
    """

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False) if x.device.type == "cpu" else nullcontext():
            return super().forward(x)


class ResizeConv(nn.Conv2d):
    """Repeat every pixel in a square of four, then convolve 3x3: [N, in, H, W] -> [N, out, 2H, 2W].

    Odena et al. 2016 (doi:10.23915/distill.00003): every output pixel sees equally many weights, so that none of the
    checkerboards of transposed convolutions appears.
    """

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.interpolate(x, scale_factor=2.0, mode="nearest"))


def palette_colours(palette: Palette) -> Tensor:
    """The colours of the classes, float64 [classes, 3] in [-1, 1]."""
    return torch.from_numpy(PALETTES[palette] / 127.5 - 1)


class ClassColours(nn.Module):
    """The image of how likely each class of a palette is at each pixel: the mean of the classes' colours, each as
    likely as a softmax says; in translation that of the likeliest class, but for near ties (see SHARPNESS).

    Shapes: logits [N, classes, H, W] -> [N, 3, H, W] in [-1, 1], float32 or wider.
    """

    def __init__(self, palette: Palette) -> None:
        super().__init__()
        # No buffer: it is no part of the weights, and a network may be built on the meta device.
        self.colours = palette_colours(palette)

    def forward(self, logits: Tensor) -> Tensor:
        kind = logits.device.type
        with nullcontext() if kind == "meta" else torch.autocast(kind, enabled=False):
            logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
            likely = (logits if self.training else SHARPNESS * logits).softmax(1)
            colours = self.colours.to(likely, non_blocking=True)  # a GPU is not waited for
            return torch.einsum("nkhw,kc->nchw", likely, colours)


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
