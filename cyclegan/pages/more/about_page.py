"""About: what the app is, and the papers to cite."""

from __future__ import annotations

import gradio as gr

from cyclegan.hub.citations import CITATIONS
from cyclegan.pages.languages import Language
from cyclegan.pages.more import about_texts


def about_page(language: Language) -> None:
    """Lay the page out."""
    citations = "\n\n".join(CITATIONS[method] for method in ("cyclegan", "pix2pix"))
    parts = [about_texts.ABOUT.to(language), about_texts.CITE.to(language), f"```bibtex\n{citations}\n```"]
    gr.Markdown("\n\n".join([*parts, about_texts.DATA.to(language)]), elem_id="about")
