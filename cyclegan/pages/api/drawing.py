"""Drawing and round trips for programs: the endpoints `/draw` and `/round_trip`."""

from __future__ import annotations

from typing import Any

import gradio as gr
from PIL import Image

from cyclegan.pages.api.pictures import find
from cyclegan.pages.draw.drawings import drawn_facade, paint_boxes
from cyclegan.pages.errors import Refusal
from cyclegan.pages.inputs import picture_input, prepare
from cyclegan.pages.maps import render_errors
from cyclegan.pages.models import Models, Route
from cyclegan.pages.round_trip.page import TRIP_PIXELS
from cyclegan.pages.round_trip.round_trips import RoundTrips


def add_draw_api(models: Models, route: Route) -> None:
    """Add `/draw` to the app that is being built; `route` is that of the painter."""

    def draw(boxes: list[Any], method: str, seed: float | None) -> tuple[Image.Image, Image.Image]:
        """Draw a house front out of boxes and turn it into a photo.

        Args:
            boxes: Each is [class, left, top, right, bottom] in pixels of 0 to 256, from the top left, and hides what
                was drawn before. The classes are background, facade, window, door, cornice, sill, balcony, blind, deco,
                molding, pillar and shop. Example: [["facade", 20, 40, 236, 256], ["door", 110, 200, 140, 256]].
            method: Which network makes the photo: CycleGAN or pix2pix.
            seed: Draw on the invented house front of this seed, 0 to 999999; on an empty background unless given.

        Returns:
            The drawing and the photo, both as PNG of 256x256 pixels.
        """
        model, _ = find(models, method, route.target)
        drawing = paint_boxes(boxes, None if seed is None else drawn_facade(int(seed)))
        return drawing, model.translate(drawing, route, model.newest_epoch)

    gr.on(
        [],
        draw,
        [
            gr.JSON(label="boxes", visible=False),
            gr.Dropdown([model.title for model in models.on(route)], label="method", visible=False),
            gr.Number(None, label="seed", precision=0, visible=False),
        ],
        [_output(label) for label in ("drawing", "photo")],
        api_name="draw",
    )


def add_round_trip_api(trips: RoundTrips) -> None:
    """Add `/round_trip` to the app that is being built."""

    def round_trip(
        image: Image.Image | None, to: str, method: str
    ) -> tuple[Image.Image, Image.Image, Image.Image, float]:
        """Translate an image and translate the result back.

        Args:
            image: The image; of more than 0.26 megapixels, it is shrunk.
            to: What to translate it to, by name, before it is translated back: photo, labels.
            method: Which network does it; it must know both directions, as CycleGAN does.

        Returns:
            The translation, what came back, the error of every pixel from black (none) to pale yellow (half of the
            range or more), and the cycle loss: the mean of |back - image|, colours from -1 to 1.
        """
        model, route = find(trips.models, method, to)
        trip = trips.go(model, route, prepare(image, route, max_pixels=TRIP_PIXELS).image)
        if trip.back is None:
            raise Refusal(model.not_this_way)
        return trip.there, trip.back.image, render_errors(trip.back.errors), round(trip.back.loss, 6)

    models = trips.models
    gr.on(
        [],
        round_trip,
        [
            picture_input(label="image", visible=False),
            gr.Dropdown(list(dict.fromkeys(route.target for route in models.routes)), label="to", visible=False),
            gr.Dropdown([model.title for model in models.models], label="method", visible=False),
        ],
        [
            *(
                gr.Image(label=label, format="png", interactive=False, visible=False)
                for label in ("there", "back", "error")
            ),
            gr.Number(label="cycle loss", visible=False),
        ],
        api_name="round_trip",
    )


def _output(label: str) -> gr.Image:
    """A picture for programs; PNG, so that label maps keep their colours."""
    return gr.Image(label=label, format="png", interactive=False, visible=False)
