"""Model cards: what the Hub's own tools read in them, nothing of the trainer's machine, and who wrote them last."""

from __future__ import annotations

import io
import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard, ModelCardData
from PIL import Image

import train
from cyclegan.config import CycleGANConfig
from cyclegan.hub.cards import is_untouched, write_card
from cyclegan.runs.run import Run, RunError
from tests.conftest import TINY_CYCLEGAN, TINY_GAN, make_run
from tests.hub_server import LoopbackHub

METRICS = {
    "format": 1,
    "splits": {
        "val": {
            "protocol": {"dataset": "/home/bertha/my data/facades, split val", "images": "100 labels to photo"},
            "directions": {
                "ba": {
                    "best": {"epoch": 3, "rule": "lowest KID"},
                    "epochs": {
                        "1": {"values": {"l1": 0.5, "fid": None}},
                        "3": {"values": {"l1": 0.31, "fid": 120.5}},
                        "5": {"values": {"l1": 0.4, "fid": None, "fid_reason": "not asked for"}},
                    },
                }
            },
        }
    },
}


def card_of(run: Run, repository: str = "owner/facades") -> str:
    return write_card(run, repository)["README.md"].decode()


def test_the_metadata_is_what_the_hub_reads(weights: Path, hub: LoopbackHub) -> None:
    card = ModelCard(card_of(Run.open(weights / "facades-pix2pix")))
    card.validate()
    assert hub.count("POST /api/validate-yaml") == 1
    data = card.data.to_dict()
    assert (data["library_name"], data["pipeline_tag"], data["license"]) == ("cyclegan", "image-to-image", "apache-2.0")
    assert data["datasets"] == ["facades"]
    assert {"pix2pix", "safetensors"} <= set(data["tags"])


def test_the_card_shows_and_tells_how_to_use_it(weights: Path) -> None:
    files = write_card(Run.open(weights / "facades-cyclegan"), "owner/facades")
    card = files["README.md"].decode()
    shown = re.findall(r"!\[.+\]\((.+)\)", card)
    assert sorted(shown) == sorted(set(files) - {"README.md"}) and len(shown) == 2
    for name in shown:
        with Image.open(io.BytesIO(files[name])) as picture:
            assert picture.format == "WEBP" and picture.width > 700
    assert 'Translator.load("owner/facades")' in card and 'to="photo"' in card
    assert "as it was after epochs 1, 3 and 5" in card
    for part in ("## Training", "## Limits", "zhu2017unpaired", "5 epochs instead of 200", "4 channels instead of 64"):
        assert part in card, part


def test_the_command_of_the_card_is_that_of_the_training(tmp_path: Path) -> None:
    config = CycleGANConfig(dataset="/home/bertha/my photos", generator=TINY_CYCLEGAN, epochs=3, lambda_identity=0.0)
    run = make_run(tmp_path / "run", config, epochs=(1,), sample_epochs=1)
    (line,) = re.findall(r"^python train.py .*", card_of(run), re.MULTILINE)
    parsed, launch = train.parse(shlex.split(line)[2:])
    assert parsed == replace(config, dataset="./my photos")
    assert launch.domain_names == ("photo", "labels")


def test_a_dataset_of_the_hub_is_named_as_the_hub_does(tmp_path: Path) -> None:
    dataset = f"hf:owner/houses@{40 * '7'}"
    run = make_run(
        tmp_path / "run", CycleGANConfig(dataset=dataset, generator=TINY_CYCLEGAN), epochs=(1,), sample_epochs=1
    )
    (run.folder / "metrics.json").write_text(json.dumps(METRICS))
    card = ModelCard(card_of(run))
    assert card.data.to_dict()["datasets"] == ["owner/houses"]
    (model,) = card.data.to_dict()["model-index"]
    assert {result["dataset"]["type"] for result in model["results"]} == {"owner/houses"}
    assert f"--dataset {dataset} " in card.text, "the command trains on the same images"


