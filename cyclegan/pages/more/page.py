"""More: many images at once, any two networks, and about."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.components import Component

from cyclegan.hub.citations import CITATIONS
from cyclegan.pages.languages import Language
from cyclegan.pages.models import Models
from cyclegan.pages.more import batch_texts, compare_texts, texts
from cyclegan.pages.more.batch_page import BatchPage
from cyclegan.pages.more.compare_page import ComparePage


class MorePage:
    """The pages in a second row of tabs."""

    def __init__(self, models: Models, language: Language, cache: Path) -> None:
        with gr.Tabs():
            with gr.Tab(batch_texts.TAB.to(language), id="batch"):
                self.batch = BatchPage(models.translating, language, cache)
            with gr.Tab(compare_texts.TAB.to(language), id="compare", elem_id="compare"):
                self.compare = ComparePage(models.translating, language)
            with gr.Tab(texts.ABOUT_TAB.to(language), id="about"):
                papers = "\n\n".join(CITATIONS[method] for method in ("cyclegan", "pix2pix"))
                parts = [texts.ABOUT.to(language), texts.CITE.to(language), f"```bibtex\n{papers}\n```"]
                gr.Markdown("\n\n".join([*parts, texts.DATA.to(language)]), elem_id="about")

    def connect(self, picture: Component, direction: Component) -> None:
        """Compare the picture that all pages share."""
        self.compare.connect(picture, direction)

    def follow(self, seen: gr.State) -> None:
        """Show what a run that is being trained has more of, whenever `seen` changes."""
        seen.change(
            lambda: [gr.update(choices=self.compare.choices())] * 2,
            None, [self.compare.left, self.compare.right], api_visibility="private", show_progress="hidden",
        )  # fmt: skip
