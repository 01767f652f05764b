"""The app and the Hub, without a browser: its field, `--run owner/name`, a Hub that is away."""

from __future__ import annotations

import threading
from pathlib import Path

import gradio as gr
import pytest

import app
from cyclegan.facades.labels import draw_facade
from cyclegan.hub.errors import HubError, in_words
from cyclegan.pages.errors import explain
from cyclegan.pages.hub import texts as hub_texts
from cyclegan.pages.hub.field import HubField
from cyclegan.pages.hub.runs import KEPT, HubRuns
from cyclegan.pages.languages import LANGUAGES, Language
from cyclegan.pages.layout import Layout
from cyclegan.pages.models import Models
from tests.hub_server import LoopbackHub

pytestmark = pytest.mark.usefixtures("closed_event_loops")


def wait_for(runs: HubRuns, address: str) -> Exception | None:
    """Open a repository; the error, if it fails."""
    opening = runs.open(address)
    assert opening.done.wait(20)
    return opening.error


class TestHubRuns:
    def test_a_page_waits_for_nothing(self, published: LoopbackHub) -> None:
        published.fail("GET /api/", wait=0.5)
        runs = HubRuns(device="cpu", precision="fp32")
        opening = runs.open("owner/pix2pix")
        assert not opening.done.is_set() and runs.open("owner/pix2pix") is opening, "two visitors share it"
        assert opening.done.wait(20)
        (translator,) = runs.translators(("owner/pix2pix",))
        assert translator.looks_ahead and (translator.run.snapshot_folder(5, "ba") / "model.safetensors").exists()
        assert not (translator.run.snapshot_folder(1, "ba") / "model.safetensors").exists()
        assert opening.transfer.done == opening.transfer.total

    def test_the_same_commit_keeps_its_networks(self, published: LoopbackHub) -> None:
        runs = HubRuns(device="cpu", precision="fp32")
        wait_for(runs, "owner/pix2pix")
        before = runs.translators(("owner/pix2pix",))
        wait_for(runs, "owner/pix2pix")
        assert runs.translators(("owner/pix2pix",)) == before
        published.publish("owner/pix2pix", {"README.md": b"a card"})
        wait_for(runs, "owner/pix2pix")
        assert runs.translators(("owner/pix2pix",)) != before

    def test_few_stay_open(self, published: LoopbackHub, weights: Path) -> None:
        runs = HubRuns(device="cpu", precision="fp32")
        names = [f"owner/run-{index}" for index in range(KEPT + 1)]
        for name in names:
            published.publish_folder(name, weights / "facades-pix2pix")
            wait_for(runs, name)
        assert [each.name for each in runs.translators(tuple(names))] == names[1:]

    def test_cancelled(self, published: LoopbackHub) -> None:
        published.fail("GET /api/", times=1, wait=2)
        runs = HubRuns(device="cpu", precision="fp32")
        opening = runs.open("owner/pix2pix")
        runs.cancel("owner/pix2pix")
        assert opening.done.wait(0.1) and opening.translator is None
        assert wait_for(runs, "owner/pix2pix") is None, "who wants it after all begins anew"

    def test_an_error_is_kept_for_who_waits(self, hub: LoopbackHub) -> None:
        error = wait_for(HubRuns(), "owner/none")
        assert isinstance(error, HubError) and error.fault == "missing"


class TestWords:
    @pytest.mark.parametrize("language", LANGUAGES)
    def test_of_every_fault_in_every_language(self, language: Language) -> None:
        for fault in hub_texts.FAULTS:
            text = explain(HubError(fault, "owner/name", "/a/path")).to(language)
            assert ("owner/name" in text) == (fault not in ("limit", "trouble")) and "/a/path" not in text

    def test_unknown_errors_show_nothing_of_this_machine(self) -> None:
        assert "/secret" not in str(in_words(RuntimeError("/secret"), "owner/name"))


