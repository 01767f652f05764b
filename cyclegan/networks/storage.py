"""Weights on disk: safetensors in half precision, 8 or 4 bits, checked strictly when they come back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from cyclegan.config import DiscriminatorConfig, GeneratorConfig, from_json, to_json
from cyclegan.networks.build import build_discriminator, build_generator
from cyclegan.runtime.files import write_atomically

Storage = Literal["fp16", "int8", "int4"]
LARGEST = torch.finfo(torch.float16).max
STORED = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.uint8, torch.int8, torch.int64)
"""Types of the tensors that are read."""
SCALE = ".scale"
"""Suffix of the tensor that turns integers back: weight = integers * scale."""
LARGE = 2**16
"""Weights of a convolution from which on it is stored in 4 bits: the U-Net's inner ones, which are nearly all of it,
and the last of a very wide one that tells classes."""
CLIPS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
"""How much of a channel's range 15 integers may cover: the rest is cut off, where the others gain more by it."""


class WeightsError(ValueError):
    """Stored weights that cannot be used: the message names the file and what is wrong with it."""


C = TypeVar("C", GeneratorConfig, DiscriminatorConfig)


def save_network(folder: Path, config: C, state: dict[str, Tensor], storage: Storage = "fp16") -> None:
    """Write `config.json` and `model.safetensors`; the weights file last, so that where it is, both are."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "config.json", to_json(config).encode())
    write_atomically(folder / "model.safetensors", save(pack(state, storage)))


def load_generator(folder: Path) -> tuple[GeneratorConfig, nn.Module]:
    """The generator stored in a folder, float32 on the CPU, ready to translate.

    Raises WeightsError or ConfigError, naming the file, where one is missing, damaged, or fits not exactly.
    """
    return _load(folder, GeneratorConfig, build_generator)


def load_discriminator(folder: Path, *, in_channels: int) -> tuple[DiscriminatorConfig, nn.Module]:
    """The discriminator stored in a folder, like `load_generator`; it sees images of so many channels."""
    return _load(folder, DiscriminatorConfig, lambda config: build_discriminator(config, in_channels=in_channels))


def _load(folder: Path, kind: type[C], build: Callable[[C], nn.Module]) -> tuple[C, nn.Module]:
    config_path, weights_path = folder / "config.json", folder / "model.safetensors"
    try:
        config = from_json(kind, config_path.read_bytes(), str(config_path))
    except FileNotFoundError:
        raise WeightsError(f"{config_path} is missing; copy or train the run again") from None
    with torch.device("meta"):
        network = build(config)
    state = read_tensors(weights_path)
    expected = network.state_dict()
    check_tensors(state, expected, str(weights_path))
    network.load_state_dict(state, strict=True, assign=True)
    return config, network.eval().requires_grad_(False)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The weights in a file, as float32. Raises WeightsError, naming it, where it is missing or damaged."""
    try:
        packed = load_file(path)
    except FileNotFoundError:
        raise WeightsError(f"{path} is missing; copy or train the run again") from None
    except SafetensorError as error:
        raise WeightsError(f"{path} is damaged ({error}); copy or train the run again") from None
    return unpack(packed, str(path))


def pack(state: dict[str, Tensor], storage: Storage) -> dict[str, Tensor]:
    """Float weights as fp16, or convolution weights as integers with one fp16 scale for each channel of dimension 0.

    Integers of 4 bits are two in a byte, neighbours of the last dimension, the first in the lower half, with 8 added.
    With int4, convolutions of fewer weights than LARGE, or of odd width, are stored in 8 bits.

    Raises WeightsError where a weight is not finite in half precision.
    """
    packed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        tensor = tensor.detach().cpu()
        if name.endswith(("running_mean", "running_var")):  # no translation reads them: they must not stop a run
            tensor = tensor.clamp(-LARGEST, LARGEST)
        if not tensor.is_floating_point():
            packed[name] = tensor.contiguous()
        elif storage == "fp16" or tensor.ndim != 4:
            packed[name] = tensor.half().contiguous()
        elif storage == "int4" and tensor.numel() >= LARGE and tensor.shape[-1] % 2 == 0:
            integers, packed[name + SCALE] = _quantize(tensor, 7, CLIPS)
            low, high = (integers + 8).to(torch.uint8).unflatten(-1, (-1, 2)).unbind(-1)
            packed[name] = low | high << 4
        else:
            integers, packed[name + SCALE] = _quantize(tensor, 127)
            packed[name] = integers.to(torch.int8).contiguous()
        if not torch.isfinite(packed.get(name + SCALE, packed[name])).all():
            raise WeightsError(
                f"{name} holds values that are not finite, or beyond half precision's largest, {LARGEST:.0f}"
            )
    return packed


