"""Objectives: every loss term against the papers' formulas written out, and the pool of earlier translations."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch import Tensor

from cyclegan.config import (
    CycleGANConfig,
    Direction,
    DiscriminatorConfig,
    GANConfig,
    GanMode,
    GeneratorConfig,
    Norm,
    Pix2PixConfig,
)
from cyclegan.data.batches import Pair
from cyclegan.facades.labels import CMP_BASE_PALETTE
from cyclegan.networks.build import initialize
from cyclegan.training.edges import smooth_edges
from cyclegan.training.losses import Losses, class_loss
from cyclegan.training.objectives import Objective, build_objective
from cyclegan.training.updates import Updates

GENERATOR = GeneratorConfig("resnet_6blocks", width=2)
CYCLEGAN = CycleGANConfig(dataset="x", generator=GENERATOR, discriminator=DiscriminatorConfig(width=2), crop_size=32)
PIX2PIX = Pix2PixConfig(
    dataset="x",
    generator=GENERATOR,
    discriminator=DiscriminatorConfig(width=2, norm="batch"),
    crop_size=32,
)
BOTH = pytest.mark.parametrize("config", [CYCLEGAN, PIX2PIX], ids=["cyclegan", "pix2pix"])


def build(config: CycleGANConfig | Pix2PixConfig) -> Objective:
    torch.manual_seed(0)
    objective = build_objective(config).double()
    initialize(objective, 0.2)
    return objective


def real_pair(count: int = 2, seed: int = 0) -> Pair:
    rng = torch.Generator().manual_seed(seed)
    return Pair(*(2 * torch.rand(count, 3, 32, 32, generator=rng, dtype=torch.float64) - 1 for _ in "ab"))


def losses_of(objective: Objective, real: Pair, *, update_generators: bool = True) -> Losses:
    """Return the losses of a step that leaves the weights as they are."""
    updates = Updates(objective, objective.config, device=torch.device("cpu"))
    updates.set_learning_rate(0.0)
    losses = objective.step(real, updates, update_generators=update_generators)
    updates.unfreeze()
    return losses


def adversarial(mode: GanMode, logits: Tensor, is_real: bool) -> Tensor:
    """CycleGAN section 4 (least squares); pix2pix equation 1, non-saturating as its section 3.3 says; WGAN-GP eq. 3."""
    if mode == "wgangp":
        return logits.mean() * (-1 if is_real else 1)
    if mode == "hinge":
        return (1 + logits * (-1 if is_real else 1)).clamp(min=0).mean()
    if mode == "lsgan":
        return ((logits - 1) ** 2).mean() if is_real else (logits**2).mean()
    probability = torch.sigmoid(logits)
    return -(probability if is_real else 1 - probability).log().mean()


def assert_terms(losses: Losses, expected: dict[str, Tensor]) -> None:
    assert losses.keys() == expected.keys()
    for name, value in expected.items():
        assert losses[name].item() == pytest.approx(value.item(), rel=1e-9), name


@pytest.mark.parametrize("mode", get_args(GanMode))
@pytest.mark.parametrize(("share", "norm"), [(0.5, "instance"), (0.1, "batch")])
def test_cyclegans_terms_are_the_papers(mode: GanMode, share: float, norm: Norm) -> None:
    """Equations 1 and 2, and the identity loss of section 5.2; WGAN-GP's are not halved (equation 3)."""
    generator = replace(CYCLEGAN.generator, norm=norm)
    objective = build(replace(CYCLEGAN, gan_mode=mode, lambda_cycle=7.0, lambda_identity=share, generator=generator))
    (a, b), g, d = real_pair(), objective.generators, objective.discriminators
    fake_a, fake_b = g["ba"](b), g["ab"](a)
    fooled: GanMode = "wgangp" if mode == "hinge" else mode  # a generator's loss has no margin
    expected = {
        "gan_b": adversarial(fooled, d["b"](fake_b), True),
        "gan_a": adversarial(fooled, d["a"](fake_a), True),
        "cycle_a": 7 * (g["ba"](fake_b) - a).abs().mean(),
        "cycle_b": 7 * (g["ab"](fake_a) - b).abs().mean(),
        "identity_a": 7 * share * (g["ba"](a) - a).abs().mean(),
        "identity_b": 7 * share * (g["ab"](b) - b).abs().mean(),
    }
    for domain, real, translated in (("a", a, fake_a), ("b", b, fake_b)):
        told = adversarial(mode, d[domain](real), True) + adversarial(mode, d[domain](translated), False)
        expected[f"discriminator_{domain}"] = told if mode == "wgangp" else told / 2
    losses = losses_of(objective, Pair(a, b))
    assert_terms({name: loss for name, loss in losses.items() if not name.startswith("penalty")}, expected)


