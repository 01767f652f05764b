"""The trainer: every method with every loss and schedule, what an epoch leaves behind, resuming, and what stops it."""

from __future__ import annotations

import math
import os
import shutil
import time
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from PIL import Image

from cyclegan.config import ConfigError, GanMode, GeneratorConfig, LrPolicy, MethodConfig
from cyclegan.facades.labels import snap_to_palette
from cyclegan.networks.storage import load_generator
from cyclegan.runs.run import Run, RunError
from cyclegan.runtime.files import STRAY_PREFIX
from cyclegan.training.checkpoint import create, exclusive, resume
from cyclegan.training.progress import Progress
from cyclegan.training.schedules import learning_rate_at
from cyclegan.training.trainer import Trainer, TrainingError
from cyclegan.translate.translator import Translator
from tests.conftest import make_photo
from tests.training.tiny import CYCLEGAN, GAN, PIX2PIX, PROJECTED, make_trainer

CONFIGS: dict[str, MethodConfig] = {"cyclegan": CYCLEGAN, "pix2pix": PIX2PIX, "gan": GAN}
MODES: tuple[GanMode, ...] = get_args(GanMode)
POLICIES: tuple[LrPolicy, ...] = get_args(LrPolicy)
WITH_MODES = [
    pytest.param(method, mode, POLICIES[(index + offset) % len(POLICIES)], id=f"{method}-{mode}")
    for offset, method in enumerate(CONFIGS)
    for index, mode in enumerate(MODES)
]


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in trainer.objective.named_parameters()}


@pytest.mark.parametrize(("method", "mode", "policy"), WITH_MODES)
def test_every_method_trains_with_every_loss_and_policy(
    method: str, mode: GanMode, policy: LrPolicy, tmp_path: Path, facades: Path
) -> None:
    step: dict[str, Any] = {"lr_step_epochs": 1} if policy == "step" else {}
    rate = 3 * CONFIGS[method].learning_rate
    config = replace(CONFIGS[method], gan_mode=mode, lr_policy=policy, discriminator_learning_rate=rate, **step)
    trainer = make_trainer(config, tmp_path / "run", facades)
    create(trainer)
    before = weights(trainer)
    assert trainer.train()
    records = trainer.run.history()
    second = {"linear": 0.5, "step": 0.1, "plateau": 1.0, "cosine": 0.5}[policy]
    assert [record["learning_rate"] for record in records] == pytest.approx([2e-4, 2e-4 * second], rel=1e-9)
    for pace, optimizer in zip((1, 3), trainer.updates.optimizers.values(), strict=True):
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([pace * records[-1]["learning_rate"]])
        assert {state["step"].item() for state in optimizer.state.values()} == {4}
    for record in records:
        assert all(math.isfinite(value) for value in record["losses"].values())
        assert any(name.startswith("penalty") for name in record["losses"]) == (mode == "wgangp")
    after = weights(trainer)
    assert all(torch.isfinite(value).all() for value in after.values())
    for network in trainer.updates.networks:
        moved = [not torch.equal(before[name], after[name]) for name in before if name.startswith(network)]
        assert sum(moved) > len(moved) / 2


@pytest.mark.parametrize("method", list(CONFIGS))
@pytest.mark.parametrize("mode", ["lsgan", "wgangp"])
def test_bf16_follows_fp32(method: str, mode: GanMode, tmp_path: Path, facades: Path) -> None:
    """The penalty differentiates twice, of fakes in bf16. Without dropout, whose masks are drawn in the order of
    memory, which is another one in fp32."""
    plain = replace(CONFIGS[method].generator, dropout=False)
    found = []
    for precision in ("fp32", "bf16"):
        config: Any = replace(CONFIGS[method], gan_mode=mode, precision=precision, generator=plain)
        trainer = make_trainer(config, tmp_path / precision, facades)
        losses = trainer.step(trainer.batches.batch(1, 0))
        assert all(value.dtype == torch.float32 for value in losses.values())
        assert all(torch.isfinite(value).all() for value in weights(trainer).values())
        found.append({name: value.item() for name, value in losses.items()})
    assert found[1] == pytest.approx(found[0], rel=0.05, abs=0.01)
    assert found[1] != found[0]


