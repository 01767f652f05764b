"""A disk that is full at any of the files of a training, or at what commands write: one clear message, nothing lost."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from cyclegan import export, pack
from cyclegan.facades.labels import draw_facade
from cyclegan.runs.run import Run
from cyclegan.translate import command
from tests.faults.kills import same, state_of, train, trainer_of


def fill_disk_at(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse to keep the first file of this name; what a full disk does when a file is flushed."""
    move = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if Path(target).as_posix().endswith(name):
            monkeypatch.setattr(Path, "replace", move)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return move(self, target)

    monkeypatch.setattr(Path, "replace", refuse)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, facades: Path) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(folder, facades)
    return folder


@pytest.mark.parametrize(
    "name",
    [
        "samples/0002.webp",
        "snapshots/0001/ab/config.json",
        "snapshots/0002/ba/model.safetensors",
        "discriminators/b/model.safetensors",
        "history.jsonl",
        "run/checkpoint.pt",
    ],
)
def test_a_training_says_so_and_goes_on_later_to_the_same_weights(
    name: str, whole: Path, facades: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    trainer = trainer_of(folder, facades)
    fill_disk_at(name, monkeypatch)
    with pytest.raises(OSError, match=f"{name.rpartition('/')[2]}: No space left on device; free some space and go on"):
        trainer.train()
    assert not list(folder.rglob(".tmp-*"))
    run = Run.open(folder)
    for epoch in run.epochs:
        run.load_generator(epoch, "ab")
    train(folder, facades)
    assert same(state_of(folder), state_of(whole))
    assert [record["epoch"] for record in run.history()] == [1, 2, 3]


def test_a_training_that_cannot_begin_leaves_nothing(
    facades: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_disk_at("checkpoint.pt", monkeypatch)
    with pytest.raises(OSError, match="No space left on device"):
        trainer_of(tmp_path / "run", facades)
    assert list(tmp_path.iterdir()) == []


def test_commands_say_so_in_one_line(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "labels.png"
    draw_facade(1, size=64).save(picture)
    fill_disk_at("labels.png", monkeypatch)
    words = [str(whole), str(picture), str(tmp_path / "out"), "--to", "photo"]
    assert command.main(words) == 1
    assert "labels.png: No space left on device" in capsys.readouterr().err
    assert command.main(words) == 0
    fill_disk_at("small", monkeypatch)
    assert pack.main([str(whole), str(tmp_path / "small"), "--epochs", "1"]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert not (tmp_path / "small").exists()
    fill_disk_at("photo.onnx", monkeypatch)
    assert export.main([str(whole), str(tmp_path / "photo.onnx"), "--to", "photo"]) == 1
    assert "photo.onnx: No space left on device" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.onnx*")) and not list(tmp_path.glob(".tmp-*"))
