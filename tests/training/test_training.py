"""The trainer: order of moves, what an epoch leaves behind, and what stops it."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cyclegan.config import (
    CycleGANConfig,
    Direction,
    DiscriminatorConfig,
    GeneratorConfig,
    Pix2PixConfig,
)
from cyclegan.data.batches import Batches
from cyclegan.data.datasets import find_split
from cyclegan.facades.labels import draw_facade, snap_to_palette
from cyclegan.networks.storage import load_generator
from cyclegan.runs.run import Domains, Run, RunError
from cyclegan.runtime.files import STRAY_PREFIX
from cyclegan.training.checkpoint import create, exclusive, resume
from cyclegan.training.plan import measure_step
from cyclegan.training.progress import Progress
from cyclegan.training.schedules import learning_rate_at
from cyclegan.training.trainer import Trainer, TrainingError
from cyclegan.translate.translator import Translator
from tests.conftest import make_photo

CYCLEGAN = CycleGANConfig(
    dataset="facades",
    generator=GeneratorConfig(architecture="resnet_6blocks", width=4),
    discriminator=DiscriminatorConfig(width=4),
    load_size=72,
    crop_size=64,
    epochs=2,
    decay_epochs=1,
    snapshot_epochs=(1,),
    precision="fp32",
    pool_size=3,
)
PIX2PIX = Pix2PixConfig(
    dataset="facades",
    generator=GeneratorConfig(architecture="unet_128", width=4, norm="batch", dropout=True),
    discriminator=DiscriminatorConfig(width=4, norm="batch"),
    load_size=136,
    crop_size=128,
    epochs=2,
    decay_epochs=1,
    snapshot_epochs=(1,),
    precision="fp32",
)
PROJECTED = dataclasses.replace(
    PIX2PIX,
    discriminator=DiscriminatorConfig("projected", width=4, norm="none"),
    gan_mode="hinge",
    discriminator_learning_rate=4e-4,
)
BOTH = pytest.mark.parametrize("config", [CYCLEGAN, PIX2PIX], ids=["cyclegan", "pix2pix"])
ALL = pytest.mark.parametrize("config", [CYCLEGAN, PIX2PIX, PROJECTED], ids=["cyclegan", "pix2pix", "projected"])


def make_trainer(config: CycleGANConfig | Pix2PixConfig, folder: Path, facades: Path) -> Trainer:
    batches = Batches(find_split(facades), config)
    method = "cyclegan" if isinstance(config, CycleGANConfig) else "pix2pix"
    directions: tuple[Direction, ...] = ("ab", "ba") if isinstance(config, CycleGANConfig) else (config.direction,)
    run = Run(folder, method, Domains("photo", "labels"), config, dict.fromkeys(directions, "drawn"))  # type: ignore[arg-type]
    inputs = {direction: [draw_facade(1), draw_facade(2)] for direction in directions}
    return Trainer(run, batches, inputs, device=torch.device("cpu"))


@pytest.mark.parametrize(
    ("config", "order"),
    [(CYCLEGAN, ["generators", "discriminators"]), (PIX2PIX, ["discriminators", "generators"])],
    ids=["cyclegan", "pix2pix"],
)
def test_networks_are_updated_in_the_references_order(
    config: CycleGANConfig | Pix2PixConfig, order: list[str], tmp_path: Path, facades: Path
) -> None:
    trainer = make_trainer(config, tmp_path / "run", facades)
    moves: list[str] = []
    for name, optimizer in trainer.updates.optimizers.items():
        optimizer.register_step_post_hook(lambda *_, name=name: moves.append(name))
    trainer.step(trainer.batches.batch(1, 0))
    assert moves == order


@ALL
def test_an_opponent_gets_no_gradient_from_the_other_players_move(
    config: CycleGANConfig | Pix2PixConfig, tmp_path: Path, facades: Path
) -> None:
    trainer = make_trainer(config, tmp_path / "run", facades)
    others: dict[str, list[bool]] = {}
    for name, optimizer in trainer.updates.optimizers.items():
        opponent = next(network for other, network in trainer.updates.networks.items() if other != name)

        def look(*_: object, name: str = name, opponent: torch.nn.Module = opponent) -> None:
            others[name] = [parameter.requires_grad for parameter in opponent.parameters()]

        optimizer.register_step_pre_hook(look)
    trainer.step(trainer.batches.batch(1, 0))
    assert set(others) == {"generators", "discriminators"}
    assert not any(any(flags) for flags in others.values())


@ALL
def test_a_finished_run_holds_history_samples_snapshots_and_checkpoint(
    config: CycleGANConfig | Pix2PixConfig, tmp_path: Path, facades: Path
) -> None:
    trainer = make_trainer(config, tmp_path / "run", facades)
    create(trainer)
    assert trainer.train()
    run = Run.open(tmp_path / "run")
    assert run.config == config
    assert run.epochs == (1, 3)  # the rule's, and the last
    assert run.sample_epochs == (1, 2, 3)
    with Image.open(run.sample_path(2)) as sample:
        assert sample.size == (2 * 256, len(run.directions) * 256)
    records = run.history()
    assert [record["epoch"] for record in records] == [1, 2, 3]
    assert [record["learning_rate"] for record in records] == [learning_rate_at(config, epoch) for epoch in (1, 2, 3)]
    assert all(value > 0 for value in records[-1]["losses"].values())
    for direction in run.directions:
        trained = trainer.objective.generators[direction].state_dict()
        _, stored = load_generator(run.snapshot_folder(3, direction))
        for name, value in stored.state_dict().items():
            torch.testing.assert_close(value, trained[name], rtol=1e-3, atol=1e-4)
    assert run.has_discriminators and set(run.judged) == set(trainer.objective.discriminators)
    for domain in run.judged:
        trained = trainer.objective.discriminators[domain].state_dict()
        for name, value in run.load_discriminator(domain).state_dict().items():
            torch.testing.assert_close(value, trained[name], rtol=1e-3, atol=1e-4)


@BOTH
def test_training_makes_the_networks_fit(config: CycleGANConfig | Pix2PixConfig, tmp_path: Path, facades: Path) -> None:
    config = dataclasses.replace(config, epochs=10, decay_epochs=0, snapshot_epochs=(), learning_rate=2e-3)
    trainer = make_trainer(config, tmp_path / "run", facades)
    create(trainer)
    trainer.train()
    history = trainer.run.history()
    name = "l1" if isinstance(config, Pix2PixConfig) else "cycle_b"
    assert history[-1]["losses"][name] < 0.8 * history[0]["losses"][name]


@BOTH
def test_a_loss_that_is_not_finite_stops_training_and_keeps_what_was_good(
    config: CycleGANConfig | Pix2PixConfig, tmp_path: Path, facades: Path
) -> None:
    trainer = make_trainer(config, tmp_path / "run", facades)
    create(trainer)

    def poison(progress: Progress) -> None:
        if (progress.epoch, progress.step) == (2, 3):
            torch.nn.init.constant_(next(trainer.objective.generators.parameters()), float("nan"))

    with pytest.raises(TrainingError, match=r"loss \w+ is nan in epoch 2, step 4; .*snapshot 1"):
        trainer.train(on_progress=poison)
    assert trainer.run.epochs == (1,)
    trainer.run.load_generator(1, trainer.run.directions[0])  # raises where a value is not finite
    again = make_trainer(config, tmp_path / "run", facades)
    resume(again)
    assert again.progress.epoch == 2
    assert all(torch.isfinite(value).all() for value in again.objective.state_dict().values())


@BOTH
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("inf"), r"weight \S+ is not finite after epoch 1"),
        (1e6, r"\S+ holds values that are not finite, or beyond half precision's largest, 65504"),
    ],
)
def test_weights_that_cannot_be_stored_are_never_saved(
    value: float, reason: str, config: CycleGANConfig | Pix2PixConfig, tmp_path: Path, facades: Path
) -> None:
    trainer = make_trainer(config, tmp_path / "run", facades)
    create(trainer)

    def poison(progress: Progress) -> None:
        if (progress.epoch, progress.step) == (1, trainer.batches.steps):
            torch.nn.init.constant_(next(trainer.objective.generators.parameters()), value)

    with pytest.raises(TrainingError, match=rf"{reason}; .*no snapshot yet.* Use a lower --learning-rate"):
        trainer.train(on_progress=poison)
    assert trainer.run.epochs == ()
    again = make_trainer(config, tmp_path / "run", facades)
    resume(again)
    assert all(torch.isfinite(value).all() for value in again.objective.state_dict().values())


@pytest.mark.parametrize("size", [float("inf"), float("nan"), 1e30])
@BOTH
def test_a_step_of_an_exploding_gradient_is_skipped_and_counted(
    config: CycleGANConfig | Pix2PixConfig, size: float, tmp_path: Path, facades: Path
) -> None:
    """Crops of one flat colour blow gradients up past every norm layer: Adam's averages must not remember them."""
    trainer = make_trainer(config, tmp_path / "run", facades)
    create(trainer)
    weight = next(trainer.objective.generators.parameters())
    moves = iter(range(1000))
    weight.register_hook(lambda gradient: torch.full_like(gradient, size) if next(moves) == 1 else gradient)
    judge = next(trainer.objective.discriminators.parameters())
    judges: list[torch.Tensor] = []
    trainer.train(on_progress=lambda _: judges.append(judge.detach().clone()))
    assert all(torch.isfinite(value).all() for value in trainer.objective.state_dict().values())
    for state in trainer.updates.optimizers["generators"].state.values():
        assert state["exp_avg_sq"].max() < 1e6
    assert (judges[1] != judges[0]).any(), "the other player moves on"
    history = trainer.run.history()
    assert history[0]["skipped_steps"] == 1
    assert "skipped_steps" not in history[1]


