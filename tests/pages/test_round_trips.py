"""Round trips without a browser: the error and its colours, who translates back, and who judges."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan.facades.labels import draw_facade
from cyclegan.pages import texts
from cyclegan.pages.layout import Layout
from cyclegan.pages.maps import BRIGHTEST_ERROR, error_map, render_errors, render_patch_map
from cyclegan.pages.models import Models, Route
from cyclegan.pages.round_trip import texts as round_trip_texts
from cyclegan.pages.round_trip.round_trips import RoundTrips
from cyclegan.runs.run import Run
from tests.conftest import make_photo

pytestmark = pytest.mark.usefixtures("own_cache", "closed_event_loops")

TO_PHOTO, TO_LABELS = Route("labels", "photo"), Route("photo", "labels")


@pytest.fixture(scope="module")
def trips(models: Models) -> RoundTrips:
    return RoundTrips(models)


class TestColours:
    def test_the_error_is_the_mean_distance_of_the_colours_from_minus_1_to_1(self) -> None:
        black, other = Image.new("RGB", (3, 2)), Image.new("RGB", (3, 2), (255, 51, 0))
        errors = error_map(black, other)
        assert errors.shape == (2, 3) and errors.dtype == np.float32
        np.testing.assert_allclose(errors, (2 + 0.4 + 0) / 3, rtol=1e-6)
        assert not error_map(other, other).any()
        with pytest.raises(ValueError, match="must have one size"):
            error_map(black, Image.new("RGB", (2, 3)))

    def test_the_error_map_gets_brighter_with_the_error_up_to_its_end(self) -> None:
        errors = np.linspace(0, 2 * BRIGHTEST_ERROR, 41, dtype=np.float32)[None]
        light = np.asarray(render_errors(errors).convert("L"), dtype=int)[0]
        assert light[0] == 0 and (np.diff(light[:21]) > 0).all() and (light[20:] == light[20]).all()

    def test_fake_is_orange_and_real_is_blue(self) -> None:
        realness = np.array([[0, 0.5, 1]], np.float32)
        fake, half, real = np.asarray(render_patch_map(Image.new("RGB", (3, 1), "white"), realness), dtype=int)[0]
        assert fake[0] > fake[2] + 100 and real[2] > real[0] + 100 and len(set(half)) == 1
        dark = np.asarray(render_patch_map(Image.new("RGB", (3, 1)), realness), dtype=int)
        assert (dark < np.stack([fake, half, real])).any() and (dark[0, 0, 0] > dark[0, 0, 2]).all()


class TestTrips:
    @pytest.mark.parametrize(("route", "image"), [(TO_PHOTO, draw_facade(3)), (TO_LABELS, make_photo(3))])
    def test_a_cyclegan_travels_both_ways(self, trips: RoundTrips, route: Route, image: Image.Image) -> None:
        model = trips.models.models[0]
        trip = trips.go(model, route, image)
        there = model.translate(image, route, 5)
        back = model.translate(there, Route(route.target, route.source), 5)
        assert trip.there.tobytes() == there.tobytes()
        assert trip.back is not None and trip.back.image.tobytes() == back.tobytes()
        x, y = (np.asarray(picture, dtype=np.float64) / 127.5 - 1 for picture in (image, back))
        assert trip.back.loss == pytest.approx(np.abs(y - x).mean(), rel=1e-5)

    def test_its_discriminators_judge_every_stop(self, trips: RoundTrips) -> None:
        trip = trips.go(trips.models.models[0], TO_PHOTO, draw_facade(3))
        assert [judged.name for judged in trip.judged] == ["labels", "photo", "labels"]
        assert trip.back is not None
        for judged, image in zip(trip.judged, (draw_facade(3), trip.there, trip.back.image), strict=True):
            assert judged.image.tobytes() == image.tobytes()
            assert judged.realness.shape == (256, 256) and judged.realness.std() > 0
            assert 0 <= judged.share <= 1

    def test_who_knows_one_way_goes_there_only(self, trips: RoundTrips) -> None:
        trip = trips.go(trips.models.models[1], TO_PHOTO, draw_facade(3))
        assert trip.back is None and trip.judged == ()

    def test_two_pix2pix_of_opposite_directions_are_a_pair(self, weights: Path, tmp_path: Path) -> None:
        shutil.copytree(weights / "facades-pix2pix", tmp_path / "back")
        path = tmp_path / "back" / "run.json"
        content = json.loads(path.read_text()) | {"samples": {}}
        content["config"]["direction"] = "ab"
        path.write_text(json.dumps(content))
        for folder in (tmp_path / "back" / "snapshots").iterdir():
            (folder / "ba").rename(folder / "ab")
        models = Models.load([weights / "facades-pix2pix", tmp_path / "back"], precision="fp32")
        forth, back = models.models
        trips = RoundTrips(models)
        assert trips.way_back(forth, TO_PHOTO) is back and trips.way_back(back, TO_LABELS) is forth
        trip = trips.go(forth, TO_PHOTO, draw_facade(3))
        assert trip.back is not None
        assert trip.back.image.tobytes() == back.translate(trip.there, TO_LABELS, 5).tobytes()

    def test_damaged_discriminators_leave_the_trip_as_it_is(
        self, weights: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        shutil.copytree(weights / "facades-cyclegan", tmp_path / "run")
        weights_file = Run.open(tmp_path / "run").discriminator_folder("a") / "model.safetensors"
        weights_file.write_bytes(b"damaged")
        models = Models.load([tmp_path / "run"], precision="fp32")
        trip = RoundTrips(models).go(models.models[0], TO_PHOTO, draw_facade(3))
        assert trip.back is not None and trip.judged == ()
        assert str(weights_file) in caplog.text


class TestPage:
    def test_it_shows_the_trip_of_each_model_and_who_cannot_says_why(self, layout: Layout) -> None:
        shown = layout.round_trip_page.go(draw_facade(3), TO_PHOTO.name)
        trip, eye = shown["sections"]
        assert [row["title"] for row in trip["rows"]] == ["CycleGAN", "pix2pix"]
        assert [len(row["stops"]) for row in trip["rows"]] == [4, 2]
        assert "Cycle loss" in trip["rows"][0]["result"]
        assert trip["rows"][1]["note"] == "This pix2pix was trained for Labels → Photo only."
        assert [len(row["stops"]) for row in eye["rows"]] == [3, 0]
        assert eye["rows"][1]["note"] == round_trip_texts.NO_EYE.format(title="pix2pix").en
        assert all("% pass for real" in stop["caption"] for stop in eye["rows"][0]["stops"])
        assert shown["token"] == layout.round_trip_page.announce(draw_facade(3), TO_PHOTO.name)["token"]
        assert "wanted" not in shown

    def test_a_large_picture_is_shrunk_and_a_small_one_not_judged(self, layout: Layout) -> None:
        large = layout.round_trip_page.go(make_photo(3).resize((1024, 512)), TO_LABELS.name)
        assert large["status"].startswith("Your picture was shrunk from 1024 x 512 to ")
        small = layout.round_trip_page.go(make_photo(3).resize((20, 20)), TO_LABELS.name)
        assert [len(row["stops"]) for row in small["sections"][0]["rows"]] == [4]
        assert [len(row["stops"]) for row in small["sections"][1]["rows"]] == [0]

    def test_without_a_picture_it_asks_for_one(self, layout: Layout) -> None:
        page = layout.round_trip_page
        for shown in (page.announce(None, TO_PHOTO.name), page.go(None, TO_PHOTO.name)):
            assert shown["status"] == texts.NO_IMAGE.en and not shown["wanted"]
