"""What is particular about a training, in the words of its command line."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from cyclegan.config import MethodConfig

NO_DIFFERENCE = frozenset({"dataset", "snapshot_epochs", "checkpoint_steps"})
"""Settings that make no other recipe: what it is trained on, and which epochs are kept."""


def options_of(config: MethodConfig) -> str:
    """The options of train.py that differ from the method's defaults; empty where all are the defaults."""
    words: list[str] = []
    defaults = _flat(asdict(type(config)(dataset=config.dataset)))
    for name, value in _flat(asdict(config)).items():
        if name in NO_DIFFERENCE or (name in defaults and defaults[name] == value):
            continue
        group, dot, last = name.replace("_", "-").rpartition(".")
        if isinstance(value, bool):
            words.append(f"--{group}{dot}{'' if value else 'no-'}{last}")
        else:
            words += [f"--{group}{dot}{last}", *map(_word, value if isinstance(value, list | tuple) else [value])]
    return shlex.join(words)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings within settings by names such as generator.width."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def _word(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