class TestField:
    def messages(self, field: HubField, text: str) -> list[str]:
        """What the visitor reads, one after the other."""
        return [update[4]["value"] for update in field.load(text) if update[4].get("value")]

    @pytest.fixture
    def field(self) -> HubField:
        return HubField(HubRuns(device="cpu", precision="fp32"), "en")

    def test_it_tells_how_far_it_is(self, published: LoopbackHub, field: HubField) -> None:
        published.fail("GET /large/", wait=0.6)
        told = self.messages(field, "owner/pix2pix")
        assert told[0] == "Asking the Hub for owner/pix2pix ..."
        assert any(line.startswith("Fetching owner/pix2pix: 0.") for line in told[1:])

    def test_what_can_be_had_is_shown_beside_what_cannot(self, published: LoopbackHub, field: HubField) -> None:
        *_, last = field.load("owner/pix2pix, owner/none owner")
        assert last[5][1] == ("owner/pix2pix",)
        assert "no repository owner/none" in last[4]["value"] and "owner/name@revision" in last[4]["value"]

    def test_nothing_to_load(self, field: HubField) -> None:
        assert self.messages(field, " ")[-1] == hub_texts.FAULTS["name"].en

    def test_cancelled(self, published: LoopbackHub, field: HubField) -> None:
        published.fail("GET /api/", wait=5)
        threading.Timer(0.4, field.cancel, ["owner/pix2pix"]).start()
        *_, last = field.load("owner/pix2pix")
        assert last[4] == {"__type__": "update", "value": "", "visible": False, "elem_classes": "problem"}


@pytest.mark.usefixtures("impatient")
def test_what_a_page_waits_for_is_all_that_it_needs(published: LoopbackHub) -> None:
    """Else its translation, for which all visitors queue, would wait for the Hub."""
    runs = HubRuns(device="cpu", precision="fp32")
    wait_for(runs, "owner/cyclegan")
    (translator,) = runs.translators(("owner/cyclegan",))
    translator.looks_ahead = False
    with gr.Blocks() as blocks:
        layout = Layout(Models.of([translator]), "en", inside=blocks)
    bar, compare = layout.translate_page.fetch_bar, layout.more_page.compare
    picture, way, (first, second, _) = draw_facade(3), "labels -> photo", compare.choices()

    told = list(bar.fetch("a visitor", layout.networks(picture, way, 1)))
    assert told[0][1].startswith("Fetching epoch 1 of owner/cyclegan: 0.0 of ") and told[-1][1] == ""
    before = published.count()
    layout.show(picture, way, 1)
    assert published.count() == before

    asked = picture, way, first[1], second[1]
    list(compare.fetch_bar.fetch("a visitor", compare.wanted(*asked)))
    assert published.count() > before
    before = published.count()
    compare.compare(*asked)
    assert published.count() == before

    trips = layout.round_trip_page
    before = published.count()
    (trip,) = trips.go(picture, way)["sections"][1]["rows"]
    assert "did not come from the Hub" in trip["note"] and published.count() == before
    told = list(trips.fetch_bar.fetch("a visitor", trips.wanted(picture, way)))
    assert told[0][1].startswith("Fetching the discriminators of owner/cyclegan: 0.0 of ")
    before = published.count()
    (trip,) = trips.go(picture, way)["sections"][1]["rows"]
    assert len(trip["stops"]) == 3 and published.count() == before

    published.stop()
    with pytest.raises(HubError, match="does not answer"):
        list(bar.fetch("a visitor", layout.networks(picture, "photo -> labels", 3)))


def test_the_app_starts_with_its_own_runs_where_the_hub_is_away(
    monkeypatch: pytest.MonkeyPatch, weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(app, "WEIGHTS", weights)
    layout = app.build(app.Settings(run=("owner/pix2pix",), precision="fp32"))
    assert [model.title for model in layout.models.models] == ["CycleGAN", "pix2pix"]
    monkeypatch.chdir(weights.parent)
    assert not caplog.text
    app.build(app.Settings(run=(f"{weights.name}/facades-pixpix",), precision="fp32"))
    assert "there is no folder" in caplog.text  # a mistyped path looks like a repository
    monkeypatch.setattr(app, "WEIGHTS", weights / "none")
    assert app.build(app.Settings(run=("owner/pix2pix",), precision="fp32")).models.models == ()
