"""Generators, with the layer order and state-dict keys of junyanz/pytorch-CycleGAN-and-pix2pix."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from cyclegan.config import SIZE_MULTIPLE, SMALLEST_SIZE, GeneratorConfig
from cyclegan.facades.labels import CLASSES
from cyclegan.networks.layers import (
    ACTIVATIONS,
    NORMS,
    ClassColours,
    DoublingConv,
    HalvingConv,
    ReflectionPad,
    ResizeConv,
)

MLP_SIZE = 32
"""Side in pixels of the images that mlp networks make and judge."""


class ResnetBlock(nn.Module):
    """Two 3x3 convolutions whose result is added to the input: [N, C, H, W] -> the same.

    He et al. 2016 (arXiv:1512.03385), without the last ReLU, as Johnson et al. 2016 use it.
    """

    def __init__(self, config: GeneratorConfig, channels: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            ReflectionPad(1),
            nn.Conv2d(channels, channels, 3, bias=config.norm_bias),
            NORMS[config.norm](channels),
            ACTIVATIONS[config.activation](),
            *([nn.Dropout(0.5)] if config.dropout else []),
            ReflectionPad(1),
            nn.Conv2d(channels, channels, 3, bias=config.norm_bias),
            NORMS[config.norm](channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class ResnetGenerator(nn.Module):
    """Translate an image at its own size, through residual blocks at a quarter of it.

    Architecture: Johnson et al. 2016 (arXiv:1603.08155), as CycleGAN's appendix 7.2 uses it.
    The layer order, and so every state-dict key, is that of junyanz/pytorch-CycleGAN-and-pix2pix:
    its published weights load unchanged.

    Shapes: [N, in_channels, H, W] -> [N, out_channels, H, W], values in [-1, 1]; with `class_logits`, which is for a
    configuration with classes, the logits [N, classes, H, W] and the image that they give.
    Raises ValueError where H or W is no multiple of 4, since the output would not align with the input, or below 8.
    """

    def __init__(self, config: GeneratorConfig, *, blocks: int) -> None:
        super().__init__()
        width, norm, bias = config.width, NORMS[config.norm], config.norm_bias
        activation = ACTIVATIONS[config.activation]
        layers: list[nn.Module] = [
            ReflectionPad(3),
            nn.Conv2d(config.in_channels, width, 7, bias=bias),
            norm(width),
            activation(),
        ]
        for channels in (width, 2 * width):
            layers += [
                nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1, bias=bias),
                norm(2 * channels),
                activation(),
            ]
        layers += [ResnetBlock(config, 4 * width) for _ in range(blocks)]
        for channels in (4 * width, 2 * width):
            double: nn.Module
            if config.upsample == "resize":
                double = ResizeConv(channels, channels // 2, bias=bias)
            else:
                double = nn.ConvTranspose2d(
                    channels, channels // 2, 3, stride=2, padding=1, output_padding=1, bias=bias
                )
            layers += [double, norm(channels // 2), activation()]
        layers += [ReflectionPad(3), nn.Conv2d(width, _outputs(config), 7), _to_colours(config)]
        self.model = nn.Sequential(*layers)
        self.tells_classes = config.classes is not None

    def forward(self, x: Tensor, *, class_logits: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        _check_size(x, SIZE_MULTIPLE["resnet_9blocks"], SMALLEST_SIZE["resnet_9blocks"])
        return _through(self.model, x, class_logits)


class UnetLevel(nn.Module):
    """One level of the U-Net: halve, go through the inner levels, double, and pass the input on beside the result.

    Shapes: [N, outer, H, W] -> [N, 2 * outer, H, W]; the outermost level maps images to images.
    """

    def __init__(
        self,
        config: GeneratorConfig,
        outer: int,
        inner: int,
        submodule: UnetLevel | None,
        *,
        dropout: bool = False,
        outermost: bool = False,
    ) -> None:
        super().__init__()
        norm, bias = NORMS[config.norm], config.norm_bias
        self.outermost = outermost
        normed = submodule is not None and not outermost
        down_bias = bias if normed else config.norm != "batch"  # as the reference has it where no norm follows
        down = HalvingConv(config.in_channels if outermost else outer, inner, bias=down_bias)
        up_conv = ResizeConv if config.upsample == "resize" else DoublingConv
        up_from = inner if submodule is None else 2 * inner
        up = up_conv(up_from, _outputs(config) if outermost else outer, bias=bias or outermost)
        layers: list[nn.Module] = [down]
        if not outermost:
            layers.insert(0, nn.LeakyReLU(0.2))
        if submodule is not None:
            layers += [submodule] if outermost else [norm(inner), submodule]
        layers += [ACTIVATIONS[config.activation](), up, _to_colours(config) if outermost else norm(outer)]
        if dropout:
            layers.append(nn.Dropout(0.5))
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        # The reference's in-place LeakyReLU also alters the skip connection; its ReLU after the concatenation
        # makes both the same function.
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)


class UnetGenerator(nn.Module):
    """Translate an image through ever smaller feature maps, with skip connections between equal sizes.

    Architecture: Ronneberger et al. 2015 (arXiv:1505.04597), as pix2pix's appendix 6.1 uses it; `levels`
    halvings, so that unet_256 meets one pixel in the middle of a 256-pixel image.

    Shapes: [N, in_channels, H, W] -> [N, out_channels, H, W], values in [-1, 1]; `class_logits` as of a
    ResnetGenerator.
    Raises ValueError where H or W is no multiple of 2 ** levels.
    """

    def __init__(self, config: GeneratorConfig, *, levels: int) -> None:
        super().__init__()
        width = config.width
        level = UnetLevel(config, 8 * width, 8 * width, None)
        for _ in range(levels - 5):
            level = UnetLevel(config, 8 * width, 8 * width, level, dropout=config.dropout)
        for outer in (4 * width, 2 * width, width):
            level = UnetLevel(config, outer, 2 * outer, level)
        self.multiple = 2**levels
        self.model = UnetLevel(config, width, width, level, outermost=True)
        self.tells_classes = config.classes is not None

    def forward(self, x: Tensor, *, class_logits: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        _check_size(x, self.multiple, self.multiple)
        return _through(self.model.model if class_logits else self.model, x, class_logits)


class MlpGenerator(nn.Module):
    """Make images from noise through four hidden layers, each twice as wide as the one before.

    Shapes: noise [N, in_channels], standard normal -> [N, out_channels, 32, 32], values in [-1, 1].
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        widths = [config.in_channels, *(config.width * factor for factor in (1, 2, 4, 8))]
        layers: list[nn.Module] = []
        for index, (before, after) in enumerate(pairwise(widths)):
            normed = index > 0 and config.norm == "batch"  # the first layer's input is normal already
            layers += [nn.Linear(before, after), *([nn.BatchNorm1d(after)] if normed else [])]
            layers.append(ACTIVATIONS[config.activation]())
        layers += [nn.Linear(widths[-1], config.out_channels * MLP_SIZE**2), nn.Tanh()]
        self.model = nn.Sequential(*layers, nn.Unflatten(1, (config.out_channels, MLP_SIZE, MLP_SIZE)))

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


