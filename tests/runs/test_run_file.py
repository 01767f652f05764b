"""Options in `run.json`: runs of other versions open, and say what they need before they are trained."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tyro
from PIL import Image

from cyclegan import __version__
from cyclegan.config import (
    ConfigError,
    CycleGANConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    MethodConfig,
    Pix2PixConfig,
)
from cyclegan.hub.cards import write_card
from cyclegan.networks.storage import read_architecture
from cyclegan.runs.run import Run
from cyclegan.runs.run_file import check_known, options_of
from cyclegan.translate.translator import Translator
from tests.conftest import TINY_CYCLEGAN, make_photo, make_run
from train import main

FROZEN = Path(__file__).parent / "frozen"
LESSONS = {("labels_only_from",), ("first_epoch",), ("lambda_palette",)}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    config = Pix2PixConfig(dataset="facades", generator=TINY_CYCLEGAN, direction="ab", epochs=2, decay_epochs=0)
    return make_run(tmp_path / "run", config, epochs=(2,), sample_epochs=2)


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_bytes())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("name", "options", "unknown"),
    [
        ("facades-cyclegan", {"scale_jitter": 1.4, "load_size": 184, "ema_half_life": 300}, LESSONS),
        ("facades-pix2pix", {"diffaugment": ("color", "translation", "cutout"), "lambda_features": 10.0}, set()),
        ("facades-pix2pix-labels", {"scale_jitter": 1.4, "color_jitter": 0.4}, {("lambda_palette",)}),
        ("published", {"dataset": "my photos", "scale_jitter": 1.2}, set()),
    ],
)
def test_runs_of_format_1_open_for_ever(
    name: str, options: dict[str, Any], unknown: set[tuple[str, ...]], tmp_path: Path
) -> None:
    shutil.copytree(FROZEN / name, tmp_path / name)
    run = Run.open(tmp_path / name)
    assert {option: getattr(run.config, option) for option in options} == options
    assert run.unknown.keys() == unknown
    for path in run.folder.glob("snapshots/*/*/config.json"):
        assert read_architecture(GeneratorConfig, path) == run.generator_config(path.parent.name)  # type: ignore[arg-type]
    run.write()
    assert json.loads((run.folder / "run.json").read_bytes())["format"] == 2
    assert Run.open(run.folder) == run


def test_a_published_repository_of_format_1_translates() -> None:
    translator = Translator.load(FROZEN / "published", device="cpu")
    for target in translator.targets:
        assert translator.translate(make_photo(1, 32), to=target).size == (32, 32)
    assert translator.run.has_discriminators and [translator.run.load_discriminator(each) for each in "ab"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda options: options.update(lambda_new=3.0), "lambda_new"),
        (lambda options: options.update(new={"a": 1, "b": [2]}), "new"),
        (lambda options: options.update(gan_mode="relativistic"), "gan_mode"),
        (lambda options: options.update(snapshot_epochs=[3] * 90_000), "snapshot_epochs"),
        (lambda options: options["generator"].update(attention=True), "generator.attention"),
        (lambda options: options["generator"].update(width=0), "generator.width"),
        (lambda options: options.update(generator="diffusion"), "generator"),
    ],
)
def test_what_this_version_does_not_know_matters_only_to_a_training(
    change: Callable[[dict[str, Any]], object], named: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run.folder / "run.json"
    rewrite(path, lambda content: change(content["config"]))
    before, expected = json.loads(path.read_bytes()), Translator.load(run.folder, device="cpu")
    opened = expected.run
    assert opened.directions == ("ab",) and opened.generator == TINY_CYCLEGAN and opened.judged == {"b": 6}
    picture = expected.translate(Image.new("RGB", (40, 30), "red"), to="labels")
    assert picture.size == (40, 30)
    opened.write()
    assert json.loads(path.read_bytes()) == before, "unknown options are kept"
    assert "python train.py" not in write_card(opened, "me/run")["README.md"].decode()
    (run.folder / "checkpoint.pt").touch()
    assert main(["--resume", str(run.folder)]) == 2
    assert f"options or values that this version does not know: {named}; " in capsys.readouterr().err


def test_options_of_a_rule_about_several_are_named(run: Run) -> None:
    rewrite(run.folder / "run.json", lambda content: content["config"].update(crop_size=300, load_size=200))
    opened = Run.open(run.folder)
    assert opened.directions == ("ab",) and options_of(opened.config)
    with pytest.raises(ConfigError, match="_size"):
        check_known(opened.unknown, "run.json")


def test_a_network_says_its_class_and_version(run: Run) -> None:
    path = run.snapshot_folder(2, "ab") / "config.json"
    content = json.loads(path.read_bytes())
    assert (content["_class_name"], content["_cyclegan_version"]) == ("ResnetGenerator", __version__)
    rewrite(path, lambda content: content.update(attention=True))
    with pytest.raises(ConfigError, match=r"attention: Unexpected keyword argument$"):
        read_architecture(GeneratorConfig, path)
    rewrite(path, lambda content: content.update(_cyclegan_version="9.1"))
    with pytest.raises(ConfigError, match=rf"attention: .*; version 9\.1 wrote it, this is {__version__}: update"):
        read_architecture(GeneratorConfig, path)


CYCLEGAN = CycleGANConfig(
    dataset="my pictures",
    generator=GeneratorConfig(architecture="resnet_6blocks", width=32),
    discriminator=DiscriminatorConfig(norm="batch"),
    betas=(0.9, 0.99),
    learning_rate=1.5e-5,
    lambda_identity=0.0,
    flip=False,
)


@pytest.mark.parametrize(
    ("config", "typed"),
    [
        (CycleGANConfig(dataset="x"), ""),
        (Pix2PixConfig(dataset="y", direction="ab", lambda_l1=1 / 3), "--lambda-l1 0.3333333333333333 --direction ab"),
        (
            CYCLEGAN,
            "--learning-rate 1.5e-05 --betas 0.9 0.99 --no-flip --lambda-identity 0 --discriminator.norm batch "
            "--generator.architecture resnet_6blocks --generator.width 32",
        ),
    ],
)
def test_options_that_differ_from_the_defaults_give_the_configuration_back(config: MethodConfig, typed: str) -> None:
    words = shlex.split(options_of(config))
    assert sorted(words) == sorted(shlex.split(typed))
    assert tyro.cli(type(config), args=["--dataset", config.dataset, *words]) == config
    if isinstance(config, Pix2PixConfig):
        assert options_of(replace(config, snapshot_epochs=(1, 9))) == options_of(config)