@pytest.mark.parametrize(
    "path", ["/home/bertha/data/facade photos", "C:\\Users\\bertha\\facade photos", "/home/bertha/facade photos/"]
)
def test_no_path_of_the_trainer_is_told(path: str, tmp_path: Path) -> None:
    config = CycleGANConfig(dataset=path, generator=TINY_CYCLEGAN)
    run = make_run(tmp_path / "run", config, epochs=(1,), sample_epochs=1)
    (run.folder / "metrics.json").write_text(json.dumps(METRICS))
    card = card_of(run)
    assert "facade photos" in card
    for secret in ("bertha", str(tmp_path), "\\"):
        assert secret not in card
    assert "datasets" not in ModelCard(card).data.to_dict()  # no name that the Hub could know


def test_figures_are_in_the_metadata_and_on_the_page(weights: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", Run.open(weights / "facades-pix2pix").config, epochs=(3, 5), sample_epochs=5)
    (run.folder / "metrics.json").write_text(json.dumps(METRICS))
    card = card_of(run)
    data = ModelCard(card).data
    assert isinstance(data, ModelCardData)
    figures = {(each.metric_type, each.metric_value, each.dataset_split) for each in data.eval_results or ()}
    assert figures == {("l1", 0.31, "val"), ("fid", 120.5, "val"), ("l1", 0.4, "val")}  # of the best and the last epoch
    assert "| labels to photo | val | 3 | fid | 120.5 |" in card
    assert "- val, dataset: facades, split val\n- val, images: 100 labels to photo" in card


@pytest.mark.parametrize("content", ["no json", '{"format": 1, "splits": {"val": {"protocol": {}}}}'])
def test_what_is_damaged_is_refused_and_what_is_not_known_is_not_told(
    content: str, weights: Path, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "run", Run.open(weights / "facades-pix2pix").config, epochs=(5,), sample_epochs=0)
    (run.folder / "metrics.json").write_text(content)
    with pytest.raises(RunError, match=r"metrics\.json is damaged"):
        card_of(run)
    (run.folder / "metrics.json").unlink()
    run.write_history([{"epoch": 1, "seconds": None, "losses": {}}])
    with pytest.raises(RunError, match=r"history\.jsonl is damaged"):
        card_of(run)
    speed = {"epoch": 2, "learning_rate": 1e-4, "seconds": 85.266, "images_per_second": 4.691, "losses": {}}
    run.write_history([speed])
    assert "Its training is not finished: 2 of 5 epochs." in card_of(run)
    assert "facades, 400 images an epoch" in card_of(run)
    (run.folder / "history.jsonl").unlink()  # weights of the reference come without
    files = write_card(run, "owner/facades")
    card = files["README.md"].decode()
    assert set(files) == {"README.md"} and "| training | not recorded |" in card
    assert "python train.py" not in card and "![" not in card


def test_a_plain_gan_has_a_card(tmp_path: Path) -> None:
    run = make_run(tmp_path / "clothes", TINY_GAN, epochs=(2,), sample_epochs=2)
    files = write_card(run, "owner/clothes")
    card = ModelCard(files["README.md"].decode())
    assert card.data.to_dict()["pipeline_tag"] == "unconditional-image-generation"
    assert "A plain GAN that makes clothes from noise, as it was after epoch 2 of its training." in card.text
    assert "card/epochs.webp" in files
    assert "python train.py gan --dataset fashion-mnist" in card.text


def test_an_edited_card_is_told_from_an_untouched_one(weights: Path) -> None:
    card = card_of(Run.open(weights / "facades-pix2pix"))
    assert is_untouched(card)
    for edited in (
        card.replace("license: apache-2.0", "license: mit"),
        card + "\nMore.\n",
        card.replace("\n", "\r\n"),
        re.sub(r"<!--.*-->\n", "", card),
        "",
    ):
        assert not is_untouched(edited)
