"""The frame stack: a component that holds the pictures of all epochs in the browser, so that scrubbing asks nobody.

Its value is the last message it was sent: a `plan` starts a new stack, or lets the one that is shown grow, a `frame`
adds a picture, a `movie` goes to the visitor's downloads. It fires `wanted` when a plan is on screen and pictures are
missing, with `frames`, a list of [model, epoch]; and `save`, with a `format`. What it draws is in `canvas.js` and
`curves.js`.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import gradio as gr

from cyclegan.pages.assets import component
from cyclegan.pages.frames import Frame
from cyclegan.pages.watch.curves import Plot


@dataclass(frozen=True)
class Figure:
    """A model's place in the stack, and the epochs it will have pictures of; without any it is not shown."""

    title: str
    epochs: tuple[int, ...]
    kept: tuple[int, ...] = ()
    """Epochs whose networks are kept: the ones to jump to."""
    best: int | None = None
    """The epoch that was judged best, where one was."""


@dataclass(frozen=True)
class Plan:
    """What the stack is about to be filled with."""

    token: str
    """Names picture and direction; frames of another token are those of an earlier picture, and dropped. Empty where
    there is no picture."""
    figures: tuple[Figure, ...]
    note: str = ""
    follow: bool = True
    """Whether the slider moves along with the frames as they come, until the visitor touches it."""
    frames: tuple[Frame, ...] = ()
    """Pictures to show at once."""
    plots: tuple[tuple[Plot, ...], ...] = ()
    """The curves of every model; a model without any keeps those it had."""


def frame_stack(plan: Plan, labels: dict[str, str], formats: Sequence[str]) -> gr.HTML:
    """Canvases side by side under one epoch slider, and curves with a cursor at the same epoch; movies can be saved in
    these formats."""
    return component(
        "watch/canvas",
        plan_message(plan),
        needs=["watch/curves.css", "watch/curves.js"],
        labels=labels,
        formats=list(formats),
        elem_id="stack",
    )


def plan_message(plan: Plan) -> dict[str, Any]:
    return {"kind": "plan", **asdict(plan)}


def frame_message(token: str, frame: Frame) -> dict[str, Any]:
    return {"kind": "frame", "token": token, "frame": asdict(frame)}


def movie_message(name: str, content: bytes) -> dict[str, Any]:
    """Bytes to download under a name; without any, the movie could not be made."""
    kind = "video/mp4" if name.endswith(".mp4") else "image/gif"
    src = f"data:{kind};base64,{base64.b64encode(content).decode()}" if content else None
    return {"kind": "movie", "name": name, "src": src}
