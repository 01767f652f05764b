"""Several processes: the training of one, whatever their number; what becomes of it where one fails."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from cyclegan.runs.run import Run
from cyclegan.runs.scores import read_scores
from tests.conftest import make_photo, wait_until
from tests.forks import ROOT
from tests.hub_server import free_port
from tests.runtime.distributed_work import CONFIGS, evaluate_and_translate, in_processes, train_all, train_double

CLOSE = 1e-9


def assert_close(left: Any, right: Any, where: str) -> None:
    """Equal within CLOSE, whatever the nesting."""
    if isinstance(left, dict):
        assert left.keys() == right.keys(), where
        for key in left.keys() - {"seconds"}:
            assert_close(left[key], right[key], f"{where}.{key}")
    elif isinstance(left, list | tuple):
        assert len(left) == len(right), where
        for index, (one, other) in enumerate(zip(left, right, strict=True)):
            assert_close(one, other, f"{where}.{index}")
    elif isinstance(left, torch.Tensor):
        torch.testing.assert_close(left, right, rtol=CLOSE, atol=CLOSE, msg=lambda text: f"{where}: {text}")
    else:
        assert left == (pytest.approx(right, rel=CLOSE, abs=CLOSE) if isinstance(left, float) else right), where


def test_two_processes_then_three_train_as_one(facades: Path, tmp_path: Path) -> None:
    """Two are stopped within an epoch, three go on: weights, averages, moments, pools, random state, losses are those
    of one process that had all images of every batch."""
    for count, stop_after in ((2, 3), (3, None)):
        (tmp_path / str(count)).mkdir()
        in_processes(count, train_all, tmp_path / "runs", facades, stop_after, tmp_path / str(count))
    first, *others = (torch.load(tmp_path / "3" / f"{rank}.pt", weights_only=False) for rank in range(3))
    before = torch.load(tmp_path / "2" / "1.pt", weights_only=False)
    assert first.pop("gathered") == [0, 10, 20, 30]
    many, compiled, apart = first.pop("refused")
    assert "batch_size is 1, but 3 processes share every batch" in many
    assert "--compile" in compiled
    assert "of 3 processes, 1 do not begin with the images and weights of process 0" in apart
    for name in CONFIGS:
        state, losses = train_double(name, tmp_path / "alone" / name, facades, None)
        found, found_losses = first[name]
        assert_close(found, state, name)
        assert torch.equal(found["random"], state["random"])
        assert_close(before[name][1] | found_losses, losses, f"{name}.losses")
        for other in others:
            for key, tensor in found["objective"].items():
                assert torch.equal(tensor, other[name][0]["objective"][key]), (name, key)


def processes_of(launcher: subprocess.Popen[str]) -> dict[int, int]:
    """Their process ids, by rank."""
    found = {}
    for process in Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split():
        for variable in Path(f"/proc/{process}/environ").read_text().split("\0"):
            if variable.startswith("RANK="):
                found[int(variable.removeprefix("RANK="))] = int(process)
    return found


def epochs_of(folder: Path) -> list[int]:
    return [record["epoch"] for record in Run.open(folder).history()] if (folder / "run.json").exists() else []


def wait_for_an_epoch(launcher: subprocess.Popen[str], folder: Path) -> int:
    """Wait until one more epoch stands in the history; its number."""
    epoch = len(epochs_of(folder)) + 1

    def is_finished() -> bool:
        assert launcher.poll() is None, launcher.communicate()
        return len(epochs_of(folder)) >= epoch

    wait_until(is_finished, 150)
    return epoch


def is_there(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


def has_ended(process: int) -> bool:
    """Whether it is gone, or is no more than an exit code that its parent has not asked for."""
    return not is_there(process) or Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_training_survives_its_processes(facades: Path, tmp_path: Path) -> None:
    """The one that writes is killed: the other leaves by itself, torchrun (which would end it, and is held until then)
    starts both again, and they go on where the checkpoint is. Then a signal to torchrun stops both, when all is saved.
    """
    out = tmp_path / "run"
    tiny = ["--generator.architecture", "resnet_6blocks", "--generator.width", 4, "--discriminator.width", 4]
    tiny += ["--load-size", 72, "--crop-size", 64, "--batch-size", 2, "--sample-every", 100, "--device", "cpu"]
    options = ["--standalone", "--nproc_per_node=2", "--max-restarts=1", "--monitor-interval=0.1", "train.py", *tiny]
    command = [sys.executable, "-m", "torch.distributed.run", *options, "--dataset", facades, "--out", out]
    launcher = subprocess.Popen(
        list(map(str, command)), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        wait_for_an_epoch(launcher, out)
        killed = processes_of(launcher)
        launcher.send_signal(signal.SIGSTOP)
        os.kill(killed[0], signal.SIGKILL)
        wait_until(lambda: has_ended(killed[1]), 60)
        launcher.send_signal(signal.SIGCONT)
        trained = wait_for_an_epoch(launcher, out)
        assert not any(map(is_there, killed.values()))
        processes = processes_of(launcher)
        launcher.send_signal(signal.SIGTERM)
        printed, _ = launcher.communicate(timeout=60)
    finally:
        launcher.kill()
    assert launcher.returncode != 0
    assert not any(map(is_there, processes.values()))
    assert "train.py: process 1: another process is gone" in printed
    assert f"stopped and saved; go on with: torchrun --nproc_per_node=2 train.py --resume {out}" in printed
    progress = torch.load(out / "checkpoint.pt", weights_only=True)["progress"]
    assert (progress["epoch"], progress["step"]) > (trained + 1, 0), "the signal saved what was trained since the epoch"
    assert epochs_of(out) == list(range(1, progress["epoch"]))
    assert not list(out.rglob(".tmp-*"))


def test_processes_share_what_is_evaluated_and_translated(
    weights: Path, facades: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The figures are those of one process; of the folder a bad image, which stops nobody, is told by both."""
    monkeypatch.setenv("CYCLEGAN_DATASETS", str(facades.parent))
    photos = tmp_path / "photos"
    photos.mkdir()
    for index in range(5):
        make_photo(index, 40).save(photos / f"{index}.png")
    (photos / "0.png").write_bytes(b"no image")
    for name in ("together", "alone"):
        shutil.copytree(weights / "facades-cyclegan", tmp_path / name / "run")
    in_processes(2, evaluate_and_translate, tmp_path / "together", photos, free_port())
    in_processes(1, evaluate_and_translate, tmp_path / "alone", photos, free_port())
    alone, together = ((tmp_path / name) for name in ("alone", "together"))
    assert read_scores(together / "run") == read_scores(alone / "run") != {}
    assert Run.open(together / "run").history() == Run.open(alone / "run").history()
    for name in ("1.png", "2.png", "3.png", "4.png"):
        assert (together / "out" / name).read_bytes() == (alone / "out" / name).read_bytes()
    assert (together / "0").read_text().count("4 translated, 0 there already, 1 failed\n") == 1
    assert "0.png is not an image" in (together / "0").read_text()
    assert (together / "1").read_text() == ""
