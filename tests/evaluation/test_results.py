"""The tables of results in docs/training.md: made of what evaluations found, and never stale."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from cyclegan.runs.run import Run
from cyclegan.runs.scores import read_scores, write_scores
from docs.results import PAGE, ROOT, results, widest, with_results

FIGURES: dict[str, dict[str, Any]] = {
    "values": {"l1": 0.25, "lpips": None, "pixel_accuracy": 0.5, "class_accuracy": 0.25, "mean_iou": 0.125},
    "intervals": {"pixel_accuracy": [0.4, 0.6], "class_accuracy": [0.2, 0.3], "mean_iou": [0.1, 0.15]},
}


@pytest.fixture
def evaluated(weights: Path, tmp_path: Path) -> Path:
    """A folder of runs of which one has been evaluated."""
    shutil.copytree(weights, tmp_path / "weights")
    folder = tmp_path / "weights" / "facades-pix2pix"
    direction = {
        "source": "labels",
        "target": "photo",
        "best": {"epoch": 2, "rule": "highest mean IoU"},
        "ceiling": FIGURES | {"values": FIGURES["values"] | {"l1": None}},
        "epochs": {"2": FIGURES, "5": FIGURES | {"values": FIGURES["values"] | {"l1": 0.75}}},
    }
    write_scores(folder, {"val": {"protocol": {"size": "256x256"}, "directions": {"ba": direction}}})
    return tmp_path / "weights"


def test_the_table_shows_the_chosen_epoch_and_the_real_images(evaluated: Path) -> None:
    text = results(evaluated)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if "|" in line]
    assert rows[0] == ["labels → photo", "epoch", "L1 ↓", "pixel accuracy ↑", "class accuracy ↑", "mean IoU ↑"]
    assert rows[2] == [
        *("facades-pix2pix", "2 of 5", "0.250"),
        *("0.500 (0.400 to 0.600)", "0.250 (0.200 to 0.300)", "0.125 (0.100 to 0.150)"),
    ]
    assert rows[3][:3] == ["the real images", "", ""]
    assert len(rows) == 4
    assert text.endswith("- labels → photo: the epoch of highest mean IoU.\n- size: 256x256\n")


def test_protocols_are_said_once_and_differences_are_not_hidden() -> None:
    assert widest(["100 a to b", "100 a to b, 100 b to a", "100 a to b"]) == ["100 a to b, 100 b to a"]
    assert widest(["float32 on cpu", "bfloat16 on cuda"]) == ["float32 on cpu", "bfloat16 on cuda"]


def test_without_a_choice_the_last_epoch_is_shown(evaluated: Path) -> None:
    folder = evaluated / "facades-pix2pix"
    scores = read_scores(folder)
    scores["val"]["directions"]["ba"]["best"] = None
    write_scores(folder, scores)
    assert "| facades-pix2pix | 5 of 5 | 0.750 |" in results(evaluated)
    assert Run.open(folder).epochs[-1] == 5


def test_only_what_is_between_the_marks_is_replaced() -> None:
    page = PAGE.read_text(encoding="utf-8")
    once = with_results(page, "| new |")
    assert "| new |" in once
    assert with_results(once, "| other |") == with_results(page, "| other |")
    assert [line for line in once.splitlines() if line.startswith("#")] == [
        line for line in page.splitlines() if line.startswith("#")
    ]
    with pytest.raises(ValueError, match="lacks the line <!-- end of results -->"):
        with_results(page.replace("<!-- end of results -->", ""), "")


def test_the_documentation_shows_what_the_shipped_runs_were_measured_at() -> None:
    """Run python -m docs.results after evaluating a shipped run."""
    page = PAGE.read_text(encoding="utf-8")
    assert with_results(page, results(ROOT / "weights")) == page


def test_the_shipped_runs_are_evaluated_at_all_their_epochs() -> None:
    for folder in (path.parent for path in (ROOT / "weights").glob("*/run.json")):
        run, scores = Run.open(folder), read_scores(folder)["val"]
        assert set(scores["directions"]) == set(run.directions)
        for judged in scores["directions"].values():
            assert tuple(map(int, judged["epochs"])) == run.epochs
