"""CycleGAN: its networks and image pools, and its training step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from cyclegan.config import CycleGANConfig, reversed_way
from cyclegan.data.batches import Pair
from cyclegan.networks.build import build_discriminator, build_generator, initialize
from cyclegan.networks.generators import with_class_logits
from cyclegan.training.augmentation import Augment
from cyclegan.training.losses import Logits, Losses, class_terms, discriminator_losses, generator_gan_loss, l1_loss
from cyclegan.training.pools import ImagePool
from cyclegan.training.updates import Updates


class CycleGAN(nn.Module):
    """Two generators that undo each other, and a discriminator for each domain.

    Zhu et al. 2017 (arXiv:1703.10593). `generators["ab"]` translates domain a to b; `discriminators["b"]` judges
    domain b.
    """

    def __init__(self, config: CycleGANConfig) -> None:
        super().__init__()
        self.config = config
        forward = config.generator
        self.generators = nn.ModuleDict({"ab": build_generator(forward), "ba": build_generator(reversed_way(forward))})
        self.discriminators = nn.ModuleDict(
            {
                "a": build_discriminator(config.discriminator, in_channels=forward.in_channels),
                "b": build_discriminator(config.discriminator, in_channels=forward.out_channels),
            }
        )
        self.pools = {
            domain: ImagePool(config.pool_size, config.seed + index) for index, domain in enumerate(("a", "b"))
        }
        initialize(self, init=config.init)

    def step(self, real: Pair, updates: Updates, *, update_generators: bool = True) -> Losses:
        """Update both generators, then both discriminators (Zhu et al. 2017, equations 1 to 3); return the losses."""
        config, mode, losses = self.config, self.config.gan_mode, Losses()
        g, f = self.generators["ab"], self.generators["ba"]
        d_a, d_b = self._discriminator("a"), self._discriminator("b")
        lambda_cycle = config.lambda_cycle * (0.5 if config.average else 1.0)
        lambda_identity = lambda_cycle * config.lambda_identity

        if update_generators:
            updates.freeze_all_but("generators")
            # One cycle at a time: each backward() frees its activations before the next cycle is computed.
            with updates.autocast():
                fake_b, same_b = self._translate(g, real.a, real.b)
                terms = {"gan_b": generator_gan_loss(mode, d_b(fake_b))}  # equation 1
                if same_b is not None:
                    terms["identity_b"] = lambda_identity * l1_loss(same_b, real.b)  # section 5.2
                terms["cycle_a"] = lambda_cycle * l1_loss(f(fake_b), real.a)  # equation 2
            losses |= updates.backward(terms)
            with updates.autocast():
                fake_a, same_a = self._translate(f, real.b, real.a)
                terms = {"gan_a": generator_gan_loss(mode, d_a(fake_a))}
                if same_a is not None:
                    terms["identity_a"] = lambda_identity * l1_loss(same_a, real.a)
                logits, reconstructed_b = with_class_logits(g, fake_a)
                terms["cycle_b"] = lambda_cycle * l1_loss(reconstructed_b, real.b)
                terms |= class_terms(config.generator.classes, logits, real.b, lambda_cycle)
            losses |= updates.backward(terms)
            updates.step("generators")
        else:
            with torch.no_grad(), updates.autocast():
                fake_b, fake_a = g(real.a), f(real.b)

        updates.freeze_all_but("discriminators")
        for domain, d, real_x, fake_x in (("a", d_a, real.a, fake_a), ("b", d_b, real.b, fake_b)):
            with updates.autocast():
                shown = self.pools[domain].show(fake_x, config.pool_mode)  # section 4
                terms = discriminator_losses(mode, d, real_x, shown, config.lambda_edges if domain == "b" else 0.0)
            losses |= updates.backward({f"{name}_{domain}": term for name, term in terms.items()})
        updates.step("discriminators")
        return losses

    def _discriminator(self, domain: str) -> Callable[[Tensor], Logits]:
        """Return the discriminator of a domain behind DiffAugment, which draws anew for each batch."""
        return lambda images: self.discriminators[domain](Augment(self.config.diffaugment, images).image(images))

    def _translate(self, generator: nn.Module, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the translation of `source` and, with an identity loss, that of `target`, which should stay itself."""
        if not self.config.lambda_identity:
            return generator(source), None
        if self.config.generator.norm == "batch" or source.shape[1:] != target.shape[1:]:
            return generator(source), generator(target)  # the two must not share a batch's statistics
        fake, same = generator(torch.cat([source, target])).split([len(source), len(target)])
        return fake, same
