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
        return reader(kind).validate_json(text, strict=True)  # type: ignore[arg-type]
    except ValidationError as error:
        raise refusal(error, source) from None


def refusal(error: ValidationError, source: str) -> ConfigError:
    """Return the error for whoever wrote the source: it names the first key that does not fit."""
    first = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in first["loc"]) or "the file"
    return ConfigError(f"{source} is not valid: {key}: {first['msg']}")


@cache
def reader(kind: type[T]) -> TypeAdapter[T]:
    """Return the reader of a dataclass: making one takes ten times longer than reading with it."""
    return TypeAdapter(kind)
