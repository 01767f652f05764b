"""What a visitor is told when something fails: expected errors in their own words, all others without details."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

from cyclegan.hub.errors import HubError
from cyclegan.images.io import ImageError
from cyclegan.pages import texts
from cyclegan.pages.hub import texts as hub_texts
from cyclegan.pages.languages import Language, Text

log = logging.getLogger(__name__)

MOST_CHARACTERS = 500
"""Of a message to a visitor."""


class Refusal(Exception):
    """What a visitor asked for and cannot have: the text says why, and what to do."""

    def __init__(self, text: Text) -> None:
        super().__init__(text.en)
        self.text = text


@contextmanager
def explained(language: Language) -> Iterator[None]:
    """Turn errors into `gr.Error`s for the visitor.

    Only refusals and the faults of pictures and of the Hub are told: they speak of what the visitor did. All others may
    hold paths of this machine, so they go to the log.
    """
    try:
        yield
    except gr.Error as error:  # Gradio's own of a wrong choice repeats it, however long it is
        raise gr.Error(error.message[:MOST_CHARACTERS], print_exception=False) from None
    except Exception as error:
        raise _shown(explain(error), language) from None


def warn(text: Text, language: Language) -> None:
    """Tell the visitor something without stopping."""
    gr.Warning(text.to(language))


def explain(error: Exception) -> Text:
    """What to tell the visitor of an error; the log is told of those that are not for visitors."""
    if isinstance(error, Refusal):
        return error.text
    if isinstance(error, HubError):
        log.warning("%s", error)
        return hub_texts.FAULTS[error.fault].format(repository=error.repository)
    if isinstance(error, ImageError) and error.fault:
        return texts.PICTURE_FAULTS[error.fault]
    log.error("a handler failed", exc_info=error)
    return texts.UNEXPECTED


def _shown(text: Text, language: Language) -> gr.Error:
    """Without a traceback in the log: the visitor can mend it, or it is there already."""
    return gr.Error(text.to(language), print_exception=False)
