"""Evaluating a run: figures against direct computation, what is written where, the best epoch, mistakes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cyclegan.data.datasets import find_split
from cyclegan.evaluation import metrics
from cyclegan.evaluation.command import evaluate, keep, main
from cyclegan.evaluation.comparison import Gap, plan
from cyclegan.evaluation.measuring import Instruments, square
from cyclegan.evaluation.metrics import confusion, label_agreement
from cyclegan.evaluation.segmenter import Segmenter, SegmenterConfig, segment
from cyclegan.facades.labels import class_indices
from cyclegan.runs.run import Run
from cyclegan.runs.scores import ScoresError, best_epoch, choose, read_scores, write_scores
from cyclegan.training.trainer import exclusive
from cyclegan.translate.translator import Translator
from tests.conftest import TINY_GAN, make_run
from tests.evaluation.test_compare import shade, unpaired

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _offline(facades: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`facades` is that of the tests; nothing is downloaded."""

    def refuse(*_: object, **__: object) -> None:
        raise urllib.error.URLError("offline")

    monkeypatch.setenv("CYCLEGAN_DATASETS", str(facades.parent))
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


@pytest.fixture
def run(weights: Path, tmp_path: Path) -> Run:
    shutil.copytree(weights / "facades-cyclegan", tmp_path / "run")
    return Run.open(tmp_path / "run")


@pytest.fixture(scope="module")
def tools() -> Instruments:
    """Stand-ins that need no download: colours as features, red's difference as a distance, an untrained segmenter."""
    torch.manual_seed(0)
    segmenter = Segmenter(SegmenterConfig("facades", width=2)).eval().requires_grad_(False)
    return Instruments(shade, lambda x, y: float(np.abs(x[..., 0].astype(float) - y[..., 0]).mean()), segmenter)


def test_figures_are_those_of_the_translations(run: Run, facades: Path, tools: Instruments) -> None:
    found = evaluate(plan([run.folder]), (3, 5), tools, device=CPU)
    directions = found.scores["directions"]
    assert list(directions) == ["ba", "ab"]
    assert isinstance(tools.segmenter, Segmenter)
    translator, split = Translator(run, device=CPU, dtype=torch.float32), find_split(facades, "val")
    for way, to, sources, truths in (("ba", "photo", split.b, split.a), ("ab", "labels", split.a, split.b)):
        said = directions[way]
        assert (said["source"], said["target"], said["images"]) == (run.domain(way[0]), to, 2)
        assert list(said["epochs"]) == ["3", "5"]
        made = [translator.translate(square(source), to=to, epoch=3) for source in sources]
        true = [square(source) for source in truths]
        pairs = [(np.asarray(x), np.asarray(y)) for x, y in zip(made, true, strict=True)]
        values = said["epochs"]["3"]["values"]
        assert values["l1"] == pytest.approx(np.mean([metrics.l1(*pair) for pair in pairs]))
        assert values["ssim"] == pytest.approx(np.mean([metrics.ssim(*pair) for pair in pairs]))
        assert not isinstance(tools.perceptual, Gap)
        assert values["lpips"] == pytest.approx(np.mean([tools.perceptual(*pair) for pair in pairs]))
        # Classes of photos are read by the segmenter, those of label maps by their colours.
        maps = [class_indices(source.load()) for source in split.b]
        read = [segment(tools.segmenter, x) if to == "photo" else class_indices(x) for x in made]
        counts = np.sum([confusion(x, y, 12) for x, y in zip(read, maps, strict=True)], axis=0)
        expected = label_agreement(counts)
        assert values["pixel_accuracy"] == expected.pixel_accuracy
        assert values["mean_iou"] == expected.mean_iou
        for key, (low, high) in said["epochs"]["3"]["intervals"].items():
            assert low <= values[key] <= high, key
        assert {"l1", "psnr", "ssim", "lpips", "pixel_accuracy", "class_accuracy", "mean_iou"} == set(
            said["epochs"]["3"]["intervals"]
        )
        features = [
            shade(torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2))
            for images in (true, made)
        ]
        assert (values["fid"], values["kid"]) == pytest.approx(metrics.feature_distances(*features))
    read = [segment(tools.segmenter, square(source)) for source in split.a]
    maps = [class_indices(source.load()) for source in split.b]
    real = label_agreement(np.sum([confusion(x, y, 12) for x, y in zip(read, maps, strict=True)], axis=0))
    ceiling = directions["ba"]["ceiling"]["values"]
    assert ceiling["pixel_accuracy"] == real.pixel_accuracy
    assert ceiling["l1"] is None
    assert directions["ab"]["ceiling"] is None


