"""Weights laid out once as oneDNN reads them: where maps are small, it spends more time on that than on the arithmetic,
at every call."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from cyclegan.networks.layers import DoublingConv, HalvingConv

MAP = 32
"""Side in pixels of the maps that weights are laid out for; at others they give the same, if not as fast."""


class PackedConv(nn.Module):
    """A convolution, or a transposed one, on the CPU: the same function, for translation alone.

    Shapes: those of the convolution. Its operators are PyTorch's own, but not public: see `can_pack`.
    """

    def __init__(self, conv: nn.Conv2d | nn.ConvTranspose2d) -> None:
        super().__init__()
        operators: Any = torch.ops.mkldnn
        padding, stride, dilation = list(conv.padding), list(conv.stride), list(conv.dilation)
        size = [1, conv.in_channels, MAP, MAP]
        with torch.inference_mode():
            weight = conv.weight.detach().contiguous()
            if isinstance(conv, nn.ConvTranspose2d):
                more = list(conv.output_padding)
                self.weight = operators._reorder_convolution_transpose_weight(
                    weight, padding, more, stride, dilation, conv.groups, size
                )
                self.shape: tuple[Any, ...] = (padding, more, stride, dilation, conv.groups)
                self.convolve: Callable[..., Tensor] = operators._convolution_transpose_pointwise
            else:
                self.weight = operators._reorder_convolution_weight(
                    weight, padding, stride, dilation, conv.groups, size
                )
                self.shape = (padding, stride, dilation, conv.groups)
                self.convolve = operators._convolution_pointwise
        self.bias = None if conv.bias is None else conv.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        return self.convolve(x, self.weight, self.bias, *self.shape, "none", [], "")


def pack(network: nn.Module) -> None:
    """Pack the convolutions of a U-Net that is ready to translate (see `for_translation`), in place, where they are on
    the CPU and this PyTorch can; those of a ResNet, whose maps are large, would gain nothing."""
    for name, module in list(network.named_modules()):
        if isinstance(module, HalvingConv | DoublingConv) and module.weight.device.type == "cpu":
            if not can_pack(module.weight.dtype):
                return
            parent, _, child = name.rpartition(".")
            setattr(network.get_submodule(parent), child, PackedConv(module))


@cache
def can_pack(dtype: torch.dtype) -> bool:
    """Whether packed convolutions work here, and give what plain ones do: found by trying."""
    generator = torch.Generator().manual_seed(0)
    for kind in (HalvingConv, DoublingConv):
        conv = kind(8, 8, bias=True).to(dtype)
        x = torch.randn(1, 8, 8, 8, generator=generator).to(dtype)
        try:
            with torch.inference_mode():
                if not torch.allclose(PackedConv(conv)(x), conv(x), rtol=0, atol=0.05):
                    return False
        except (AttributeError, RuntimeError, TypeError):
            return False
    return True
