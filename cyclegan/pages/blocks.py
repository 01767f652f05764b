"""The app's blocks: no handler is given a file that was not uploaded, and errors show nothing of the machine."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.utils import get_upload_folder

from cyclegan.images.io import ImageError
from cyclegan.pages import texts
from cyclegan.pages.errors import Refusal, explained
from cyclegan.pages.language_choice import PATHS
from cyclegan.pages.languages import Language
from cyclegan.pages.stubs import no_stubs

log = logging.getLogger(__name__)

with no_stubs():

    class SafeBlocks(gr.Blocks):
        """Blocks that check every call of every handler, hidden ones included, before any component sees it."""

        async def process_api(self, block_fn: BlockFunction | int, *args: Any, **kwargs: Any) -> dict[str, Any]:
            """Answer a call. Raises gr.Error, in the language of the handler's page, if anything fails: Gradio prints a
            traceback of all else."""
            function = self.fns[block_fn] if isinstance(block_fn, int) else block_fn
            page = (function.rendered_in or function).page
            language: Language = next((each for each, path in PATHS.items() if path == page), "en")
            with explained(language):
                return await super().process_api(function, *args, **kwargs)

        async def preprocess_data(self, block_fn: BlockFunction, inputs: list[Any], *args: Any, **kwargs: Any) -> Any:
            """Return what the handler is called with.

            Raises Refusal if the inputs are malformed, ImageError if they name a file that is no upload or no image.
            """
            try:
                check_files(inputs)
                return await super().preprocess_data(block_fn, inputs, *args, **kwargs)
            except (gr.Error, Refusal, ImageError):
                raise
            except Exception as error:
                if isinstance(error.__cause__, ImageError):  # Gradio wraps what a component raises
                    raise error.__cause__ from None
                log.warning("malformed inputs of %s: %s", block_fn.name, error)
                raise Refusal(texts.UNEXPECTED) from None


def check_files(value: Any) -> None:
    """Raise ImageError if the value of an input, or anything in it, names a file that is no upload.

    Gradio looks only at objects with the key `meta`. The message does not tell whether there is such a file.
    """
    if isinstance(value, list):
        for each in value:
            check_files(each)
    elif isinstance(value, dict):
        path, url = value.get("path"), value.get("url")
        is_data = isinstance(url, str) and url.startswith("data:")
        if (path or url) and not (is_upload(path) if path else is_data):
            raise ImageError("a file was named that was not uploaded", "missing")
        check_files(list(value.values()))


def is_upload(path: Any) -> bool:
    """Whether this is a regular file in the folder of the uploads, where names cannot be guessed."""
    try:
        file = Path(path).resolve(strict=True)
        return file.is_file() and file.is_relative_to(Path(get_upload_folder()).resolve())
    except (OSError, RuntimeError, TypeError, ValueError):
        return False
