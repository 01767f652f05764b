"""About: what the app is, and the papers to cite."""

from __future__ import annotations

import gradio as gr

from cyclegan.pages import about_texts
from cyclegan.pages.languages import Language

_BIBTEX = """\
@inproceedings{zhu2017unpaired,
  title     = {Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks},
  author    = {Zhu, Jun-Yan and Park, Taesung and Isola, Phillip and Efros, Alexei A.},
  booktitle = {IEEE International Conference on Computer Vision (ICCV)},
  year      = {2017},
  url       = {https://arxiv.org/abs/1703.10593}
}

@inproceedings{isola2017image,
  title     = {Image-to-Image Translation with Conditional Adversarial Networks},
  author    = {Isola, Phillip and Zhu, Jun-Yan and Zhou, Tinghui and Efros, Alexei A.},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition (CVPR)},
  year      = {2017},
  url       = {https://arxiv.org/abs/1611.07004}
}
"""


def about_page(language: Language) -> None:
    """Lay the page out."""
    parts = [about_texts.ABOUT.to(language), about_texts.CITE.to(language), f"```bibtex\n{_BIBTEX}```"]
    gr.Markdown("\n\n".join([*parts, about_texts.DATA.to(language)]), elem_id="about")
