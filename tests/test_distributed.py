"""Several processes: the training of one, whatever their number; what becomes of it where one fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from cyclegan.runs.run import Run
from tests.distributed_work import CONFIGS, in_processes, train_all, train_double

ROOT = Path(__file__).parent.parent
CLOSE = 1e-9
EPOCHS = 30


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
    for name in CONFIGS:
        state, losses = train_double(name, tmp_path / "alone" / name, facades, None)
        found, found_losses = first[name]
        assert_close(found, state, name)
        assert torch.equal(found["random"], state["random"])
        assert_close(before[name][1] | found_losses, losses, f"{name}.losses")
        for other in others:
            for key, tensor in found["objective"].items():
                assert torch.equal(tensor, other[name][0]["objective"][key]), (name, key)


def torchrun(arguments: Sequence[object], *, restarts: int = 0) -> subprocess.Popen[str]:
    """Two processes on this machine."""
    options = ["--standalone", "--nproc_per_node=2", f"--max-restarts={restarts}", "--monitor-interval=0.1"]
    command = [sys.executable, "-m", "torch.distributed.run", *options, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


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
    epoch, deadline = len(epochs_of(folder)) + 1, time.monotonic() + 150
    while len(epochs_of(folder)) < epoch:
        assert launcher.poll() is None, launcher.communicate()
        assert time.monotonic() < deadline, "no epoch was finished in time"
        time.sleep(0.02)
    return epoch


def leave(launcher: subprocess.Popen[str], processes: dict[int, int]) -> str:
    """What was printed; fails unless all leave soon, and not as if all were well."""
    printed, _ = launcher.communicate(timeout=60)
    assert launcher.returncode != 0, printed
    assert not [process for process in processes.values() if Path(f"/proc/{process}").exists()]
    return printed


def test_a_training_survives_its_processes(facades: Path, tmp_path: Path) -> None:
    """One is killed: torchrun starts all again, and they go on. The one that writes is killed: all leave. Others go on,
    and a signal to torchrun stops and saves. At last one goes on alone, and every epoch was trained once."""
    out = tmp_path / "run"
    tiny = ["--generator.architecture", "resnet_6blocks", "--generator.width", 4, "--discriminator.width", 4]
    tiny += ["--load-size", 72, "--crop-size", 64, "--batch-size", 2, "--sample-every", 100, "--snapshot-epochs", 1]
    new = ["train.py", "--dataset", facades, "--out", out, *tiny, "--epochs", EPOCHS, "--decay-epochs", 0]
    launcher = torchrun([*new, "--device", "cpu"], restarts=1)
    wait_for_an_epoch(launcher, out)
    os.kill(processes_of(launcher)[1], signal.SIGKILL)
    wait_for_an_epoch(launcher, out)
    wait_for_an_epoch(launcher, out)
    processes = processes_of(launcher)
    os.kill(processes[0], signal.SIGKILL)
    printed = leave(launcher, processes)
    assert "train.py: process 1: another process is gone" in printed
    kept = len(epochs_of(out))
    assert 3 <= kept < EPOCHS, "it was finished before it could be killed"

    launcher = torchrun(["train.py", "--resume", out, "--device", "cpu"])
    wait_for_an_epoch(launcher, out)
    processes = processes_of(launcher)
    launcher.send_signal(signal.SIGTERM)
    printed = leave(launcher, processes)
    assert f"stopped and saved; go on with: torchrun --nproc_per_node=2 train.py --resume {out}" in printed
    progress = torch.load(out / "checkpoint.pt", weights_only=True)["progress"]
    assert kept < len(epochs_of(out)) < EPOCHS
    assert progress["epoch"] == len(epochs_of(out)) + 1
    assert progress["step"] > 0, "the signal saved what was trained since the epoch"

    alone = [sys.executable, "train.py", "--resume", str(out), "--device", "cpu"]
    assert "finished" in subprocess.run(alone, cwd=ROOT, capture_output=True, text=True, check=True).stderr
    assert epochs_of(out) == list(range(1, EPOCHS + 1))
    assert not list(out.rglob(".tmp-*"))
