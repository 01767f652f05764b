"""pix2pix: its networks, and its training step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from cyclegan.config import Pix2PixConfig
from cyclegan.data.batches import Pair
from cyclegan.networks.build import build_discriminator, build_generator, initialize
from cyclegan.networks.discriminators import layer_outputs
from cyclegan.networks.features import feature_network
from cyclegan.networks.generators import with_class_logits
from cyclegan.training.augmentation import Augment
from cyclegan.training.losses import (
    Logits,
    Losses,
    class_terms,
    discriminator_losses,
    feature_loss,
    generator_gan_loss,
    l1_loss,
    perceptual_loss,
)
from cyclegan.training.pools import ImagePool
from cyclegan.training.updates import Updates


class Pix2Pix(nn.Module):
    """A generator that L1 holds to the target, and a discriminator that sees input and output together.

    Isola et al. 2017 (arXiv:1611.07004). The direction is `config.direction`; the discriminator of the target domain
    judges [source, target], concatenated along the channels.
    """

    def __init__(self, config: Pix2PixConfig) -> None:
        super().__init__()
        self.config = config
        self.generators = nn.ModuleDict({config.direction: build_generator(config.generator)})
        channels = config.generator.in_channels + config.generator.out_channels
        self.discriminators = nn.ModuleDict(
            {
                config.direction[1]: build_discriminator(
                    config.discriminator, in_channels=channels, source_channels=config.generator.in_channels
                )
            }
        )
        self.pools: dict[str, ImagePool] = {}
        initialize(self, init=config.init)

    def step(self, real: Pair, updates: Updates, *, update_generators: bool = True) -> Losses:
        """Update the discriminator, then the generator (Isola et al. 2017, equations 1, 3, 4); return the losses."""
        config, mode, losses = self.config, self.config.gan_mode, Losses()
        source, target = (getattr(real, domain) for domain in config.direction)
        with torch.set_grad_enabled(update_generators), updates.autocast():
            logits, fake = with_class_logits(self.generators[config.direction], source)

        updates.freeze_all_but("discriminators")
        with updates.autocast():
            terms = discriminator_losses(mode, self._judge(source), target, [fake.detach()], config.lambda_edges)
        losses |= updates.backward(terms)  # equation 1
        updates.step("discriminators")

        if update_generators:
            updates.freeze_all_but("generators")
            with updates.autocast():
                judged, matching = self._judge_and_match(source, fake, target)
                terms = {"gan": generator_gan_loss(mode, judged)}  # equation 1, non-saturating (section 3.3)
                terms["l1"] = config.lambda_l1 * l1_loss(fake, target)  # equation 3
                terms |= class_terms(config.generator.classes, logits, target, config.lambda_l1) | matching
                if config.lambda_perceptual:
                    features = feature_network("lite0", target)
                    loss = perceptual_loss(features(fake), features(target))
                    terms["perceptual"] = config.lambda_perceptual * loss
            losses |= updates.backward(terms)  # equation 4
            updates.step("generators")
        return losses

    def _judge(self, source: Tensor) -> Callable[[Tensor], Logits]:
        """Return the discriminator for translations of these sources."""
        (discriminator,) = self.discriminators.values()
        return lambda images: discriminator(*self._seen(source, images))

    def _judge_and_match(self, source: Tensor, fake: Tensor, target: Tensor) -> tuple[Logits, Losses]:
        """Return the logits of the fake and, with feature matching (pix2pixHD), its weighted loss."""
        if not self.config.lambda_features:
            return self._judge(source)(fake), {}
        (discriminator,) = self.discriminators.values()
        seen = self._seen(source, fake, target)
        (*features, logits), (*target_features, _) = (layer_outputs(discriminator, images) for images in seen)
        return logits, {"features": self.config.lambda_features * feature_loss(features, target_features)}

    def _seen(self, source: Tensor, *batches: Tensor) -> list[Tensor]:
        """Return what the discriminator sees of batches of images: their sources beside them, all augmented alike."""
        augment = Augment(self.config.diffaugment, source)
        return [torch.cat([augment.source(source), augment.image(images)], 1) for images in batches]
