"""A plain GAN: its networks, and its training step."""

from __future__ import annotations

import torch
from torch import nn

from cyclegan.config import GANConfig
from cyclegan.data.batches import Pair
from cyclegan.networks.build import build_discriminator, build_generator, initialize
from cyclegan.training.losses import Losses, discriminator_losses, generator_gan_loss
from cyclegan.training.pools import ImagePool
from cyclegan.training.updates import Updates


class GAN(nn.Module):
    """A generator of images from noise, and a discriminator.

    Goodfellow et al. 2014 (arXiv:1406.2661). Noise stands in the place of domain a.
    """

    def __init__(self, config: GANConfig) -> None:
        super().__init__()
        self.config = config
        self.generators = nn.ModuleDict({"ab": build_generator(config.generator)})
        self.discriminators = nn.ModuleDict(
            {"b": build_discriminator(config.discriminator, in_channels=config.generator.out_channels)}
        )
        self.pools: dict[str, ImagePool] = {}
        initialize(self, init=config.init)

    def step(self, real: Pair, updates: Updates, *, update_generators: bool = True) -> Losses:
        """Update the generator, then the discriminator (Goodfellow et al. 2014, equation 1); return the losses."""
        mode, losses = self.config.gan_mode, Losses()
        discriminator = self.discriminators["b"]
        with torch.set_grad_enabled(update_generators), updates.autocast():
            fake = self.generators["ab"](real.a)

        if update_generators:
            updates.freeze_all_but("generators")
            with updates.autocast():
                terms = {"gan": generator_gan_loss(mode, discriminator(fake))}
            losses |= updates.backward(terms)
            updates.step("generators")

        updates.freeze_all_but("discriminators")
        with updates.autocast():
            terms = discriminator_losses(mode, discriminator, real.b, [fake.detach()])
        losses |= updates.backward(terms)
        updates.step("discriminators")
        return losses
