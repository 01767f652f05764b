"""What evaluations found of a run: `metrics.json`, and the epoch that they say is best."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from cyclegan.config import Direction
from cyclegan.runtime.files import write_atomically

if TYPE_CHECKING:  # which brings torch
    from cyclegan.runs.run import Run

log = logging.getLogger(__name__)

FORMAT = 1
NAME = "metrics.json"
CHOSEN_ON = "val"
"""The split on which the best epoch is chosen: what is chosen on test is no test."""


class ScoresError(ValueError):
    """A `metrics.json` that cannot be read: the message names it and says what to do."""


class Rule(NamedTuple):
    """By which measure an epoch is the best."""

    key: str
    better: Literal["lower", "higher"]
    reason: str


RULES: dict[str | None, tuple[Rule, ...]] = {
    "segmenter": (
        Rule("mean_iou", "higher", "highest mean IoU by the segmenter: an ignored class costs as much as a common one"),
    ),
    "colour": (Rule("pixel_accuracy", "higher", "highest pixel accuracy by the nearest colour"),),
    None: (
        Rule("lpips", "lower", "lowest LPIPS: L1, PSNR and SSIM favour blur"),
        Rule("kid", "lower", "lowest KID: unlike FID it is unbiased"),
    ),
}
"""By how classes are read from what is made; the first rule whose measure there is decides."""


def choose(read_by: str | None, values: Mapping[int, Mapping[str, object]]) -> dict[str, Any] | None:
    """The best of some epochs by their measures, the earlier of equals, and the rule; None where no rule applies."""
    for rule in RULES[read_by]:
        found = {epoch: value for epoch in sorted(values) if isinstance(value := values[epoch].get(rule.key), float)}
        if found:
            sign = 1 if rule.better == "lower" else -1
            return {"epoch": min(found, key=lambda epoch: sign * found[epoch]), "rule": rule.reason}
    return None


def merge(split: str, old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a split: new ones, among the older ones of the same protocol, and the best epoch of them all."""
    kept = old["directions"] if old and old["protocol"] == new["protocol"] else {}
    directions = {}
    for way, found in new["directions"].items():
        epochs = {**kept.get(way, {}).get("epochs", {}), **found["epochs"]}
        epochs = {epoch: epochs[epoch] for epoch in sorted(epochs, key=int)}
        best = choose(found["read_by"], {int(epoch): each["values"] for epoch, each in epochs.items()})
        directions[way] = {**found, "best": best if split == CHOSEN_ON else None, "epochs": epochs}
    return {"protocol": new["protocol"], "directions": directions}


def read_scores(folder: Path) -> dict[str, Any]:
    """What evaluations of the run in a folder found, by split; empty where there was none.

    Raises ScoresError where the file is damaged, or of a format that this version does not read.
    """
    try:
        splits = _read(folder).get("splits")
    except FileNotFoundError:
        return {}
    if not isinstance(splits, dict):
        raise ScoresError(f"{folder / NAME} is damaged (it has no splits); remove it and evaluate the run again")
    return splits


def write_scores(folder: Path, scores: Mapping[str, Any]) -> None:
    """Replace what the evaluations found, by split; the best epochs stand first, for whoever wants no more."""
    directions = scores.get(CHOSEN_ON, {}).get("directions", {})
    best = {way: found["best"]["epoch"] for way, found in directions.items() if found["best"]}
    content = {"format": FORMAT, "best_epoch": best, "splits": dict(scores)}
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(folder / NAME, text.encode())


def best_epoch(run: Run, direction: Direction) -> int | None:
    """The epoch of a direction that is best on val, if an evaluation chose one and the run still has it."""
    try:
        epoch = _read(run.folder)["best_epoch"].get(direction)
    except FileNotFoundError:
        return None
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        log.warning("no epoch of %s is marked as the best: %s", run.folder.name, error)
        return None
    return epoch if epoch in run.epochs else None


def _read(folder: Path) -> dict[str, Any]:
    """The content of the file. Raises FileNotFoundError or ScoresError."""
    path = folder / NAME
    try:
        content = json.loads(path.read_bytes())
        if content["format"] != FORMAT:
            raise ValueError(f"format is {content['format']!r}, this version reads {FORMAT}")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ScoresError(f"{path} is damaged ({error}); remove it and evaluate the run again") from None
    return dict(content)