@pytest.mark.parametrize(("mode", "direction"), [("lsgan", "ab"), ("vanilla", "ba")])
def test_pix2pixs_terms_are_the_papers(mode: GanMode, direction: Direction) -> None:
    """Equations 1, 3 and 4: the discriminator sees the input too."""
    objective = build(replace(PIX2PIX, gan_mode=mode, direction=direction, lambda_l1=30.0))
    real = real_pair()
    source, target = (real.a, real.b) if direction == "ab" else (real.b, real.a)
    translated = objective.generators[direction](source)
    discriminator = objective.discriminators[direction[1]]
    judged = [discriminator(torch.cat([source, image], 1)) for image in (target, translated)]
    loss = (adversarial(mode, judged[0], True) + adversarial(mode, judged[1], False)) / 2
    expected = {"gan": adversarial(mode, judged[1], True), "l1": 30 * (translated - target).abs().mean()}
    assert_terms(losses_of(objective, real), expected | {"discriminator": loss})


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_features_are_matched_as_in_pix2pixhd(norm: Norm) -> None:
    """Equation 4: the mean L1 distance in every hidden layer of the discriminator, summed over the layers."""
    judge_config = replace(PIX2PIX.discriminator, norm=norm)
    objective = build(replace(PIX2PIX, lambda_features=7.0, discriminator=judge_config))
    plain = build(replace(PIX2PIX, discriminator=judge_config))
    real = real_pair()
    losses = losses_of(objective, real)
    (judge,) = objective.discriminators.values()
    outputs: list[Tensor] = []
    for layer in judge.modules():
        if isinstance(layer, torch.nn.LeakyReLU):
            layer.register_forward_hook(lambda _, __, given: outputs.append(given))
    fake = objective.generators["ba"](real.b)
    judge(torch.cat([real.b, fake], 1))
    judge(torch.cat([real.b, real.a], 1))
    layers = len(outputs) // 2
    assert layers == 4
    expected = sum((outputs[each] - outputs[each + layers]).abs().mean().item() for each in range(layers))
    assert losses.keys() == {"discriminator", "gan", "l1", "features"}
    assert losses["features"].item() == pytest.approx(7 * expected, rel=1e-9)
    for name, value in losses_of(plain, real).items():
        assert value.item() == pytest.approx(losses[name].item(), rel=1e-9), name


@pytest.mark.parametrize("config", [CYCLEGAN, replace(PIX2PIX, direction="ab")], ids=["cyclegan", "pix2pix"])
def test_a_generator_of_classes_learns_them_by_cross_entropy(config: CycleGANConfig | Pix2PixConfig) -> None:
    """pix2pix's from the target, CycleGAN's from labels that are translated and back; weighted like the L1 beside."""
    colours = torch.from_numpy(CMP_BASE_PALETTE / 127.5 - 1)
    labels = colours[torch.randint(12, (2, 32, 32), generator=torch.Generator().manual_seed(0))].permute(0, 3, 1, 2)
    real = Pair(real_pair().a, labels)
    objective = build(replace(config, generator=replace(GENERATOR, classes="cmp_base")))
    g = objective.generators
    source = g["ba"](labels) if isinstance(config, CycleGANConfig) else real.a
    logits, image = g["ab"](source, class_logits=True)
    weight = config.lambda_cycle if isinstance(config, CycleGANConfig) else config.lambda_l1
    losses = losses_of(objective, real)
    assert losses["classes"].item() == pytest.approx(weight * class_loss(logits, labels, colours).item(), rel=1e-6)
    beside = losses["cycle_b" if isinstance(config, CycleGANConfig) else "l1"]
    assert beside.item() == pytest.approx(weight * (image - labels).abs().mean().item(), rel=1e-6)


def sharp_pair() -> Pair:
    """Images with edges in both domains."""
    return Pair(*(x.round() + 0.1 * x for x in real_pair()))


@pytest.mark.parametrize(("mode", "weight"), [("lsgan", 1.0), ("vanilla", 0.3)])
def test_smoothed_edges_are_judged_fake_as_in_cartoongan(mode: GanMode, weight: float) -> None:
    """CartoonGAN (Chen et al. 2018) equation 3: log D(c) + log(1 - D(e)) + log(1 - D(G(p))), in one domain."""
    objective, real = build(replace(CYCLEGAN, gan_mode=mode, lambda_edges=weight)), sharp_pair()
    losses = losses_of(objective, real)
    assert "edges_a" not in losses
    judge, drawn = objective.discriminators["b"], real.b
    edges = adversarial(mode, judge(smooth_edges(drawn)), False)
    cartoons = adversarial(mode, judge(drawn), True)
    made = adversarial(mode, judge(objective.generators["ab"](real.a)), False)
    assert losses["edges_b"].item() == pytest.approx(weight * edges.item() / 2, rel=1e-9)
    total = losses["discriminator_b"] + losses["edges_b"]
    assert total.item() == pytest.approx((cartoons + weight * edges + made).item() / 2, rel=1e-9)
    assert edges.item() != pytest.approx(adversarial(mode, judge(drawn), False).item(), rel=1e-3)


