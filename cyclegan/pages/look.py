"""How the app looks: theme and style sheet, with the fonts of the visitor's system."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

STYLE_SHEET = Path(__file__).with_name("look.css")
ICON = Path(__file__).with_name("icon.png")
"""Drawn by `python -m docs.pictures`."""


def theme() -> gr.themes.Base:
    """Calm and flat; no web font, so that the page asks no other host."""
    return gr.themes.Default(
        primary_hue=gr.themes.colors.indigo,
        secondary_hue=gr.themes.colors.indigo,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_lg,
        font=("system-ui", "Noto Sans", "sans-serif"),
        font_mono=("ui-monospace", "Noto Sans Mono", "monospace"),
    ).set(  # what the defaults leave too pale to read, WCAG 2.2 section 1.4.3
        body_text_color_subdued="*neutral_500",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        color_accent="*primary_600",
    )
