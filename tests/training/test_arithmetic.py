"""Steps of training against the papers written out in a straight line: networks, losses, pool, Adam, order.

Nothing here calls the package for arithmetic. The networks are test_networks' functions of a state dict, which follow
the tables; the loss terms, Adam and the image pool are below, each from its paper. What is drawn at random is part of
the input: dropout draws from PyTorch's global state, seeded alike on both sides; the pool from one generator for each
domain, of the same seed on both sides, from which a full pool takes a coin and, for heads, a place.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cyclegan.config import CycleGANConfig, DiscriminatorConfig, GeneratorConfig, MethodConfig, Pix2PixConfig
from cyclegan.data.batches import Batches, Pair
from cyclegan.data.datasets import find_split
from cyclegan.networks.features import feature_network
from cyclegan.networks.projected import mixing
from cyclegan.runs.run import Domains, Run
from cyclegan.training.trainer import Trainer
from tests.networks.test_networks import Functional, State

STEPS = 20
CYCLEGAN = CycleGANConfig(
    dataset="facades",
    generator=GeneratorConfig("resnet_6blocks", width=4),
    discriminator=DiscriminatorConfig(width=4),
    load_size=40,
    crop_size=32,
    pool_size=3,
    precision="fp32",
    seed=3,
)
PIX2PIX = Pix2PixConfig(
    dataset="facades",
    generator=GeneratorConfig("unet_128", width=2, norm="batch", dropout=True),
    discriminator=DiscriminatorConfig(width=4, norm="batch"),
    load_size=136,
    crop_size=128,
    precision="fp32",
    seed=3,
)
PROJECTED = Pix2PixConfig(
    dataset="facades",
    generator=GeneratorConfig("resnet_6blocks", width=4),
    discriminator=DiscriminatorConfig("projected", width=3, norm="none"),
    load_size=36,
    crop_size=32,
    gan_mode="hinge",
    lambda_perceptual=7.0,
    discriminator_learning_rate=3e-4,
    precision="fp32",
    seed=3,
)
RATE = 2e-4

Gradients = dict[str, Tensor]


class Adam:
    """Kingma & Ba 2015 (arXiv:1412.6980), algorithm 1, with beta1 0.5 (pix2pix section 3.3)."""

    def __init__(self, weights: State, rate: float = RATE, betas: tuple[float, float] = (0.5, 0.999)) -> None:
        self.weights, self.t, self.rate, self.betas = weights, 0, rate, betas
        self.m = {name: torch.zeros_like(weight) for name, weight in weights.items()}
        self.v = {name: torch.zeros_like(weight) for name, weight in weights.items()}

    def step(self, loss: Tensor) -> None:
        """Move the weights down the gradient of the loss; of anything else that it depends on, nothing moves."""
        self.t += 1
        beta1, beta2 = self.betas
        gradients = torch.autograd.grad(loss, list(self.weights.values()))
        with torch.no_grad():
            for (name, weight), g in zip(self.weights.items(), gradients, strict=True):
                self.m[name] = beta1 * self.m[name] + (1 - beta1) * g
                self.v[name] = beta2 * self.v[name] + (1 - beta2) * g**2
                mean = self.m[name] / (1 - beta1**self.t)
                variance = self.v[name] / (1 - beta2**self.t)
                weight -= self.rate * mean / (variance.sqrt() + 1e-8)


class Pool:
    """CycleGAN section 4, after Shrivastava et al. 2017 section 2.3, for batches of one image."""

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.rng, self.images = size, np.random.default_rng(seed), list[Tensor]()
        self.older = 0

    def __call__(self, image: Tensor) -> Tensor:
        if len(self.images) < self.size:
            self.images.append(image)
            return image
        if self.rng.random() >= 0.5:
            return image
        self.older += 1
        place = self.rng.integers(self.size)
        shown, self.images[place] = self.images[place], image
        return shown


def weights_of(state: State, prefix: str) -> State:
    """The trained values of a network, copied, without its batch norms' statistics."""
    return {
        name.removeprefix(prefix): tensor.clone().requires_grad_()
        for name, tensor in state.items()
        if name.startswith(prefix) and not name.endswith(("running_mean", "running_var", "tracked", "_u", "_v"))
    }


def network(weights: State, prefix: str = "", *, dropout: bool = False) -> Functional:
    """The functions of these weights; a batch norm in training has statistics, but does not use them."""
    own = {name.removeprefix(prefix): weight for name, weight in weights.items() if name.startswith(prefix)}
    for name in [name for name, weight in own.items() if name.endswith(".weight") and weight.ndim == 1]:
        stem = name.removesuffix("weight")
        own[f"{stem}running_mean"], own[f"{stem}running_var"] = own[name].detach(), own[name].detach()
    return Functional(own, training=True, dropout=dropout)


