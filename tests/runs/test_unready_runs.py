"""A run that cannot translate, for it has no networks yet or they are damaged, beside one that can: on every page."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cyclegan.facades.labels import draw_facade
from cyclegan.pages.draw.drawings import drawing_value
from cyclegan.pages.layout import Layout
from cyclegan.pages.models import Models, Route
from cyclegan.pages.translate.translations import Translations

pytestmark = pytest.mark.usefixtures("own_cache", "closed_event_loops")

TO_PHOTO = Route("labels", "photo")
REASONS = {
    "young": "CycleGAN is still in training: its first networks come after epoch 1.",
    "damaged": "The files of CycleGAN after epoch 5 are damaged, so it cannot translate",
}


@pytest.fixture(params=REASONS)
def unready(request: pytest.FixtureRequest, weights: Path, tmp_path: Path) -> tuple[Layout, str]:
    """The app of such a CycleGAN and a pix2pix, and the reason."""
    source, run = weights / "facades-cyclegan", tmp_path / "cyclegan"
    if request.param == "young":
        run.mkdir()
        shutil.copy(source / "run.json", run)
    else:
        shutil.copytree(source, run)
        for path in (run / "snapshots" / "0005").glob("*/model.safetensors"):
            path.write_bytes(path.read_bytes()[:2000])
    return Layout(Models.load([run, weights / "facades-pix2pix"], precision="fp32")), REASONS[request.param]


def test_the_other_one_translates_and_the_reason_is_told(unready: tuple[Layout, str]) -> None:
    layout, reason = unready
    translation = Translations(layout.models, layout.examples).translate(draw_facade(3), TO_PHOTO)
    assert [result is not None for result in translation.results] == [False, True]
    assert layout.show(draw_facade(3), TO_PHOTO.name)[-1].startswith(reason)


def test_the_reason_stands_where_the_picture_of_a_drawing_would_be(unready: tuple[Layout, str]) -> None:
    layout, reason = unready
    assert layout.draw_page is not None
    drawn = drawing_value(draw_facade(3))
    told, shown = (layout.draw_page.picture({"model": index, **drawn}) for index in range(2))
    assert told["note"].startswith(reason) and shown["src"].startswith("data:image/jpeg")


def test_the_others_round_trip_is_shown_beside_the_reason(unready: tuple[Layout, str]) -> None:
    layout, reason = unready
    trip, _ = layout.round_trip_page.go(draw_facade(3), TO_PHOTO.name)["sections"]
    assert [len(row["stops"]) for row in trip["rows"]] == [0, 2]
    assert trip["rows"][0]["note"].startswith(reason)