@BOTH
def test_samples_and_snapshots_are_made_with_the_moving_average(
    config: CycleGANConfig | Pix2PixConfig, tmp_path: Path, facades: Path
) -> None:
    config = dataclasses.replace(config, epochs=2, decay_epochs=0, learning_rate=2e-3, ema_half_life=40)
    trainer, plain = (
        make_trainer(each, tmp_path / name, facades)
        for name, each in (("run", config), ("plain", dataclasses.replace(config, ema_half_life=0)))
    )
    weights: list[list[torch.Tensor]] = []
    for each in (trainer, plain):
        create(each)
        torch.manual_seed(0)  # dropout's draws, before which only one of the two has copied networks
    first = trainer.run.directions[0]

    def remember(_: Progress) -> None:
        weights.append([value.detach().clone() for value in trainer.objective.generators[first].parameters()])

    expected = [value.detach().clone() for value in trainer.objective.generators[first].parameters()]
    torch.manual_seed(0)
    trainer.train(on_progress=remember)
    torch.manual_seed(0)
    plain.train()
    steps = [weights[index] for index in (*range(6), *range(7, 13))]  # the end of an epoch reports once more
    for step, now in enumerate(steps, 1):
        share = 0.5 ** (1 / min(40, step / 20))
        expected = [share * old + (1 - share) * new for old, new in zip(expected, now, strict=True)]
    stored = trainer.run.load_generator(2, first)
    for name, found, wanted in zip(dict(stored.named_parameters()), stored.parameters(), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4, msg=name)
    assert any((value - now).abs().max() > 1e-4 for value, now in zip(expected, steps[-1], strict=True))
    assert plain.run.history()[-1]["losses"] == trainer.run.history()[-1]["losses"], "it only watches"
    assert plain.run.sample_path(2).read_bytes() != trainer.run.sample_path(2).read_bytes()


