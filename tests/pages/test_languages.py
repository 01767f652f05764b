"""The app in every language: no text is missing, and who asks for a language gets that one alone."""

from __future__ import annotations

import importlib
import re
import string
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from cyclegan import pages
from cyclegan.images.io import Fault
from cyclegan.pages import texts
from cyclegan.pages.language_choice import preferred
from cyclegan.pages.languages import LANGUAGES, Language, Text, listed, sentences

FOLDER = Path(pages.__path__[0])
TEXT_MODULES = sorted(".".join(path.relative_to(FOLDER).with_suffix("").parts) for path in FOLDER.rglob("*texts.py"))
HANGUL, HAN = re.compile("[가-힣]"), re.compile("[一-鿿]")


def texts_of(module: str) -> Iterator[tuple[str, object]]:
    """The constants of a module by name, those in tables as `TABLE[key]`."""
    for name, value in vars(importlib.import_module(f"cyclegan.pages.{module}")).items():
        if name.isupper() and isinstance(value, dict):
            yield from ((f"{name}[{key}]", entry) for key, entry in value.items())
        elif name.isupper():
            yield name, value


def placeholders(text: str) -> list[str]:
    return sorted(f"{name}!{conversion}" for _, name, _, conversion in string.Formatter().parse(text) if name)


def test_every_page_has_its_texts() -> None:
    assert {"texts", "translate.texts", "watch.texts"} <= set(TEXT_MODULES)


@pytest.mark.parametrize("module", TEXT_MODULES)
def test_every_text_is_there_in_all_languages_with_the_same_placeholders(module: str) -> None:
    for name, text in texts_of(module):
        if name.startswith("METHOD_NAMES["):
            continue
        assert isinstance(text, Text), name
        if text.en == text.ko == text.zh:
            continue  # a name that is the same everywhere
        assert not HANGUL.search(text.en) and not HAN.search(text.en), name
        assert HANGUL.search(text.ko) and not HAN.search(text.ko), name
        assert HAN.search(text.zh) and not HANGUL.search(text.zh), name
        assert placeholders(text.en) == placeholders(text.ko) == placeholders(text.zh), name


def test_every_fault_of_a_picture_has_a_text() -> None:
    assert set(texts.PICTURE_FAULTS) == set(get_args(Fault))


def test_values_appear_in_the_language_of_the_text() -> None:
    text = Text("{n} of {what}", "{what} {n}장", "{n} 张{what}").format(n=2, what=Text("photos", "사진", "照片"))
    assert [text.to(language) for language in LANGUAGES] == ["2 of photos", "사진 2장", "2 张照片"]


def test_sentences_and_names_are_joined_as_each_language_does() -> None:
    a, b = Text("A.", "가.", "甲。"), Text("B.", "나.", "乙。")
    assert sentences([a, b]) == Text("A. B.", "가. 나.", "甲。乙。")
    assert sentences([]) == Text("", "", "")
    assert listed(["x", "y"]) == Text("x, y", "x, y", "x、y")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("*", "en"),
        ("en-US,en;q=0.9", "en"),
        ("ko-KR,ko;q=0.9,en-US;q=0.8", "ko"),
        ("zh-CN", "zh"),
        ("zh-Hans-SG;q=0.9", "zh"),
        ("zh-TW,zh;q=0.9", "zh"),
        ("de-DE,de;q=0.9,ko;q=0.5,en;q=0.7", "en"),
        ("en;q=0.2, zh;q=0.8", "zh"),
        ("fr, KO ; q=0.3", "ko"),
        ("ko;q=0, en", "en"),
        ("ko;q=0", "en"),
        ("ko;q=...,,;", "ko"),
    ],
)
def test_the_browsers_wish_is_understood(header: str, language: Language) -> None:
    assert preferred(header) == language
