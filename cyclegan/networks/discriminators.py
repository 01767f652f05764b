"""Discriminators, with the layer order and state-dict keys of junyanz/pytorch-CycleGAN-and-pix2pix."""

from __future__ import annotations

from torch import Tensor, nn

from cyclegan.config import DiscriminatorConfig
from cyclegan.networks.generators import MLP_SIZE
from cyclegan.networks.layers import NORMS


class PatchDiscriminator(nn.Module):
    """Judge overlapping patches: one logit for each, high for real. With 3 layers a patch is 70x70 pixels.

    Architecture: pix2pix (arXiv:1611.07004) section 3.2.2 and appendix 6.1.2.

    Shapes: [N, in_channels, H, W] -> [N, 1, H/2**layers - 2, W/2**layers - 2], unbounded values.
    """

    def __init__(self, config: DiscriminatorConfig, in_channels: int) -> None:
        super().__init__()
        width, norm, layers = config.width, config.norm, config.layers
        model: list[nn.Module] = [nn.Conv2d(in_channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        channels = width
        for layer in range(1, layers + 1):
            wider = width * min(2**layer, 8)
            stride = 2 if layer < layers else 1
            model += [
                nn.Conv2d(channels, wider, 4, stride=stride, padding=1, bias=norm != "batch"),
                NORMS[norm](wider),
                nn.LeakyReLU(0.2),
            ]
            channels = wider
        model.append(nn.Conv2d(channels, 1, 4, padding=1))
        self.model = nn.Sequential(*model)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class PixelDiscriminator(nn.Module):
    """Judge every pixel on its own: it sees colours, never shapes.

    Architecture: the 1x1 discriminator of pix2pix (arXiv:1611.07004) section 4.4 and appendix 6.1.2.

    Shapes: [N, in_channels, H, W] -> [N, 1, H, W], unbounded values.
    """

    def __init__(self, config: DiscriminatorConfig, in_channels: int) -> None:
        super().__init__()
        width, bias = config.width, config.norm != "batch"
        self.net = nn.Sequential(
            nn.Conv2d(in_channels, width, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 1, bias=bias),
            NORMS[config.norm](2 * width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 1, bias=bias),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class MlpDiscriminator(nn.Module):
    """Judge a whole image: [N, in_channels, 32, 32] -> [N, 1] logits, high for real."""

    def __init__(self, config: DiscriminatorConfig, in_channels: int) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.Flatten(),
            nn.Linear(in_channels * MLP_SIZE**2, 2 * config.width),
            nn.LeakyReLU(0.2),
            nn.Linear(2 * config.width, config.width),
            nn.LeakyReLU(0.2),
            nn.Linear(config.width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


def layer_outputs(discriminator: nn.Module, x: Tensor) -> list[Tensor]:
    """What each hidden layer of a discriminator gives after its activation, and the logits at last."""
    (layers,) = discriminator.children()
    outputs = []
    for layer in layers.children():
        x = layer(x)
        if isinstance(layer, nn.LeakyReLU):
            outputs.append(x)
    return [*outputs, x]
