"""The baseline: networks and steps the reference's way, plain fp32 eager NCHW, written straight."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclegan.config import DiscriminatorConfig, GeneratorConfig
from cyclegan.networks.build import build_discriminator, build_generator, initialize
from cyclegan.networks.layers import DoublingConv, HalvingConv, InstanceNorm


def generator(config: GeneratorConfig) -> nn.Module:
    """A generator of torch's own layers."""
    return with_torch_layers(build_generator(config))


def with_torch_layers(network: nn.Module) -> nn.Module:
    """Put torch's own layers, which the reference uses, in the place of the project's."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, InstanceNorm):
                setattr(module, name, nn.InstanceNorm2d(child.channels))
            elif isinstance(child, HalvingConv | DoublingConv):
                plain = nn.Conv2d if isinstance(child, HalvingConv) else nn.ConvTranspose2d
                bias = child.bias is not None
                setattr(module, name, plain(child.in_channels, child.out_channels, 4, 2, 1, bias=bias))
    return network


def cyclegan_step(width: int) -> Callable[[Tensor, Tensor], None]:
    """A CycleGAN training step: generators first, every pass on its own, pool, two Adams."""
    config = GeneratorConfig(width=width)
    g_ab, g_ba = generator(config), generator(config)
    d_config = DiscriminatorConfig()
    d_a, d_b = (with_torch_layers(build_discriminator(d_config, in_channels=3)) for _ in range(2))
    for network in (g_ab, g_ba, d_a, d_b):
        initialize(network, 0.02)
    g_parameters = list(itertools.chain(g_ab.parameters(), g_ba.parameters()))
    d_parameters = list(itertools.chain(d_a.parameters(), d_b.parameters()))
    g_adam = torch.optim.Adam(g_parameters, lr=2e-4, betas=(0.5, 0.999))
    d_adam = torch.optim.Adam(d_parameters, lr=2e-4, betas=(0.5, 0.999))
    pools: dict[str, list[Tensor]] = {"a": [], "b": []}

    def from_pool(name: str, image: Tensor) -> Tensor:
        pool = pools[name]
        if len(pool) < 50:
            pool.append(image)
        elif random.random() < 0.5:
            index = random.randrange(50)
            image, pool[index] = pool[index], image
        return image

    def gan(logits: Tensor, real: bool) -> Tensor:
        return F.mse_loss(logits, torch.full_like(logits, float(real)))

    def step(a: Tensor, b: Tensor) -> None:
        fake_b = g_ab(a)
        restored_a = g_ba(fake_b)
        fake_a = g_ba(b)
        restored_b = g_ab(fake_a)
        for parameter in d_parameters:
            parameter.requires_grad = False
        g_adam.zero_grad()
        identity = 5 * (F.l1_loss(g_ab(b), b) + F.l1_loss(g_ba(a), a))
        adversarial = gan(d_b(fake_b), True) + gan(d_a(fake_a), True)
        cycle = 10 * (F.l1_loss(restored_a, a) + F.l1_loss(restored_b, b))
        (identity + adversarial + cycle).backward()
        g_adam.step()
        for parameter in d_parameters:
            parameter.requires_grad = True
        d_adam.zero_grad()
        for discriminator, real, fake, name in ((d_a, a, fake_a, "a"), (d_b, b, fake_b, "b")):
            shown = from_pool(name, fake.detach())
            ((gan(discriminator(real), True) + gan(discriminator(shown), False)) / 2).backward()
        d_adam.step()

    return step


def pix2pix_step(width: int) -> Callable[[Tensor, Tensor], None]:
    """A pix2pix training step, b to a: discriminator first, two Adams."""
    g = generator(GeneratorConfig(architecture="unet_256", width=width, norm="batch", dropout=True))
    d = build_discriminator(DiscriminatorConfig(norm="batch"), in_channels=6)
    for network in (g, d):
        initialize(network, 0.02)
    g_adam = torch.optim.Adam(g.parameters(), lr=2e-4, betas=(0.5, 0.999))
    d_adam = torch.optim.Adam(d.parameters(), lr=2e-4, betas=(0.5, 0.999))

    def gan(logits: Tensor, real: bool) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))

    def step(a: Tensor, b: Tensor) -> None:
        fake = g(b)
        for parameter in d.parameters():
            parameter.requires_grad = True
        d_adam.zero_grad()
        judged_fake, judged_real = d(torch.cat([b, fake.detach()], 1)), d(torch.cat([b, a], 1))
        ((gan(judged_fake, False) + gan(judged_real, True)) / 2).backward()
        d_adam.step()
        for parameter in d.parameters():
            parameter.requires_grad = False
        g_adam.zero_grad()
        (gan(d(torch.cat([b, fake], 1)), True) + 100 * F.l1_loss(fake, a)).backward()
        g_adam.step()

    return step
