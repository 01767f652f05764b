"""Comparing runs: the page as a reader and a browser get it, its figures in JSON and Markdown, mistakes.

That the figures are right is shown by test_evaluation.py: they come from the same measurements.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from playwright.sync_api import sync_playwright

from cyclegan.config import CycleGANConfig, GeneratorConfig, Pix2PixConfig
from cyclegan.data.datasets import find_split
from cyclegan.evaluation.compare import compare, main
from cyclegan.evaluation.comparison import Comparison, ComparisonError, Gap, plan
from cyclegan.evaluation.measuring import SIZE, Instruments
from cyclegan.runs.run import Domains, Run
from cyclegan.translate.translator import Translator
from tests.browser.driver import launch_chromium
from tests.conftest import TINY_CYCLEGAN, TINY_GAN, make_run

CPU = torch.device("cpu")
NOTHING = Instruments(Gap("no Inception"), Gap("no Lite1"), Gap("no segmenter"))
BOTH = ("facades-cyclegan", "facades-pix2pix")


@pytest.fixture(scope="module")
def made(weights: Path, facades: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The page of both tiny runs, and report.json beside it; what was printed."""
    out = tmp_path_factory.mktemp("report") / "new" / "report.html"
    printed: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout.write", printed.append)
        runs = [str(weights / name) for name in BOTH]
        assert main([*runs, "--dataset", str(facades), "--out", str(out), "--device", "cpu"]) == 0
    yield out, "".join(printed)


@pytest.fixture
def page(made: tuple[Path, str]) -> Path:
    return made[0]


