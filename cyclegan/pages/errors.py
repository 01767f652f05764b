"""What a visitor is told when something fails: expected errors in their own words, all others without details."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

from cyclegan.images import ImageError
from cyclegan.pages import texts

log = logging.getLogger(__name__)


@contextmanager
def friendly() -> Iterator[None]:
    """Turn errors into messages for the visitor; as a decorator or around a block.

    Only the messages of `gr.Error` and `ImageError` are shown: they speak of the visitor's own picture. All others
    may hold paths of this machine, so they go to the log.
    """
    try:
        yield
    except gr.Error:
        raise
    except ImageError as error:
        raise refuse(_sentence(str(error))) from None
    except Exception:
        log.exception("a handler failed")
        raise refuse(texts.UNEXPECTED) from None


def refuse(message: str) -> gr.Error:
    """The error that shows this message, and leaves no traceback in the log: the visitor can mend it."""
    return gr.Error(message, print_exception=False)


def _sentence(message: str) -> str:
    return message[:1].upper() + message[1:].rstrip(".") + "."
