"""What is particular about a training, in the words of its command line."""

from __future__ import annotations

import shlex
from dataclasses import asdict

from cyclegan.config import MethodConfig
from cyclegan.runs.options import flat

NO_DIFFERENCE = frozenset({"dataset", "snapshot_epochs", "checkpoint_steps"})
"""Settings that make no other recipe: what it is trained on, and which epochs are kept."""


def options_of(config: MethodConfig) -> str:
    """The options of train.py that differ from the method's defaults; empty where all are the defaults."""
    words: list[str] = []
    defaults = flat(asdict(type(config)(dataset=config.dataset)))
    for key, value in flat(asdict(config)).items():
        if key[0] in NO_DIFFERENCE or defaults[key] == value:
            continue
        group, dot, last = ".".join(key).replace("_", "-").rpartition(".")
        if isinstance(value, bool):
            words.append(f"--{group}{dot}{'' if value else 'no-'}{last}")
        else:
            words += [f"--{group}{dot}{last}", *map(_word, value if isinstance(value, list | tuple) else [value])]
    return shlex.join(words)


def _word(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
