"""Objectives: every loss term against the papers' formulas written out, and the pool of earlier translations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch import Tensor

from cyclegan.config import (
    CycleGANConfig,
    Direction,
    DiscriminatorConfig,
    Domain,
    GANConfig,
    GanMode,
    GeneratorConfig,
    Norm,
    Pix2PixConfig,
)
from cyclegan.data.batches import Pair
from cyclegan.facades.labels import CMP_BASE_PALETTE, PALETTE, draw_facade
from cyclegan.images.io import to_tensor
from cyclegan.training.augmentation import recolored
from cyclegan.training.edges import smooth_edges
from cyclegan.training.losses import class_loss, palette_loss
from cyclegan.training.objectives import GAN, CycleGAN, Fakes, Losses, Objective, Pix2Pix, build_objective

GENERATOR = GeneratorConfig("resnet_6blocks", width=2)
CYCLEGAN = CycleGANConfig(
    dataset="x", generator=GENERATOR, discriminator=DiscriminatorConfig(width=2), crop_size=32, init_gain=0.2
)
PIX2PIX = Pix2PixConfig(
    dataset="x",
    generator=GENERATOR,
    discriminator=DiscriminatorConfig(width=2, norm="batch"),
    crop_size=32,
    init_gain=0.2,
)
BOTH = pytest.mark.parametrize("config", [CYCLEGAN, PIX2PIX], ids=["cyclegan", "pix2pix"])


def build(config: CycleGANConfig | Pix2PixConfig) -> Objective:
    torch.manual_seed(0)
    return build_objective(config).double()


def real_pair(count: int = 2, seed: int = 0) -> Pair:
    rng = torch.Generator().manual_seed(seed)
    return Pair(*(2 * torch.rand(count, 3, 32, 32, generator=rng, dtype=torch.float64) - 1 for _ in "ab"))


def together(groups: Iterator[Losses]) -> Losses:
    """All terms of a player."""
    return {name: term for terms in groups for name, term in terms.items()}


def adversarial(mode: GanMode, logits: Tensor, is_real: bool) -> Tensor:
    """CycleGAN section 4 (least squares); pix2pix equation 1, non-saturating as its section 3.3 says; WGAN-GP eq. 3."""
    if mode == "wgangp":
        return logits.mean() * (-1 if is_real else 1)
    if mode == "lsgan":
        return ((logits - 1) ** 2).mean() if is_real else (logits**2).mean()
    probability = torch.sigmoid(logits)
    return -(probability if is_real else 1 - probability).log().mean()


def assert_terms(losses: Losses, expected: dict[str, Tensor]) -> None:
    assert losses.keys() == expected.keys()
    for name, value in expected.items():
        assert losses[name].item() == pytest.approx(value.item(), rel=1e-9), name


@pytest.mark.parametrize("mode", ["lsgan", "vanilla"])
@pytest.mark.parametrize("share", [0.5, 0.1])
@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_cyclegans_terms_are_the_papers(mode: GanMode, share: float, norm: Norm) -> None:
    """Equations 1 and 2, and the identity loss of section 5.2."""
    generator = replace(CYCLEGAN.generator, norm=norm)
    objective = build(replace(CYCLEGAN, gan_mode=mode, lambda_cycle=7.0, lambda_identity=share, generator=generator))
    (a, b), g, d = real_pair(), objective.generators, objective.discriminators
    fake = objective(Pair(a, b))
    fake_a, fake_b = g["ba"](b), g["ab"](a)
    assert_terms(
        together(objective.generator_losses(Pair(a, b), fake)),
        {
            "gan_b": adversarial(mode, d["b"](fake_b), True),
            "gan_a": adversarial(mode, d["a"](fake_a), True),
            "cycle_a": 7 * (g["ba"](fake_b) - a).abs().mean(),
            "cycle_b": 7 * (g["ab"](fake_a) - b).abs().mean(),
            "identity_a": 7 * share * (g["ba"](a) - a).abs().mean(),
            "identity_b": 7 * share * (g["ab"](b) - b).abs().mean(),
        },
    )
    assert_terms(
        together(objective.discriminator_losses(Pair(a, b), fake)),
        {
            f"discriminator_{domain}": (
                adversarial(mode, d[domain](real), True) + adversarial(mode, d[domain](translated), False)
            )
            / 2
            for domain, real, translated in (("a", a, fake_a), ("b", b, fake_b))
        },
    )


@pytest.mark.parametrize("mode", ["lsgan", "vanilla"])
@pytest.mark.parametrize("direction", ["ab", "ba"])
def test_pix2pixs_terms_are_the_papers(mode: GanMode, direction: Direction) -> None:
    """Equations 1, 3 and 4: the discriminator sees the input too."""
    objective = build(replace(PIX2PIX, gan_mode=mode, direction=direction, lambda_l1=30.0))
    real = real_pair()
    source, target = (real.a, real.b) if direction == "ab" else (real.b, real.a)
    fake = objective(real)
    translated = objective.generators[direction](source)
    discriminator = objective.discriminators[direction[1]]
    judged = [discriminator(torch.cat([source, image], 1)) for image in (target, translated)]
    assert_terms(
        together(objective.generator_losses(real, fake)),
        {"gan": adversarial(mode, judged[1], True), "l1": 30 * (translated - target).abs().mean()},
    )
    loss = (adversarial(mode, judged[0], True) + adversarial(mode, judged[1], False)) / 2
    assert_terms(together(objective.discriminator_losses(real, fake)), {"discriminator": loss})


def test_without_identity_loss_there_are_no_identity_terms() -> None:
    objective = build(replace(CYCLEGAN, lambda_identity=0.0))
    real = real_pair()
    fake = objective(real)
    assert set(fake) == {"fake_a", "fake_b"}
    assert set(together(objective.generator_losses(real, fake))) == {"gan_a", "gan_b", "cycle_a", "cycle_b"}


def test_domains_of_unequal_batches_are_kept_apart() -> None:
    objective = build(CYCLEGAN)
    real = Pair(real_pair(3).a, real_pair(2).b)
    fake: Fakes = {}
    losses = together(objective.generator_losses(real, fake))
    torch.testing.assert_close(fake["fake_b"], objective.generators["ab"](real.a))
    identity = (objective.generators["ab"](real.b) - real.b).abs().mean()
    assert losses["identity_b"].item() == pytest.approx(5 * identity.item(), rel=1e-9)


def test_the_order_of_moves_is_the_references() -> None:
    assert (CycleGAN.generators_first, Pix2Pix.generators_first) == (True, False)
    assert GAN.generators_first, "as the tutorials of the basic GAN play it"


@BOTH
def test_discriminators_send_no_gradient_to_generators(config: CycleGANConfig | Pix2PixConfig) -> None:
    objective, real = build(config), real_pair()
    fake = objective(real)
    torch.stack(list(together(objective.discriminator_losses(real, fake)).values())).sum().backward()
    assert all(parameter.grad is None for parameter in objective.generators.parameters())
    assert all(parameter.grad is not None for parameter in objective.discriminators.parameters())


@BOTH
def test_every_generator_term_reaches_a_generator(config: CycleGANConfig | Pix2PixConfig) -> None:
    objective, real = build(config), real_pair()
    for term in together(objective.generator_losses(real, objective(real))).values():
        gradients = torch.autograd.grad(
            term, list(objective.generators.parameters()), allow_unused=True, retain_graph=True
        )
        assert any(gradient is not None and gradient.any() for gradient in gradients)


@BOTH
def test_losses_of_half_precision_are_computed_in_float32(config: CycleGANConfig | Pix2PixConfig) -> None:
    objective, real = build(config).float(), Pair(*(x.float() for x in real_pair()))
    with torch.autocast("cpu", torch.bfloat16):
        fake = objective(real)
        assert all(image.dtype == torch.bfloat16 for image in fake.values())
        losses = together(objective.generator_losses(real, fake)) | together(objective.discriminator_losses(real, fake))
    assert all(loss.dtype == torch.float32 for loss in losses.values())


@BOTH
def test_networks_start_with_the_configured_gain(config: CycleGANConfig | Pix2PixConfig) -> None:
    weights = torch.cat([each.detach().flatten() for each in build(config).parameters() if each.ndim == 4])
    assert weights.std().item() == pytest.approx(0.2, rel=0.05)


def numbered(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(-1, 1, 1, 1)


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_features_are_matched_as_in_pix2pixhd(norm: Norm) -> None:
    """Equation 4: the mean L1 distance in every hidden layer of the discriminator, summed over the layers."""
    judge_config = replace(PIX2PIX.discriminator, norm=norm)
    objective = build(replace(PIX2PIX, lambda_features=7.0, discriminator=judge_config))
    plain = build(replace(PIX2PIX, discriminator=judge_config))
    real = real_pair()
    losses = together(objective.generator_losses(real, objective(real)))
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
    assert losses.keys() == {"gan", "l1", "features"}
    assert losses["features"].item() == pytest.approx(7 * expected, rel=1e-9)
    without = together(plain.generator_losses(real, plain(real)))
    assert {name: value.item() for name, value in without.items()} == pytest.approx(
        {name: losses[name].item() for name in ("gan", "l1")}, rel=1e-9
    )
    features = torch.autograd.grad(losses["features"], list(objective.generators.parameters()))
    assert all(torch.isfinite(gradient).all() for gradient in features)
    assert any(gradient.any() for gradient in features)


def test_the_classes_of_label_maps_are_held_to_the_truth_and_to_the_cycles_beginning() -> None:
    colours = torch.from_numpy(CMP_BASE_PALETTE / 127.5 - 1)
    labels = colours[torch.randint(12, (2, 32, 32), generator=torch.Generator().manual_seed(0))].permute(0, 3, 1, 2)
    real = Pair(real_pair().a, labels)
    for config in (CYCLEGAN, replace(PIX2PIX, direction="ab")):
        objective = build(replace(config, lambda_palette=3.0, palette="cmp_base"))
        g, plain = objective.generators, build(config)
        losses, without = (together(each.generator_losses(real, each(real))) for each in (objective, plain))
        made = g["ab"](g["ba"](labels)) if config is CYCLEGAN else g["ab"](real.a)
        assert losses.keys() - without.keys() == {"palette"}
        expected = 3 * palette_loss(made, labels, colours)
        assert losses["palette"].item() == pytest.approx(expected.item(), rel=1e-6)
        assert all(losses[name].item() == pytest.approx(value.item()) for name, value in without.items())


def test_a_generator_that_tells_classes_is_held_to_them_by_their_logits() -> None:
    colours = torch.from_numpy(CMP_BASE_PALETTE / 127.5 - 1)
    labels = colours[torch.randint(12, (2, 32, 32), generator=torch.Generator().manual_seed(0))].permute(0, 3, 1, 2)
    real = Pair(real_pair().a, labels)
    classes = replace(GENERATOR, classes="cmp_base")
    for config in (CYCLEGAN, replace(PIX2PIX, direction="ab")):
        objective = build(replace(config, lambda_palette=3.0, generator=classes))
        told: list[Tensor] = []
        called: list[torch.nn.Module] = []
        objective.generators["ab"].register_forward_hook(lambda network, *_, called=called: called.append(network))
        *_, last, _ = objective.generators["ab"].get_submodule("model").children()
        last.register_forward_hook(lambda _, __, given, told=told: told.append(given))
        made = objective.generators["ab"](objective.generators["ba"](labels) if config is CYCLEGAN else real.a)
        expected = 3 * class_loss(told.pop(), labels, colours)
        called.clear()
        losses = together(objective.generator_losses(real, objective(real)))
        assert len(called) == (3 if config is CYCLEGAN else 1), "as it would be compiled, too"
        assert losses["palette"].item() == pytest.approx(expected.item(), rel=1e-6)
        cycle = "cycle_b" if config is CYCLEGAN else "l1"
        weight = config.lambda_cycle if isinstance(config, CycleGANConfig) else config.lambda_l1
        assert losses[cycle].item() == pytest.approx(weight * (made - labels).abs().mean().item(), rel=1e-6)
        gradients = torch.autograd.grad(losses["palette"], list(objective.generators["ab"].parameters()))
        assert all(torch.isfinite(gradient).all() for gradient in gradients) and any(each.any() for each in gradients)


def test_what_is_translated_back_is_noisy_and_what_is_judged_is_not() -> None:
    objective, plain, real = build(replace(CYCLEGAN, cycle_noise=0.2)), build(CYCLEGAN), real_pair()
    torch.manual_seed(5)
    losses = together(objective.generator_losses(real, objective(real)))
    without = together(plain.generator_losses(real, plain(real)))
    g = objective.generators
    torch.manual_seed(5)
    for domain, there, back in (("a", "ab", "ba"), ("b", "ba", "ab")):
        original = getattr(real, domain)
        made = g[there](original)
        restored = g[back](made + 0.2 * torch.randn_like(made))
        expected = CYCLEGAN.lambda_cycle * (restored - original).abs().mean()
        assert losses.pop(f"cycle_{domain}").item() == pytest.approx(expected.item(), rel=1e-9)
        assert without.pop(f"cycle_{domain}").item() != pytest.approx(expected.item(), rel=1e-4)
    assert losses.keys() == without.keys()
    assert all(losses[name].item() == pytest.approx(value.item()) for name, value in without.items())


def test_label_maps_alone_are_learned_from_an_epoch_on_by_photos_in_other_colours() -> None:
    classes = replace(GENERATOR, classes="facades")
    config = replace(CYCLEGAN, lambda_identity=0.0, lambda_palette=3.0, generator=classes, labels_only_from=3)
    objective, g = build(config), build(config).generators
    real = Pair(real_pair().a, to_tensor(draw_facade(3, size=32))[None].double().expand(2, -1, -1, -1))

    def found() -> tuple[Losses, Losses]:
        torch.manual_seed(5)
        fake = objective(real)
        return together(objective.generator_losses(real, fake)), together(objective.discriminator_losses(real, fake))

    for objective.epoch in (1, 2):
        before, judged = found()
        assert before.keys() == {"gan_a", "gan_b", "cycle_a", "cycle_b"}, "the paper's, and nothing else"
        assert judged.keys() == {"discriminator_a", "discriminator_b"}
        assert not objective.resting
    for objective.epoch in (3, 4):
        losses, judged = found()
        assert losses.keys() == {"gan_b", "cycle_b", "palette"} and judged.keys() == {"discriminator_b"}
        assert set(objective.resting) == {objective.generators["ba"], objective.discriminators["a"]}
        assert objective(real).keys() == {"fake_b"}, "nobody judges a made photo"
        torch.manual_seed(5)
        shown = recolored(g["ba"](real.b))
        logits, restored = g["ab"](shown, class_logits=True)
        taught = 3 * class_loss(logits, real.b, torch.from_numpy(PALETTE / 127.5 - 1))
        assert losses["palette"].item() == pytest.approx(taught.item(), rel=1e-9)
        cycle = CYCLEGAN.lambda_cycle * (restored - real.b).abs().mean()
        assert losses["cycle_b"].item() == pytest.approx(cycle.item(), rel=1e-9)
        assert losses["cycle_b"].item() != pytest.approx(before["cycle_b"].item(), rel=1e-4)
        assert losses["gan_b"].item() == pytest.approx(before["gan_b"].item(), rel=1e-9)
        weights = list(objective.generators["ab"].parameters())
        for name in ("gan_b", "cycle_b", "palette"):
            gradients = torch.autograd.grad(losses[name], weights, retain_graph=True, allow_unused=True)
            assert any(gradient is not None and gradient.any() for gradient in gradients), name


def test_cyclegans_discriminators_are_shown_the_pool() -> None:
    objective = build(replace(CYCLEGAN, pool_size=1))
    judge, real = objective.discriminators["b"], real_pair(1)
    old, new = real_pair(1, seed=1).b, real_pair(1, seed=2).b

    def loss_when_shown(image: Tensor) -> float:
        return ((adversarial("lsgan", judge(real.b), True) + adversarial("lsgan", judge(image), False)) / 2).item()

    shown = []
    for _ in range(8):
        objective.pools["b"].images[:] = [old]
        loss = together(objective.discriminator_losses(real, {"fake_a": new, "fake_b": new}))["discriminator_b"].item()
        shown.append([loss == pytest.approx(loss_when_shown(image), rel=1e-9) for image in (old, new)])
    assert [True, False] in shown
    assert [False, True] in shown
    assert [False, False] not in shown


def sharp_pair() -> Pair:
    """Images with edges in both domains."""
    return Pair(*(x.round() + 0.1 * x for x in real_pair()))


@pytest.mark.parametrize("mode", ["lsgan", "vanilla"])
@pytest.mark.parametrize("domain", ["a", "b"])
@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_smoothed_edges_are_judged_fake_as_in_cartoongan(mode: GanMode, domain: Domain, weight: float) -> None:
    """CartoonGAN (Chen et al. 2018) equation 3: log D(c) + log(1 - D(e)) + log(1 - D(G(p))), in one domain."""
    objective, real = build(replace(CYCLEGAN, gan_mode=mode, lambda_edges=weight, edges_domain=domain)), sharp_pair()
    fake = objective(real)
    losses = together(objective.discriminator_losses(real, fake))
    assert set(losses) == {"discriminator_a", "discriminator_b", f"edges_{domain}"}
    judge, drawn = objective.discriminators[domain], getattr(real, domain)
    edges = adversarial(mode, judge(smooth_edges(drawn)), False)
    cartoons = adversarial(mode, judge(drawn), True)
    made = adversarial(mode, judge(fake[f"fake_{domain}"]), False)
    assert losses[f"edges_{domain}"].item() == pytest.approx(weight * edges.item() / 2, rel=1e-9)
    total = losses[f"discriminator_{domain}"] + losses[f"edges_{domain}"]
    assert total.item() == pytest.approx((cartoons + weight * edges + made).item() / 2, rel=1e-9)
    assert edges.item() != pytest.approx(adversarial(mode, judge(drawn), False).item(), rel=1e-3)


def test_pix2pixs_discriminator_sees_smoothed_edges_beside_their_input() -> None:
    objective = build(replace(PIX2PIX, lambda_edges=2.0, edges_domain="a"))
    real = sharp_pair()
    losses = together(objective.discriminator_losses(real, objective(real)))
    logits = objective.discriminators["a"](torch.cat([real.b, smooth_edges(real.a)], 1))
    assert losses["edges"].item() == pytest.approx(adversarial("vanilla", logits, False).item(), rel=1e-9)


@BOTH
def test_a_critics_score_has_no_zero(config: CycleGANConfig | Pix2PixConfig) -> None:
    """All scores raised alike are the same critic; were its loss another one, the scores would drift without end."""
    critic = replace(config.discriminator, norm="instance")
    edges: Domain = "a" if isinstance(config, Pix2PixConfig) else "b"
    objective = build(replace(config, gan_mode="wgangp", discriminator=critic, lambda_edges=1.0, edges_domain=edges))
    real = sharp_pair()
    fake = objective(real)
    terms = []
    for raised in (0.0, 1000.0):
        for name, parameter in objective.discriminators.named_parameters():
            if name.endswith("model.11.bias"):
                parameter.data += raised
        torch.manual_seed(0)
        terms.append(together(objective.discriminator_losses(real, fake)))
    assert any(name.startswith("edges") for name in terms[0])
    assert {name: value.item() for name, value in terms[0].items()} == pytest.approx(
        {name: value.item() for name, value in terms[1].items()}, abs=1e-9
    )


def test_wgangps_terms_are_the_papers() -> None:
    """WGAN-GP equation 3, not halved: the penalty is weighed against the whole."""
    objective = build(replace(CYCLEGAN, gan_mode="wgangp", lambda_penalty=0.0))
    real = real_pair()
    fake = objective(real)
    losses = together(objective.discriminator_losses(real, fake))
    expected = {}
    for domain, images in (("a", real.a), ("b", real.b)):
        judge = objective.discriminators[domain]
        expected[f"discriminator_{domain}"] = judge(fake[f"fake_{domain}"]).mean() - judge(images).mean()
        expected[f"penalty_{domain}"] = torch.zeros(())
    assert_terms(losses, expected)
    generators = together(objective.generator_losses(real, fake))
    for domain in "ab":
        expected_loss = -objective.discriminators[domain](fake[f"fake_{domain}"]).mean()
        assert generators[f"gan_{domain}"].item() == pytest.approx(expected_loss.item(), rel=1e-9)


@pytest.mark.parametrize("config", [CYCLEGAN, PIX2PIX, GANConfig()], ids=["cyclegan", "pix2pix", "gan"])
def test_the_penalty_is_in_the_loss_and_reaches_the_critic(config: CycleGANConfig | Pix2PixConfig | GANConfig) -> None:
    """The reference defines it and never calls it."""
    if isinstance(config, GANConfig):
        generator = replace(config.generator, width=4)
        config = replace(config, generator=generator, discriminator=replace(config.discriminator, width=4))
    else:
        config = replace(config, discriminator=replace(config.discriminator, norm="instance"))
    config = replace(config, gan_mode="wgangp", lambda_penalty=7.0)
    torch.manual_seed(0)
    objective = build_objective(config).double()
    real = real_pair()
    if isinstance(config, GANConfig):
        real = Pair(real.a.flatten(1)[:, :100], real.b[:, :1])
    with torch.no_grad():
        fake = objective(real)
    torch.manual_seed(1)
    losses = together(objective.discriminator_losses(real, fake))
    penalties = {name: value for name, value in losses.items() if name.startswith("penalty")}
    assert len(penalties) == len(objective.discriminators)
    torch.manual_seed(1)
    without = type(objective)(replace(config, lambda_penalty=1.0)).double()  # type: ignore[arg-type]
    without.load_state_dict(objective.state_dict())
    torch.manual_seed(1)
    for name, value in together(without.discriminator_losses(real, fake)).items():
        share = 7 if name in penalties else 1
        assert losses[name].item() == pytest.approx(share * value.item(), rel=1e-9), name
    for value in penalties.values():
        assert value.item() > 0
    gradients = torch.autograd.grad(
        torch.stack(list(penalties.values())).sum(), list(objective.discriminators.parameters()), allow_unused=True
    )
    assert sum(gradient is not None and bool(gradient.any()) for gradient in gradients) >= len(gradients) / 2 - 1


@pytest.mark.parametrize("mode", get_args(GanMode))
def test_both_pools_weigh_current_and_older_fakes_alike(mode: GanMode) -> None:
    penalty = 0.0 if mode == "wgangp" else CYCLEGAN.lambda_penalty
    objective = build(replace(CYCLEGAN, gan_mode=mode, pool_mode="both", lambda_penalty=penalty))
    real = real_pair(1)
    fakes = [{name: real_pair(1, seed=seed).a for name in ("fake_a", "fake_b")} for seed in (1, 2)]
    for name, given in (("the first is its own", (fakes[0], fakes[0])), ("then an older one", (fakes[1], fakes[0]))):
        losses = together(objective.discriminator_losses(real, given[0]))
        for domain in "ab":
            judge = objective.discriminators[domain]
            seen = [adversarial(mode, judge(each[f"fake_{domain}"]), False) for each in given]
            whole = adversarial(mode, judge(getattr(real, domain)), True) + sum(seen) / 2
            share = 1.0 if mode == "wgangp" else 0.5
            found = losses[f"discriminator_{domain}"].item()
            assert found == pytest.approx(share * whole.item(), rel=1e-9), name


def test_averaging_halves_cycle_and_identity_losses_alone() -> None:
    real, found = real_pair(), {}
    for average in (False, True):
        objective = build(replace(CYCLEGAN, average=average))
        found[average] = together(objective.generator_losses(real, objective(real)))
    for name, value in found[False].items():
        share = 1.0 if name.startswith("gan") else 0.5
        assert found[True][name].item() == pytest.approx(share * value.item(), rel=1e-9), name


def test_the_two_pools_draw_differently() -> None:
    pools = build(CYCLEGAN).pools
    assert pools["a"].rng.random() != pools["b"].rng.random()
