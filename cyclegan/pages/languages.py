"""Texts in every language of the app: a `Text` holds all of them until it is known who reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Language = Literal["en", "ko", "zh"]
"""English, Korean, Simplified Chinese."""
LANGUAGES: tuple[Language, ...] = get_args(Language)
LANGUAGE_NAMES: dict[Language, str] = {"en": "English", "ko": "한국어", "zh": "中文"}
"""Each in its own language, as who looks for it reads it."""
LANGUAGE_TAGS: dict[Language, str] = {"en": "en", "ko": "ko", "zh": "zh-CN"}
"""Their BCP 47 tags: browsers choose fonts and Gradio its own words by them."""


@dataclass(frozen=True, slots=True)
class Text:
    """The same text in every language; all have the same {placeholders}."""

    en: str
    ko: str
    zh: str

    @classmethod
    def same(cls, text: str) -> Text:
        """A name that is the same everywhere."""
        return cls(text, text, text)

    def to(self, language: Language) -> str:
        """What a reader of this language sees."""
        return {"en": self.en, "ko": self.ko, "zh": self.zh}[language]

    def format(self, **values: object) -> Text:
        """The text with its placeholders filled; a value that is a `Text` itself appears in the same language."""
        return Text(*(self.to(language).format(**_translated(values, language)) for language in LANGUAGES))


def translated(texts: Mapping[str, Text], language: Language) -> dict[str, str]:
    """A table of texts in one language, as custom components take it."""
    return {key: text.to(language) for key, text in texts.items()}


def sentences(texts: Iterable[Text]) -> Text:
    """Sentences one after the other: Chinese has no spaces between them."""
    return _joined(texts, Text(" ", " ", ""))


def listed(names: Iterable[Text | str]) -> Text:
    """Names in a row."""
    return _joined((name if isinstance(name, Text) else Text.same(name) for name in names), Text(", ", ", ", "、"))


def _joined(texts: Iterable[Text], separator: Text) -> Text:
    texts = list(texts)
    return Text(*(separator.to(language).join(text.to(language) for text in texts) for language in LANGUAGES))


def _translated(values: Mapping[str, object], language: Language) -> dict[str, object]:
    return {key: value.to(language) if isinstance(value, Text) else value for key, value in values.items()}