def with_class_logits(generator: nn.Module, x: Tensor) -> tuple[Tensor | None, Tensor]:
    """What a generator makes of images, after the logits of the classes [N, classes, H, W] that it comes from; None for
    a generator that makes images of any colours."""
    if generator.tells_classes:
        logits, image = generator(x, class_logits=True)
        return logits, image
    return None, generator(x)


def _through(layers: nn.Module, x: Tensor, class_logits: bool) -> Tensor | tuple[Tensor, Tensor]:
    """The image, and before it, where they are asked for, the logits that the last layer gives its colours."""
    if not class_logits:
        image: Tensor = layers(x)
        return image
    *most, to_colours = layers.children()
    for layer in most:
        x = layer(x)
    return x, to_colours(x)


def _outputs(config: GeneratorConfig) -> int:
    """Channels of the last convolution."""
    return config.out_channels if config.classes is None else len(CLASSES)


def _to_colours(config: GeneratorConfig) -> nn.Module:
    """The last layer: values in [-1, 1]."""
    return nn.Tanh() if config.classes is None else ClassColours(config.classes)


def _check_size(x: Tensor, multiple: int, smallest: int) -> None:
    height, width = x.shape[-2:]
    if height % multiple or width % multiple:
        raise ValueError(f"image is {width}x{height}; both sides must be multiples of {multiple}")
    if min(height, width) < smallest:
        raise ValueError(f"image is {width}x{height}; both sides must have {smallest} pixels or more")
