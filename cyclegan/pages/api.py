"""The app for programs: one documented endpoint, `/translate`; programs are answered in English."""

from __future__ import annotations

import gradio as gr
from PIL import Image

from cyclegan.pages import texts
from cyclegan.pages.errors import Refusal, explained
from cyclegan.pages.inputs import picture_input, prepare
from cyclegan.pages.languages import listed
from cyclegan.pages.models import Models


def add_api(models: Models) -> None:
    """Add the endpoint to the app that is being built."""

    @explained("en")
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
        return translate_with(models, image, to=to, method=method, epoch=None if epoch is None else int(epoch))

    targets = list(dict.fromkeys(route.target for route in models.routes))
    titles = [model.title for model in models.models]
    gr.on(
        [],
        translate,
        [
            picture_input("en", label="image", visible=False),
            gr.Dropdown(targets, label="to", visible=False),
            gr.Dropdown(titles, label="method", visible=False),
            gr.Number(None, label="epoch", precision=0, visible=False),
        ],
        gr.Image(label="translation", format="png", visible=False),
        api_name="translate",
    )


def translate_with(
    models: Models, image: Image.Image | None, *, to: str, method: str, epoch: int | None = None
) -> Image.Image:
    """The image by the model of this title. Raises Refusal, listing the choices, where it cannot."""
    model = next((model for model in models.models if model.title == method), None)
    if model is None:
        choices = listed(model.title for model in models.models)
        raise Refusal(texts.UNKNOWN_METHOD.format(method=method, choices=choices))
    route = next((route for route in model.routes if route.target == to), None)
    if route is None:
        raise Refusal(model.not_this_way)
    epochs = model.translator.epochs
    if epoch is not None and epoch not in epochs:
        raise Refusal(texts.UNKNOWN_EPOCH.format(epoch=epoch, choices=listed(map(str, epochs))))
    return model.translate(prepare(image, route).image, route, epoch or model.newest_epoch)
