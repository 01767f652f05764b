"""Generators computed by bands of rows: an image of any size in bounded memory, and the picture that it gives at once.

Tiles, each normalised by its own mean and variance, would show where they meet. Here every layer is finished, band by
band into a temporary file, before the next one begins: a norm knows its whole map, and there are no seams to blend.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclegan.networks.generators import ResnetBlock, UnetLevel
from cyclegan.networks.layers import ClassColours, InstanceNorm, ResizeConv

BAND_VALUES = 2 * 2**20
"""Values of a map that are computed at once: 4 MB in bf16, beside some times as much for what they come from."""
EPSILON = 1e-5
"""`InstanceNorm`'s."""
POINTWISE = (nn.ReLU, nn.LeakyReLU, nn.Tanh)


@dataclass(frozen=True)
class Rows:
    """A map [1, channels, height, width] that is read by rows."""

    channels: int
    height: int
    width: int
    read: Callable[[int, int], Tensor]
    """The rows from one to before another, [1, channels, rows, width]."""
    moments: tuple[Tensor, Tensor] | None = None
    """Mean and variance of every channel; of a map that lies in a file, whose every row has been seen."""
    computed_from: int = 0
    """Channels of the map that `read` computes from, where it has more."""

    @property
    def band(self) -> int:
        """Rows that are computed at once."""
        return max(1, BAND_VALUES // (max(self.channels, self.computed_from) * self.width))


class Bands:
    """A generator that is ready to translate (see `for_translation`), computed by bands.

    `on_progress` is called after every band with the share that is done, from 0 to 1; what it raises ends the work.
    """

    def __init__(self, network: nn.Module, on_progress: Callable[[float], object] = lambda _: None) -> None:
        self.network = network
        self.on_progress = on_progress
        first = next(network.parameters())
        self.device, self.dtype = first.device, first.dtype
        self.maps = sum(isinstance(each, nn.Conv2d | nn.ConvTranspose2d | ResnetBlock) for each in network.modules())
        self.finished = 0

    def __call__(self, image: Rows) -> Rows:
        """The translation; all but its last, pointwise layer is computed when this returns.

        Raises OSError where the folder of temporary files is full, TypeError for a network of unknown layers.
        """
        with torch.inference_mode():
            return self._through(self.network, replace(image, read=lambda top, bottom: self._here(image, top, bottom)))

    def _here(self, image: Rows, top: int, bottom: int) -> Tensor:
        return image.read(top, bottom).to(self.device, self.dtype)

    def _through(self, module: nn.Module, x: Rows) -> Rows:
        if isinstance(module, ResnetBlock):
            inner = self._through(module.conv_block, x)
            return self._store(x, lambda top, bottom: x.read(top, bottom) + inner.read(top, bottom))
        if isinstance(module, UnetLevel) and not module.outermost:
            return join(x, self._through(module.model, x))
        if isinstance(module, nn.Conv2d):
            return self._convolve(module, pad_zeros(double(x) if isinstance(module, ResizeConv) else x, module))
        if isinstance(module, nn.ConvTranspose2d):
            return self._convolve_transposed(module, x)
        if isinstance(module, InstanceNorm):
            return normalise(module, x)
        if isinstance(module, nn.ReflectionPad2d):
            return reflect(x, module.padding[0])
        if isinstance(module, POINTWISE):
            return replace(x, read=lambda top, bottom: module(x.read(top, bottom)), moments=None)
        if isinstance(module, ClassColours):
            colours = Rows(3, x.height, x.width, lambda top, bottom: module(x.read(top, bottom)))
            return replace(colours, computed_from=x.channels)
        if isinstance(module, nn.Identity | nn.Dropout):  # which does nothing in translation
            return x
        children = list(module.children())
        if not children:
            raise TypeError(f"{type(module).__name__} cannot be computed by bands")
        for child in children:
            x = self._through(child, x)
        return x

    def _convolve(self, conv: nn.Conv2d, x: Rows) -> Rows:
        """Without padding, which `x` has."""
        kernel, stride = conv.kernel_size[0], conv.stride[0]
        made = Rows(conv.out_channels, (x.height - kernel) // stride + 1, (x.width - kernel) // stride + 1, x.read)

        def compute(top: int, bottom: int) -> Tensor:
            rows = x.read(top * stride, (bottom - 1) * stride + kernel)
            return F.conv2d(rows, conv.weight, conv.bias, stride=stride)

        return self._store(made, compute)

    def _convolve_transposed(self, conv: nn.ConvTranspose2d, x: Rows) -> Rows:
        kernel, stride, padding = conv.kernel_size[0], conv.stride[0], int(conv.padding[0])
        grown = conv.output_padding[0] + kernel - 2 * padding - stride
        made = Rows(conv.out_channels, x.height * stride + grown, x.width * stride + grown, x.read)

        def compute(top: int, bottom: int) -> Tensor:
            first = max(0, -((kernel - 1 - top - padding) // stride))  # the first row whose kernel reaches `top`
            last = min(x.height, (bottom - 1 + padding) // stride + 1)
            y = F.conv_transpose2d(x.read(first, last), conv.weight, conv.bias, stride=stride)
            above = top + padding - first * stride
            return y[:, :, above : above + bottom - top, padding : padding + made.width]

        return self._store(made, compute)

    def _store(self, shape: Rows, compute: Callable[[int, int], Tensor]) -> Rows:
        """A map of this shape in a temporary file, and its moments."""
        scratch = _Scratch(shape.width * shape.channels, self.dtype)
        sums = torch.zeros(2, shape.channels, dtype=torch.float64)
        for top in range(0, shape.height, shape.band):
            bottom = min(top + shape.band, shape.height)
            values = compute(top, bottom)[0].permute(1, 2, 0).cpu().contiguous()
            scratch.append(values)
            precise = values.flatten(0, 1).to(torch.promote_types(self.dtype, torch.float32))
            sums += torch.stack([precise.sum(0), precise.square().sum(0)])
            self.on_progress((self.finished + bottom / shape.height) / self.maps)
        self.finished += 1
        mean, square = sums / (shape.height * shape.width)

        def read(top: int, bottom: int) -> Tensor:
            values = scratch.read(top, bottom).view(bottom - top, shape.width, shape.channels)
            return values.permute(2, 0, 1)[None].to(self.device)

        return replace(shape, read=read, moments=(mean, (square - mean.square()).clamp_(min=0)))


class _Scratch:
    """Rows of values in a temporary file, which goes with it."""

    def __init__(self, row_values: int, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.row_bytes = row_values * dtype.itemsize
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 - it outlives this call

    def append(self, values: Tensor) -> None:
        self.file.write(values.flatten().view(torch.uint8).numpy().data)

    def read(self, top: int, bottom: int) -> Tensor:
        buffer = bytearray((bottom - top) * self.row_bytes)
        self.file.seek(top * self.row_bytes)
        self.file.readinto(buffer)
        return torch.frombuffer(buffer, dtype=self.dtype)

    def __del__(self) -> None:
        self.file.close()


def normalise(norm: InstanceNorm, x: Rows) -> Rows:
    """By the moments of the whole map."""
    if x.moments is None:
        raise TypeError("a norm that follows no convolution cannot be computed by bands")
    mean, variance = x.moments
    scale = (variance + EPSILON).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.cpu().double()
    shift = -mean * scale
    if norm.bias is not None:
        shift = shift + norm.bias.cpu().double()

    def read(top: int, bottom: int) -> Tensor:
        rows = x.read(top, bottom)
        precise = torch.promote_types(rows.dtype, torch.float32)
        factor, term = (each.to(rows.device, precise)[:, None, None] for each in (scale, shift))
        return torch.addcmul(term, rows.to(precise), factor).to(rows.dtype)

    return replace(x, read=read, moments=None)


def join(x: Rows, y: Rows) -> Rows:
    """The channels of both."""

    def read(top: int, bottom: int) -> Tensor:
        return torch.cat([x.read(top, bottom), y.read(top, bottom)], 1)

    return Rows(x.channels + y.channels, x.height, x.width, read)


def double(x: Rows) -> Rows:
    """Every pixel as a square of four."""

    def read(top: int, bottom: int) -> Tensor:
        first = top // 2
        rows = F.interpolate(x.read(first, (bottom + 1) // 2), scale_factor=2.0, mode="nearest")
        return rows[:, :, top - 2 * first : bottom - 2 * first]

    return Rows(x.channels, 2 * x.height, 2 * x.width, read)


def pad_zeros(x: Rows, conv: nn.Conv2d) -> Rows:
    """With the zeros around it that a convolution pads."""
    padding = int(conv.padding[0])

    def read(top: int, bottom: int) -> Tensor:
        first, last = max(0, top - padding), min(x.height, bottom - padding)
        above, below = first - (top - padding), bottom - padding - last
        return F.pad(x.read(first, last), (padding, padding, above, below))

    return Rows(x.channels, x.height + 2 * padding, x.width + 2 * padding, read) if padding else x


def reflect(x: Rows, padding: int) -> Rows:
    """Mirrored at its edges, as `nn.ReflectionPad2d` does."""

    def read(top: int, bottom: int) -> Tensor:
        wanted = [abs(row - padding) for row in range(top, bottom)]
        wanted = [min(row, 2 * (x.height - 1) - row) for row in wanted]
        first = min(wanted)
        rows = x.read(first, max(wanted) + 1)
        if wanted != list(range(first, first + len(wanted))):
            rows = rows[:, :, [row - first for row in wanted]]
        return F.pad(rows, (padding, padding, 0, 0), mode="reflect")

    return Rows(x.channels, x.height + 2 * padding, x.width + 2 * padding, read)