def test_a_generator_that_tells_classes_learns_them_and_goes_on_where_it_stopped(tmp_path: Path, facades: Path) -> None:
    config = dataclasses.replace(
        PIX2PIX,
        direction="ab",
        generator=dataclasses.replace(PIX2PIX.generator, classes="facades", dropout=False),
        ema_half_life=10,
        epochs=6,
        decay_epochs=0,
        learning_rate=2e-3,
    )
    whole, parts = (make_trainer(config, tmp_path / name, facades) for name in ("whole", "parts"))
    create(whole)
    assert whole.train()
    first, *_, last = (record["losses"]["classes"] for record in whole.run.history())
    assert last < 0.8 * first
    create(parts)
    seen: list[Progress] = []
    assert not parts.train(on_progress=seen.append, should_stop=lambda: len(seen) > 10)
    again = make_trainer(config, tmp_path / "parts", facades)
    resume(again)
    assert again.train()
    stored, other = (each.run.load_generator(6, "ab") for each in (whole, again))
    for name, value in stored.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value, rtol=0, atol=0, msg=name)
    labels = Translator.of(whole.run, device="cpu", precision="fp32").translate(make_photo(3, 128), to="labels")
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


def test_bf16_follows_fp32(tmp_path: Path, facades: Path) -> None:
    losses = {}
    for precision in ("fp32", "bf16"):
        config = dataclasses.replace(CYCLEGAN, precision=precision)
        trainer = make_trainer(config, tmp_path / precision, facades)
        losses[precision] = {name: value.item() for name, value in trainer.step(trainer.batches.batch(1, 0)).items()}
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.05)
    assert losses["bf16"] != losses["fp32"]