def test_what_was_found_is_kept_in_the_run_and_its_history(run: Run, tools: Instruments) -> None:
    before = run.history()
    planned = plan([run.folder], split="val")
    found = evaluate(planned, run.epochs, tools, device=CPU)
    keep(planned, found)
    assert read_scores(run.folder) == {"val": json.loads(json.dumps(found.scores))}
    records = run.history()
    assert [{key: value for key, value in record.items() if key != "metrics"} for record in records] == before
    for record in records:
        assert ("metrics" in record) == (record["epoch"] in run.epochs)
    values = found.scores["directions"]["ba"]["epochs"]["5"]["values"]
    assert records[4]["metrics"]["val"]["ba"]["l1"] == values["l1"]
    for way in run.directions:
        best = found.scores["directions"][way]["best"]
        assert best_epoch(run, way) == best["epoch"]
        key = "mean_iou" if way == "ba" else "pixel_accuracy"
        scores = {epoch: each["values"][key] for epoch, each in found.scores["directions"][way]["epochs"].items()}
        assert scores[str(best["epoch"])] == max(scores.values())
    other = plan([run.folder], split="train", limit=2)
    keep(other, evaluate(other, (5,), tools, device=CPU))
    assert set(read_scores(run.folder)) == {"val", "train"}
    assert read_scores(run.folder)["train"]["directions"]["ba"]["best"] is None, "the best is chosen on val alone"
    assert set(run.history()[4]["metrics"]) == {"val", "train"}


def test_epochs_are_measured_one_by_one_as_they_come(run: Run, tools: Instruments) -> None:
    planned = plan([run.folder])
    together = evaluate(planned, run.epochs, tools, device=CPU)
    for epoch in (3, 1, 5):
        keep(planned, evaluate(planned, (epoch,), tools, device=CPU))
    assert read_scores(run.folder)["val"] == json.loads(json.dumps(together.scores))
    # Of another protocol, here another number of images, figures do not stand beside each other.
    part = plan([run.folder], limit=1)
    keep(part, evaluate(part, (3,), tools, device=CPU))
    assert list(read_scores(run.folder)["val"]["directions"]["ba"]["epochs"]) == ["3"]


def test_the_best_is_the_earlier_of_equals_by_the_first_rule_that_applies() -> None:
    values: dict[int, dict[str, Any]] = {
        8: {"mean_iou": 0.3, "pixel_accuracy": 0.5, "lpips": Gap("no weights"), "kid": 0.2},
        3: {"mean_iou": 0.3, "pixel_accuracy": 0.6, "lpips": Gap("no weights"), "kid": 0.4},
        5: {"mean_iou": 0.1, "pixel_accuracy": 0.9, "lpips": Gap("no weights"), "kid": 0.1},
    }
    for reader, epoch, word in (("segmenter", 3, "mean IoU"), ("colour", 5, "pixel accuracy"), (None, 5, "KID")):
        best = choose(reader, values)
        assert best is not None
        assert best["epoch"] == epoch
        assert word in best["rule"]
    perceptual = {1: {"lpips": 0.2, "kid": 0.1}, 2: {"lpips": 0.1, "kid": 0.2}}
    assert choose(None, perceptual) == {"epoch": 2, "rule": "lowest LPIPS: L1, PSNR and SSIM favour blur"}
    assert choose(None, {1: {"l1": 0.2}}) is None


