"""Configurations as JSON text."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from cyclegan.config.checks import ConfigError

T = TypeVar("T")


def to_json(value: Any) -> str:
    """Return a configuration dataclass as indented JSON text, ending in a newline."""
    return json.dumps(asdict(value), indent=2) + "\n"


def from_json(kind: type[T], text: str | bytes, source: str) -> T:
    """Return the dataclass that the JSON text describes, strict on types and unknown keys.

    Raises ConfigError, naming source and key, if the text is no JSON or does not fit.
    """
    try:
        return _reader(kind).validate_json(text, strict=True)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigError(f"{source} is not valid: {key}: {first['msg']}") from None


@cache
def _reader(kind: type[T]) -> TypeAdapter[T]:
    """Return the reader of a dataclass: making one takes ten times longer than reading with it."""
    return TypeAdapter(kind)
