"""Comparing runs: the figures against direct computation, the page as a reader and a browser get it, mistakes."""

from __future__ import annotations

import json
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import sync_playwright

from cyclegan.config import CycleGANConfig, GeneratorConfig, Pix2PixConfig
from cyclegan.data.datasets import find_split
from cyclegan.evaluation.compare import main
from cyclegan.evaluation.comparison import Comparison, ComparisonError, Gap, plan
from cyclegan.evaluation.judging import compare
from cyclegan.evaluation.measuring import SIZE
from cyclegan.evaluation.metrics import confusion, frechet_distance, kernel_distance, label_agreement, ssim
from cyclegan.evaluation.segmenter import load_segmenter, segment
from cyclegan.evaluation.segmenter_training import agreement
from cyclegan.facades.labels import class_indices
from cyclegan.runs.run import Domains, Run
from cyclegan.translate.translator import Translator
from tests.browser.driver import launch_chromium
from tests.conftest import TINY_CYCLEGAN, TINY_GAN, make_photo, make_run

CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def _offline(facades: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """`facades`, on which the runs are trained, is that of the tests; nothing is downloaded."""

    def refuse(*_: object, **__: object) -> None:
        raise urllib.error.URLError("offline")

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CYCLEGAN_DATASETS", str(facades.parent))
        patch.setattr(urllib.request, "urlopen", refuse)
        patch.setattr(torch.hub, "get_dir", lambda: str(tmp_path_factory.getbasetemp() / "hub"))
        yield


@pytest.fixture(scope="module")
def page(weights: Path, facades: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The page of both tiny runs, and report.json beside it."""
    out = tmp_path_factory.mktemp("report") / "new" / "report.html"
    runs = [str(weights / name) for name in ("facades-cyclegan", "facades-pix2pix")]
    assert main([*runs, "--dataset", str(facades), "--out", str(out), "--device", "cpu"]) == 0
    yield out


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


def measures_of(page: Path, name: str, way: str) -> dict[str, Any]:
    rows = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))["rows"]
    found: dict[str, Any] = next(row for row in rows if row["name"] == name)["measures"][way]
    return found


@pytest.mark.parametrize("to", ["photo", "labels"])
def test_measures_are_those_of_the_translations(to: str, page: Path, weights: Path, facades: Path) -> None:
    split = find_split(facades, "val")
    sources, truths = (split.b, split.a) if to == "photo" else (split.a, split.b)
    translator = Translator.load(weights / "facades-cyclegan", device="cpu", precision="fp32")
    made = [translator.translate(source.load(), to=to) for source in sources]
    true = [source.load() for source in truths]
    pairs = [(np.asarray(x, dtype=float), np.asarray(y, dtype=float)) for x, y in zip(made, true, strict=True)]
    found = measures_of(page, "facades-cyclegan", "labels to photo" if to == "photo" else "photo to labels")
    assert found["l1"] == pytest.approx(np.mean([np.abs(x - y).mean() / 255 for x, y in pairs]))
    assert found["psnr"] == pytest.approx(np.mean([10 * np.log10(255**2 / ((x - y) ** 2).mean()) for x, y in pairs]))
    similar = [ssim(np.asarray(x), np.asarray(y)) for x, y in zip(made, true, strict=True)]
    assert found["ssim"] == pytest.approx(np.mean(similar))
    segmenter, maps = load_segmenter(), [class_indices(source.load()) for source in split.b]
    read = [segment(segmenter, image) if to == "photo" else class_indices(image) for image in made]
    expected = label_agreement(np.sum([confusion(x, y, 12) for x, y in zip(read, maps, strict=True)], axis=0))
    assert found["pixel_accuracy"] == expected.pixel_accuracy
    assert found["class_accuracy"] == expected.class_accuracy
    assert found["mean_iou"] == expected.mean_iou
    assert set(found["intervals"]) == {
        "l1",
        "psnr",
        "ssim",
        "perceptual",
        "pixel_accuracy",
        "class_accuracy",
        "mean_iou",
    }


def test_the_real_images_are_the_ceiling_of_label_agreement_and_never_the_best(page: Path, facades: Path) -> None:
    found = measures_of(page, "the real images", "labels to photo")
    expected = agreement(load_segmenter(), find_split(facades, "val"))
    assert found["mean_iou"] == expected.mean_iou
    assert found["reasons"]["l1"] == "these are the real images"
    assert (
        "photo to labels"
        not in json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))["rows"][-1]["measures"]
    )
    rows = [line for line in page.read_text(encoding="utf-8").split("<tr") if "the real images" in line]
    assert rows
    assert not any("<strong>" in row for row in rows)


def test_the_mean_training_image_is_judged_too(page: Path, facades: Path) -> None:
    train, val = find_split(facades), find_split(facades, "val")
    image = np.mean([np.asarray(source.load(), dtype=float) for source in train.a], axis=0)
    distances = [np.abs(image - np.asarray(source.load())).mean() / 255 for source in val.a]
    found = measures_of(page, "the mean training image", "labels to photo")
    assert found["l1"] == pytest.approx(np.mean(distances), abs=1e-3)  # rounding to 8 bits
    assert found["fid"] is None
    assert found["reasons"]["fid"] == "one picture has no distribution"


def test_what_a_run_is_and_cannot_do_is_said(page: Path) -> None:
    runs = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))["rows"]
    assert [row["name"] for row in runs] == [
        "facades-cyclegan",
        "facades-pix2pix",
        "the mean training image",
        "the real images",
    ]
    assert runs[1]["method"] == "pix2pix"
    assert runs[1]["options"].endswith("--epochs 3 --decay-epochs 2 --generator.width 4")
    assert (runs[1]["epoch"], runs[1]["epochs_trained"]) == (5, 5)
    assert runs[1]["hours"] == pytest.approx(5 / 3600)
    assert runs[1]["images_per_second"] is None
    found = measures_of(page, "facades-pix2pix", "photo to labels")
    assert found["l1"] is None
    assert found["reasons"]["l1"] == "pix2pix was trained for labels to photo only"


def test_the_page_needs_nothing_else_and_can_be_read_aloud(page: Path) -> None:
    reader = Reader(page.read_text(encoding="utf-8"))
    assert not [tag for tag in ("script", "link", "iframe", "object") if reader.all(tag)]
    pictures = reader.all("img")
    # Two directions: input, truth and a row for each run that has it; then samples: 5 epochs and the drawn input.
    assert len(pictures) == 2 * (2 + 2) + 2 * (2 + 1) + (5 + 6) + 6
    for picture in pictures:
        assert (picture["src"] or "").startswith("data:image/webp;base64,")
        assert picture["alt"]
    assert all((link["href"] or "").startswith("#") for link in reader.all("a"))
    assert len(reader.all("table")) == len(reader.all("caption")) == 3
    assert all("scope" in cell for cell in reader.all("th"))
    drawings = [drawing for drawing in reader.all("svg") if drawing.get("aria-hidden") != "true"]
    assert len(drawings) == 4
    assert all(drawing["aria-label"] for drawing in drawings)
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


def test_markdown_has_the_same_figures(
    page: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(weights / "facades-cyclegan"), "--out", str(tmp_path / "r.html"), "--limit", "1", "--epoch", "3"]
    assert main(arguments) == 0
    printed = capsys.readouterr()
    found = measures_of(tmp_path / "r.html", "facades-cyclegan", "photo to labels")
    row = next(line for line in printed.out.split("photo → labels")[1].splitlines() if line.startswith("| facades-"))
    figures = [cell.strip(" *").split(" (")[0] for cell in row.split("|")[2:10]]
    keys = ("l1", "psnr", "ssim", "lpips", "perceptual", "pixel_accuracy", "class_accuracy", "mean_iou")
    assert figures.pop(keys.index("lpips")) == "-"
    low, high = found["intervals"]["mean_iou"]
    assert f"{found['mean_iou']:.3f} ({low:.3f} to {high:.3f})" in row.replace("*", "")
    expected = [found[key] for key in keys if key != "lpips"]
    assert [float(figure) for figure in figures] == pytest.approx(expected, abs=0.006)
    assert "| 3 of 5 |" in printed.out
    assert "1 labels to photo, 1 photo to labels" in printed.out
    assert "--limit 1 --epoch 3`" in printed.out
    assert "r.json are written" in printed.err


def test_names_and_histories_of_strangers_are_only_words(weights: Path, tmp_path: Path, facades: Path) -> None:
    folder = tmp_path / "<img src=x onerror=alert(1)>"
    shutil.copytree(weights / "facades-cyclegan", folder)
    run = replace(Run.open(folder), domains=Domains("<b>photo|", '"labels"><script>'))
    run.write()
    records = run.history()
    for record in records:
        record["losses"]["</svg><script>alert(2)</script>"] = 1.0
    run.write_history(records)
    out = tmp_path / "report.html"
    assert main([str(folder), "--dataset", str(facades), "--limit", "1", "--out", str(out)]) == 0
    reader = Reader(out.read_text(encoding="utf-8"))
    assert not reader.all("script") and not reader.all("b")
    assert all(set(picture) == {"src", "width", "height", "alt"} for picture in reader.all("img"))
    assert "<img src=x onerror=alert(1)>" in reader.words


def unpaired(folder: Path) -> Path:
    for domain, first, count in (("A", 0, 3), ("B", 50, 4)):
        (folder / f"test{domain}").mkdir(parents=True)
        for index in range(count):
            make_photo(first + index, 64).save(folder / f"test{domain}" / f"{first + index}.png")
    return folder


def shade(images: torch.Tensor) -> torch.Tensor:
    """Features in the place of Inception's: mean and spread of the colours."""
    flat = images.double().flatten(2)
    return torch.cat([flat.mean(2), flat.std(2)], 1)


def judged(runs: list[Path], **options: Any) -> tuple[Comparison, int]:
    calls: list[None] = []
    planned = plan(runs, **options)
    compared = compare(planned, device=CPU, features=shade, on_progress=lambda: calls.append(None))
    assert len(calls) == planned.images
    return compared, len(calls)


def test_unpaired_images_have_set_measures_alone(weights: Path, tmp_path: Path) -> None:
    folder = unpaired(tmp_path / "pictures")
    compared, images = judged([weights / "facades-cyclegan"], dataset=str(folder), split="test")
    assert images == 3 + 4
    row, beside = compared.rows
    assert row.options.startswith("--dataset facades ")
    values = row.values["ab"]
    assert values["l1"] == values["ssim"] == Gap("the images are not paired: there is no true image to compare with")
    assert "mean_iou" not in values

    translator = Translator.load(weights / "facades-cyclegan", device="cpu", precision="fp32")
    split = find_split(folder, "test")
    inputs, truths = (
        [source.load().resize((SIZE, SIZE), Image.Resampling.BICUBIC) for source in sources]
        for sources in (split.a, split.b)
    )
    made = [translator.translate(image, to="labels") for image in inputs]
    features = [
        shade(torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2))
        for images in (truths, made)
    ]
    assert values["fid"] == pytest.approx(frechet_distance(*features))
    assert values["kid"] == pytest.approx(kernel_distance(*features)[0])
    untranslated = kernel_distance(
        features[0],
        shade(torch.from_numpy(np.stack([np.asarray(image) for image in inputs])).permute(0, 3, 1, 2)),
    )
    assert beside.name == "the inputs, untranslated"
    assert beside.values["ab"]["kid"] == pytest.approx(untranslated[0])
    assert beside.values["ab"]["l1"] == Gap("these are the inputs")


def test_a_method_that_translates_nothing_has_a_row_of_gaps(weights: Path, tmp_path: Path) -> None:
    dataset = Run.open(weights / "facades-pix2pix").config.dataset
    make_run(tmp_path / "noise", replace(TINY_GAN, dataset=dataset), epochs=(1,), sample_epochs=1)
    compared, _ = judged([tmp_path / "noise", weights / "facades-pix2pix"])
    noise, pix2pix, *_ = compared.rows
    assert set(noise.values["ba"].values()) == {Gap("gan translates nothing")}
    assert [key for key, value in pix2pix.values["ba"].items() if isinstance(value, Gap)] == [
        "lpips",
        "kid_lite1",
        "kid",
    ]
    assert pix2pix.values["ba"]["kid_lite1"] == Gap("KID needs 3 images or more of each kind, not 2")
    assert [strip.title for strip in compared.strips["ba"]] == [
        "labels (input)",
        "photo (truth)",
        "facades-pix2pix, epoch 5",
    ]


def test_plain_gans_alone_have_a_table_and_their_learning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path / "wide", replace(TINY_GAN, dataset="elsewhere"), epochs=(1, 2), sample_epochs=2)
    make_run(tmp_path / "serial", replace(TINY_GAN, dataset="clothes", serial=True), epochs=(1,), sample_epochs=1)
    out = tmp_path / "r.html"
    assert main([str(tmp_path / "wide"), str(tmp_path / "serial"), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^\| wide \| gan \| .*\| 2 of 2 \|", printed, re.MULTILINE)
    assert re.search(r"^\| serial \| gan \| .*--serial.*\| 1 of 1 \|", printed, re.MULTILINE)
    assert "none: no run translates images" in printed
    assert [row["measures"] for row in json.loads(out.with_suffix(".json").read_text())["rows"]] == [{}, {}]
    page = out.read_text()
    assert all(f'alt="{shown}"' in page for shown in ("wide to clothes: epoch 2", "serial to clothes: epoch 1"))


GREYS: dict[str, GeneratorConfig] = {
    "sees grey": GeneratorConfig("resnet_6blocks", width=4, in_channels=1),
    "makes grey": GeneratorConfig("resnet_6blocks", width=4, out_channels=1),
}


@pytest.mark.parametrize("kind", GREYS)
def test_grey_images_are_shown_and_judged_in_grey(kind: str, tmp_path: Path, facades: Path) -> None:
    config = Pix2PixConfig(dataset="facades", generator=GREYS[kind])
    run = make_run(tmp_path / "grey", config, epochs=(1,), sample_epochs=0)
    compared, _ = judged([run.folder])
    given, truth, _ = compared.strips["ba"]
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
        assert compared.rows[0].values["ba"]["l1"] == pytest.approx(np.mean(distances))


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
    given, truth, _ = judged([run.folder])[0].strips["ab"]
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


def damage(run: Path, what: str) -> None:
    if what == "weights":
        (run / "snapshots" / "0005" / "ba" / "model.safetensors").write_bytes(b"torn")
    elif what == "history":
        (run / "history.jsonl").write_text('{"epoch": 1, "losses": 3}\n{"epoch": 2}\n')
    elif what == "sample":
        (run / "samples" / "0001.webp").write_bytes(b"torn")
    else:
        (run / "run.json").write_text("{")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("weights", r"model\.safetensors is damaged"),
        ("history", r"history\.jsonl is damaged"),
        ("sample", r"0001\.webp is damaged"),
        ("run", r"run\.json is damaged"),
    ],
)
def test_a_damaged_run_is_one_line(
    what: str, message: str, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(weights / "facades-pix2pix", tmp_path / "run")
    damage(tmp_path / "run", what)
    assert main([str(tmp_path / "run"), "--out", str(tmp_path / "report.html")]) == 2
    captured = capsys.readouterr()
    assert re.fullmatch(rf"cyclegan\.evaluation\.compare: .*{message}.*\n", captured.err)
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
    config = CycleGANConfig(dataset="elsewhere", generator=TINY_CYCLEGAN)
    if arguments == ["other"]:
        make_run(tmp_path / "other", config, epochs=(1,), sample_epochs=0)
    out = [] if "--out" in arguments else ["--out", "report.html"]
    assert main([str(weights / "facades-cyclegan"), *arguments, *out]) == 2
    assert re.fullmatch(rf"cyclegan\.evaluation\.compare: .*{message}.*\n", capsys.readouterr().err)
    assert not list(tmp_path.glob("report.*"))


def test_a_run_without_history_and_samples_has_a_page_too(facades: Path, tmp_path: Path) -> None:
    config = CycleGANConfig(dataset="facades", generator=TINY_CYCLEGAN)
    make_run(tmp_path / "bare", config, epochs=(1,), sample_epochs=0)
    (tmp_path / "bare" / "history.jsonl").unlink()
    out = tmp_path / "report.html"
    assert main([str(tmp_path / "bare"), "--limit", "1", "--out", str(out)]) == 0
    assert "The run has no history." in out.read_text(encoding="utf-8")


def test_a_place_that_cannot_be_written_is_known_before_the_work(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cyclegan.evaluation.compare.compare", lambda *_, **__: pytest.fail("it began to work"))
    monkeypatch.setattr("cyclegan.evaluation.compare.os.access", lambda *_: False)
    assert main([str(weights / "facades-pix2pix"), "--out", str(tmp_path / "r.html")]) == 2
    assert f"{tmp_path} cannot be written; choose another place with --out" in capsys.readouterr().err