def test_no_best_epoch_where_none_was_chosen_or_it_is_gone(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    assert best_epoch(run, "ba") is None
    write_scores(run.folder, {"val": {"directions": {"ba": {"best": {"epoch": 4, "rule": ""}}, "ab": {"best": None}}}})
    assert best_epoch(run, "ba") is None, "epoch 4 has no snapshot"
    assert best_epoch(run, "ab") is None
    assert not caplog.records
    for damage in ("{", '{"format": 2, "best_epoch": {}, "splits": {}}', "[]", '{"format": 1, "splits": ["x"]}'):
        (run.folder / "metrics.json").write_text(damage)
        assert best_epoch(run, "ba") is None
        with pytest.raises(ScoresError, match=r"metrics\.json is damaged"):
            read_scores(run.folder)
    assert len(caplog.records) == 4


def test_the_best_epoch_is_told_without_torch() -> None:
    script = "import sys; from cyclegan.runs.scores import best_epoch; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_command_measures_several_runs(
    run: Run, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(weights / "facades-pix2pix", tmp_path / "other")
    arguments = [str(run.folder), str(tmp_path / "other"), "--epochs", "1", "5", "--device", "cpu"]
    assert main([*arguments, "--limit", "1"]) == 0
    assert "1 labels to photo" in capsys.readouterr().out
    assert not (run.folder / "metrics.json").exists(), "a part of the images is shown, but not kept"
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert len(re.findall(r"^\| epoch 1 \|", printed.out, re.M)) == 3
    assert "| the real images |" in printed.out
    assert "LPIPS needs weights that cannot be downloaded" in printed.out
    assert printed.err.count("metrics.json is written") == 2
    for folder, ways in ((run.folder, {"ab", "ba"}), (tmp_path / "other", {"ba"})):
        scores = read_scores(folder)["val"]
        assert set(scores["directions"]) == ways
        assert set(scores["directions"]["ba"]["epochs"]) == {"1", "5"}
        assert "2 labels to photo" in scores["protocol"]["images"]
        assert str(Path.home()) not in (folder / "metrics.json").read_text()


def test_unpaired_images_have_set_distances_alone(run: Run, tmp_path: Path, tools: Instruments) -> None:
    planned = plan([run.folder], dataset=str(unpaired(tmp_path / "pictures")), split="test")
    found = evaluate(planned, (5,), tools, device=CPU).scores["directions"]["ab"]
    values = found["epochs"]["5"]["values"]
    assert values["l1"] is None
    assert "not paired" in values["reasons"]["l1"]
    assert values["kid"] is not None
    assert found["ceiling"] is None


def test_a_run_that_is_being_trained_is_left_alone(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with exclusive(run.folder):
        assert main([str(run.folder), "--limit", "1", "--device", "cpu"]) == 2
    assert "being trained by another process" in capsys.readouterr().err
    assert not (run.folder / "metrics.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "4"], "has no epoch 4; it has 1, 3, 5"),
        (["--split", "test"], "has no split test"),
        (["--limit", "0"], "limit is 0; it must be 1 image or more"),
        (["--dataset", "nowhere"], "nowhere is not a folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line(
    arguments: list[str], message: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run.folder), "--device", "cpu", *arguments]) == 2
    captured = capsys.readouterr()
    assert re.fullmatch(rf"cyclegan\.evaluation: .*{message}.*\n", captured.err)
    assert captured.out == ""


def test_a_plain_gan_has_no_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path / "noise", TINY_GAN, epochs=(1,), sample_epochs=1)
    assert main([str(tmp_path / "noise")]) == 2
    assert "makes clothes from noise" in capsys.readouterr().err


def test_damaged_scores_are_not_overwritten(run: Run, tools: Instruments) -> None:
    (run.folder / "metrics.json").write_text("{")
    planned = plan([run.folder], limit=1)
    with pytest.raises(ScoresError, match=r"metrics\.json is damaged .*remove it and evaluate the run again"):
        keep(planned, evaluate(planned, (5,), tools, device=CPU))
    assert (run.folder / "metrics.json").read_text() == "{"
