"""ResNets computed by OpenVINO, where it is installed (requirements-openvino.txt) and was measured to be the faster one
on this CPU. U-Nets stay with PyTorch, whose packed weights do better."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cyclegan.config import GeneratorConfig
from cyclegan.networks.build import build_generator, for_translation
from cyclegan.networks.generators import ResnetBlock, ResnetGenerator
from cyclegan.networks.layers import SHARPNESS, ClassColours, InstanceNorm, ResizeConv
from cyclegan.networks.packing import pack
from cyclegan.runtime.devices import GAIN_NEEDED, machine_key, remembered

BACKEND = "CYCLEGAN_BACKEND"
"""Environment variable: torch or openvino, instead of the faster one."""


class OpenVinoGenerator(nn.Module):
    """A ResNet that is ready to translate (see `for_translation`), compiled.

    Shapes: [1, in_channels, H, W] of any precision -> float32 [1, out_channels, H, W], values in [-1, 1].
    Raises TypeError for a network of unknown layers. Not for several threads at once.
    """

    def __init__(self, network: nn.Module, *, dtype: torch.dtype) -> None:
        super().__init__()
        import openvino
        from openvino import opset13, properties

        first = next(each for each in network.modules() if isinstance(each, nn.Conv2d))
        image = opset13.parameter([1, first.in_channels, -1, -1], name="image")
        model = openvino.Model([_through(network, image, opset13)], [image], "generator")
        settings = {
            properties.hint.inference_precision(): openvino.Type.bf16 if dtype is torch.bfloat16 else openvino.Type.f32,
            properties.hint.performance_mode(): properties.hint.PerformanceMode.LATENCY,
            properties.inference_num_threads(): torch.get_num_threads(),
        }
        self.compiled = openvino.Core().compile_model(model, "CPU", settings)

    def forward(self, x: Tensor) -> Tensor:
        return torch.from_numpy(self.compiled(x.float().contiguous().numpy())[0])


def is_faster(dtype: torch.dtype) -> bool:
    """Whether a ResNet translates faster by OpenVINO than by PyTorch on this CPU: measured once and remembered, unless
    the environment says which to take."""
    chosen = os.environ.get(BACKEND, "")
    if not installed() or chosen == "torch":
        return False
    return chosen == "openvino" or gain(dtype) >= GAIN_NEEDED


def explain_backend(dtype: torch.dtype) -> str:
    """What computes ResNets on this CPU, and why."""
    chosen = "OpenVINO" if is_faster(dtype) else "PyTorch"
    if not installed():
        return f"{chosen}: OpenVINO is not installed (pip install -r requirements-openvino.txt)"
    if os.environ.get(BACKEND):
        return f"{chosen}: {BACKEND} is {os.environ[BACKEND]}"
    return f"{chosen}: OpenVINO was measured {gain(dtype):.2f} times as fast; {GAIN_NEEDED} are needed"


@cache
def installed() -> str:
    """The version of OpenVINO; nothing where it is not installed."""
    try:
        return version("openvino")
    except PackageNotFoundError:
        return ""


@cache
def gain(dtype: torch.dtype) -> float:
    """How many times faster OpenVINO is."""
    key = hashlib.sha256(f"{machine_key()} {installed()} {dtype}".encode()).hexdigest()[:16]
    return remembered(f"openvino-{key}", lambda: measure_gain(dtype))


def measure_gain(dtype: torch.dtype, rounds: int = 5) -> float:
    """How many times faster OpenVINO translates 128 pixels by a small ResNet; takes a second."""
    with torch.device("meta"):  # where no weights are drawn
        network = build_generator(GeneratorConfig("resnet_6blocks", 32))
    network.to_empty(device="cpu")
    for parameter in network.parameters():
        nn.init.constant_(parameter, 0.01)
    plain = for_translation(network, dtype=dtype)
    pack(plain)
    ways: dict[str, Callable[[Tensor], Tensor]] = {
        "torch": plain,
        "openvino": OpenVinoGenerator(for_translation(network), dtype=dtype),
    }
    image = torch.zeros(1, 3, 128, 128, dtype=dtype).to(memory_format=torch.channels_last)
    seconds = dict.fromkeys(ways, float("inf"))
    with torch.inference_mode():
        for _ in range(1 + rounds):  # the first one warms up, and is never the fastest
            for name, way in ways.items():
                start = time.perf_counter()
                way(image)
                seconds[name] = min(seconds[name], time.perf_counter() - start)
    return seconds["torch"] / seconds["openvino"]


def _through(module: nn.Module, x: Any, ops: Any) -> Any:
    """What OpenVINO computes for a module: the node of its output, from that of its input."""
    if isinstance(module, ResnetBlock):
        return ops.add(x, _through(module.conv_block, x, ops))
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        if isinstance(module, ResizeConv):
            x = ops.interpolate(
                x,
                _numbers(ops, 2.0, 2.0),
                "nearest",
                "scales",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
                axes=_numbers(ops, 2, 3),
            )
        stride, padding, weight = list(module.stride), list(module.padding), _constant(module.weight, ops)
        if isinstance(module, nn.ConvTranspose2d):
            more = list(module.output_padding)
            y = ops.convolution_backprop_data(
                x, weight, stride, pads_begin=padding, pads_end=padding, output_padding=more
            )
        else:
            y = ops.convolution(x, weight, stride, padding, padding, [1, 1])
        return y if module.bias is None else ops.add(y, _constant(module.bias[None, :, None, None], ops))
    if isinstance(module, InstanceNorm):
        y = ops.mvn(x, _numbers(ops, 2, 3), True, 1e-5, "inside_sqrt")
        if module.weight is None or module.bias is None:
            return y
        weight, bias = (_constant(each[None, :, None, None], ops) for each in (module.weight, module.bias))
        return ops.add(ops.multiply(y, weight), bias)
    if isinstance(module, nn.ReflectionPad2d):
        around = _numbers(ops, 0, 0, module.padding[0], module.padding[0])
        return ops.pad(x, around, around, "reflect")
    if isinstance(module, nn.ReLU):
        return ops.relu(x)
    if isinstance(module, nn.LeakyReLU):
        return ops.prelu(x, _numbers(ops, module.negative_slope))
    if isinstance(module, nn.Tanh):
        return ops.tanh(x)
    if isinstance(module, ClassColours):
        likely = ops.softmax(ops.multiply(x, _numbers(ops, SHARPNESS)), 1)
        return ops.convolution(
            likely, _constant(module.colours.T[..., None, None], ops), [1, 1], [0, 0], [0, 0], [1, 1]
        )
    if not isinstance(module, ResnetGenerator | nn.Sequential | nn.Identity | nn.Dropout):
        raise TypeError(f"{type(module).__name__} cannot be computed by OpenVINO")
    for child in module.children():
        x = _through(child, x, ops)
    return x


def _constant(values: Tensor, ops: Any) -> Any:
    return ops.constant(values.detach().float().contiguous().numpy())


def _numbers(ops: Any, *values: float) -> Any:
    """A constant of whole numbers, as axes and sizes are, or of others."""
    whole = all(isinstance(value, int) for value in values)
    return ops.constant(np.array(values, np.int64 if whole else np.float32))
