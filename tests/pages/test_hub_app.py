"""The app and the Hub, without a browser: its field, `--run owner/name`, a Hub that is away."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
import pytest

import app
from cyclegan.facades.labels import draw_facade
from cyclegan.hub.errors import HubError, in_words
from cyclegan.hub.fetching import open_run
from cyclegan.pages.errors import explain
from cyclegan.pages.hub import texts as hub_texts
from cyclegan.pages.hub.field import HubField
from cyclegan.pages.hub.runs import KEPT, HubRuns
from cyclegan.pages.languages import LANGUAGES, Language
from cyclegan.pages.layout import Layout
from cyclegan.pages.models import Models
from tests.conftest import HUB_HOME
from tests.hub_server import LoopbackHub

pytestmark = pytest.mark.usefixtures("closed_event_loops")


def wait_for(runs: HubRuns, address: str) -> Exception | None:
    """Open a repository; the error, if it fails."""
    opening = runs.open(address)
    assert opening.done.wait(20)
    runs.leave(opening)
    return opening.error


def visitor(name: str = "a visitor") -> gr.Request:
    return gr.Request(session_hash=name)


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
        runs.leave(opening)
        assert wait_for(runs, "owner/pix2pix") is None, "who wants it after all begins anew"
        assert opening.done.wait(20) and opening.translator is None and opening.error is None

    def test_only_so_many_are_opened_at_a_time(self, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("cyclegan.pages.hub.runs.MOST_OPENINGS", 2)
        hub.fail("GET /api/", wait=0.5)
        runs = HubRuns()
        openings = [runs.open(f"owner/none-{number}") for number in range(2)]
        for opening in openings:
            runs.leave(opening)
        with pytest.raises(HubError) as refused:
            runs.open("owner/one-more")
        assert refused.value.fault == "limit"
        assert all(opening.done.wait(20) for opening in openings)
        assert isinstance(wait_for(runs, "owner/one-more"), HubError)

    @pytest.mark.parametrize(("disk", "left"), [(None, "abc"), (0, "bc"), (10**9, "abc")])
    def test_the_cache_is_held_to_a_size(self, hub: LoopbackHub, weights: Path, disk: int | None, left: str) -> None:
        runs = HubRuns(device="cpu", precision="fp32", disk=disk)
        for name in "abc":
            hub.publish_folder(f"owner/{name}", weights / "facades-pix2pix")
        open_run("owner/a")
        assert wait_for(runs, "owner/b") is None and wait_for(runs, "owner/c") is None
        assert [path.name[-1] for path in sorted((HUB_HOME / "hub").glob("models--*"))] == list(left)
        assert wait_for(runs, "owner/a") is None

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
        return [update[4]["value"] for update in field.load(text, visitor()) if update[4].get("value")]

    @pytest.fixture
    def field(self) -> HubField:
        return HubField(HubRuns(device="cpu", precision="fp32"), "en")

    def test_it_tells_how_far_it_is(self, published: LoopbackHub, field: HubField) -> None:
        published.fail("GET /large/", wait=0.6)
        told = self.messages(field, "owner/pix2pix")
        assert told[0] == "Asking the Hub for owner/pix2pix ..."
        assert any(line.startswith("Fetching owner/pix2pix: 0.") for line in told[1:])

    def test_what_can_be_had_is_shown_beside_what_cannot(self, published: LoopbackHub, field: HubField) -> None:
        *_, last = field.load("owner/pix2pix, owner/none owner", visitor())
        assert last[5][1] == ("owner/pix2pix",)
        assert "no repository owner/none" in last[4]["value"] and "owner/name@revision" in last[4]["value"]

    def test_nothing_to_load(self, field: HubField) -> None:
        assert self.messages(field, " ")[-1] == hub_texts.FAULTS["name"].en

    def test_of_many_names_none_is_asked_for(self, hub: LoopbackHub, field: HubField) -> None:
        names = " ".join(f"owner/run-{number}" for number in range(1000))
        (told,) = self.messages(field, names)
        assert "At most 4 repositories" in told and not hub.requests
        assert self.messages(field, "owner/none " * 1000)[-1].startswith("The Hub has no repository owner/none")

    @pytest.mark.parametrize("text", ["owner/pix2pix", "https://huggingface.co/owner/pix2pix"])
    def test_who_cancels_ends_nobody_elses_loading(self, published: LoopbackHub, field: HubField, text: str) -> None:
        published.fail("GET /api/", wait=1.5)
        first, second = field.load(text, visitor("first")), field.load(text, visitor("second"))
        for loading in (first, second):
            next(loading)
            next(loading)
        field.loadings.cancel(visitor("first"))
        assert list(first)[-1][4] == {"__type__": "update", "value": "", "visible": False, "elem_classes": "problem"}
        assert list(second)[-1][5][1] == ("owner/pix2pix",)
        assert published.count("GET /api/") == 1


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

    told = list(bar.fetch(visitor(), layout.networks(picture, way, 1)))
    assert told[0][1].startswith("Fetching epoch 1 of owner/cyclegan: 0.0 of ") and told[-1][1] == ""
    before = published.count()
    layout.show(picture, way, 1)
    assert published.count() == before

    asked = picture, way, first[1], second[1]
    list(compare.fetch_bar.fetch(visitor(), compare.wanted(*asked)))
    assert published.count() > before
    before = published.count()
    compare.compare(*asked)
    assert published.count() == before

    trips = layout.round_trip_page
    before = published.count()
    (trip,) = trips.go(picture, way)["sections"][1]["rows"]
    assert "did not come from the Hub" in trip["note"] and published.count() == before
    told = list(trips.fetch_bar.fetch(visitor(), trips.wanted(picture, way)))
    assert told[0][1].startswith("Fetching the discriminators of owner/cyclegan: 0.0 of ")
    before = published.count()
    (trip,) = trips.go(picture, way)["sections"][1]["rows"]
    assert len(trip["stops"]) == 3 and published.count() == before

    published.stop()
    with pytest.raises(HubError, match="does not answer"):
        list(bar.fetch(visitor(), layout.networks(picture, "photo -> labels", 3)))


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
