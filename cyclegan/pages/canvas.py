"""The frame stack: a component that holds the pictures of all epochs in the browser, so that scrubbing asks nobody.

Its value is the last message it was sent: a `plan` starts a new stack, a `frame` adds a picture to it. When a plan is
on screen and pictures are missing, the component fires `wanted`. What it draws is in `canvas.js` and `curves.js`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from cyclegan.pages.curves import Curve
from cyclegan.pages.frames import Frame

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Figure:
    """A model's place in the stack, and the epochs it will have pictures of; without any it is not shown."""

    title: str
    epochs: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """What the stack is about to be filled with."""

    token: str
    """Names picture and direction; frames of another token are those of an earlier picture, and dropped."""
    figures: tuple[Figure, ...]
    note: str = ""
    follow: bool = True
    """Whether the slider moves along with the frames as they come, until the visitor touches it."""
    frames: tuple[Frame, ...] = ()
    """Pictures to show at once."""


def frame_stack(plan: Plan, curves: list[list[Curve]], labels: dict[str, str]) -> gr.HTML:
    """Canvases side by side under one epoch slider, and the losses with a cursor at the same epoch."""
    return gr.HTML(
        plan_message(plan),
        html_template=_read("canvas.html"),
        css_template=_read("canvas.css"),
        js_on_load=_read("curves.js") + _read("canvas.js"),
        apply_default_css=False,
        curves=[[asdict(curve) for curve in of_model] for of_model in curves],
        labels=labels,
        elem_id="stack",
    )


def plan_message(plan: Plan) -> dict[str, Any]:
    return {"kind": "plan", **asdict(plan)}


def frame_message(token: str, frame: Frame) -> dict[str, Any]:
    return {"kind": "frame", "token": token, "frame": asdict(frame)}


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
