"""A training that begins with the networks of another run."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest
import torch
from torch import nn

import train
from cyclegan.config import METHODS, Pix2PixConfig
from cyclegan.hub.cards import write_card
from cyclegan.images.io import open_image
from cyclegan.runs.compress import compress
from cyclegan.runs.redaction import public
from cyclegan.runs.run import Run
from tests.conftest import TINY_CYCLEGAN, TINY_GAN, make_run
from tests.hub_server import LoopbackHub

STILL = ["--learning-rate", "1e-12"]
"""With which a training ends where it began, up to the rounding of its snapshots."""
CYCLEGAN = ["--generator.architecture", "resnet_6blocks", "--generator.width", "4", "--discriminator.width", "8"]
UNET = ["--generator.architecture", "unet_256", "--generator.width", "4", "--generator.norm", "batch"]


class Begin(Protocol):
    def __call__(self, *arguments: object, method: Sequence[str] = (), code: int = 0) -> str: ...


@pytest.fixture
def begin(facades: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Begin:
    def begin(*arguments: object, method: Sequence[str] = (), code: int = 0) -> str:
        """One step from a run, and what was printed."""
        short = ["--epochs", "1", "--decay-epochs", "0", "--max-images", "1", "--load-size", "256", "--device", "cpu"]
        command = [*method, "--dataset", facades, "--out", tmp_path / "new", *short, *STILL, *arguments]
        assert train.main([str(each) for each in command]) == code
        return capfd.readouterr().err

    return begin


def card_of(run: Run) -> str:
    return write_card(run, "me/further")["README.md"].decode()


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return all(torch.allclose(a, b, rtol=2e-3, atol=1e-6) for a, b in pairs)


@pytest.mark.parametrize("options", [[], ["--ema-half-life", "1000"]], ids=["latest", "average"])
def test_it_begins_with_the_newest_networks(begin: Begin, weights: Path, tmp_path: Path, options: list[str]) -> None:
    source = weights / "facades-cyclegan"
    said = begin(*CYCLEGAN, "--init-from", source, *options)
    assert f"beginning with {source}: generator ab, generator ba, discriminator a, discriminator b of epoch 5\n" in said
    new, old = Run.open(tmp_path / "new"), Run.open(source)
    for direction in new.directions:
        assert same(new.load_generator(1, direction), old.load_generator(5, direction))
        assert not same(new.load_generator(1, direction), old.load_generator(3, direction))
    for domain in new.judged:
        assert same(new.load_discriminator(domain), old.load_discriminator(domain))


def test_what_the_run_lacks_begins_anew(begin: Begin, weights: Path, tmp_path: Path) -> None:
    source = weights / "facades-pix2pix"
    said = begin(*UNET, "--init-from", source)
    assert "generator ba of epoch 5; anew: generator ab, discriminator a, discriminator b\n" in said
    new = Run.open(tmp_path / "new")
    assert same(new.load_generator(1, "ba"), Run.open(source).load_generator(5, "ba"))
    assert not same(new.load_generator(1, "ab"), Run.open(source).load_generator(5, "ba"))


def test_discriminators_of_another_shape_begin_anew(begin: Begin, weights: Path) -> None:
    said = begin(*CYCLEGAN[:4], "--discriminator.width", "4", "--init-from", weights / "facades-cyclegan")
    assert "generator ab, generator ba of epoch 5; anew: discriminator a, discriminator b\n" in said


CLASSES = ["--generator.classes", "facades", "--lambda-palette", "10"]


@pytest.mark.parametrize(
    "network",
    [
        ["cyclegan", *CYCLEGAN],
        [
            "pix2pix",
            "--direction",
            "ab",
            *CYCLEGAN,
            "--generator.norm",
            "instance",
        ],  # with dropout, which CycleGAN has not
    ],
    ids=["cyclegan", "pix2pix"],
)
def test_a_generator_of_colours_becomes_one_of_classes_but_for_its_last_layer(
    begin: Begin, weights: Path, tmp_path: Path, network: list[str]
) -> None:
    source = weights / "facades-cyclegan"
    said = begin(*network[1:], *CLASSES, "--init-from", source, method=network[:1])
    assert "; anew: the last layer of generator ab, for classes are not colours" in said
    new, old = (
        [*Run.open(folder).load_generator(epoch, "ab").parameters()]
        for folder, epoch in ((tmp_path / "new", 1), (source, 5))
    )
    assert len(new) == len(old) and len(new[-1]) == len(new[-2]) == 12 and len(old[-1]) == 3
    for mine, theirs in zip(new[:-2], old[:-2], strict=True):
        assert torch.allclose(mine, theirs, rtol=2e-3, atol=1e-6)


def test_another_palette_has_the_same_classes(begin: Begin, weights: Path, tmp_path: Path) -> None:
    begin(*CYCLEGAN, *CLASSES, "--init-from", weights / "facades-cyclegan")
    (tmp_path / "new").rename(tmp_path / "first")
    for path in (tmp_path / "first").rglob("*.json"):
        path.write_text(path.read_text().replace('"classes": "facades"', '"classes": "cmp_base"'))
    assert Run.open(tmp_path / "first").generator_config("ab").classes == "cmp_base"
    said = begin(*CYCLEGAN, *CLASSES, "--init-from", tmp_path / "first")
    assert "generator ab, generator ba, discriminator a, discriminator b of epoch 1\n" in said
    new, old = (Run.open(tmp_path / name).load_generator(1, "ab") for name in ("new", "first"))
    assert same(new, old)


def test_a_run_of_the_hub(begin: Begin, published: LoopbackHub, weights: Path, tmp_path: Path) -> None:
    said = begin(*CYCLEGAN, "--init-from", "owner/cyclegan")
    new = Run.open(tmp_path / "new")
    assert re.fullmatch("owner/cyclegan@[0-9a-f]{40}", str(new.config.init_from)) and str(new.config.init_from) in said
    assert same(new.load_generator(1, "ab"), Run.open(weights / "facades-cyclegan").load_generator(5, "ab"))
    assert published.count("samples") == 0, "nobody looks at its pictures"
    card = card_of(new)
    assert "--init-from owner/cyclegan@" in card and "had seen" in card


def test_the_folder_is_another_one_than_that_of_the_run(
    facades: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(weights / "facades-cyclegan", "runs/facades-cyclegan")
    told = ["--dataset", str(facades), "--init-from", "runs/facades-cyclegan", "--dry-run"]
    assert train.main([*told, *CYCLEGAN, "--load-size", "64", "--crop-size", "64", "--device", "cpu"]) == 0
    config = METHODS["cyclegan"](dataset="facades", init_from="runs/facades-cyclegan")
    assert train.default_out(config, "facades", "cyclegan") == Path("runs/facades-cyclegan-further")


def test_it_goes_on_without_the_run_it_began_from(begin: Begin, weights: Path, tmp_path: Path) -> None:
    shutil.copytree(weights / "facades-cyclegan", tmp_path / "old")
    begin(*CYCLEGAN, "--init-from", tmp_path / "old")
    shutil.rmtree(tmp_path / "old")
    assert train.main(["--resume", str(tmp_path / "new")]) == 0
    run = Run.open(tmp_path / "new")
    assert run.config.init_from == str(tmp_path / "old")
    assert public(run).config.init_from == "old"
    assert "--init-from old " in card_of(run), "a name, as of datasets"


@pytest.mark.parametrize("online", [False, True], ids=["folder", "hub"])
def test_it_goes_on_with_the_epochs_of_the_run_it_began_from(
    begin: Begin,
    published: LoopbackHub,
    weights: Path,
    tmp_path: Path,
    online: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = Run.open(weights / "facades-cyclegan")
    said = begin(
        *CYCLEGAN, "--init-from", "owner/cyclegan" if online else source.folder, "--first-epoch", "6", "--epochs", "7"
    )
    new = Run.open(tmp_path / "new")
    assert new.epochs == (1, 3, 5, 7) and "kept epochs: 1, 3, 5, 7" in said
    for epoch, direction in itertools.product((1, 3, 5), new.directions):
        for name in ("config.json", "model.safetensors"):
            there, here = (run.snapshot_folder(epoch, direction) / name for run in (source, new))
            assert here.read_bytes() == there.read_bytes()
    assert same(new.load_generator(7, "ab"), source.load_generator(5, "ab"))
    assert new.sample_epochs == (1, 2, 3, 4, 5, 6, 7) and new.samples == source.samples
    assert new.sample_path(4).read_bytes() == source.sample_path(4).read_bytes()
    assert [record["epoch"] for record in new.history()] == [1, 2, 3, 4, 5, 6, 7]
    assert new.history()[:5] == source.history()
    assert train.main(["--resume", str(new.folder)]) == 0
    monkeypatch.setattr("cyclegan.runtime.distributed.size", lambda: 2)
    assert train.goes_on(new.folder, replace(new.config, init_from="another/name")), "torchrun begins it again"
    monkeypatch.undo()
    assert ("whose epochs 1 to 5 it keeps" in card_of(new)) and "instead of 200" in card_of(new)


def test_the_epochs_before_do_not_lower_the_learning_rate(begin: Begin, weights: Path, tmp_path: Path) -> None:
    source = shutil.copytree(weights / "facades-cyclegan", tmp_path / "old")
    lines = [json.dumps({"epoch": epoch, "losses": {"gan_a": 1e-9}}) for epoch in range(1, 6)]
    (source / "history.jsonl").write_text("\n".join(lines))
    plateau = ["--lr-policy", "plateau", "--first-epoch", "6", "--epochs", "9"]
    begin(*CYCLEGAN, "--init-from", source, *plateau)
    rates = [record["learning_rate"] for record in Run.open(tmp_path / "new").history()[5:]]
    assert rates == [1e-12] * 4


def test_its_plan_counts_what_it_copies(facades: Path, weights: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def planned(*options: str) -> int:
        command = ["--dataset", str(facades), "--init-from", str(weights / "facades-cyclegan"), *CYCLEGAN, *options]
        assert train.main([*command, "--load-size", "256", "--decay-epochs", "0", "--device", "cpu", "--dry-run"]) == 0
        found = re.search(r"snapshots (\d+) MB.*samples (\d+) MB", capfd.readouterr().out)
        assert found is not None
        return int(found[1]) + int(found[2])

    alone = planned("--epochs", "1", "--sample-every", "1000")
    assert planned("--first-epoch", "6", "--epochs", "6", "--sample-every", "1000") > alone


def test_its_samples_are_those_that_the_earlier_run_shows(begin: Begin, weights: Path, tmp_path: Path) -> None:
    old = compress(Run.open(weights / "facades-cyclegan"), tmp_path / "old")
    assert set(old.samples) == {"ba"}
    begin(*CYCLEGAN, "--init-from", old.folder, "--first-epoch", "6", "--epochs", "6")
    new = Run.open(tmp_path / "new")
    assert new.samples == old.samples
    first, last = (open_image(new.sample_path(epoch)).size for epoch in (5, 6))
    assert first == last


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--first-epoch", "5", "--epochs", "6"], ["kept epoch 5 last", "use --first-epoch 6"]),
        (["--first-epoch", "6", "--epochs", "5"], ["first_epoch is 6", "up to the last, 5"]),
        (["--first-epoch", "6", "--epochs", "6", *CLASSES], ["another generator ab", "leave --first-epoch out"]),
        (["--first-epoch", "6", "--epochs", "6", "--domain-names", "x", "y"], ["another domains"]),
    ],
    ids=["a gap", "after the end", "classes", "names"],
)
def test_epochs_that_cannot_be_those_before_are_refused(
    begin: Begin, weights: Path, tmp_path: Path, options: list[str], expected: list[str]
) -> None:
    said = begin(*CYCLEGAN, "--init-from", weights / "facades-cyclegan", *options, code=2)
    for part in expected:
        assert part in said
    assert not (tmp_path / "new").exists()


def test_what_rested_goes_on_resting_in_a_training_further(
    begin: Begin, weights: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    moving = ["--lambda-edges", "1", "--edges-domain", "a", "--cycle-noise", "0.1"]
    begin(*CYCLEGAN, *CLASSES, *moving, "--epochs", "2", "--labels-only-from", "2")
    assert train.main(["--resume", str(tmp_path / "new")]) == 0
    advice = capfd.readouterr().out
    assert "to train its networks further" in advice and "--labels-only-from 1" in advice
    assert not any(option in advice for option in ("--lambda-edges", "--edges-domain", "--cycle-noise"))


@pytest.mark.parametrize(
    ("method", "options", "source", "expected"),
    [
        (
            [],
            [*CYCLEGAN[:2], "--generator.width", "6"],
            "facades-cyclegan",
            ["another generator ab (width 4, here 6)", "use --generator.width 4"],
        ),
        (
            [],
            [*UNET, "--generator.in-channels", "1", "--lambda-identity", "0"],
            "facades-pix2pix",
            ["another generator ba (out_channels 3, here 1)", "use --generator.in-channels 3"],
        ),
        (
            ["pix2pix"],
            ["--direction", "ab", *UNET],
            "facades-pix2pix",
            ["translates ba, and this run ab", "use --direction ba"],
        ),
        ([], CYCLEGAN, "nowhere", ["there is no such folder"]),
    ],
    ids=["width", "channels", "direction", "nowhere"],
)
def test_what_does_not_fit_is_refused(
    begin: Begin,
    weights: Path,
    tmp_path: Path,
    method: list[str],
    options: list[str],
    source: str,
    expected: list[str],
) -> None:
    said = begin(*options, "--init-from", weights / source, method=method, code=2)
    for part in expected:
        assert part in said
    assert not (tmp_path / "new").exists()


def test_photos_that_rest_from_the_beginning_come_from_that_run(
    begin: Begin, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = [*CYCLEGAN, *CLASSES, "--labels-only-from", "1", "--init-from"]
    assert "without init_from nothing has learned to make photos" in begin(*rest[:-1], code=2)
    assert "beginning with" in begin(*rest, weights / "facades-cyclegan")
    run = Run.open(tmp_path / "new")
    assert "--init-from facades-cyclegan" in card_of(public(run))
    monkeypatch.setattr("cyclegan.runtime.distributed.size", lambda: 2)
    assert train.goes_on(run.folder, replace(run.config, init_from="facades-cyclegan")), "torchrun begins it again"
    monkeypatch.undo()
    maps = Pix2PixConfig(dataset="facades", direction="ab", generator=TINY_CYCLEGAN, epochs=1, decay_epochs=0)
    make_run(tmp_path / "labels", maps, epochs=(1,), sample_epochs=1)
    said = begin(*rest, tmp_path / "labels", "--out", tmp_path / "other", code=2)
    for part in ("translates ab", "labels_only_from 1", "needs its generator ba", "a later epoch"):
        assert part in said
    assert not (tmp_path / "other").exists()


def test_noise_and_pictures_do_not_go_together(begin: Begin, tmp_path: Path) -> None:
    make_run(tmp_path / "clothes", replace(TINY_GAN, epochs=1), epochs=(1,), sample_epochs=1)
    assert "makes its pictures from noise" in begin(*CYCLEGAN, "--init-from", tmp_path / "clothes", code=2)


def test_a_run_without_a_snapshot_is_refused(begin: Begin, weights: Path, tmp_path: Path) -> None:
    shutil.copytree(weights / "facades-cyclegan", tmp_path / "old", ignore=shutil.ignore_patterns("snapshots"))
    assert "has no snapshot yet" in begin(*CYCLEGAN, "--init-from", tmp_path / "old", code=2)