def cyclegan_by_hand(state: State, pairs: list[Pair]) -> tuple[State, list[float]]:
    """Equations 1 to 3 with least squares (section 4), the identity loss (5.2): generators first, both at once."""
    generators, discriminators = (weights_of(state, f"{name}.") for name in ("generators", "discriminators"))
    adam = {"generators": Adam(generators), "discriminators": Adam(discriminators)}
    pools = {"a": Pool(3, seed=3), "b": Pool(3, seed=4)}
    totals = []
    for a, b in pairs:

        def g(x: Tensor) -> Tensor:
            return network(generators, "ab.").resnet(x, 6)

        def f(y: Tensor) -> Tensor:
            return network(generators, "ba.").resnet(y, 6)

        fake_b, fake_a = g(a), f(b)
        d_a, d_b = network(discriminators, "a."), network(discriminators, "b.")
        adversarial = ((d_b.patch(fake_b) - 1) ** 2).mean() + ((d_a.patch(fake_a) - 1) ** 2).mean()
        cycle = (f(fake_b) - a).abs().mean() + (g(fake_a) - b).abs().mean()
        identity = (g(b) - b).abs().mean() + (f(a) - a).abs().mean()
        generator_loss = adversarial + 10 * cycle + 5 * identity
        adam["generators"].step(generator_loss)
        shown_a, shown_b = pools["a"](fake_a.detach()), pools["b"](fake_b.detach())
        loss_a = ((d_a.patch(a) - 1) ** 2).mean() + (d_a.patch(shown_a) ** 2).mean()
        loss_b = ((d_b.patch(b) - 1) ** 2).mean() + (d_b.patch(shown_b) ** 2).mean()
        adam["discriminators"].step(0.5 * loss_a + 0.5 * loss_b)
        totals.append(generator_loss.item() + 0.5 * (loss_a + loss_b).item())
    assert all(2 < pool.older < STEPS - 3 for pool in pools.values()), "the pools' draws should have mattered"
    return named(generators, discriminators), totals


def pix2pix_by_hand(state: State, pairs: list[Pair]) -> tuple[State, list[float]]:
    """Equation 4 with cross entropy, non-saturating (section 3.3), labels to photo: discriminator first."""
    generators, discriminators = (weights_of(state, f"{name}.") for name in ("generators", "discriminators"))
    adam = {"generators": Adam(generators), "discriminators": Adam(discriminators)}
    totals = []
    for a, b in pairs:
        fake = network(generators, "ba.", dropout=True).unet(b, 7)

        def judged(image: Tensor, b: Tensor = b) -> Tensor:
            return network(discriminators, "a.").patch(torch.cat([b, image], 1))

        discriminator_loss = 0.5 * (-F.logsigmoid(judged(a)).mean() - F.logsigmoid(-judged(fake.detach())).mean())
        adam["discriminators"].step(discriminator_loss)
        generator_loss = -F.logsigmoid(judged(fake)).mean() + 100 * (fake - a).abs().mean()
        adam["generators"].step(generator_loss)
        totals.append(discriminator_loss.item() + generator_loss.item())
    return named(generators, discriminators), totals