def test_pix2pixs_discriminator_sees_smoothed_edges_beside_their_input() -> None:
    objective = build(replace(PIX2PIX, lambda_edges=2.0))
    real = sharp_pair()
    losses = losses_of(objective, real)
    logits = objective.discriminators["a"](torch.cat([real.b, smooth_edges(real.a)], 1))
    assert losses["edges"].item() == pytest.approx(adversarial("vanilla", logits, False).item(), rel=1e-9)


@BOTH
def test_a_critics_score_has_no_zero(config: CycleGANConfig | Pix2PixConfig) -> None:
    """All scores raised alike are the same critic; were its loss another one, the scores would drift without end."""
    critic = replace(config.discriminator, norm="instance")
    objective = build(replace(config, gan_mode="wgangp", discriminator=critic, lambda_edges=1.0))
    real = sharp_pair()
    terms = []
    for raised in (0.0, 1000.0):
        for name, parameter in objective.discriminators.named_parameters():
            if name.endswith("model.11.bias"):
                parameter.data += raised
        torch.manual_seed(0)
        terms.append(losses_of(objective, real))
    assert any(name.startswith("edges") for name in terms[0])
    for name in terms[0]:
        if not name.startswith("gan"):
            assert terms[0][name].item() == pytest.approx(terms[1][name].item(), abs=1e-9), name


@pytest.mark.parametrize("config", [CYCLEGAN, PIX2PIX, GANConfig()], ids=["cyclegan", "pix2pix", "gan"])
def test_the_penalty_is_in_the_loss_and_reaches_the_critic(config: CycleGANConfig | Pix2PixConfig | GANConfig) -> None:
    """The reference defines it and never calls it."""
    if isinstance(config, GANConfig):
        generator = replace(config.generator, width=4)
        config = replace(config, generator=generator, discriminator=replace(config.discriminator, width=4))
    else:
        config = replace(config, discriminator=replace(config.discriminator, norm="instance"))
    torch.manual_seed(0)
    objective = build_objective(replace(config, gan_mode="wgangp")).double()
    real = real_pair()
    if isinstance(config, GANConfig):
        real = Pair(real.a.flatten(1)[:, :100], real.b[:, :1])
    seen: list[Tensor] = []
    for critic in objective.discriminators.values():
        critic.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    losses = losses_of(objective, real, update_generators=False)
    penalties = [value.item() for name, value in losses.items() if name.startswith("penalty")]
    between = [given for given in seen if given.requires_grad]
    for penalty, points, critic in zip(penalties, between, objective.discriminators.values(), strict=True):
        (gradient,) = torch.autograd.grad(critic(points).flatten(1).mean(1).sum(), points)
        images = gradient[:, -(1 if isinstance(config, GANConfig) else 3) :]  # pix2pix's source is no variable
        assert penalty == pytest.approx(10 * (images.flatten(1).norm(dim=1) - 1).square().mean().item(), rel=1e-6)


@pytest.mark.parametrize("mode", get_args(GanMode))
def test_both_pools_weigh_current_and_older_fakes_alike(mode: GanMode) -> None:
    objective = build(replace(CYCLEGAN, gan_mode=mode, pool_mode="both"))
    reals = [real_pair(1, seed=seed) for seed in (1, 2)]
    fakes = [{"a": objective.generators["ba"](real.b), "b": objective.generators["ab"](real.a)} for real in reals]
    for real, given in ((reals[0], (fakes[0], fakes[0])), (reals[1], (fakes[1], fakes[0]))):  # the first is its own
        losses = losses_of(objective, real)
        for domain in "ab":
            judge = objective.discriminators[domain]
            seen = [adversarial(mode, judge(each[domain]), False) for each in given]
            whole = adversarial(mode, judge(getattr(real, domain)), True) + sum(seen) / 2
            share = 1.0 if mode == "wgangp" else 0.5
            assert losses[f"discriminator_{domain}"].item() == pytest.approx(share * whole.item(), rel=1e-9)


def test_averaging_halves_cycle_and_identity_losses_alone() -> None:
    real, found = real_pair(), {}
    for average in (False, True):
        objective = build(replace(CYCLEGAN, average=average))
        found[average] = losses_of(objective, real)
    for name, value in found[False].items():
        share = 0.5 if name.startswith(("cycle", "identity")) else 1.0
        assert found[True][name].item() == pytest.approx(share * value.item(), rel=1e-9), name