class Reader(HTMLParser):
    """What a page holds: its elements, each with its attributes, and its words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def rows_of(page: Path) -> dict[str, Any]:
    rows = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))["rows"]
    return {row["name"]: row for row in rows}


def compared(runs: list[Path], **options: Any) -> Comparison:
    return compare(plan(runs, **options), NOTHING, device=CPU)


def test_what_a_run_is_and_cannot_do_is_said(page: Path) -> None:
    rows = rows_of(page)
    assert list(rows) == [*BOTH, "the real images"]
    run = rows["facades-pix2pix"]
    assert run["method"] == "pix2pix"
    assert run["options"].endswith("--epochs 3 --decay-epochs 2 --generator.width 4")
    assert (run["epoch"], run["epochs_trained"]) == (5, 5)
    assert run["hours"] == pytest.approx(5 / 3600)
    found = run["measures"]["photo to labels"]
    assert found["l1"] is None
    assert found["reasons"]["l1"] == "pix2pix was trained for labels to photo only"


def test_the_real_images_are_beside_the_runs_and_never_the_best(page: Path) -> None:
    found = rows_of(page)["the real images"]["measures"]["labels to photo"]
    assert found["mean_iou"] > 0
    assert found["reasons"]["l1"] == "these are the real images"
    rows = [line for line in page.read_text(encoding="utf-8").split("<tr") if "the real images" in line]
    assert rows
    assert not any("<strong>" in row for row in rows)


def test_the_page_needs_nothing_else_and_can_be_read_aloud(page: Path) -> None:
    reader = Reader(page.read_text(encoding="utf-8"))
    assert not [tag for tag in ("script", "link", "iframe", "object") if reader.all(tag)]
    pictures = reader.all("img")
    assert len(pictures) == 2 * (2 + 2) + 2 * (2 + 1), "input, truth and a row for each run that has the direction"
    for picture in pictures:
        assert (picture["src"] or "").startswith("data:image/webp;base64,")
        assert picture["alt"]
    assert all((link["href"] or "").startswith("#") for link in reader.all("a"))
    assert len(reader.all("table")) == len(reader.all("caption")) == 3
    assert all("scope" in cell for cell in reader.all("th"))
    noted = {link["href"] for link in reader.all("a")}
    assert noted == {f"#{item['id']}" for item in reader.all("li") if "id" in item}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_and_asks_nobody(scheme: Literal["light", "dark"], page: Path) -> None:
    requests: list[str] = []
    problems: list[str] = []
    with sync_playwright() as playwright, launch_chromium(playwright) as browser:
        tab = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
        tab.on("request", lambda request: requests.append(request.url))
        tab.on("console", lambda message: problems.append(message.text))
        tab.goto(page.as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth") == 390
        assert tab.evaluate("[...document.images].every(image => image.complete && image.naturalWidth == 256)")
        ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(map(int, re.findall(r"\d+", ground))) < 150 if scheme == "dark" else ground == "rgb(255, 255, 255)"
    assert {url for url in requests if not url.startswith("data:")} == {page.as_uri()}
    assert problems == []


def test_markdown_has_the_same_figures(made: tuple[Path, str]) -> None:
    page, printed = made
    found = rows_of(page)["facades-cyclegan"]["measures"]["photo to labels"]
    row = next(line for line in printed.split("photo → labels")[1].splitlines() if line.startswith("| facades-"))
    keys = ("l1", "psnr", "ssim", "perceptual", "pixel_accuracy", "class_accuracy", "mean_iou")
    figures = [float(cell.strip(" *").split(" (")[0]) for cell in row.split("|")[2 : 2 + len(keys)]]
    assert figures == pytest.approx([found[key] for key in keys], abs=0.006)
    low, high = found["intervals"]["mean_iou"]
    assert f"{found['mean_iou']:.3f} ({low:.3f} to {high:.3f})" in row.replace("*", "")
    assert "| 5 of 5 |" in printed
    assert "2 labels to photo, 2 photo to labels" in printed
    assert "report.html --device cpu`" in printed


def test_names_of_strangers_are_only_words_in_page_and_markdown(
    weights: Path, tmp_path: Path, facades: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "<img src=x onerror=alert(1)>"
    shutil.copytree(weights / "facades-pix2pix", folder)
    replace(Run.open(folder), domains=Domains("<b>photo|", '"labels"><script> & *')).write()
    out = tmp_path / "report.html"
    assert main([str(folder), "--dataset", str(facades), "--limit", "1", "--out", str(out)]) == 0
    reader = Reader(out.read_text(encoding="utf-8"))
    assert not reader.all("script") and not reader.all("b")
    assert all(set(picture) == {"src", "width", "height", "alt"} for picture in reader.all("img"))
    assert "<img src=x onerror=alert(1)>" in reader.words
    printed = capsys.readouterr().out
    assert r'"labels">\<script> & \* → \<b>photo\|' in printed.replace("\\>", ">")
    assert "&lt;" not in printed and "&amp;" not in printed


GREYS: dict[str, GeneratorConfig] = {
    "sees grey": GeneratorConfig("resnet_6blocks", width=4, in_channels=1),
    "makes grey": GeneratorConfig("resnet_6blocks", width=4, out_channels=1),
}


@pytest.mark.parametrize("kind", GREYS)
def test_grey_images_are_shown_and_judged_in_grey(kind: str, tmp_path: Path, facades: Path) -> None:
    config = Pix2PixConfig(dataset="facades", generator=GREYS[kind])
    run = make_run(tmp_path / "grey", config, epochs=(1,), sample_epochs=0)
    found = compared([run.folder])
    given, truth, _ = found.strips["ba"]
    shown = given if kind == "sees grey" else truth
    sources = find_split(facades, "val").b if kind == "sees grey" else find_split(facades, "val").a
    for picture, source in zip(shown.pictures, sources, strict=True):
        grey = source.load().resize((SIZE, SIZE)).convert("L").convert("RGB")
        assert picture.tobytes() == grey.tobytes()
    if kind == "makes grey":
        translate = Translator.load(run.folder, device="cpu", precision="fp32").translate
        distances = [
            np.abs(np.asarray(translate(image, to="photo"), float) - np.asarray(picture, float)).mean() / 255
            for image, picture in zip(given.pictures, truth.pictures, strict=True)
        ]
        assert found.rows[0].values["ba"]["l1"] == pytest.approx(np.mean(distances))


def test_grey_and_coloured_pictures_are_not_compared(tmp_path: Path, weights: Path) -> None:
    config = Pix2PixConfig(dataset="facades", generator=GREYS["makes grey"])
    run = make_run(tmp_path / "grey", config, epochs=(1,), sample_epochs=0)
    with pytest.raises(ComparisonError, match="labels to photo, some runs see or make grey images"):
        plan([run.folder, weights / "facades-pix2pix"])


def test_colorization_does_not_show_the_answer(tmp_path: Path, facades: Path) -> None:
    generator = GeneratorConfig("unet_128", width=2, norm="batch", in_channels=1, out_channels=2)
    config = Pix2PixConfig(
        dataset="facades", dataset_mode="colorization", direction="ab", generator=generator, crop_size=128
    )
    run = make_run(tmp_path / "colours", config, epochs=(1,), sample_epochs=0)
    given, truth, _ = compared([run.folder]).strips["ab"]
    for picture, true in zip(given.pictures, truth.pictures, strict=True):
        red, green, blue = (np.asarray(channel) for channel in picture.split())
        assert np.array_equal(red, green)
        assert np.array_equal(green, blue)
        assert np.ptp(np.asarray(true, int), axis=-1).max() > 100


def test_runs_of_one_name_are_told_apart(weights: Path, tmp_path: Path) -> None:
    shutil.copytree(weights / "facades-pix2pix", tmp_path / "facades-pix2pix")
    folders = [weights / "facades-pix2pix", tmp_path / "facades-pix2pix"]
    assert [name for name, _, _ in plan(folders).runs] == [str(folder) for folder in folders]


def test_runs_of_exchanged_domains_are_not_mistaken(weights: Path, tmp_path: Path) -> None:
    shutil.copytree(weights / "facades-cyclegan", tmp_path / "turned")
    replace(Run.open(tmp_path / "turned"), domains=Domains("labels", "photo")).write()
    with pytest.raises(ComparisonError, match="directions mean different things"):
        plan([tmp_path / "turned", weights / "facades-pix2pix"])


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("snapshots/0005/ba/model.safetensors", "torn"),
        ("history.jsonl", '{"epoch": 1, "losses": 3}\n{"epoch": 2}\n'),
        ("run.json", "{"),
    ],
)
def test_a_damaged_run_is_one_line(
    file: str, content: str, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(weights / "facades-pix2pix", tmp_path / "run")
    (tmp_path / "run" / file).write_text(content)
    assert main([str(tmp_path / "run"), "--out", str(tmp_path / "report.html")]) == 2
    captured = capsys.readouterr()
    name = re.escape(Path(file).name)
    assert re.fullmatch(rf"cyclegan\.evaluation\.compare: .*{name} is damaged.*\n", captured.err)
    assert captured.out == ""
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epoch", "4"], "facades-cyclegan has no epoch 4; it has 1, 3, 5"),
        (["--limit", "0"], "limit is 0; it must be 1 image or more"),
        (["--split", "test"], "has no split test.*--split train or --split val is there"),
        (["--dataset", "nowhere"], "nowhere is not a folder"),
        (["--out", "report.json"], "give one that ends in .html"),
        (["--device", "abacus"], "device 'abacus' is not available"),
        (["other"], "the runs are trained on different datasets, elsewhere, facades; choose one with --dataset"),
        (["noise"], "noise makes clothes from noise; there is no truth to measure it by"),
        (["nothing"], "nothing is not a run: there is no such folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_one_line_and_exit_code_2(
    arguments: list[str],
    message: str,
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if arguments == ["other"]:
        config = CycleGANConfig(dataset="elsewhere", generator=TINY_CYCLEGAN)
        make_run(tmp_path / "other", config, epochs=(1,), sample_epochs=0)
    elif arguments == ["noise"]:
        make_run(tmp_path / "noise", TINY_GAN, epochs=(1,), sample_epochs=1)
    out = [] if "--out" in arguments else ["--out", "report.html"]
    assert main([str(weights / "facades-cyclegan"), *arguments, *out]) == 2
    assert re.fullmatch(rf"cyclegan\.evaluation\.compare: .*{message}.*\n", capsys.readouterr().err)
    assert not list(tmp_path.glob("report.*"))
