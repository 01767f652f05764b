"""What the public does not see of a run: where its files lie on the machine of who trained it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from cyclegan.runs.run import Run

HERE = "./"
"""Stands for the folder of a dataset that is a folder itself."""

_BEGINS = re.compile(r"(?:[A-Za-z]:)?[\\/](?:.*[\\/])?")
"""Of a text that begins with an absolute path, all up to the last slash of either kind: folders may have spaces."""
_WITHIN = re.compile(r"(?<!\S)(?:[A-Za-z]:)?[\\/](?:[^\\/\s]+[\\/])+(?=[^\\/\s])")
"""The same inside of a text, where a path ends at a space."""


def redact(value: Any) -> Any:
    """A text, or JSON whose texts it changes, with the last names of absolute paths instead of these."""
    if isinstance(value, dict):
        return {name: redact(each) for name, each in value.items()}
    if isinstance(value, list):
        return [redact(each) for each in value]
    if isinstance(value, str):
        cut = _BEGINS.sub("", value.rstrip("\\/"), count=1) if _BEGINS.match(value) else value
        return _WITHIN.sub("", cut) or value
    return value


def public(run: Run) -> Run:
    """Return the run as the public may see it: without the folders that its dataset and its initial run lie in."""
    config = run.config
    dataset = redact(config.dataset)
    dataset = dataset if dataset == config.dataset else f"{HERE}{dataset}"
    config = replace(config, dataset=dataset, init_from=redact(config.init_from))
    return replace(run, config=config, unknown=redact(run.unknown))


def is_folder(dataset: str) -> bool:
    """Return whether a run as the public sees it was trained on a folder, and not on a dataset that has a name."""
    return dataset.startswith(HERE)
