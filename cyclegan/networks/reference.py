"""Generators as junyanz/pytorch-CycleGAN-and-pix2pix, the reference, stores them: a bare state dict in a `.pth` file,
whose name and keys are all it says of the network. The same in a safetensors file is as good."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from cyclegan.config import ConfigError, Direction, GeneratorConfig, GeneratorName, Norm
from cyclegan.networks.build import build_generator
from cyclegan.networks.layers import InstanceNorm
from cyclegan.networks.pickles import PickleError, check_pickles
from cyclegan.networks.storage import WeightsError, check_tensors, dequantize

State = dict[str, Tensor]

BLOCKS: dict[int, GeneratorName] = {9: "resnet_9blocks", 6: "resnet_6blocks"}
LEVELS: dict[int, GeneratorName] = {8: "unet_256", 7: "unet_128"}
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
CYCLEGAN_NAMES: dict[Direction, str] = {"ab": "G_A", "ba": "G_B"}
PIX2PIX_NAME = "G"


@dataclass(frozen=True)
class FileName:
    """What the name of a file says, as far as it does: 5_net_G_A.pth, latest_net_G.pth."""

    epoch: int | None
    direction: Direction | None

    @classmethod
    def of(cls, path: Path) -> FileName:
        match = re.fullmatch(r"(?:([0-9]+)|latest|iter_[0-9]+)_net_(G(?:_[AB])?)", path.stem)
        if match is None:
            return cls(None, None)
        direction = next((each for each, name in CYCLEGAN_NAMES.items() if name == match[2]), None)
        return cls(int(match[1]) if match[1] else None, direction)


def read_generator(path: Path, *, dropout: bool = True) -> tuple[GeneratorConfig, nn.Module]:
    """The generator in a file of the reference, float32 on the CPU; `dropout` is for a U-Net, whose keys hide it.

    Raises WeightsError, naming file and tensor, where it is no such generator.
    """
    state = _read_state(path)
    config = infer_config(state, str(path), dropout=dropout)
    with torch.device("meta"):
        network = build_generator(config)
    _complete(state, network, config)
    check_tensors(state, network.state_dict(), str(path), told_by=f"a {describe(config)}")
    network.load_state_dict(state, strict=True, assign=True)
    return config, network


def reference_state(config: GeneratorConfig, network: nn.Module, source: str) -> State:
    """The weights by the reference's names. Raises WeightsError where it would not load them as the same network."""
    if config.classes:
        raise WeightsError(
            f"{source} makes label maps of the classes of {config.classes}; the reference has no such layer"
        )
    state = dict(network.state_dict())
    if config.norm == "none":
        for name, bias in _inner_biases(network):
            if bias.any():
                raise WeightsError(f"{source}: {name} is not 0, but the reference has no biases without a norm")
            del state[name]
    if config.upsample == "resize":
        raise WeightsError(f"{source} upsamples by resize-convolution; the reference has no such layer")
    if (told := infer_config(state, source, dropout=config.dropout)) != config:
        raise WeightsError(f"{source} is a {config}; the reference would take it for a {told}")
    return state


def infer_config(state: State, source: str, *, dropout: bool) -> GeneratorConfig:
    """The network that these weights are of, by the keys and shapes that tell the reference's networks apart; whether
    they fit it everywhere is for the caller to check. Raises WeightsError where they are of none it knows."""
    if "model.model.0.weight" in state:
        first, norm = "model.model.0", "model.model.1.model.2"
        depth, known, what = 2 + max(key.count(".3.model") for key in state), LEVELS, "levels"
    elif "model.1.weight" in state:
        first, norm = "model.1", "model.2"
        depth, known, what = len({key.split(".")[1] for key in state if ".conv_block." in key}), BLOCKS, "blocks"
        # Without dropout the second convolution is the 5th layer, and the 6th is its norm.
        second = state.get("model.10.conv_block.6.weight")
        dropout = second is not None and second.ndim == 4
    else:
        raise WeightsError(
            f"{source} is no generator of the reference: a ResNet has model.1.weight, a U-Net model.model.0.weight; "
            f"this begins with {next(iter(state))}"
        )
    if depth not in known:
        choices = ", ".join(f"{name} with {number}" for number, name in known.items())
        raise WeightsError(f"{source} has {depth} {what}; this program knows {choices}")
    weight = state[f"{first}.weight"]
    if weight.ndim != 4:
        raise WeightsError(f"{source}: {first}.weight has shape {list(weight.shape)}; a convolution has 4 dimensions")
    try:
        return GeneratorConfig(
            architecture=known[depth],
            width=weight.shape[0],
            norm=_infer_norm(state, first, norm),
            dropout=dropout,
            in_channels=weight.shape[1],
            out_channels=_out_channels(state, source, depth if known is BLOCKS else None),
        )
    except ConfigError as error:
        raise WeightsError(f"{source}: {error}") from None


