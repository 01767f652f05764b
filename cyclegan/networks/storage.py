"""Weights on disk: safetensors in half precision or 8 bits, checked strictly when they are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Literal, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from cyclegan import __version__
from cyclegan.config import ConfigError, DiscriminatorConfig, GeneratorConfig, from_json
from cyclegan.networks.build import build_discriminator, build_generator
from cyclegan.runtime.files import CONFIG_BYTES, read_small, write_atomically

Storage = Literal["fp32", "fp16", "int8"]
LARGEST = torch.finfo(torch.float16).max
STORED = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int8, torch.int64)
"""Types of the tensors that are read."""
SCALE = ".scale"
"""Suffix of the tensor that turns integers back: weight = integers * scale."""


class WeightsError(ValueError):
    """Stored weights that cannot be used: the message names the file and what is wrong with it."""


C = TypeVar("C", GeneratorConfig, DiscriminatorConfig)


def save_network(folder: Path, config: C, state: dict[str, Tensor], storage: Storage = "fp16") -> None:
    """Write `config.json` and `model.safetensors`; the weights file last, so that where it is, both are."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "config.json", describe_network(config))
    write_atomically(folder / "model.safetensors", save(quantize(state, storage)))


def load_generator(folder: Path) -> tuple[GeneratorConfig, nn.Module]:
    """The generator stored in a folder, float32 on the CPU, ready to translate.

    Raises WeightsError or ConfigError, naming the file, where one is missing, damaged, or fits not exactly.
    """
    return _load(folder, GeneratorConfig, build_generator)


def load_discriminator(
    folder: Path, *, in_channels: int, source_channels: int = 0
) -> tuple[DiscriminatorConfig, nn.Module]:
    """The discriminator stored in a folder, like `load_generator`; it sees images of so many channels."""
    channels = {"in_channels": in_channels, "source_channels": source_channels}
    return _load(folder, DiscriminatorConfig, lambda config: build_discriminator(config, **channels))


def _load(folder: Path, kind: type[C], build: Callable[[C], nn.Module]) -> tuple[C, nn.Module]:
    weights_path = folder / "model.safetensors"
    config = read_architecture(kind, folder / "config.json")
    with torch.device("meta"):
        network = build(config)
    state = read_tensors(weights_path)
    expected = network.state_dict()
    check_tensors(state, expected, str(weights_path))
    network.load_state_dict(state, strict=True, assign=True)
    return config, network.eval().requires_grad_(False)


def describe_network(config: GeneratorConfig | DiscriminatorConfig) -> bytes:
    """Return the content of a network's `config.json`: class and version as in diffusers, and the architecture."""
    with torch.device("meta"):
        if isinstance(config, GeneratorConfig):
            network = build_generator(config)
        else:
            network = build_discriminator(config, in_channels=3)
    stated = {"_class_name": type(network).__name__, "_cyclegan_version": __version__}
    return (json.dumps(stated | asdict(config), indent=2) + "\n").encode()


def read_architecture(kind: type[C], path: Path) -> C:
    """Return the architecture in a `config.json`, with or without class and version.

    Raises WeightsError if it is missing or cannot be read, ConfigError if this version does not know it.
    """
    text = read_config(path)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    version = None
    if isinstance(content, dict):
        version = content.get("_cyclegan_version")
        kept = {name: value for name, value in content.items() if name not in ("_class_name", "_cyclegan_version")}
        text = json.dumps(kept).encode()
    try:
        return from_json(kind, text, str(path))
    except ConfigError as error:
        if version in (None, __version__):
            raise
        newer = f"; version {str(version)[:20]} wrote it, this is {__version__}: update the program"
        raise ConfigError(f"{error}{newer}") from None


def read_config(path: Path) -> bytes:
    """Return the content of a `config.json`. Raises WeightsError, naming it, if it is missing or cannot be read."""
    try:
        return read_small(path, CONFIG_BYTES)
    except FileNotFoundError:
        raise WeightsError(f"{path} is missing; copy or train the run again") from None
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from None


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The weights in a file, as float32. Raises WeightsError, naming it, where it is missing or damaged."""
    try:
        stored = load_file(path)
    except FileNotFoundError:
        raise WeightsError(f"{path} is missing; copy or train the run again") from None
    except SafetensorError as error:
        raise WeightsError(f"{path} is damaged ({error}); copy or train the run again") from None
    return dequantize(stored, str(path))


def quantize(state: dict[str, Tensor], storage: Storage) -> dict[str, Tensor]:
    """Return float weights as fp32 or fp16, or convolution weights as int8 with an fp16 scale for each channel of
    dimension 0.

    Raises WeightsError if a weight is not finite in half precision.
    """
    stored: dict[str, Tensor] = {}
    for name, tensor in state.items():
        tensor = tensor.detach().cpu()
        if name.endswith(("running_mean", "running_var")):  # no translation reads them: they must not stop a run
            tensor = tensor.clamp(-LARGEST, LARGEST)
        if not tensor.is_floating_point():
            stored[name] = tensor.contiguous()
        elif storage == "fp32":
            stored[name] = tensor.float().contiguous()
        elif storage == "fp16" or tensor.ndim != 4:
            stored[name] = tensor.half().contiguous()
        else:
            largest = tensor.float().abs().amax((1, 2, 3), keepdim=True)
            scale = stored[name + SCALE] = (largest / 127).clamp(min=1e-7).half()
            stored[name] = (tensor / scale.float()).round().clamp(-127, 127).to(torch.int8).contiguous()
        if not torch.isfinite(stored.get(name + SCALE, stored[name])).all():
            raise WeightsError(
                f"{name} holds values that are not finite, or beyond half precision's largest, {LARGEST:.0f}"
            )
    return stored


def dequantize(stored: dict[str, Tensor], source: str) -> dict[str, Tensor]:
    """Return stored weights as float32.

    Raises WeightsError if a value is not finite, a type is not one of STORED, or a scale is missing.
    """
    scales = {name + SCALE for name, tensor in stored.items() if tensor.dtype == torch.int8}
    state: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        if tensor.dtype not in STORED:
            raise WeightsError(f"{source}: {name} has {tensor.dtype}; copy or train the run again")
        if name in scales:
            continue
        if tensor.dtype == torch.int8:
            scale = stored.get(name + SCALE)
            if scale is None or tensor.ndim != 4 or scale.shape != (tensor.shape[0], 1, 1, 1):
                raise WeightsError(f"{source}: {name} is int8 but has no fitting {name + SCALE}")
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
