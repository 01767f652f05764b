"""`train.py --publish`: a training that publishes on its way, and does not care whether the Hub is there."""

from __future__ import annotations

import os
import re
import shlex
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import train
from cyclegan.hub import publishing
from cyclegan.hub.command import main
from cyclegan.runs.run import Run
from cyclegan.training.trainer import Trainer
from tests.forks import ROOT, Program
from tests.hub_server import TOKEN, LoopbackHub

NAME = "owner/facades"
TINY = [
    *("pix2pix", "--generator.architecture", "resnet_6blocks", "--load-size", "36", "--crop-size", "32"),
    *("--max-images", "2", "--generator.width", "4", "--discriminator.width", "4", "--epochs", "1"),
    *("--decay-epochs", "2", "--snapshot-epochs", "1", "2", "--device", "cpu"),
]


@pytest.fixture(autouse=True)
def login(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(publishing, "DELAYS", (0.2,))
    monkeypatch.setattr(publishing, "CLOSING_DELAY", 0.2)


def command(facades: Path, out: Path, *more: str) -> list[str]:
    return [*TINY, "--dataset", str(facades), "--out", str(out), "--publish", NAME, *more]


def after_epoch(monkeypatch: pytest.MonkeyPatch, epoch: int, what: Callable[[], object]) -> None:
    """Let something happen when this epoch of a training is done."""
    finish = Trainer._finish_epoch

    def finish_and_do(self: Trainer, rate: float) -> None:
        done = self.progress.epoch
        finish(self, rate)
        if done == epoch:
            what()

    monkeypatch.setattr(Trainer, "_finish_epoch", finish_and_do)


def test_a_training_publishes_on_its_way_and_ends_as_one_publication(
    facades: Path, tmp_path: Path, hub: LoopbackHub
) -> None:
    out = tmp_path / "run"
    program = Program([ROOT / "train.py", *command(facades, out, "--private")])
    printed = program.communicate()
    assert program.poll() == 0, printed
    assert f"published: {hub.url}/{NAME}" in printed[1]
    repository = hub.repositories["model", NAME]
    assert repository.private and 2 <= len(repository.commits) <= 4
    assert {"snapshots/0001/ba/model.safetensors", "snapshots/0003/ba/model.safetensors"} <= repository.files.keys()
    assert "checkpoint.pt" not in repository.files
    count = len(repository.commits)
    assert main(["publish", str(out), NAME]) == 0
    assert len(repository.commits) == count
    told = [*printed, *(path.read_bytes().decode(errors="ignore") for path in out.rglob("*.*"))]
    assert not [text for text in told if TOKEN in text]


def test_who_may_not_publish_is_told_before_the_training(
    facades: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], hub: LoopbackHub
) -> None:
    out = tmp_path / "run"
    monkeypatch.delenv("HF_TOKEN")
    assert train.main(command(facades, out)) == 2
    assert "hf auth login" in capsys.readouterr().err
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.stop()
    assert train.main(command(facades, out)) == 2
    assert "does not answer" in capsys.readouterr().err
    assert train.main([*command(facades, out)[:-2], "--private"]) == 2
    assert "--publish owner/name" in capsys.readouterr().err
    assert not out.exists()


def test_nothing_is_made_for_a_training_that_cannot_begin(
    facades: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], hub: LoopbackHub
) -> None:
    assert train.main(["--dataset", "nonsense", "--publish", NAME]) == 2
    assert "'nonsense' is neither a folder nor one of" in capsys.readouterr().err
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.pt").touch()
    assert train.main(command(facades, tmp_path / "run")) == 2
    assert not hub.requests


def test_a_hub_that_dies_does_not_disturb_the_training(
    facades: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], hub: LoopbackHub
) -> None:
    monkeypatch.setattr("cyclegan.hub.publishing.BackgroundPublisher.finish.__defaults__", (1.0,))
    after_epoch(monkeypatch, 1, hub.stop)
    out = tmp_path / "run"
    assert train.main(command(facades, out)) == 0
    said = capsys.readouterr().err
    assert Run.open(out).epochs == (1, 2, 3)
    (later,) = re.findall("not published; do it later with: (.*)", said)
    for thread in threading.enumerate():  # what was given up is not attempted again
        if thread.name == "publisher":
            thread.join(30)
            assert not thread.is_alive()
    hub.start()
    assert main(shlex.split(later)[3:]) == 0
    assert "snapshots/0003/ba/model.safetensors" in hub.repositories["model", NAME].files


def test_a_resumed_training_publishes_what_is_there_and_what_comes(
    facades: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], hub: LoopbackHub
) -> None:
    out = tmp_path / "run"
    after_epoch(monkeypatch, 2, lambda: os.kill(os.getpid(), 2))
    without = command(facades, out)[:-2]
    assert train.main(without) == 130
    (line,) = re.findall("go on with: python train.py (.*)", capsys.readouterr().err)
    monkeypatch.undo()
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert train.main([*shlex.split(line), "--publish", NAME]) == 0
    files = hub.repositories["model", NAME].files
    assert {f"snapshots/000{epoch}/ba/model.safetensors" for epoch in (1, 2, 3)} <= files.keys()
    hub.repositories.clear()
    assert train.main(["--resume", str(out), "--publish", NAME]) == 0
    assert hub.repositories["model", NAME].files == files
