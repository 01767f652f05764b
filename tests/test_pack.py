"""Packing a run for publication."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan.config import CycleGANConfig, DiscriminatorConfig, GeneratorConfig, Pix2PixConfig
from cyclegan.facades.labels import draw_facade
from cyclegan.runs.compress import main, pack
from cyclegan.runs.run import Run, RunError
from cyclegan.runs.scores import ScoresError, best_epoch, read_scores, write_scores
from cyclegan.translate.translator import Translator
from tests.conftest import TINY_CYCLEGAN, TINY_GAN, add_discriminators, make_run


def test_a_packed_run_translates_like_the_original_in_half_the_space(weights: Path, tmp_path: Path) -> None:
    source = weights / "facades-cyclegan"
    (source / "checkpoint.pt").write_bytes(b"stays at home")
    assert main([str(source), str(tmp_path / "packed"), "--epochs", "1", "5", "--storage", "int8"]) == 0
    run = Run.open(tmp_path / "packed")
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


def test_epochs_are_packed_in_4_bits_beside_others_in_8(tmp_path: Path) -> None:
    config = Pix2PixConfig(dataset="facades", generator=GeneratorConfig("unet_256", 8, "batch"))
    source = make_run(tmp_path / "run", config, epochs=(1, 2, 3), sample_epochs=0)
    arguments = ["--epochs", "3", "--storage", "int8", "--int4-epochs", "1"]
    assert main([str(source.folder), str(tmp_path / "packed"), *arguments]) == 0
    packed = Run.open(tmp_path / "packed")
    assert packed.epochs == (1, 3)
    small, large = ((packed.snapshot_folder(epoch, "ba") / "model.safetensors").stat().st_size for epoch in (1, 3))
    assert 0.4 < small / large < 0.8
    for epochs, int4_epochs, reason in (([3], [4], "has no epoch 4"), ([], [1], "beside epochs"), ([1], [1], "once")):
        with pytest.raises(RunError, match=reason):
            pack(source, tmp_path / "other", epochs=epochs, int4_epochs=int4_epochs)


def test_figures_stay_with_the_weights_that_they_are_of(weights: Path, tmp_path: Path) -> None:
    shutil.copytree(weights / "facades-pix2pix", tmp_path / "run")
    source = Run.open(tmp_path / "run")
    records = source.history()
    records[-1]["metrics"] = {"val": {"ba": {"l1": 0.2}}}
    source.write_history(records)
    write_scores(source.folder, {"val": {"directions": {"ba": {"best": {"epoch": 5, "rule": "lowest"}}}}})
    for storage, kept in (("fp16", True), ("int8", False)):
        assert main([str(source.folder), str(tmp_path / storage), "--storage", storage]) == 0
        packed = Run.open(tmp_path / storage)
        assert bool(read_scores(packed.folder)) == kept
        assert best_epoch(packed, "ba") == (5 if kept else None)
        assert ("metrics" in packed.history()[-1]) == kept
    (source.folder / "metrics.json").write_text("{")
    with pytest.raises(ScoresError, match=r"metrics\.json is damaged"):
        pack(source, tmp_path / "third")
    assert not (tmp_path / "third").exists()


def test_only_samples_of_the_drawn_examples_are_packed(weights: Path, tmp_path: Path) -> None:
    assert main([str(weights / "facades-cyclegan"), str(tmp_path / "packed")]) == 0
    run = Run.open(tmp_path / "packed")
    assert dict(run.samples) == {"ba": "drawn"}
    assert run.sample_epochs == (1, 2, 3, 4, 5)
    with Image.open(run.sample_path(3)) as sheet:
        assert sheet.height == 256


def test_samples_that_lose_no_row_are_packed_as_they_are(weights: Path, tmp_path: Path) -> None:
    once = pack(Run.open(weights / "facades-cyclegan"), tmp_path / "once")
    again = pack(once, tmp_path / "again")
    assert [once.sample_path(epoch).read_bytes() for epoch in once.sample_epochs] == [
        again.sample_path(epoch).read_bytes() for epoch in again.sample_epochs
    ]


def test_no_path_of_the_machine_is_packed(weights: Path, tmp_path: Path) -> None:
    source = Run.open(shutil.copytree(weights / "facades-pix2pix", tmp_path / "run"))
    protocol = {"dataset": f"{tmp_path / 'photos'}, split val (100 pairs)"}
    directions = {"ba": {"best": {"epoch": 5, "rule": "lowest"}}}
    write_scores(source.folder, {"val": {"protocol": protocol, "directions": directions}})
    config = replace(source.config, dataset=str(tmp_path / "my photos"), init_from=str(tmp_path / "first"))
    packed = pack(replace(source, config=config), tmp_path / "packed")
    assert (packed.config.dataset, packed.config.init_from) == ("my photos", "first")
    for name in ("run.json", "metrics.json", "history.jsonl"):
        assert str(tmp_path) not in (packed.folder / name).read_text()


def test_what_a_plain_gan_makes_of_noise_is_packed(tmp_path: Path) -> None:
    source = make_run(tmp_path / "clothes-gan", TINY_GAN, epochs=(1, 2), sample_epochs=2)
    assert main([str(source.folder), str(tmp_path / "packed"), "--epochs", "2", "--storage", "int8"]) == 0
    run = Run.open(tmp_path / "packed")
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
    out = tmp_path / "packed"
    if not arguments:
        out.mkdir()
    assert main([str(weights / "facades-cyclegan"), str(out), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_cyclegan_of_unequal_channels_is_packed_in_both_directions(tmp_path: Path) -> None:
    generator = replace(TINY_CYCLEGAN, in_channels=1)
    config = CycleGANConfig(dataset="facades", generator=generator, lambda_identity=0.0)
    make_run(tmp_path / "run", config, epochs=(1,), sample_epochs=0)
    assert main([str(tmp_path / "run"), str(tmp_path / "packed")]) == 0
    for direction in ("ab", "ba"):
        Run.open(tmp_path / "packed").load_generator(1, direction)


def test_discriminators_are_packed_with_the_epoch_that_they_belong_to(tmp_path: Path) -> None:
    """Beside generators of an earlier epoch they would judge what they never saw."""
    config = CycleGANConfig(dataset="facades", generator=TINY_CYCLEGAN, discriminator=DiscriminatorConfig(width=4))
    source = make_run(tmp_path / "run", config, epochs=(1, 2), sample_epochs=0)
    add_discriminators(source)
    packed = []
    for name, epochs in {"all": [], "last": ["--epochs", "2"], "first": ["--epochs", "1"]}.items():
        assert main([str(source.folder), str(tmp_path / name), *epochs, "--storage", "int8"]) == 0
        packed.append(Run.open(tmp_path / name).has_discriminators)
    assert packed == [True, True, False]
    for domain in source.judged:
        original = source.load_discriminator(domain).state_dict()
        for key, value in Run.open(tmp_path / "last").load_discriminator(domain).state_dict().items():
            assert (value - original[key]).abs().max() <= original[key].abs().max() / 100