class Heads:
    """Heads by hand on features that test_features compares with the package: the layers of `weights`, each divided by
    its singular value, of which every pass takes one power iteration (Miyato et al. 2018, algorithm 1)."""

    def __init__(self, weights: State, state: State) -> None:
        self.weights = weights
        vectors = {name: tensor.clone() for name, tensor in state.items() if name.endswith(("_u", "_v"))}
        self.vectors = {name.removeprefix("discriminators.a."): vector for name, vector in vectors.items()}

    def conv(self, name: str, x: Tensor) -> Tensor:
        key = f"{name}.parametrizations.weight"
        weight, bias = self.weights[f"a.{key}.original"], self.weights[f"a.{name}.bias"]
        with torch.no_grad():
            u = F.normalize(weight.flatten(1) @ self.vectors[f"{key}.0._v"], dim=0)
            v = F.normalize(weight.flatten(1).T @ u, dim=0)
        self.vectors[f"{key}.0._u"], self.vectors[f"{key}.0._v"] = u, v
        return F.conv2d(x, weight / (u @ weight.flatten(1) @ v), bias, padding=weight.shape[2] // 2)

    def __call__(self, source: Tensor, image: Tensor) -> list[Tensor]:
        logits = []
        mixed = mixing(image.device, image.dtype)(feature_network("lite0", image)(image))
        for index, features in enumerate(mixed):
            resized = F.adaptive_avg_pool2d(source, features.shape[2:])
            x = self.conv(f"heads.{index}.features", features) + self.conv(f"heads.{index}.source", resized)
            x = self.conv(f"heads.{index}.layers.1", F.leaky_relu(x, 0.2))
            logits.append(self.conv(f"heads.{index}.layers.3", F.leaky_relu(x, 0.2)))
        return logits


def projected_by_hand(state: State, pairs: list[Pair]) -> tuple[State, list[float]]:
    """Hinge losses (Lim & Ye 2017), summed over the heads; L1 in pixels, and relative to the target in features."""
    generators, discriminators = (weights_of(state, f"{name}.") for name in ("generators", "discriminators"))
    adam = Adam(generators), Adam(discriminators, 3e-4, (0.0, 0.99))
    judge, totals = Heads(discriminators, state), []
    for a, b in pairs:
        fake = network(generators, "ba.").resnet(b, 6)
        real_loss = sum((1 - each).clamp(min=0).mean() for each in judge(b, a))
        fake_loss = sum((1 + each).clamp(min=0).mean() for each in judge(b, fake.detach()))
        discriminator_loss = 0.5 * (real_loss + fake_loss)
        assert isinstance(discriminator_loss, Tensor)
        adam[1].step(discriminator_loss)
        distances = [
            (x - y).abs().mean() / y.abs().mean()
            for x, y in zip(*(feature_network("lite0", image)(image) for image in (fake, a)), strict=True)
        ]
        adversarial = -torch.stack([each.mean() for each in judge(b, fake)]).sum()
        generator_loss = adversarial + 100 * (fake - a).abs().mean() + 7 * torch.stack(distances).mean()
        adam[0].step(generator_loss)
        totals.append(discriminator_loss.item() + generator_loss.item())
    return named(generators, discriminators), totals


def named(generators: State, discriminators: State) -> State:
    return {f"generators.{name}": weight.detach() for name, weight in generators.items()} | {
        f"discriminators.{name}": weight.detach() for name, weight in discriminators.items()
    }


def make_trainer(config: CycleGANConfig | Pix2PixConfig, folder: Path, facades: Path) -> Trainer:
    batches = Batches(find_split(facades), config)
    method: Any = "cyclegan" if isinstance(config, CycleGANConfig) else "pix2pix"
    run = Run(folder, method, Domains("photo", "labels"), config, {})
    return Trainer(run, batches, {}, device=torch.device("cpu"))


@pytest.mark.parametrize(
    ("config", "by_hand", "steps"),
    [(CYCLEGAN, cyclegan_by_hand, STEPS), (PIX2PIX, pix2pix_by_hand, STEPS), (PROJECTED, projected_by_hand, 3)],
    ids=["cyclegan", "pix2pix", "projected"],
)
def test_steps_are_those_of_the_papers(
    config: CycleGANConfig | Pix2PixConfig,
    by_hand: Callable[[State, list[Pair]], tuple[State, list[float]]],
    steps: int,
    tmp_path: Path,
    facades: Path,
) -> None:
    assert isinstance(config, MethodConfig)
    trainer = make_trainer(config, tmp_path, facades)
    trainer.objective.double()
    start = {name: tensor.clone() for name, tensor in trainer.objective.state_dict().items()}
    pairs = [Pair(*(x.double() for x in trainer.batches.batch(1 + step // 6, step % 6))) for step in range(steps)]
    torch.manual_seed(11)
    totals = [sum(term.item() for term in trainer.step(pair, index).values()) for index, pair in enumerate(pairs)]
    torch.manual_seed(11)
    expected, expected_totals = by_hand(start, pairs)
    assert totals == pytest.approx(expected_totals, rel=1e-9)
    trained = trainer.objective.state_dict()
    assert expected.keys() == {name for name, _ in trainer.objective.named_parameters()}
    for name, weight in expected.items():
        # A bias that an instance norm takes away has no gradient but rounding errors, which Adam makes steps of.
        assert (trained[name] - weight).abs().max() < (1e-8 if name.endswith("bias") else 1e-9), name
    moved = [(trained[name] - start[name]).abs().max().item() for name in expected if expected[name].ndim == 4]
    assert min(moved) > steps / 4 * RATE, "every layer should have moved"