def _out_channels(state: State, source: str, blocks: int | None) -> int:
    """Return the channels of the image: the last convolution of a ResNet has them first, that of a U-Net second.

    Raises WeightsError if that layer is missing.
    """
    name, dimension = ("model.model.3.weight", 1) if blocks is None else (f"model.{blocks + 17}.weight", 0)
    if name not in state:
        raise WeightsError(f"{source} lacks {name}, the last layer; save the state_dict() of the whole generator")
    return state[name].shape[dimension] if state[name].ndim == 4 else 0


def describe(config: GeneratorConfig) -> str:
    """What the keys of a file show, in words."""
    return f"{config.architecture} of width {config.width} and norm {config.norm}"


def _read_state(path: Path) -> State:
    """The tensors of a file, float32 on the CPU, without what DataParallel puts before their names."""
    if path.is_dir():
        raise WeightsError(f"{path} is a folder; name a file in it, or convert a run with --export-reference")
    try:
        content = _load(path)
    except FileNotFoundError:
        raise WeightsError(f"{path} is not there; name a file such as latest_net_G_A.pth") from None
    if not isinstance(content, dict) or not content:
        raise WeightsError(f"{path} holds no names and tensors; save the generator's state_dict() alone")
    for name, value in content.items():
        if not (isinstance(name, str) and _is_plain(value)):
            kind = type(value).__name__
            raise WeightsError(f"{path}: {name!r} is no plain tensor ({kind}); save the generator's state_dict() alone")
    held = path.stat().st_size
    # In a pickle one number can stand for many; what safetensors held has grown to float32 by now.
    if path.suffix != ".safetensors" and sum(value.nbytes for value in content.values()) > held:
        raise WeightsError(f"{path} tells of more weights than it holds; save the generator's state_dict() alone")
    prefix = "module." if all(name.startswith("module.") for name in content) else ""
    return {
        name.removeprefix(prefix): value.detach().float() if value.is_floating_point() else value.clone()
        for name, value in content.items()
    }


def _load(path: Path) -> object:
    if path.suffix == ".safetensors":
        try:
            return dequantize(load_file(path), str(path))
        except SafetensorError as error:
            raise WeightsError(f"{path} is damaged ({error}); get it once more") from None
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            check_pickles(path)
            return torch.load(file, map_location="cpu", weights_only=True)
        except PickleError as error:
            raise WeightsError(f"{path} {error}") from None
        except Exception as error:  # torch.load raises whatever a damaged file makes it meet
            code = re.search(r"GLOBAL (\S+)", str(error))
            reason = (
                f"holds {code[1]}, and code is not run here; save the generator's state_dict() alone"
                if code
                else "is damaged, cut short, or no file of PyTorch weights; get it once more"
            )
            raise WeightsError(f"{path} {reason}") from None


def _is_plain(value: object) -> bool:
    return isinstance(value, Tensor) and value.layout is torch.strided and value.device.type == "cpu"


def _infer_norm(state: State, first: str, norm: str) -> Norm:
    """Only batch norm has weights; of the others only instance norm comes with biases in the convolutions."""
    if f"{norm}.weight" in state:
        return "batch"
    return "instance" if f"{first}.bias" in state else "none"


def _complete(state: State, network: nn.Module, config: GeneratorConfig) -> None:
    """Mend, in place, what the reference's versions store otherwise than our network: instance norms once had
    running statistics that nothing used, batch norms once had no counter, and without a norm there are no biases."""
    for name, module in network.named_modules():
        if isinstance(module, InstanceNorm):
            for statistic in STATISTICS:
                state.pop(f"{name}.{statistic}", None)
        elif isinstance(module, nn.BatchNorm2d):
            state.setdefault(f"{name}.num_batches_tracked", torch.tensor(0))
    if config.norm == "none":
        for name, bias in _inner_biases(network):
            state.setdefault(name, torch.zeros(bias.shape))


def _inner_biases(network: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Those of all convolutions but the last, whose bias the reference keeps with every norm."""
    return [(name, value) for name, value in network.named_parameters() if name.endswith(".bias")][:-1]