@pytest.mark.parametrize(("method", "mode"), [("cyclegan", "wgangp"), ("pix2pix", "vanilla")])
def test_the_cartoon_improvements_work_together(method: str, mode: GanMode, tmp_path: Path, facades: Path) -> None:
    config = CONFIGS[method]
    generator = replace(config.generator, activation="leaky_relu", upsample="resize", bias="none")
    fields: dict[str, Any] = {"generator": generator, "lambda_edges": 1.0, "gan_mode": mode}
    fields |= {"direction": "ab"} if method == "pix2pix" else {"pool_mode": "both", "average": True}
    trainer = make_trainer(replace(config, **fields), tmp_path / "run", facades)
    for index, real in enumerate(trainer.batches.epoch(1)):
        losses = trainer.step(real, index)
        assert len([name for name in losses if name.startswith("edges")]) == 1
        assert all(math.isfinite(value.item()) for value in losses.values())


@pytest.mark.parametrize("critic_steps", [1, 3])
@pytest.mark.parametrize("method", list(CONFIGS))
def test_networks_are_updated_in_the_papers_order(
    method: str, critic_steps: int, tmp_path: Path, facades: Path
) -> None:
    """pix2pix's discriminator first, the others' generators; these once in so many critic steps."""
    config = replace(CONFIGS[method], gan_mode="wgangp", critic_steps=critic_steps)
    trainer = make_trainer(config, tmp_path / "run", facades)
    updated: list[str] = []
    for name, optimizer in trainer.updates.optimizers.items():
        optimizer.register_step_post_hook(lambda *_, name=name: updated.append(name))
    order = ["generators", "discriminators"]
    for index in range(2 * critic_steps):
        updated.clear()
        trainer.step(trainer.batches.batch(1, 0), index)
        both = (index + 1) % critic_steps == 0
        assert updated == ((order[::-1] if method == "pix2pix" else order) if both else ["discriminators"])


def test_a_cycle_is_differentiated_before_the_other_takes_memory(tmp_path: Path, facades: Path) -> None:
    trainer = make_trainer(CYCLEGAN, tmp_path, facades)
    weight = next(trainer.objective.generators["ab"].parameters())
    seen: list[bool] = []
    trainer.objective.discriminators["a"].register_forward_pre_hook(lambda *_: seen.append(weight.grad is not None))
    trainer.step(trainer.batches.batch(1, 0))
    assert seen[0], "the cycle that begins with b began before that with a was differentiated"


@pytest.mark.parametrize(
    "config",
    [
        replace(CYCLEGAN, gan_mode="wgangp", critic_steps=3, ema_half_life=10),
        replace(PIX2PIX, gan_mode="wgangp", critic_steps=3),
        PROJECTED,
    ],
    ids=["cyclegan", "pix2pix", "projected"],
)
def test_a_training_resumes_exactly_between_two_updates_of_the_generators(
    config: MethodConfig, tmp_path: Path, facades: Path
) -> None:
    """Singular vectors and the state of what is random are in the checkpoint; the turn follows the step's number."""
    config = replace(config, decay_epochs=0)
    whole, parted = (make_trainer(config, tmp_path / name, facades, images=6) for name in ("whole", "parted"))
    torch.manual_seed(1)
    create(whole)
    assert whole.train()
    torch.manual_seed(1)
    create(parted)
    done: list[int] = []
    assert not parted.train(on_progress=lambda each: done.append(each.step), should_stop=lambda: len(done) == 1)
    torch.manual_seed(99)
    again = make_trainer(config, tmp_path / "parted", facades, images=6)
    resume(again)
    assert again.progress.step == 2
    assert again.train()
    expected, found = whole.objective.state_dict(), again.objective.state_dict()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    histories = [[(line["learning_rate"], line["losses"]) for line in each.run.history()] for each in (whole, again)]
    assert histories[0] == histories[1]


