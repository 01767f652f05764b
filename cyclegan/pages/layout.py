"""The whole page in one language: one picture on the left, shared by the tabs on the right, and what happens when it
changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from cyclegan.pages import texts
from cyclegan.pages.api import Endpoints
from cyclegan.pages.blocks import SafeBlocks
from cyclegan.pages.draw import texts as draw_texts
from cyclegan.pages.draw.page import DrawPage, drawable
from cyclegan.pages.errors import warn
from cyclegan.pages.examples import Examples
from cyclegan.pages.header import header
from cyclegan.pages.hub.fetch_bar import Fetch, fetch_generator
from cyclegan.pages.hub.field import HubField, Shown
from cyclegan.pages.hub.runs import HubRuns
from cyclegan.pages.input_column import InputColumn
from cyclegan.pages.language_choice import PATHS
from cyclegan.pages.languages import LANGUAGE_NAMES, LANGUAGES, Language
from cyclegan.pages.models import Models, Route
from cyclegan.pages.more import texts as more_texts
from cyclegan.pages.more.page import MorePage
from cyclegan.pages.round_trip import texts as round_trip_texts
from cyclegan.pages.round_trip.page import RoundTripPage
from cyclegan.pages.round_trip.round_trips import RoundTrips
from cyclegan.pages.translate import texts as translate_texts
from cyclegan.pages.translate.page import TranslatePage
from cyclegan.pages.translate.translations import DEFAULT, Translation, Translations
from cyclegan.pages.watch import texts as watch_texts
from cyclegan.pages.watch.page import WatchPage


class Layout:
    """The components of the app in one language, and the handlers behind them."""

    def __init__(
        self,
        models: Models,
        language: Language = "en",
        beside: Layout | None = None,
        *,
        hub: HubRuns | None = None,
        addresses: Sequence[str] = (),
        inside: gr.Blocks | None = None,
    ) -> None:
        """A page of its own, or one beside that in another language, with which it shares all but the words.

        With `hub` it has a field for repositories on the Hub, and loads those at the addresses when a visitor comes.
        `inside` a page that is open, it is what that page shows of runs that were loaded so.
        """
        self.models = models
        self.language = language
        self.examples: Examples = beside.examples if beside else Examples.of(models)
        self.translations: Translations = (
            beside.translations if beside else Translations(models.translating, self.examples)
        )
        self.trips: RoundTrips = beside.trips if beside else RoundTrips(models.translating)
        self.blocks: gr.Blocks
        if inside:
            self.blocks = inside
            self._runs(loaded=True)
            return
        self.blocks = (
            beside.blocks.route(LANGUAGE_NAMES[language], PATHS[language], show_in_navbar=False)
            if beside
            else SafeBlocks(title=texts.TITLE.to(language))
        )
        with self.blocks:
            header(models, self.examples, language)
            if hub is None:
                self._runs()
                return
            field = HubField(hub, language, addresses)
            with gr.Column() as home:
                self._runs()
            field.connect(self.blocks, home)

            @gr.render(field.shown, triggers=[field.shown.change])  # type: ignore[untyped-decorator]
            def show_loaded(shown: Shown | None) -> None:
                if shown and (translators := hub.translators(shown[1])):
                    Layout(models.beside(translators), language, inside=self.blocks)

    def _runs(self, *, loaded: bool = False) -> None:
        """What there is to see of the runs."""
        if self.models.routes:
            self._pages(loaded=loaded)
        elif self.models.models:
            self._watch_alone()

    @classmethod
    def in_all_languages(
        cls, models: Models, *, hub: HubRuns | None = None, addresses: Sequence[str] = ()
    ) -> dict[Language, Layout]:
        """The pages of one app."""
        layouts = {LANGUAGES[0]: cls(models, LANGUAGES[0], hub=hub, addresses=addresses)}
        for language in LANGUAGES[1:]:
            layouts[language] = cls(models, language, layouts[LANGUAGES[0]], hub=hub, addresses=addresses)
        return layouts

    def _pages(self, *, loaded: bool) -> None:
        with gr.Row():
            with gr.Column(scale=1, min_width=260, elem_id="inputs"):
                self.inputs = InputColumn(self.models, self.examples, self.language)
            with gr.Column(scale=3, min_width=320), gr.Tabs() as self.tabs:
                with gr.Tab(translate_texts.TAB.to(self.language), id="translate"):
                    cache = Path(self.blocks.GRADIO_CACHE)
                    self.translate_page = TranslatePage(self.translations, self.language, cache)
                self.draw_page: DrawPage | None = None
                route = drawable(self.models)
                if route:
                    with gr.Tab(draw_texts.TAB.to(self.language), id="draw", elem_id="draw"):
                        self.draw_page = DrawPage(self.models, self.examples, route, self.language)
                with gr.Tab(watch_texts.TAB.to(self.language), id="watch"):
                    self.watch_page = WatchPage(self.models, self.examples, self.language)
                with gr.Tab(round_trip_texts.TAB.to(self.language), id="round-trip"):
                    examples = self.examples.on(self.models.routes[0])
                    first = examples[0].image if examples else None
                    self.round_trip_page = RoundTripPage(self.trips, first, self.language)
                with gr.Tab(more_texts.TAB.to(self.language), id="more", elem_id="more"):
                    self.more_page = MorePage(self.models, self.language, cache)
        self._connect(loaded=loaded)
        if self.language == "en" and not loaded:  # programs are not told apart by it
            Endpoints(self.models.translating, self.trips, route, cache).add()

    def _watch_alone(self) -> None:
        """The page where every run makes its pictures from noise: there is nothing to translate."""
        self.watch_page = WatchPage(self.models, self.examples, self.language)
        nothing = gr.State()
        self.watch_page.connect(nothing, nothing)
        self.watch_page.follow(self.blocks, nothing, nothing)

    def _connect(self, *, loaded: bool) -> None:
        """Every way to a new picture or direction ends in the same two steps: announce it, translate it."""
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        inputs, page = self.inputs, self.translate_page
        stack, journey = self.watch_page.stack, self.round_trip_page.journey
        picture, direction, shrunk, picker = inputs.picture, inputs.direction, inputs.shrunk, inputs.picker
        source = [picture, direction]
        asked = [*source, page.epoch, page.truth]
        own = [picture, page.truth]
        results = [inputs.note, inputs.switch, *page.outputs]
        self.watch_page.connect(picture, direction)
        self.round_trip_page.connect(picture, direction)

        def translate_on(listen: Callable[..., Any], handler: Callable[..., Any] = self.show) -> None:
            page.fetch_bar.before(listen, self.networks, asked)(
                handler, asked, results,
                api_visibility="private", trigger_mode="always_last", concurrency_id="translate",
            )  # fmt: skip

        uploaded = picture.upload(inputs.accept, source, [*own, shrunk], **quiet)
        # Every click counts, in its order: "once" would drop those that come too quick, "always_last" their indices.
        chosen = picker.select(inputs.choose, direction, [*own, shrunk], trigger_mode="multiple", **quiet)
        turned = direction.input(inputs.turn, [*source, page.truth], [*own, picker], **quiet)
        switched = inputs.switch.click(inputs.turn_back, direction, [direction, picker], **quiet)
        ways = [uploaded, chosen, turned, switched]
        if self.draw_page:
            taken = [*own, shrunk, direction, picker]
            ways.append(self.draw_page.use.click(self.draw_page.take, self.draw_page.painter, taken, **quiet))
        for way in ways:
            announced = way.success(self.watch_page.announce, source, stack, trigger_mode="always_last", **quiet)
            way.success(self.round_trip_page.announce, source, journey, trigger_mode="always_last", **quiet)
            translate_on(way.success)
        if self.draw_page:  # whose way is the last: to the stack when it knows the drawing, and fills with nothing else
            announced.success(lambda: gr.Tabs(selected="watch"), None, self.tabs, **quiet)
        translate_on(page.run.click, self.press)
        translate_on(page.epoch.input)
        translate_on(page.truth.clear)
        given = page.truth.upload(inputs.accept_truth, page.truth, page.truth, **quiet)
        translate_on(given.success)
        given.failure(lambda: None, None, page.truth, **quiet)
        empty = [page.truth, shrunk, stack, journey, *results]
        uploaded.failure(self.reject, direction, [picture, *empty], **quiet)
        picture.clear(self.clear, direction, empty, **quiet)
        if loaded:  # the page is open already: nothing but a clock begins anything
            clock = gr.Timer(0.1)
            clock.tick(self.open, None, results, concurrency_id="translate", **quiet)
            clock.tick(lambda: gr.Timer(active=False), None, clock, queue=False, **quiet)
        else:
            self.blocks.load(self.open, None, results, concurrency_id="translate", **quiet)
        self.more_page.connect(picture, direction)
        if (seen := self.watch_page.follow(self.blocks, picture, direction)) is not None:
            seen.change(lambda: gr.update(choices=page.epochs()), None, page.epoch, **quiet)
            self.more_page.follow(seen)

    def networks(
        self, image: Image.Image | None, direction: str, epoch: int = DEFAULT, truth: Image.Image | None = None
    ) -> list[Fetch]:
        """The generators that `show` needs for the same."""
        route = self.models.route(direction)
        chosen = self.translations.epochs(route, epoch) if image else {}
        return [fetch_generator(model, route, at) for model, at in chosen.items()]

    def open(self) -> Any:
        """The example that the page opens with, by the networks themselves: until then it shows their samples."""
        opening = self.translations.opening
        return self._shown(opening, opening.route) if opening else gr.skip()

    def show(
        self, image: Image.Image | None, direction: str, epoch: int = DEFAULT, truth: Image.Image | None = None
    ) -> list[Any]:
        """Translate the picture: the note, the button that switches the direction, and the results; or empty them."""
        route = self.models.route(direction)
        return self._shown(self.translations.translate(image, route, epoch, truth) if image else None, route)

    def press(
        self, image: Image.Image | None, direction: str, epoch: int = DEFAULT, truth: Image.Image | None = None
    ) -> list[Any]:
        """The same, for who asks for it, and is told that the picture is missing."""
        if image is None:
            warn(texts.NO_IMAGE, self.language)
        return self.show(image, direction, epoch, truth)

    def reject(self, direction: str) -> list[Any]:
        """Take an unreadable file out of the input, and all that shows the picture before it out of the page."""
        return [None, *self.clear(direction)]

    def clear(self, direction: str, request: gr.Request | None = None) -> list[Any]:
        """Empty the pages."""
        pages = [self.watch_page.announce(None, direction, request), self.round_trip_page.announce(None, direction)]
        return [None, gr.update(visible=False), *pages, *self._shown(None, self.models.route(direction))]

    def _shown(self, translation: Translation | None, route: Route) -> list[Any]:
        """The note, the button that switches the direction, and the results along the route; None empties them."""
        return [*self.inputs.hints(translation), *self.translate_page.updates(translation, route)]
