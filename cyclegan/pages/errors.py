"""What a visitor is told when something fails: expected errors in their own words, all others without details."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import gradio as gr

from cyclegan.hub.errors import HubError
from cyclegan.images.io import MAX_MEGAPIXELS, ImageError
from cyclegan.pages import texts
from cyclegan.pages.hub import texts as hub_texts
from cyclegan.pages.languages import Language, Text

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


class Refusal(Exception):
    """What a visitor asked for and cannot have: the text says why, and what to do."""

    def __init__(self, text: Text) -> None:
        super().__init__(text.en)
        self.text = text


class Page(Protocol):
    """Anything that was built in a language."""

    @property
    def language(self) -> Language: ...


S = TypeVar("S", bound=Page)


def friendly(handler: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """A handler of a page, whose errors become messages in the language of the page."""

    @functools.wraps(handler)
    def told(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with explained(self.language):
            return handler(self, *args, **kwargs)

    return told


@contextmanager
def explained(language: Language) -> Iterator[None]:
    """Turn errors into `gr.Error`s for the visitor.

    Only refusals and the faults of pictures and of the Hub are told: they speak of what the visitor did. All others may
    hold paths of this machine, so they go to the log.
    """
    try:
        yield
    except gr.Error:
        raise
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
        return texts.PICTURE_FAULTS[error.fault].format(limit=MAX_MEGAPIXELS)
    log.error("a handler failed", exc_info=error)
    return texts.UNEXPECTED


def _shown(text: Text, language: Language) -> gr.Error:
    """Without a traceback in the log: the visitor can mend it, or it is there already."""
    return gr.Error(text.to(language), print_exception=False)
