"""The app for programs, who are answered in English: the endpoints `/translate`, `/history` and `/batch`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from cyclegan.pages import texts
from cyclegan.pages.errors import Refusal
from cyclegan.pages.inputs import picture_input, prepare
from cyclegan.pages.languages import listed
from cyclegan.pages.models import Model, Models, Route
from cyclegan.pages.more.batch import Pack, Skipped, Upload, gather, refused_files, translate_all
from cyclegan.pages.more.batch_page import FilesInput


def add_api(models: Models, cache: Path) -> None:
    """Add the endpoints to the app that is being built; `cache` is the folder whose files Gradio serves and deletes."""
    _add_translate(models)
    _add_history(models)
    _add_batch(models, cache)


def find(models: Models, method: str, to: str) -> tuple[Model, Route]:
    """Return the model of this title, or of this method, and its route to this domain; `method` is one of the titles,
    which the endpoints' dropdown checks. Raises Refusal if there is no such route."""
    named = [model for model in models.models if method in (model.title, model.method)]
    found = ((model, route) for model in named for route in model.routes if route.target == to)
    if (pair := next(found, None)) is None:
        raise Refusal(named[0].not_this_way)
    return pair


def epoch_of(model: Model, epoch: float | None) -> int:
    """The epoch itself, or the last one for None. Raises Refusal, listing the choices, where there is none."""
    newest, epochs = model.newest_epoch, model.translator.epochs
    if epoch is None:
        return newest
    if epoch not in epochs:
        raise Refusal(texts.UNKNOWN_EPOCH.format(epoch=f"{epoch:g}", choices=listed(map(str, epochs))))
    return int(epoch)


def _add_translate(models: Models) -> None:
    def translate(image: Image.Image | None, to: str, method: str, epoch: float | None) -> Image.Image:
        """Translate an image with one of the networks.

        Args:
            image: The image; of more than 1.5 megapixels, it is shrunk.
            to: What to translate it to, by name: photo, labels.
            method: Which network does it: CycleGAN or pix2pix.
            epoch: After which epoch of its training; the last one unless given.

        Returns:
            The translation as PNG, in the size of the image.
        """
        model, route = find(models, method, to)
        return model.translate(prepare(image, route).image, route, epoch_of(model, epoch))

    image = picture_input(label="image", visible=False)
    result = gr.Image(label="translation", format="png", visible=False)
    _endpoint(translate, [image, *_choices(models), _epoch()], result)


def _add_history(models: Models) -> None:
    def history(image: Image.Image | None, to: str, method: str) -> list[tuple[Image.Image, str]]:
        """Translate an image with the networks of every kept epoch, to see how they learned.

        Args:
            image: The image; of more than 1.5 megapixels, it is shrunk.
            to: What to translate it to, by name: photo, labels.
            method: Which network does it: CycleGAN or pix2pix.

        Returns:
            The translations as PNG in the order of training, each with its epoch as caption: epoch 1.
        """
        model, route = find(models, method, to)
        epoch_of(model, None)
        prepared = prepare(image, route).image
        return [(model.translate(prepared, route, epoch), f"epoch {epoch}") for epoch in model.translator.epochs]

    image = picture_input(label="image", visible=False)
    _endpoint(history, [image, *_choices(models)], gr.Gallery(label="translations", format="png", visible=False))


def _add_batch(models: Models, cache: Path) -> None:
    def batch(
        files: list[Upload], to: str, method: str, epoch: float | None
    ) -> tuple[str | None, list[dict[str, str]]]:
        """Translate many images, or those in zips, with one of the networks.

        Args:
            files: Images and zips: at most 100 images, 200 MB unpacked.
            to: What to translate them to, by name: photo, labels.
            method: Which network does it: CycleGAN or pix2pix.
            epoch: After which epoch of its training; the last one unless given.

        Returns:
            A zip of the translations as PNG under the names and subfolders of the images, and the files that were left
            out, with reasons.
        """
        model, route = find(models, method, to)
        at = epoch_of(model, epoch)
        cache.mkdir(parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(dir=cache)) / "translations.zip"
        with tempfile.TemporaryDirectory() as folder:
            found, skipped = gather(files, Path(folder))
            with Pack(path) as pack:
                for result in translate_all(found, model, route, at):
                    if isinstance(result, Skipped):
                        skipped.append(result)
                    else:
                        pack.add(result.name, result.image)
        return str(path), refused_files(skipped)

    files = FilesInput(label="files", file_count="multiple", visible=False)
    results = [gr.File(label="zip", visible=False), gr.JSON(label="left_out", visible=False)]
    _endpoint(batch, [files, *_choices(models), _epoch()], results)


def _choices(models: Models) -> list[Any]:
    """The inputs `to` and `method`."""
    targets = list(dict.fromkeys(route.target for route in models.routes))
    titles = [model.title for model in models.models]
    return [gr.Dropdown(targets, label="to", visible=False), gr.Dropdown(titles, label="method", visible=False)]


def _epoch() -> gr.Number:
    return gr.Number(None, label="epoch", precision=0, visible=False)


def _endpoint(function: Callable[..., Any], inputs: Any, outputs: Any) -> None:
    gr.on([], function, inputs, outputs, api_name=function.__name__)