def test_a_projected_training_says_what_to_install(
    tmp_path: Path, facades: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cyclegan.networks.features.find_spec", lambda _: None)
    for config in (PROJECTED, replace(PIX2PIX, lambda_perceptual=1.0)):
        with pytest.raises(ConfigError, match=r"Lite0 is not installed; run: pip install -r requirements-features"):
            make_trainer(config, tmp_path, facades)
    make_trainer(PIX2PIX, tmp_path, facades)


FALLING, STILL = [5.0 - 0.5 * epoch for epoch in range(7)], [5.0] * 7


@pytest.mark.parametrize(
    ("losses", "critics", "factor"),
    [(FALLING, STILL, 1.0), (STILL, FALLING, 0.2)],
    ids=["generators learn", "critics alone learn"],
)
def test_plateau_follows_the_generators_losses_of_the_runs_history(
    losses: list[float], critics: list[float], factor: float, tmp_path: Path, facades: Path
) -> None:
    """The reference gives its scheduler a 0 for every epoch, whatever the losses are."""
    trainer = make_trainer(replace(CYCLEGAN, lr_policy="plateau", epochs=7), tmp_path / "run", facades)
    create(trainer)
    past = [
        {"gan_a": loss / 2, "cycle_b": loss / 2, "discriminator_a": critic, "penalty_b": critic}
        for loss, critic in zip(losses, critics, strict=True)
    ]
    trainer.run.write_history(
        [{"epoch": epoch, "learning_rate": 2e-4, "losses": each} for epoch, each in enumerate(past, 1)]
    )
    trainer.progress = Progress(8)
    assert trainer.train()
    assert trainer.run.history()[-1]["learning_rate"] == pytest.approx(2e-4 * factor, rel=1e-9)


@pytest.mark.parametrize("mode", ["vanilla", "wgangp"])
def test_a_compiled_wgangp_leaves_its_critics_as_they_are(
    mode: GanMode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch.compile cannot differentiate a gradient."""
    compiled: list[torch.nn.Module] = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda network: compiled.append(network))
    trainer = make_trainer(replace(GAN, gan_mode=mode), tmp_path, tmp_path, compiled=True)
    critics = [] if mode == "wgangp" else list(trainer.objective.discriminators.values())
    assert compiled == [*trainer.objective.generators.values(), *critics]


def test_generators_that_would_never_be_updated_are_refused(tmp_path: Path, facades: Path) -> None:
    config = replace(CYCLEGAN, gan_mode="wgangp", critic_steps=5)
    with pytest.raises(ConfigError, match=r"critic_steps is 5, .* has 4 steps.*lower --critic-steps"):
        make_trainer(config, tmp_path / "run", facades)
    make_trainer(replace(config, critic_steps=4), tmp_path / "run", facades)


@pytest.mark.parametrize("config", [CYCLEGAN, PROJECTED, GAN], ids=["cyclegan", "projected", "gan"])
def test_a_finished_run_holds_history_samples_snapshots_and_checkpoint(
    config: MethodConfig, tmp_path: Path, facades: Path
) -> None:
    config = replace(config, decay_epochs=2, snapshot_epochs=(1,))
    trainer = make_trainer(config, tmp_path / "run", facades)
    create(trainer)
    assert trainer.train()
    run = Run.open(tmp_path / "run")
    assert run.config == config
    assert run.epochs == (1, 3)  # the rule's, and the last
    assert run.sample_epochs == (1, 2, 3)
    with Image.open(run.sample_path(2)) as sample:
        assert sample.size == (256 if config.dataset == "noise" else 2 * 256, len(run.directions) * 256)
    records = run.history()
    assert [record["epoch"] for record in records] == [1, 2, 3]
    assert [record["learning_rate"] for record in records] == [learning_rate_at(config, epoch) for epoch in (1, 2, 3)]
    stored = {f"generators.{each}": load_generator(run.snapshot_folder(3, each))[1] for each in run.directions}
    stored |= {f"discriminators.{each}": run.load_discriminator(each) for each in run.judged}
    for name, network in stored.items():
        trained = trainer.objective.get_submodule(name).state_dict()
        for key, value in network.state_dict().items():
            torch.testing.assert_close(value, trained[key], rtol=1e-3, atol=1e-4)


def test_a_loss_that_is_not_finite_stops_training_and_keeps_what_was_good(tmp_path: Path, facades: Path) -> None:
    trainer = make_trainer(CYCLEGAN, tmp_path / "run", facades)
    create(trainer)

    def poison(progress: Progress) -> None:
        if (progress.epoch, progress.step) == (2, 1):
            torch.nn.init.constant_(next(trainer.objective.generators.parameters()), float("nan"))

    with pytest.raises(TrainingError, match=r"loss \w+ is nan in epoch 2, step 2; .*snapshot 1"):
        trainer.train(on_progress=poison)
    assert trainer.run.epochs == (1,)
    trainer.run.load_generator(1, "ab")  # raises if a value is not finite
    again = make_trainer(CYCLEGAN, tmp_path / "run", facades)
    resume(again)
    assert again.progress.epoch == 2
    assert all(torch.isfinite(value).all() for value in again.objective.state_dict().values())


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("inf"), r"weight \S+ is not finite after epoch 1"),
        (1e6, r"\S+ holds values that are not finite, or beyond half precision's largest, 65504"),
    ],
)
def test_weights_that_cannot_be_stored_are_never_saved(
    value: float, reason: str, tmp_path: Path, facades: Path
) -> None:
    trainer = make_trainer(PIX2PIX, tmp_path / "run", facades)
    create(trainer)

    def poison(progress: Progress) -> None:
        if progress.step == trainer.batches.steps:
            torch.nn.init.constant_(next(trainer.objective.generators.parameters()), value)

    with pytest.raises(TrainingError, match=rf"{reason}; .*no snapshot yet.* Use a lower --learning-rate"):
        trainer.train(on_progress=poison)
    assert trainer.run.epochs == ()
    again = make_trainer(PIX2PIX, tmp_path / "run", facades)
    resume(again)
    assert all(torch.isfinite(value).all() for value in again.objective.state_dict().values())


@pytest.mark.parametrize("size", [float("nan"), 1e30])
def test_a_step_of_an_exploding_gradient_is_skipped_and_counted(size: float, tmp_path: Path, facades: Path) -> None:
    """Crops of one flat colour blow gradients up past every norm layer: Adam's averages must not remember them."""
    trainer = make_trainer(PIX2PIX, tmp_path / "run", facades)
    create(trainer)
    weight = next(trainer.objective.generators.parameters())
    updates = iter(range(1000))
    weight.register_hook(lambda gradient: torch.full_like(gradient, size) if next(updates) == 1 else gradient)
    critic = next(trainer.objective.discriminators.parameters())
    critics: list[torch.Tensor] = []
    trainer.train(on_progress=lambda _: critics.append(critic.detach().clone()))
    assert all(torch.isfinite(value).all() for value in trainer.objective.state_dict().values())
    for state in trainer.updates.optimizers["generators"].state.values():
        assert state["exp_avg_sq"].max() < 1e6
    assert (critics[1] != critics[0]).any(), "the discriminator is updated all the same"
    assert [line.get("skipped_steps") for line in trainer.run.history()] == [1, None]


def test_samples_and_snapshots_are_made_with_the_moving_average(tmp_path: Path, facades: Path) -> None:
    config = replace(CYCLEGAN, epochs=2, decay_epochs=0, learning_rate=2e-3)
    found = {}
    for half_life in (40, 0):
        trainer = make_trainer(replace(config, ema_half_life=half_life), tmp_path / str(half_life), facades, images=6)
        create(trainer)
        generator = trainer.objective.generators["ab"]
        expected = [value.detach().clone() for value in generator.parameters()]
        steps: list[int] = []

        def average(
            progress: Progress,
            generator: torch.nn.Module = generator,
            expected: list[torch.Tensor] = expected,
            steps: list[int] = steps,
        ) -> None:
            step = 6 * (progress.epoch - 1) + progress.step
            if step not in steps:  # the end of an epoch reports once more
                share = 0.5 ** (1 / min(40, step / 20))
                for old, new in zip(expected, generator.parameters(), strict=True):
                    old.mul_(share).add_((1 - share) * new.detach())
            steps.append(step)

        trainer.train(on_progress=average)
        found[half_life] = trainer.run, expected
    (run, expected), (plain, _) = found[40], found[0]
    stored = run.load_generator(2, "ab")
    for name, wanted in zip(dict(stored.named_parameters()), expected, strict=True):
        torch.testing.assert_close(stored.get_parameter(name), wanted, rtol=1e-3, atol=1e-4, msg=name)
    latest = plain.load_generator(2, "ab").parameters()
    assert any((value - now).abs().max() > 1e-4 for value, now in zip(expected, latest, strict=True))
    assert plain.history()[-1]["losses"] == run.history()[-1]["losses"], "it only watches"
    assert plain.sample_path(2).read_bytes() != run.sample_path(2).read_bytes()


def test_a_generator_of_classes_learns_them(tmp_path: Path, facades: Path) -> None:
    generator = GeneratorConfig("resnet_6blocks", width=4, classes="facades")
    fields: dict[str, Any] = {"epochs": 6, "decay_epochs": 0, "learning_rate": 4e-3}
    config = replace(PIX2PIX, direction="ab", generator=generator, load_size=36, crop_size=32, **fields)
    trainer = make_trainer(config, tmp_path / "run", facades, images=6)
    create(trainer)
    assert trainer.train()
    first, *_, last = (record["losses"]["classes"] for record in trainer.run.history())
    assert last < 0.8 * first
    labels = Translator.of(trainer.run, device="cpu", precision="fp32").translate(make_photo(3, 32), to="labels")
    nearest = np.asarray(snap_to_palette(labels)).astype(int)
    assert (np.abs(nearest - np.asarray(labels)).max(2) < 8).mean() > 0.5, "most pixels have their class's own colour"


def test_losses_read_seldom_are_the_same_as_losses_read_every_step() -> None:
    steps = [{"gan": torch.tensor(1.0 + step), **({"l1": torch.tensor(2.0)} if step % 2 else {})} for step in range(5)]
    often, seldom = Progress(), Progress()
    skipped = torch.tensor(0)
    for step in steps:
        often.add([step], skipped)
    seldom.add(steps, skipped)
    assert often == seldom and often.losses == {"gan": 3.0, "l1": 2.0}


def test_a_resumed_run_keeps_its_precision(tmp_path: Path, facades: Path) -> None:
    create(make_trainer(replace(PIX2PIX, precision="bf16"), tmp_path / "run", facades))
    again = make_trainer(PIX2PIX, tmp_path / "run", facades)  # as if "auto" had measured otherwise this time
    resume(again)
    assert again.updates.dtype == torch.bfloat16


def test_a_run_does_not_go_on_with_other_images(tmp_path: Path, facades: Path) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(facades, copied)
    create(make_trainer(PIX2PIX, tmp_path / "run", facades, images=6))
    resume(make_trainer(PIX2PIX, tmp_path / "run", copied, images=6))
    next((copied / "train").iterdir()).unlink()
    with pytest.raises(RunError, match=r"not those that .* began with"):
        resume(make_trainer(PIX2PIX, tmp_path / "run", copied, images=6))


def test_nobody_else_trains_a_run_meanwhile(tmp_path: Path) -> None:
    with exclusive(tmp_path), pytest.raises(RunError, match="being trained by another process"), exclusive(tmp_path):
        pass
    with exclusive(tmp_path):
        pass


def test_a_new_run_refuses_a_folder_that_is_in_use(tmp_path: Path, facades: Path) -> None:
    create(make_trainer(PIX2PIX, tmp_path / "run", facades))
    with pytest.raises(RunError, match="--resume"):
        create(make_trainer(PIX2PIX, tmp_path / "run", facades))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="not empty"):
        create(make_trainer(PIX2PIX, tmp_path / "other", facades))
    assert (tmp_path / "other" / "thesis.txt").read_text() == "mine"


def test_what_a_killed_creation_left_is_swept_and_what_is_being_made_is_not(tmp_path: Path, facades: Path) -> None:
    stale, fresh = tmp_path / f"{STRAY_PREFIX}1", tmp_path / f"{STRAY_PREFIX}2"
    for folder in (stale, fresh):
        folder.mkdir()
        (folder / "run.json").touch()
    os.utime(stale, (0, 0))
    create(make_trainer(PIX2PIX, tmp_path / "run", facades))
    assert {path.name for path in tmp_path.iterdir()} == {"run", fresh.name}


def test_a_clock_that_jumps_makes_no_difference(tmp_path: Path, facades: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jumps = cycle([0.0, 4e9, 1e9])
    monkeypatch.setattr(time, "time", lambda: next(jumps))
    trainer = make_trainer(PIX2PIX, tmp_path / "run", facades)
    create(trainer)
    trainer.train()
    history = trainer.run.history()
    assert [line["epoch"] for line in history] == [1, 2]
    assert all(0 <= line["seconds"] < 300 for line in history)


@pytest.mark.parametrize("damage", ["missing", "truncated", "not a checkpoint"])
def test_a_damaged_checkpoint_is_named(damage: str, tmp_path: Path, facades: Path) -> None:
    trainer = make_trainer(PIX2PIX, tmp_path / "run", facades)
    create(trainer)
    path = tmp_path / "run" / "checkpoint.pt"
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:1000] if damage == "truncated" else b"hello")
    with pytest.raises(RunError, match=r"checkpoint\.pt"):
        resume(trainer)
