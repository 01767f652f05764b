"""Runs that are being trained while the app shows them, and movies of those that are done."""

from __future__ import annotations

import io
import re
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from PIL import Image

from cyclegan.config import CycleGANConfig, DiscriminatorConfig, GeneratorConfig, Pix2PixConfig
from cyclegan.data.batches import Pair
from cyclegan.pages.errors import Refusal
from cyclegan.pages.examples import Examples
from cyclegan.pages.frames import Frame, data_uri, sample_epochs, sample_frames
from cyclegan.pages.models import Models, Route
from cyclegan.pages.translate.translations import Translations
from cyclegan.pages.watch.curves import curves_of, plots_of
from cyclegan.pages.watch.follow import has_ended, is_learning, newly_gone, stamps
from cyclegan.pages.watch.movies import MOVIE_FRAMES, evenly, formats, movie, places
from cyclegan.runs.run import Run
from cyclegan.training.objectives import build_objective
from cyclegan.training.updates import Updates
from tests.conftest import make_run

TO_PHOTO = Route("labels", "photo")


@pytest.fixture
def young(weights: Path, tmp_path: Path) -> Models:
    """A run whose training has just begun: nothing but run.json."""
    (tmp_path / "young").mkdir()
    shutil.copy(weights / "facades-pix2pix" / "run.json", tmp_path / "young")
    return Models.load([tmp_path / "young", weights / "facades-cyclegan"], precision="fp32")


def train(run: Run, source: Run, epoch: int) -> None:
    """Write an epoch as training does: its samples and networks, then its line of history."""
    shutil.copytree(source.folder / "samples", run.folder / "samples", dirs_exist_ok=True)
    for path in (run.folder / "samples").iterdir():
        if int(path.stem) > epoch:
            path.unlink()
    if epoch in source.epochs:
        shutil.copytree(source.folder / "snapshots" / f"{epoch:04d}", run.folder / "snapshots" / f"{epoch:04d}")
    run.write_history(source.history()[:epoch])


class TestYoungRuns:
    def test_it_waits_for_its_first_networks_and_says_so(self, young: Models) -> None:
        model = young.models[0]
        assert model.waiting is not None
        assert model.waiting.en == "pix2pix is still in training: its first networks come after epoch 1."
        assert model.waiting in young.missing(TO_PHOTO)
        with pytest.raises(Refusal, match="still in training"):
            young.models[0].default_epoch(young.routes[0])

    def test_it_translates_as_soon_as_it_can(self, young: Models, weights: Path) -> None:
        translations = Translations(young, Examples.of(young))
        opened = translations.opening
        assert opened is not None and opened.results[0] is None
        train(young.models[0].translator.run, Run.open(weights / "facades-pix2pix"), 1)
        opened = translations.opening
        assert opened is not None and opened.results[0] is not None and opened.results[0].epoch == 1
        assert young.models[0].waiting is None


class TestFollow:
    def test_only_a_training_that_has_not_ended_is_followed(self, young: Models, weights: Path) -> None:
        model, published = young.models
        run, source = model.translator.run, Run.open(weights / "facades-pix2pix")
        assert [is_learning(each) for each in young.models] == [True, False]
        for epoch in (1, 2, 3):
            train(run, source, epoch)
        assert not is_learning(model)  # networks, but no checkpoint: published before its end
        assert not has_ended(model)
        (run.folder / "checkpoint.pt").write_bytes(b"")
        assert is_learning(model)
        for epoch in (4, 5):
            train(run, source, epoch)
        assert has_ended(model) and not is_learning(model) and not is_learning(published)

    def test_a_stamp_changes_with_every_epoch_and_with_nothing_else(self, young: Models, weights: Path) -> None:
        run, source = young.models[0].translator.run, Run.open(weights / "facades-pix2pix")
        before = stamps(young)
        assert stamps(young) == before
        train(run, source, 1)
        after = stamps(young)
        assert after[0] != before[0] and after[1] == before[1]
        (run.folder / "metrics.json").write_text("{}")
        assert stamps(young)[0] != after[0]

    def test_a_folder_that_is_gone_is_told_once_and_named(self, young: Models) -> None:
        before = stamps(young)
        young.models[0].translator.run.folder.rename(young.models[0].translator.run.folder.with_name("moved"))
        assert newly_gone(young, before) == [young.models[0]]
        assert newly_gone(young, stamps(young)) == []
        assert young.models[0].waiting is not None and "was moved, deleted or replaced" in young.models[0].waiting.en
        with pytest.raises(Refusal, match="was moved, deleted or replaced"):
            young.models[0].default_epoch(young.routes[0])

    def test_pictures_are_those_of_the_file_that_is_there_now(self, weights: Path, tmp_path: Path) -> None:
        """A run may be trained anew in the folder of an earlier one."""
        shutil.copytree(weights / "facades-pix2pix", tmp_path / "run")
        models = Models.load([tmp_path / "run"], precision="fp32")
        run = models.models[0].translator.run
        (before,) = sample_frames(models, TO_PHOTO, 0, {(0, 2)})
        run.save_sample(2, Image.new("RGB", (8 * 256, 256), "red"))
        (after,) = sample_frames(models, TO_PHOTO, 0, {(0, 2)})
        assert after.src != before.src
        run.sample_path(2).write_bytes(b"torn")
        assert sample_epochs(models.models[0]) == (1, 3, 4, 5)
        run.save_sample(2, Image.new("RGB", (8 * 256, 256), "red"))
        assert sample_epochs(models.models[0]) == (1, 2, 3, 4, 5)


