"""Convolutions as oneDNN computes them fastest on a CPU, for translation alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclegan.networks.layers import DoublingConv, HalvingConv

CHANNELS = 16
"""Channels that oneDNN computes at least."""


class PackedConv(nn.Module):
    """A convolution, or a transposed one, whose weights are laid out once: where maps are small, oneDNN would
    spend more time on that than on the arithmetic, at every call.

    They are laid out at the first call, for maps of that size. At others the result is the same, but where oneDNN wants
    another layout then, as it does of widths that are no power of two, it takes longer than a plain convolution.
    Shapes: those of the convolution. The operators are PyTorch's own, but not public: see `can_pack`.
    """

    def __init__(self, conv: nn.Conv2d | nn.ConvTranspose2d) -> None:
        super().__init__()
        operators: Any = torch.ops.mkldnn
        padding, stride, dilation = list(conv.padding), list(conv.stride), list(conv.dilation)
        self.lay_out: Callable[..., Tensor]
        self.convolve: Callable[..., Tensor]
        if isinstance(conv, nn.ConvTranspose2d):
            self.shape: tuple[Any, ...] = (padding, list(conv.output_padding), stride, dilation, conv.groups)
            self.lay_out = operators._reorder_convolution_transpose_weight
            self.convolve = operators._convolution_transpose_pointwise
        else:
            self.shape = (padding, stride, dilation, conv.groups)
            self.lay_out = operators._reorder_convolution_weight
            self.convolve = operators._convolution_pointwise
        self.weight = conv.weight.detach().contiguous()
        self.bias = None if conv.bias is None else conv.bias.detach()
        self._first = threading.Lock()

    def forward(self, x: Tensor) -> Tensor:
        if not self.weight.is_mkldnn:
            with self._first:
                if not self.weight.is_mkldnn:
                    self.weight = self.lay_out(self.weight, *self.shape, [1, *x.shape[1:]])
        return self.convolve(x, self.weight, self.bias, *self.shape, "none", [], "")


class SquaresConv(nn.Conv2d):
    """A convolution to few channels, without stride or padding, that computes squares of 2x2 pixels as channels: oneDNN
    computes CHANNELS at least, most of them for nothing where 3 are wanted. The sums are the same, beside zeros.

    Shapes: [N, in, H, W] -> those of the convolution, whose sides are even.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        out, (height, width) = conv.out_channels, conv.kernel_size
        larger = (height + 1, width + 1)
        super().__init__(conv.in_channels, 4 * out, larger, stride=2, bias=conv.bias is not None, device="meta")
        weight = conv.weight.new_zeros(out, 2, 2, conv.in_channels, *larger)
        for y in range(2):
            for x in range(2):
                weight[:, y, x, :, y : y + height, x : x + width] = conv.weight.detach()
        weight = weight.flatten(0, 2).contiguous(memory_format=torch.channels_last)
        self.weight = nn.Parameter(weight, requires_grad=False)
        if conv.bias is not None:
            self.bias = nn.Parameter(conv.bias.detach().repeat_interleave(4), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(super().forward(x), 2)


def pack(network: nn.Module) -> None:
    """Rewrite convolutions of a generator that is ready to translate (see `for_translation`), in place, as this CPU
    computes them faster: all of a U-Net, where this PyTorch can, and the last of a ResNet, whose other maps are so
    large that it would gain nothing."""
    for name, module in list(network.named_modules()):
        fast: nn.Module | None = None
        if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d) or module.weight.device.type != "cpu":
            continue
        if isinstance(module, HalvingConv | DoublingConv) and can_pack(module.weight.dtype):
            fast = PackedConv(module)
        elif isinstance(module, nn.Conv2d) and module.kernel_size == (7, 7) and 4 * module.out_channels <= CHANNELS:
            fast = SquaresConv(module)
        if fast is not None:
            parent, _, child = name.rpartition(".")
            setattr(network.get_submodule(parent), child, fast)


@cache
def can_pack(dtype: torch.dtype) -> bool:
    """Whether packed convolutions work here, and give what plain ones do: found by trying."""
    generator = torch.Generator().manual_seed(0)
    for kind in (HalvingConv, DoublingConv):
        with torch.device("meta"):  # where no weights are drawn
            conv = kind(8, 8, bias=True)
        conv.to_empty(device="cpu").to(dtype)
        for parameter in conv.parameters():
            nn.init.normal_(parameter, std=0.1, generator=generator)
        x = torch.randn(1, 8, 8, 8, generator=generator).to(dtype)
        try:
            with torch.inference_mode():
                if not torch.allclose(PackedConv(conv)(x), conv(x), rtol=0, atol=0.05):
                    return False
        except (AttributeError, RuntimeError, TypeError):
            return False
    return True
