"""Small copies of runs, for publication."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan.config import CycleGANConfig, DiscriminatorConfig
from cyclegan.facades.labels import draw_facade
from cyclegan.runs.compress import compress, main
from cyclegan.runs.run import Run
from cyclegan.runs.scores import ScoresError, best_epoch, read_scores, write_scores
from cyclegan.translate.translator import Translator
from tests.conftest import TINY_CYCLEGAN, TINY_GAN, add_discriminators, make_run


def test_a_compressed_run_translates_like_the_original_in_half_the_space(weights: Path, tmp_path: Path) -> None:
    source = shutil.copytree(weights / "facades-cyclegan", tmp_path / "source")
    (source / "checkpoint.pt").write_bytes(b"stays at home")
    assert main([str(source), str(tmp_path / "compressed"), "--epochs", "1", "5", "--storage", "int8"]) == 0
    run = Run.open(tmp_path / "compressed")
    assert run.epochs == (1, 5)
    assert run.history() == Run.open(source).history()
    assert not (run.folder / "checkpoint.pt").exists()
    name = "snapshots/0005/ab/model.safetensors"
    assert (run.folder / name).stat().st_size < 0.75 * (source / name).stat().st_size
    pictures = [
        np.asarray(Translator.load(folder, precision="fp32").translate(draw_facade(3), to="photo"), dtype=float)
        for folder in (source, run.folder)
    ]
    assert 0 < np.abs(pictures[0] - pictures[1]).mean() < 4


def test_figures_stay_with_the_weights_that_they_are_of(weights: Path, tmp_path: Path) -> None:
    shutil.copytree(weights / "facades-pix2pix", tmp_path / "run")
    source = Run.open(tmp_path / "run")
    records = source.history()
    records[-1]["metrics"] = {"val": {"ba": {"l1": 0.2}}}
    source.write_history(records)
    write_scores(source.folder, {"val": {"directions": {"ba": {"best": {"epoch": 5, "rule": "lowest"}}}}})
    for storage, kept in (("fp16", True), ("int8", False)):
        assert main([str(source.folder), str(tmp_path / storage), "--storage", storage]) == 0
        compressed = Run.open(tmp_path / storage)
        assert bool(read_scores(compressed.folder)) == kept
        assert best_epoch(compressed, "ba") == (5 if kept else None)
        assert ("metrics" in compressed.history()[-1]) == kept
    (source.folder / "metrics.json").write_text("{")
    with pytest.raises(ScoresError, match=r"metrics\.json is damaged"):
        compress(source, tmp_path / "third")
    assert not (tmp_path / "third").exists()


def test_only_samples_of_the_drawn_examples_are_compressed_and_once(weights: Path, tmp_path: Path) -> None:
    once = compress(Run.open(weights / "facades-cyclegan"), tmp_path / "once", epochs=[1])
    assert dict(once.samples) == {"ba": "drawn"}
    assert once.sample_epochs == (1, 2, 3, 4, 5)
    with Image.open(once.sample_path(3)) as sheet:
        assert sheet.height == 256
    again = compress(once, tmp_path / "again")
    for epoch in once.sample_epochs:
        assert once.sample_path(epoch).read_bytes() == again.sample_path(epoch).read_bytes()


def test_no_path_of_the_machine_is_compressed(weights: Path, tmp_path: Path) -> None:
    source = Run.open(shutil.copytree(weights / "facades-pix2pix", tmp_path / "run"))
    protocol = {"dataset": f"{tmp_path / 'photos'}, split val (100 pairs)"}
    directions = {"ba": {"best": {"epoch": 5, "rule": "lowest"}}}
    write_scores(source.folder, {"val": {"protocol": protocol, "directions": directions}})
    config = replace(source.config, dataset=str(tmp_path / "my photos"), init_from=str(tmp_path / "first"))
    compressed = compress(replace(source, config=config), tmp_path / "compressed")
    assert (compressed.config.dataset, compressed.config.init_from) == ("./my photos", "first")
    for name in ("run.json", "metrics.json", "history.jsonl"):
        assert str(tmp_path) not in (compressed.folder / name).read_text()


def test_what_a_plain_gan_makes_of_noise_is_compressed(tmp_path: Path) -> None:
    source = make_run(tmp_path / "clothes-gan", TINY_GAN, epochs=(1, 2), sample_epochs=2)
    assert main([str(source.folder), str(tmp_path / "compressed"), "--epochs", "2", "--storage", "int8"]) == 0
    run = Run.open(tmp_path / "compressed")
    assert (dict(run.samples), run.sample_epochs, run.epochs) == ({"ab": "noise"}, (1, 2), (2,))
    with Image.open(run.sample_path(2)) as sheet:
        assert sheet.size == (256, 256)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--epochs", "4"], "has no epoch 4; it has 1, 3, 5"), ([], "is there already")],
    ids=["unknown epoch", "existing folder"],
)
def test_mistakes_are_named_and_leave_nothing(
    arguments: list[str], message: str, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "compressed"
    if not arguments:
        out.mkdir()
    assert main([str(weights / "facades-cyclegan"), str(out), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.safetensors"))


def test_discriminators_are_compressed_with_the_epoch_that_they_belong_to(tmp_path: Path) -> None:
    """Beside generators of an earlier epoch they would judge what they never saw."""
    generator = replace(TINY_CYCLEGAN, in_channels=1)
    judge = DiscriminatorConfig(width=4)
    config = CycleGANConfig(dataset="facades", generator=generator, discriminator=judge, lambda_identity=0.0)
    source = make_run(tmp_path / "run", config, epochs=(1, 2), sample_epochs=0)
    add_discriminators(source)
    compressed = []
    for name, epochs in {"all": [], "last": ["--epochs", "2"], "first": ["--epochs", "1"]}.items():
        assert main([str(source.folder), str(tmp_path / name), *epochs, "--storage", "int8"]) == 0
        compressed.append(Run.open(tmp_path / name).has_discriminators)
    assert compressed == [True, True, False]
    for domain in source.judged:
        original = source.load_discriminator(domain).state_dict()
        for key, value in Run.open(tmp_path / "last").load_discriminator(domain).state_dict().items():
            assert (value - original[key]).abs().max() <= original[key].abs().max() / 100
