"""The app for programs, who are answered in English: its public endpoints, `/translate` and others."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from cyclegan.pages import texts
from cyclegan.pages.draw.drawings import drawn_facade, paint_boxes
from cyclegan.pages.errors import Refusal
from cyclegan.pages.inputs import NoStub, picture_input, prepare
from cyclegan.pages.languages import listed
from cyclegan.pages.maps import render_errors
from cyclegan.pages.models import Model, Models, Route
from cyclegan.pages.more.batch import Pack, Skipped, Upload, gather, refused_files, translate_all
from cyclegan.pages.more.batch_page import FilesInput
from cyclegan.pages.round_trip.page import TRIP_PIXELS
from cyclegan.pages.round_trip.round_trips import RoundTrips


class BoxesInput(gr.JSON, metaclass=NoStub):
    """The boxes of a drawing. The stock component describes itself with a schema that clients refuse."""

    def get_block_name(self) -> str:
        return "json"

    def api_info(self) -> dict[str, Any]:
        box = {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "number"}]}}
        return {"type": "array", "items": box}


class Endpoints:
    """The endpoints: a method each, whose docstring is their documentation."""

    def __init__(self, models: Models, trips: RoundTrips, drawn: Route | None, cache: Path) -> None:
        """`drawn` is the route from drawings, `cache` the folder whose files Gradio serves and deletes."""
        self.models = models
        self.trips = trips
        self.drawn = drawn
        self.cache = cache

    def add(self) -> None:
        """Add them to the app that is being built."""
        to = list(dict.fromkeys(route.target for route in self.models.routes))

        def network() -> list[Any]:
            return [_hidden(gr.Dropdown, to, label="to"), self._method(self.models.models)]

        def epoch() -> gr.Number:
            return _hidden(gr.Number, None, label="epoch", precision=0)

        image = _hidden(picture_input, label="image")
        files = _hidden(FilesInput, label="files", file_count="multiple")
        zipped = [_hidden(gr.File, label="zip"), _hidden(gr.JSON, label="left_out")]
        history = _hidden(gr.Gallery, label="translations", format="png")
        trip = [_png("there"), _png("back"), _png("error"), _hidden(gr.Number, label="cycle loss")]
        _endpoint(self.translate, [image, *network(), epoch()], _png("translation"))
        _endpoint(self.history, [image, *network()], history)
        _endpoint(self.batch, [files, *network(), epoch()], zipped)
        _endpoint(self.round_trip, [image, *network()], trip)
        if self.drawn:
            seed = _hidden(gr.Number, None, label="seed", precision=0)
            method = self._method(self.models.on(self.drawn))
            _endpoint(self.draw, [_hidden(BoxesInput, label="boxes"), method, seed], [_png("drawing"), _png("photo")])

    def translate(self, image: Image.Image | None, to: str, method: str, epoch: float | None) -> Image.Image:
        """Translate an image with one of the networks.

        Args:
            image: The image; of more than 1.5 megapixels, it is shrunk.
            to: What to translate it to, by name: photo, labels.
            method: Which network does it: CycleGAN or pix2pix.
            epoch: After which epoch of its training; the best on val, else the last, unless given.

        Returns:
            The translation as PNG, in the size of the image.
        """
        model, route = find(self.models, method, to)
        return model.translate(prepare(image, route).image, route, epoch_of(model, route, epoch))

    def history(self, image: Image.Image | None, to: str, method: str) -> list[tuple[Image.Image, str]]:
        """Translate an image with the networks of every kept epoch, to see how they learned.

        Args:
            image: The image; of more than 1.5 megapixels, it is shrunk.
            to: What to translate it to, by name: photo, labels.
            method: Which network does it: CycleGAN or pix2pix.

        Returns:
            The translations as PNG in the order of training, each with its epoch as caption: epoch 1.
        """
        model, route = find(self.models, method, to)
        epoch_of(model, route, None)
        prepared = prepare(image, route).image
        return [(model.translate(prepared, route, epoch), f"epoch {epoch}") for epoch in model.translator.epochs]

    def batch(
        self, files: list[Upload], to: str, method: str, epoch: float | None
    ) -> tuple[str | None, list[dict[str, str]]]:
        """Translate many images, or those in zips, with one of the networks.

        Args:
            files: Images and zips: at most 100 images, 200 MB unpacked.
            to: What to translate them to, by name: photo, labels.
            method: Which network does it: CycleGAN or pix2pix.
            epoch: After which epoch of its training; the best on val, else the last, unless given.

        Returns:
            A zip of the translations as PNG under the names and subfolders of the images, and the files that were left
            out, with reasons.
        """
        model, route = find(self.models, method, to)
        at = epoch_of(model, route, epoch)
        self.cache.mkdir(parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(dir=self.cache)) / "translations.zip"
        with tempfile.TemporaryDirectory() as folder:
            found, skipped = gather(files, Path(folder))
            with Pack(path) as pack:
                for result in translate_all(found, model, route, at):
                    if isinstance(result, Skipped):
                        skipped.append(result)
                    else:
                        pack.add(result.name, result.image)
        return str(path), refused_files(skipped)

    def round_trip(
        self, image: Image.Image | None, to: str, method: str
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
        model, route = find(self.models, method, to)
        trip = self.trips.go(model, route, prepare(image, route, max_pixels=TRIP_PIXELS).image)
        if trip.back is None:
            raise Refusal(model.not_this_way)
        return trip.there, trip.back.image, render_errors(trip.back.errors), round(trip.back.loss, 6)

    def draw(self, boxes: list[Any], method: str, seed: float | None) -> tuple[Image.Image, Image.Image]:
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
        target = self.drawn.target if self.drawn else ""
        model, route = find(self.models, method, target)
        drawing = paint_boxes(boxes, None if seed is None else drawn_facade(int(seed)))
        return drawing, model.translate(drawing, route, model.default_epoch(route))

    @staticmethod
    def _method(models: tuple[Model, ...]) -> gr.Dropdown:
        return _hidden(gr.Dropdown, [model.title for model in models], label="method")


def find(models: Models, method: str, to: str) -> tuple[Model, Route]:
    """Return the model of this title, or of this method, and its route to this domain; `method` is one of the titles,
    which the endpoints' dropdown checks. Raises Refusal if there is no such route."""
    named = [model for model in models.models if method in (model.title, model.method)]
    found = ((model, route) for model in named for route in model.routes if route.target == to)
    if (pair := next(found, None)) is None:
        raise Refusal(named[0].not_this_way)
    return pair


def epoch_of(model: Model, route: Route, epoch: float | None) -> int:
    """Return the epoch, or the default one for None. Raises Refusal, listing the choices, if there is none."""
    default, epochs = model.default_epoch(route), model.translator.epochs
    if epoch is None:
        return default
    if epoch not in epochs:
        raise Refusal(texts.UNKNOWN_EPOCH.format(epoch=f"{epoch:g}", choices=listed(map(str, epochs))))
    return int(epoch)


def _endpoint(function: Callable[..., Any], inputs: Any, outputs: Any) -> None:
    gr.on([], function, inputs, outputs, api_name=function.__name__)


def _hidden(component: Callable[..., Any], *values: Any, **settings: Any) -> Any:
    return component(*values, visible=False, **settings)


def _png(label: str) -> gr.Image:
    """Return an output of an image; as PNG, so that label maps keep their colours."""
    return _hidden(gr.Image, label=label, format="png", interactive=False)