class TestPlots:
    def test_losses_and_learning_rate(self, weights: Path) -> None:
        losses, rate = plots_of(Run.open(weights / "facades-pix2pix"), "pix2pix", "en")
        assert not losses.from_zero and len(losses.curves) == 3
        assert rate.title == "pix2pix: learning rate" and rate.from_zero
        assert rate.curves[0].points == tuple((epoch, 2e-4) for epoch in range(1, 6))

    @pytest.mark.parametrize(
        "config",
        [
            CycleGANConfig(dataset="x", lambda_edges=1, gan_mode="wgangp"),
            Pix2PixConfig(dataset="x", direction="ab", lambda_features=1),
        ],
        ids=["cyclegan", "pix2pix"],
    )
    def test_every_term_of_a_loss_has_a_name_in_every_language(
        self, config: CycleGANConfig | Pix2PixConfig, tmp_path: Path
    ) -> None:
        generator = GeneratorConfig(architecture="resnet_6blocks", width=2, classes="facades")
        discriminator = DiscriminatorConfig(width=2, norm="instance")
        config = replace(config, discriminator=discriminator, generator=generator, crop_size=32)
        objective = build_objective(config)
        updates = Updates(objective, config, device=torch.device("cpu"))
        losses = objective.step(Pair(*torch.rand(2, 2, 3, 32, 32)), updates)
        run = make_run(tmp_path / "run", config, epochs=(), sample_epochs=0)
        run.write_history([{"epoch": 1, "losses": dict.fromkeys(losses, 1.0)}])
        curves = curves_of(run, run.history(), "ko")
        assert len(curves) >= 5 and all(re.search("[가-힣]", curve.name) for curve in curves)

    def test_a_young_run_has_none(self, young: Models) -> None:
        assert plots_of(young.models[0].translator.run, "pix2pix", "en") == []


def frames_of(*epochs: int, models: int = 2, size: tuple[int, int] = (64, 48)) -> list[Frame]:
    """Frames whose grey says their epoch."""
    return [
        Frame(model, epoch, data_uri(Image.new("RGB", size, (70 * epoch,) * 3), exact=True))
        for epoch in epochs
        for model in range(models)
    ]


class TestMovies:
    def test_a_gif_has_every_epoch_in_order_side_by_side_and_rests_at_the_end(self) -> None:
        content = movie(frames_of(3, 1, 2), ["CycleGAN", "pix2pix"], "gif")
        with Image.open(io.BytesIO(content)) as gif:
            assert gif.n_frames == 3 and gif.width > 2 * 256  # type: ignore[attr-defined]
            levels, durations = [], []
            for index in range(3):
                gif.seek(index)
                picture = gif.convert("RGB")
                levels.append([picture.getpixel((x, gif.height // 2))[0] for x in (100, gif.width - 100)])  # type: ignore[index]
                durations.append(gif.info["duration"])
        assert levels == [[70, 70], [140, 140], [210, 210]]
        assert durations[0] == durations[1] < durations[2]

    def test_an_mp4_plays_about_as_long(self, tmp_path: Path) -> None:
        reader = pytest.importorskip("imageio_ffmpeg")
        assert formats() == ("gif", "mp4")
        (tmp_path / "movie.mp4").write_bytes(movie(frames_of(1, 2, 3), ["a", "b"], "mp4"))
        frames = reader.read_frames(str(tmp_path / "movie.mp4"))
        meta = next(frames)
        frames.close()
        assert meta["codec"] == "h264" and "yuv420p" in meta["pix_fmt"]
        assert meta["size"][0] > 2 * 256 and not any(side % 2 for side in meta["size"])
        assert 2 < meta["duration"] < 4

    def test_of_many_epochs_it_takes_evenly_spread_ones(self) -> None:
        epochs = evenly(range(1, 201), MOVIE_FRAMES)
        assert (epochs[0], epochs[-1], len(epochs)) == (1, 200, MOVIE_FRAMES)
        assert {b - a for a, b in pairwise(epochs)} == {3, 4}
        assert evenly([1, 5], MOVIE_FRAMES) == [1, 5]

    def test_it_asks_for_no_more_frames_than_it_shows(self) -> None:
        wanted = places([range(1, 201), (1, 50, 200), ()])
        assert len([place for place in wanted if place[0] == 0]) == MOVIE_FRAMES
        assert {epoch for model, epoch in wanted if model == 1} == {1, 50, 200}
        assert places([]) == set()
