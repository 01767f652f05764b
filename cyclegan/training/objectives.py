"""What each method asks of its networks: generators, discriminators and loss terms, no optimisers.

Loss terms come in groups: each is differentiated, and its activations are freed, before the next one is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from cyclegan.config import CycleGANConfig, GANConfig, MethodConfig, Pix2PixConfig, palette_of, reversed_way
from cyclegan.data.batches import Pair
from cyclegan.networks.build import build_discriminator, build_generator, initialize
from cyclegan.networks.discriminators import layer_outputs
from cyclegan.networks.generators import with_class_logits
from cyclegan.networks.layers import palette_colours
from cyclegan.training.augmentation import Augment, recolored
from cyclegan.training.edges import smooth_edges
from cyclegan.training.losses import class_loss, feature_loss, gan_loss, gradient_penalty, l1_loss, palette_loss
from cyclegan.training.pools import ImagePool
from cyclegan.training.sharing import draw

Losses = dict[str, Tensor]
Fakes = dict[str, Tensor]
"""What the generators make of a batch; class_logits: how pix2pix's came to the classes of its label maps."""


class CycleGAN(nn.Module):
    """Two generators that undo each other, and a discriminator for each domain.

    Zhu et al. 2017 (arXiv:1703.10593): equations 1-3, the identity loss of section 5.2, the image pool of section 4.
    `generators["ab"]` translates domain a to b; `discriminators["b"]` judges domain b.
    """

    generators_first = True
    """Whether the generators move before the discriminators, and leave in `fake` what they made for it; else they find
    in it what was made for both moves."""
    epoch = 1
    """The epoch in work, from 1."""

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
        initialize(self, config.init_gain, config.init)

    @property
    def resting(self) -> tuple[nn.Module, ...]:
        """The networks whose weights stay as they are in this epoch: those that make and judge photos, once these
        teach."""
        if 0 < self.config.labels_only_from <= self.epoch:
            return (self.generators["ba"], self.discriminators["a"])
        return ()

    def forward(self, real: Pair) -> Fakes:
        """The translations of both domains; of photos alone where those of label maps would be judged by nobody."""
        if self.resting:
            return {"fake_b": self.generators["ab"](real.a)}
        return {"fake_b": self.generators["ab"](real.a), "fake_a": self.generators["ba"](real.b)}

    def generator_losses(self, real: Pair, fake: Fakes) -> Iterator[Losses]:
        """A cycle at a time; once photos teach, what judges label maps, and what photos made of true ones teach.

        There is no way back to real photos then: at rest, what makes photos cannot learn the colours that it lacks, and
        the cycle loss would hold the black corners of a real photo to the class that comes out darkest.
        """
        for way, source, target, back in (("ab", "a", "b", "ba"), ("ba", "b", "a", "ab")):
            original, already_there = getattr(real, source), getattr(real, target)
            if source == "b" and self.resting:
                yield self._lesson(original)
                return
            made, losses = self._made(way, original, already_there)
            fake[f"fake_{target}"] = made.detach()
            if not self.resting:
                losses |= self._way_back(back, made, original)
            yield losses

    def _made(self, way: str, original: Tensor, already_there: Tensor) -> tuple[Tensor, Losses]:
        """A translation, how well it fools, and how much is changed of what is there already."""
        target = way[1]
        made, identity = self._translated(way, original, already_there)
        losses = {f"gan_{target}": gan_loss(self.config.gan_mode, self._critic(target)(made), True)}
        if identity is not None:
            weight = self._cycle_weight * self.config.lambda_identity
            losses[f"identity_{target}"] = weight * l1_loss(identity, already_there)
        return made, losses

    def _way_back(self, back: str, made: Tensor, original: Tensor) -> Losses:
        logits, restored = with_class_logits(self.generators[back], self._noisy(made))
        losses = {f"cycle_{back[1]}": self._cycle_weight * l1_loss(restored, original)}
        if self.config.lambda_palette and not self.config.labels_only_from and back == "ab":
            losses["palette"] = _palette_term(self.config, logits, restored, original)
        return losses

    def _lesson(self, labels: Tensor) -> Losses:
        """What label maps teach the generator of label maps, by photos made of them in other colours."""
        with torch.no_grad():
            photos = recolored(self.generators["ba"](labels))
        logits, restored = with_class_logits(self.generators["ab"], photos)
        return {
            "cycle_b": self._cycle_weight * l1_loss(restored, labels),
            "palette": _palette_term(self.config, logits, restored, labels),
        }

    @property
    def _cycle_weight(self) -> float:
        """Of one direction's cycle loss: half where both are averaged."""
        return (0.5 if self.config.average else 1.0) * self.config.lambda_cycle

    def _noisy(self, made: Tensor) -> Tensor:
        """A translation as it is translated back, noisy where the configuration says so."""
        if not self.config.cycle_noise:
            return made
        return made + self.config.cycle_noise * draw(
            len(made), lambda rows: made.new_empty(rows, *made.shape[1:]).normal_()
        )

    def _translated(self, way: str, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor | None]:
        """The translation and, where its loss counts, what becomes of an image already in the target domain."""
        generator = self.generators[way]
        if not self.config.lambda_identity:
            return generator(source), None
        if self.config.generator.norm == "batch" or source.shape[1:] != target.shape[1:]:
            return generator(source), generator(target)  # the two must not share a batch's statistics
        made, identity = generator(torch.cat([source, target])).split([len(source), len(target)])
        return made, identity

    def discriminator_losses(self, real: Pair, fake: Fakes) -> Iterator[Losses]:
        for domain in ("b",) if self.resting else ("a", "b"):
            shown = self.pools[domain].show(fake[f"fake_{domain}"], self.config.pool_mode)
            lambda_edges = self.config.lambda_edges if domain == self.config.edges_domain else 0.0
            terms = judge(self.config, self._critic(domain), getattr(real, domain), shown, lambda_edges)
            yield {f"{name}_{domain}": term for name, term in terms.items()}

    def _critic(self, domain: str) -> Callable[[Tensor], Tensor]:
        """The discriminator of a domain, for images that it sees augmented, each time anew."""
        return lambda images: self.discriminators[domain](Augment(self.config.augment, images).image(images))


