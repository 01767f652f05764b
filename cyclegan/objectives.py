"""What each method asks of its networks: generators, discriminators and loss terms, no optimisers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclegan.config import CycleGANConfig, MethodConfig, Pix2PixConfig
from cyclegan.datasets import Pair
from cyclegan.losses import gan_loss
from cyclegan.networks import IMAGE_CHANNELS, build_discriminator, build_generator, initialize

Losses = dict[str, Tensor]


class ImagePool:
    """Translations from earlier steps, shown to a discriminator in place of half of the current ones.

    Shrivastava et al. 2017 (arXiv:1612.07828) section 2.3, as CycleGAN's section 4 uses it.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.images: list[Tensor] = []
        self.rng = np.random.default_rng(seed)

    def exchange(self, images: Tensor) -> Tensor:
        """Remember these images [N, C, H, W]; give back each, or with probability 1/2 an older one in its place."""
        if self.size == 0:
            return images
        chosen = []
        for image in images.detach().split(1):
            if len(self.images) < self.size:
                self.images.append(image.clone())  # a view would keep, and a checkpoint save, the whole batch
            elif self.rng.random() < 0.5:
                index = int(self.rng.integers(self.size))
                image, self.images[index] = self.images[index], image.clone()
            chosen.append(image)
        return torch.cat(chosen)

    def state_dict(self) -> dict[str, Any]:
        return {"images": self.images, "rng": self.rng.bit_generator.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.images = state["images"]
        self.rng.bit_generator.state = state["rng"]


class CycleGAN(nn.Module):
    """Two generators that undo each other, and a discriminator for each domain.

    Zhu et al. 2017 (arXiv:1703.10593): equations 1-3, the identity loss of section 5.2, the image pool of section 4.
    `generators["ab"]` translates domain a to b; `discriminators["b"]` judges domain b.
    """

    generators_first = True
    paired = False

    def __init__(self, config: CycleGANConfig) -> None:
        super().__init__()
        self.config = config
        self.generators = nn.ModuleDict({way: build_generator(config.generator) for way in ("ab", "ba")})
        self.discriminators = nn.ModuleDict(
            {domain: build_discriminator(config.discriminator, in_channels=IMAGE_CHANNELS) for domain in ("a", "b")}
        )
        self.pools = {
            domain: ImagePool(config.pool_size, config.seed + index) for index, domain in enumerate(("a", "b"))
        }
        initialize(self, config.init_gain)

    def forward(self, real: Pair) -> dict[str, Tensor]:
        """The translations of real images and, where its loss counts, of images already in the target domain."""
        outputs: dict[str, Tensor] = {}
        together = self.config.generator.norm != "batch"  # the two must not share their statistics
        for way, source, target in (("ab", real.a, real.b), ("ba", real.b, real.a)):
            fake, identity = f"fake_{way[1]}", f"identity_{way[1]}"
            if self.config.lambda_identity and together:
                both = self.generators[way](torch.cat([source, target]))
                outputs[fake], outputs[identity] = both.split([len(source), len(target)])
                continue
            outputs[fake] = self.generators[way](source)
            if self.config.lambda_identity:
                outputs[identity] = self.generators[way](target)
        return outputs

    def generator_losses(self, real: Pair, fake: dict[str, Tensor]) -> Losses:
        config, losses = self.config, {}
        for source, target, back in (("a", "b", "ba"), ("b", "a", "ab")):
            original = getattr(real, source)
            judged = self.discriminators[target](fake[f"fake_{target}"])
            losses[f"gan_{target}"] = gan_loss(config.gan_mode, judged, True)
            restored = self.generators[back](fake[f"fake_{target}"])
            losses[f"cycle_{source}"] = config.lambda_cycle * _l1(restored, original)
            if config.lambda_identity:
                weight = config.lambda_cycle * config.lambda_identity
                losses[f"identity_{source}"] = weight * _l1(fake[f"identity_{source}"], original)
        return losses

    def discriminator_losses(self, real: Pair, fake: dict[str, Tensor]) -> Losses:
        losses = {}
        for domain in ("a", "b"):
            discriminator, mode = self.discriminators[domain], self.config.gan_mode
            shown = self.pools[domain].exchange(fake[f"fake_{domain}"].detach())
            real_loss = gan_loss(mode, discriminator(getattr(real, domain)), True)
            fake_loss = gan_loss(mode, discriminator(shown), False)
            # Halved, so that a discriminator learns at half the pace of a generator: section 7.1.
            losses[f"discriminator_{domain}"] = (real_loss + fake_loss) / 2
        return losses


class Pix2Pix(nn.Module):
    """One generator, held to the true image by L1, and a discriminator that sees input and output together.

    Isola et al. 2017 (arXiv:1611.07004): equations 1-4. The direction is `config.direction`; the discriminator
    of the target domain judges [source, target] joined along the channels.
    """

    generators_first = False
    paired = True

    def __init__(self, config: Pix2PixConfig) -> None:
        super().__init__()
        self.config = config
        self.source, self.target = config.direction
        self.generators = nn.ModuleDict({config.direction: build_generator(config.generator)})
        self.discriminators = nn.ModuleDict(
            {self.target: build_discriminator(config.discriminator, in_channels=2 * IMAGE_CHANNELS)}
        )
        self.pools: dict[str, ImagePool] = {}
        initialize(self, config.init_gain)

    def forward(self, real: Pair) -> dict[str, Tensor]:
        """The translation of the source images."""
        return {"fake": self.generators[self.config.direction](getattr(real, self.source))}

    def generator_losses(self, real: Pair, fake: dict[str, Tensor]) -> Losses:
        return {
            "gan": gan_loss(self.config.gan_mode, self._judge(real, fake["fake"]), True),
            "l1": self.config.lambda_l1 * _l1(fake["fake"], getattr(real, self.target)),
        }

    def discriminator_losses(self, real: Pair, fake: dict[str, Tensor]) -> Losses:
        mode = self.config.gan_mode
        real_loss = gan_loss(mode, self._judge(real, getattr(real, self.target)), True)
        fake_loss = gan_loss(mode, self._judge(real, fake["fake"].detach()), False)
        # Halved, so that the discriminator learns at half the pace of the generator: section 3.3.
        return {"discriminator": (real_loss + fake_loss) / 2}

    def _judge(self, real: Pair, image: Tensor) -> Tensor:
        return self.discriminators[self.target](torch.cat([getattr(real, self.source), image], 1))


Objective = CycleGAN | Pix2Pix


def build_objective(config: MethodConfig) -> Objective:
    """The objective of a configuration, with freshly drawn weights from PyTorch's global random state."""
    return CycleGAN(config) if isinstance(config, CycleGANConfig) else Pix2Pix(config)


def _l1(x: Tensor, y: Tensor) -> Tensor:
    return F.l1_loss(x if x.dtype == torch.float64 else x.float(), y)