def test_the_optimizers_follow_the_schedule(tmp_path: Path, facades: Path) -> None:
    """That of the discriminators, at its own multiple."""
    config = dataclasses.replace(CYCLEGAN, discriminator_learning_rate=3 * CYCLEGAN.learning_rate)
    trainer = make_trainer(config, tmp_path / "run", facades)
    create(trainer)
    rates: dict[int, set[float]] = {}
    for optimizer in trainer.updates.optimizers.values():
        optimizer.register_step_pre_hook(
            lambda optimizer, *_: rates.setdefault(trainer.progress.epoch, set()).add(optimizer.param_groups[0]["lr"])
        )
    trainer.train()
    expected = {epoch: learning_rate_at(CYCLEGAN, epoch) for epoch in range(1, CYCLEGAN.total_epochs + 1)}
    assert {epoch: sorted(found) for epoch, found in rates.items()} == {
        epoch: pytest.approx([rate, 3 * rate]) for epoch, rate in expected.items()
    }
    assert len({min(rate) for rate in rates.values()}) > 1, "the schedule of this test must change the rate"


def test_a_resumed_run_keeps_its_precision(tmp_path: Path, facades: Path) -> None:
    config = dataclasses.replace(PIX2PIX, precision="bf16")
    create(make_trainer(config, tmp_path / "run", facades))
    again = make_trainer(PIX2PIX, tmp_path / "run", facades)
    again.updates.dtype = torch.float32  # as if "auto" had measured otherwise this time
    resume(again)
    assert again.updates.dtype == torch.bfloat16


def test_a_run_does_not_go_on_with_other_images(tmp_path: Path, facades: Path) -> None:
    create(make_trainer(PIX2PIX, tmp_path / "run", facades))
    copied = tmp_path / "copied"
    shutil.copytree(facades, copied)
    resume(make_trainer(PIX2PIX, tmp_path / "run", copied))
    next((copied / "train").iterdir()).unlink()
    with pytest.raises(RunError, match=r"not those that .* began with"):
        resume(make_trainer(PIX2PIX, tmp_path / "run", copied))


def test_nobody_else_trains_a_run_meanwhile(tmp_path: Path) -> None:
    with exclusive(tmp_path), pytest.raises(RunError, match="being trained by another process"), exclusive(tmp_path):
        pass
    with exclusive(tmp_path):
        pass


def test_a_new_run_refuses_a_folder_that_is_in_use(tmp_path: Path, facades: Path) -> None:
    trainer = make_trainer(PIX2PIX, tmp_path / "run", facades)
    create(trainer)
    with pytest.raises(RunError, match="--resume"):
        create(make_trainer(PIX2PIX, tmp_path / "run", facades))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="not empty"):
        create(make_trainer(PIX2PIX, tmp_path / "other", facades))
    assert (tmp_path / "other" / "thesis.txt").read_text() == "mine"


def test_a_run_that_cannot_be_created_leaves_nothing_behind(
    tmp_path: Path, facades: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer(PIX2PIX, tmp_path / "runs" / "run", facades)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match=r"checkpoint\.pt.*No space left"):
        create(trainer)
    assert list((tmp_path / "runs").iterdir()) == []


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
    assert [line["epoch"] for line in history] == list(range(1, PIX2PIX.total_epochs + 1))
    assert all(0 <= line["seconds"] < 300 for line in history)


@pytest.mark.parametrize("damage", ["missing", "truncated", "not a checkpoint"])
def test_a_damaged_checkpoint_is_named(damage: str, tmp_path: Path, facades: Path) -> None:
    create(make_trainer(PIX2PIX, tmp_path / "run", facades))
    path = tmp_path / "run" / "checkpoint.pt"
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:1000] if damage == "truncated" else b"hello")
    with pytest.raises(RunError, match=r"checkpoint\.pt"):
        resume(make_trainer(PIX2PIX, tmp_path / "run", facades))


def test_measuring_a_step_takes_time_and_gives_it(tmp_path: Path, facades: Path) -> None:
    assert 0 < measure_step(make_trainer(PIX2PIX, tmp_path / "run", facades)) < 60