class Pix2Pix(nn.Module):
    """One generator, held to the true image by L1, and a discriminator that sees input and output together.

    Isola et al. 2017 (arXiv:1611.07004): equations 1-4. The direction is `config.direction`; the discriminator
    of the target domain judges [source, target] joined along the channels.
    """

    generators_first = False
    epoch = 1
    resting = ()

    def __init__(self, config: Pix2PixConfig) -> None:
        super().__init__()
        self.config = config
        self.source, self.target = config.direction
        self.generators = nn.ModuleDict({config.direction: build_generator(config.generator)})
        channels = config.generator.in_channels + config.generator.out_channels
        self.discriminators = nn.ModuleDict(
            {self.target: build_discriminator(config.discriminator, in_channels=channels)}
        )
        self.pools: dict[str, ImagePool] = {}
        initialize(self, config.init_gain, config.init)

    def forward(self, real: Pair) -> Fakes:
        """The translation of the source images."""
        generator = self.generators[self.config.direction]
        logits, made = with_class_logits(generator, getattr(real, self.source))
        return {"fake": made} if logits is None else {"fake": made, "class_logits": logits}

    def generator_losses(self, real: Pair, fake: Fakes) -> Iterator[Losses]:
        config, made, true = self.config, fake["fake"], getattr(real, self.target)
        losses = {"l1": config.lambda_l1 * l1_loss(made, true)}
        if config.lambda_palette:
            losses["palette"] = _palette_term(config, fake.get("class_logits"), made, true)
        if not config.lambda_features:
            yield {"gan": gan_loss(config.gan_mode, self._critic(real)(made), True)} | losses
            return
        discriminator = self.discriminators[self.target]
        seen = self._seen(real, made, true)
        (*features, logits), (*true_features, _) = (layer_outputs(discriminator, images) for images in seen)
        losses["features"] = config.lambda_features * feature_loss(features, true_features)
        yield {"gan": gan_loss(config.gan_mode, logits, True)} | losses

    def discriminator_losses(self, real: Pair, fake: Fakes) -> Iterator[Losses]:
        target, shown = getattr(real, self.target), [fake["fake"].detach()]
        yield judge(self.config, self._critic(real), target, shown, self.config.lambda_edges)

    def _critic(self, real: Pair) -> Callable[[Tensor], Tensor]:
        """The discriminator for images made from these sources."""
        return lambda images: self.discriminators[self.target](*self._seen(real, images))

    def _seen(self, real: Pair, *batches: Tensor) -> list[Tensor]:
        """Batches of images as the discriminator sees them, beside their sources, all augmented alike."""
        source = getattr(real, self.source)
        augment = Augment(self.config.augment, source)
        return [torch.cat([augment.source(source), augment.image(images)], 1) for images in batches]


