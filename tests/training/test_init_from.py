"""A training that begins with the networks of another run."""

from __future__ import annotations

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
from cyclegan.hub.cards import write_card
from cyclegan.runs.redaction import public
from cyclegan.runs.run import Run
from tests.conftest import TINY_GAN, make_run
from tests.hub_server import LoopbackHub

STILL = ["--learning-rate", "1e-12"]
"""With which a training ends where it began, up to the rounding of its snapshots."""
CYCLEGAN = ["--generator.architecture", "resnet_6blocks", "--generator.width", "4", "--discriminator.width", "8"]
UNET = [
    "--generator.architecture",
    "unet_256",
    "--generator.width",
    "4",
    "--generator.norm",
    "batch",
    "--generator.dropout",
]


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
    assert (
        f"initialised from {source}: generator ab, generator ba, discriminator a, discriminator b of epoch 5\n" in said
    )
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


def test_a_run_of_the_hub(begin: Begin, published: LoopbackHub, weights: Path, tmp_path: Path) -> None:
    said = begin(*CYCLEGAN, "--init-from", "owner/cyclegan")
    new = Run.open(tmp_path / "new")
    assert re.fullmatch("owner/cyclegan@[0-9a-f]{40}", str(new.config.init_from)) and str(new.config.init_from) in said
    assert same(new.load_generator(1, "ab"), Run.open(weights / "facades-cyclegan").load_generator(5, "ab"))
    assert published.count("samples") == 0, "nobody looks at its pictures"
    card = card_of(new)
    assert "--init-from owner/cyclegan@" in card and "had seen" in card


def test_the_folder_is_another_one_than_that_of_the_run(
    facades: Path,
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(weights / "facades-cyclegan", "runs/facades-cyclegan")
    told = ["--dataset", str(facades), "--init-from", "runs/facades-cyclegan", "--dry-run"]
    assert train.main([*told, *CYCLEGAN, "--load-size", "64", "--crop-size", "64", "--device", "cpu"]) == 0
    assert "runs/facades-cyclegan-further" in capsys.readouterr().out


def test_it_goes_on_without_the_run_it_began_from(begin: Begin, weights: Path, tmp_path: Path) -> None:
    shutil.copytree(weights / "facades-cyclegan", tmp_path / "old")
    begin(*CYCLEGAN, "--init-from", tmp_path / "old")
    shutil.rmtree(tmp_path / "old")
    assert train.main(["--resume", str(tmp_path / "new")]) == 0
    run = Run.open(tmp_path / "new")
    assert run.config.init_from == str(tmp_path / "old")
    assert public(run).config.init_from == "old"
    assert "--init-from old " in card_of(run), "a name, as of datasets"


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
            UNET[:-1],
            "facades-pix2pix",
            ["another generator ba (dropout True, here False)", "use --generator.dropout"],
        ),
        (
            [],
            [*CYCLEGAN, "--generator.classes", "facades"],
            "facades-cyclegan",
            ["(classes None, here facades)", "use --generator.classes None"],
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
    ids=["width", "dropout", "classes", "channels", "direction", "nowhere"],
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


def test_noise_and_pictures_do_not_go_together(begin: Begin, tmp_path: Path) -> None:
    make_run(tmp_path / "clothes", replace(TINY_GAN, epochs=1), epochs=(1,), sample_epochs=1)
    assert "generates images from noise" in begin(*CYCLEGAN, "--init-from", tmp_path / "clothes", code=2)


def test_a_run_without_a_snapshot_is_refused(begin: Begin, weights: Path, tmp_path: Path) -> None:
    shutil.copytree(weights / "facades-cyclegan", tmp_path / "old", ignore=shutil.ignore_patterns("snapshots"))
    assert "has no snapshot yet" in begin(*CYCLEGAN, "--init-from", tmp_path / "old", code=2)