def _quantize(tensor: Tensor, most: int, clips: Sequence[float] = (1.0,)) -> tuple[Tensor, Tensor]:
    """Integers in -most..most, as floats, and the fp16 scale of each channel [C, 1, 1, 1]: of the ways to cut off a
    channel's range, that with the least squared error."""
    tensor = tensor.float()

    def integers(scale: Tensor) -> Tensor:
        return (tensor / scale.float()).round().clamp(-most, most)

    largest = tensor.abs().amax((1, 2, 3), keepdim=True)
    scales = torch.stack([(clip * largest / most).clamp(min=1e-7).half() for clip in clips])
    errors = [(integers(scale) * scale.float() - tensor).square().sum((1, 2, 3), keepdim=True) for scale in scales]
    scale = scales.gather(0, torch.stack(errors).argmin(0, keepdim=True))[0]
    return integers(scale), scale


def unpack(packed: dict[str, Tensor], source: str) -> dict[str, Tensor]:
    """Stored weights as float32. Raises WeightsError where a value is not finite, a type none of weights, or a scale is
    missing."""
    bits = {torch.int8: 8, torch.uint8: 4}
    scales = {name + SCALE for name, tensor in packed.items() if tensor.dtype in bits}
    state: dict[str, Tensor] = {}
    for name, tensor in packed.items():
        if tensor.dtype not in STORED:
            raise WeightsError(f"{source}: {name} has {tensor.dtype}; copy or train the run again")
        if name in scales:
            continue
        if tensor.dtype in bits:
            scale = packed.get(name + SCALE)
            if scale is None or tensor.ndim != 4 or scale.shape != (tensor.shape[0], 1, 1, 1):
                raise WeightsError(f"{source}: {name} has {bits[tensor.dtype]} bits but no fitting {name + SCALE}")
            if tensor.dtype == torch.uint8:
                tensor = torch.stack((tensor & 15, tensor >> 4), -1).flatten(-2).to(torch.int8) - 8
            tensor = tensor.float() * scale.float()
        elif tensor.is_floating_point():
            tensor = tensor.float()
        if not torch.isfinite(tensor).all():
            raise WeightsError(f"{source}: {name} holds values that are not finite")
        state[name] = tensor
    return state


def check_tensors(
    state: dict[str, Tensor], expected: dict[str, Tensor], source: str, *, told_by: str = "its config.json"
) -> None:
    """Raise WeightsError, naming the tensor, where names, shapes or types are not those that `told_by` tells of."""
    for what, names in (
        ("lacks {} tensors that {} asks for", expected.keys() - state.keys()),
        ("has {} tensors that {} does not know", state.keys() - expected.keys()),
    ):
        if names:
            raise WeightsError(f"{source} {what.format(len(names), told_by)}: {min(names)}, ...")
    for name, tensor in expected.items():
        if state[name].shape != tensor.shape:
            shapes = f"{list(state[name].shape)}, {told_by} says {list(tensor.shape)}"
            raise WeightsError(f"{source}: {name} has shape {shapes}")
        if state[name].dtype != tensor.dtype:
            raise WeightsError(f"{source}: {name} has {state[name].dtype}, not {tensor.dtype}")
