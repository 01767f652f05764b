"""Round trip: the picture there and back again, what got lost, and what the discriminators think of it."""

from __future__ import annotations

from typing import Any

from gradio.components import Component
from PIL import Image

from cyclegan.pages import texts
from cyclegan.pages.assets import component
from cyclegan.pages.errors import Refusal
from cyclegan.pages.frames import data_uri
from cyclegan.pages.hub.fetch_bar import Fetch, FetchBar, fetch_discriminators
from cyclegan.pages.inputs import prepare, shrunk_note
from cyclegan.pages.languages import Language, Text
from cyclegan.pages.maps import render_errors, render_patch_map
from cyclegan.pages.models import Route, domain_name, fingerprint
from cyclegan.pages.round_trip import texts as round_trip_texts
from cyclegan.pages.round_trip.round_trips import RoundTrips, Trip

TRIP_PIXELS = 512 * 512
"""Largest picture that travels: two translations by each model."""


class RoundTripPage:
    """The page's component, and the handlers that fill it."""

    def __init__(self, trips: RoundTrips, first: Image.Image | None, language: Language) -> None:
        self.trips = trips
        self.language = language
        self.fetch_bar = FetchBar(trips.models, language, "round-trip")
        opening = self._waiting(first, trips.models.routes[0])
        self.journey = component("round_trip/journey", opening, elem_id="journey", elem_classes="flush")

    def connect(self, picture: Component, direction: Component) -> None:
        """Go whenever the page asks for it; of several pictures on the way the last one wins."""
        asked = [picture, direction]
        self.fetch_bar.before(self.journey.wanted, self.wanted, asked, anyway=True)(
            self.go, asked, self.journey,
            api_visibility="private", show_progress="hidden", trigger_mode="always_last", concurrency_id="journey",
        )  # fmt: skip

    def announce(self, image: Image.Image | None, direction: str) -> dict[str, Any]:
        """The page before the trip of a picture."""
        return self._waiting(image, self.trips.models.route(direction))

    def wanted(self, image: Image.Image | None, direction: str) -> list[Fetch]:
        """The discriminators that `go` asks: of the Hub they do not come with a run."""
        models = self.trips.models.on(self.trips.models.route(direction)) if image else ()
        return [fetch for model in models if self.trips.sees(model) for fetch in fetch_discriminators(model)]

    def go(self, image: Image.Image | None, direction: str) -> dict[str, Any]:
        """The page after it."""
        route = self.trips.models.route(direction)
        if image is None:
            return self._waiting(image, route)
        prepared = prepare(image, route, max_pixels=TRIP_PIXELS).image
        there: list[dict[str, Any]] = []
        seen: list[dict[str, Any]] = []
        for model in self.trips.models.on(route):
            try:
                trip = self.trips.go(model, route, prepared)
            except Refusal as refusal:  # the trips of the others are worth showing
                there.append({"title": model.title, "stops": [], "note": refusal.text.to(self.language)})
                continue
            there.append(self._trip(trip, route, prepared))
            seen.append(self._eye(trip))
        if not any(map(self.trips.sees, self.trips.models.on(route))):
            seen = [{"stops": [], "note": round_trip_texts.NO_EYES.to(self.language)}]
        shrunk = image.size != prepared.size
        status = shrunk_note(image, prepared).to(self.language) if shrunk else ""
        return {"token": _token(image, route), "status": status, "sections": self._sections([there, seen])}

    def _waiting(self, image: Image.Image | None, route: Route) -> dict[str, Any]:
        status = texts.NO_IMAGE if image is None else round_trip_texts.WORKING
        return {
            "token": "" if image is None else _token(image, route),
            "wanted": image is not None,
            "status": status.to(self.language),
            "sections": self._sections([[], []]),
        }

    def _sections(self, rows: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
        """The two parts of the page: what a student is to see, and a row for each model."""
        titles = [round_trip_texts.TRIP_TITLE, round_trip_texts.EYE_TITLE]
        intros = [round_trip_texts.TRIP_INTRO, round_trip_texts.EYE_INTRO]
        return [
            {"title": title.to(self.language), "intro": intro.to(self.language), "rows": each}
            for title, intro, each in zip(titles, intros, rows, strict=True)
        ]

    def _trip(self, trip: Trip, route: Route, image: Image.Image) -> dict[str, Any]:
        title, (at_home, abroad) = trip.model.title, (route.from_labels, route.to_labels)
        there = round_trip_texts.THERE.format(domain=domain_name(route.target))
        back = round_trip_texts.BACK.format(domain=domain_name(route.source))
        stops = [
            self._stop(title, image, round_trip_texts.START, exact=at_home),
            self._stop(title, trip.there, there, exact=abroad),
        ]
        if trip.back is None:
            return {"title": title, "stops": stops, "note": trip.model.not_this_way.to(self.language)}
        stops += [
            self._stop(title, trip.back.image, back, exact=at_home),
            self._stop(title, render_errors(trip.back.errors), round_trip_texts.ERROR, exact=True),
        ]
        loss = round_trip_texts.LOSS.format(loss=f"{trip.back.loss:.3f}").to(self.language)
        return {"title": title, "stops": stops, "result": loss}

    def _eye(self, trip: Trip) -> dict[str, Any]:
        title, note = trip.model.title, None
        if not trip.judged:
            blind = round_trip_texts.NO_EYE
            if self.trips.sees(trip.model):
                here = self.trips.is_here(trip.model)
                blind = round_trip_texts.NOT_JUDGED if here else round_trip_texts.EYE_AWAY
            note = blind.format(title=title)
        elif trip.model.translator.method == "pix2pix":
            note = round_trip_texts.PAIRS
        stops = [
            self._stop(
                title,
                render_patch_map(judged.image, judged.realness),
                round_trip_texts.SHARE.format(name=domain_name(judged.name), share=round(100 * judged.share)),
            )
            for judged in trip.judged
        ]
        return {"title": title, "stops": stops, "note": note.to(self.language) if note else ""}

    def _stop(self, title: str, image: Image.Image, caption: Text, *, exact: bool = False) -> dict[str, str]:
        alt = round_trip_texts.ALT.format(title=title, what=caption)
        return {
            "src": data_uri(image, exact=exact),
            "alt": alt.to(self.language),
            "caption": caption.to(self.language),
        }


def _token(image: Image.Image, route: Route) -> str:
    return f"{fingerprint(image)} {route.name}"