class GAN(nn.Module):
    """A generator that makes images from noise, and a discriminator.

    Goodfellow et al. 2014 (arXiv:1406.2661). Noise stands in the place of domain a.
    """

    generators_first = True
    epoch = 1
    resting = ()

    def __init__(self, config: GANConfig) -> None:
        super().__init__()
        self.config = config
        self.generators = nn.ModuleDict({"ab": build_generator(config.generator)})
        self.discriminators = nn.ModuleDict(
            {"b": build_discriminator(config.discriminator, in_channels=config.generator.out_channels)}
        )
        self.pools: dict[str, ImagePool] = {}
        initialize(self, config.init_gain, config.init)

    def forward(self, real: Pair) -> Fakes:
        """Images made from the noise."""
        return {"fake": self.generators["ab"](real.a)}

    def generator_losses(self, real: Pair, fake: Fakes) -> Iterator[Losses]:
        fake |= self(real)
        yield {"gan": gan_loss(self.config.gan_mode, self.discriminators["b"](fake["fake"]), True)}

    def discriminator_losses(self, real: Pair, fake: Fakes) -> Iterator[Losses]:
        yield judge(self.config, self.discriminators["b"], real.b, [fake["fake"].detach()])


Objective = CycleGAN | Pix2Pix | GAN


def build_objective(config: MethodConfig) -> Objective:
    """The objective of a configuration, with freshly drawn weights from PyTorch's global random state."""
    if isinstance(config, CycleGANConfig):
        return CycleGAN(config)
    return Pix2Pix(config) if isinstance(config, Pix2PixConfig) else GAN(config)


def _palette_term(config: CycleGANConfig | Pix2PixConfig, logits: Tensor | None, made: Tensor, true: Tensor) -> Tensor:
    """The weighted loss of the classes of made label maps."""
    palette = palette_colours(palette_of(config))
    loss = palette_loss(made, true, palette) if logits is None else class_loss(logits, true, palette)
    return config.lambda_palette * loss


def judge(
    config: MethodConfig,
    discriminator: Callable[[Tensor], Tensor],
    real: Tensor,
    fakes: Sequence[Tensor],
    lambda_edges: float = 0.0,
) -> Losses:
    """A discriminator's terms on real images and the batches of fakes that it is shown.

    Halved, so that it learns at half the pace of a generator (CycleGAN section 7.1, pix2pix section 3.3), but for
    wgangp, whose critic is meant to be ahead and whose penalty is weighed against the whole.

    Smoothed edges are fakes beside the fakes (CartoonGAN equation 3). A critic's scores have no zero, so that it is
    told them as their distance from the real images' scores: else it would win by scoring everything lower for ever.
    """
    mode = config.gan_mode
    share = 1.0 if mode == "wgangp" else 0.5
    real_loss = gan_loss(mode, discriminator(real), True)
    fake_loss = torch.stack([gan_loss(mode, discriminator(fake), False) for fake in fakes]).mean()
    terms = {"discriminator": share * (real_loss + fake_loss)}
    if lambda_edges:
        edges_loss = gan_loss(mode, discriminator(smooth_edges(real)), False)
        terms["edges"] = share * lambda_edges * (edges_loss + real_loss if mode == "wgangp" else edges_loss)
    if mode == "wgangp":
        terms["penalty"] = config.lambda_penalty * gradient_penalty(discriminator, real, fakes[0])
    return terms
