"""Several processes: the training of one, whatever their number; what becomes of it where one fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.distributed_work import CONFIGS, in_processes, train_all, train_double

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
    for name in CONFIGS:
        state, losses = train_double(name, tmp_path / "alone" / name, facades, None)
        found, found_losses = first[name]
        assert_close(found, state, name)
        assert torch.equal(found["random"], state["random"])
        assert_close(before[name][1] | found_losses, losses, f"{name}.losses")
        for other in others:
            for key, tensor in found["objective"].items():
                assert torch.equal(tensor, other[name][0]["objective"][key]), (name, key)
