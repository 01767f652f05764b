"""What evaluations found of a run: `metrics.json`, and the epoch that they say is best."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclegan.config import Direction
from cyclegan.runtime.files import RECORD_BYTES, read_small, write_atomically

if TYPE_CHECKING:  # which brings torch
    from cyclegan.runs.run import Run

log = logging.getLogger(__name__)

FORMAT = 1
NAME = "metrics.json"
CHOSEN_ON = "val"
"""The split on which the best epoch is chosen: what is chosen on test is no test."""


class ScoresError(ValueError):
    """A `metrics.json` that cannot be read: the message names it and says what to do."""


REALISM = {"kid_lite1": "KID on EfficientNet-Lite1 features", "kid": "KID on Inception features"}
"""Distances to the real images, by which epochs are chosen: the first that is there."""
LABELS = {"segmenter": ("mean_iou", "mean IoU"), "colour": ("pixel_accuracy", "pixel accuracy")}
"""The measure of label agreement, and its name, by how classes are read from what is generated. By the segmenter mean
IoU: there an ignored class costs as much as a common one."""


def choose(read_by: str | None, epochs: Mapping[int, Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the best of some epochs, the earlier of equals, and the rule; None if nothing tells.

    It has the lowest KID of those whose label agreement, if there are labels, is within the interval of the best one's:
    a generator of fine images of other things than the input says is not the best. Without KID it is that best one.
    """
    values = {epoch: each["values"] for epoch, each in sorted(epochs.items())}

    def measured(key: str) -> dict[int, float]:
        return {epoch: each[key] for epoch, each in values.items() if isinstance(each.get(key), float)}

    key, name = LABELS.get(read_by or "", ("", ""))
    agreement = measured(key)
    most = max(agreement, key=agreement.__getitem__, default=None)
    for distance, title in REALISM.items():
        distances, rule = measured(distance), f"lowest {title}"
        if most is not None:
            lowest, _ = epochs[most]["intervals"][key]
            distances = {each: value for each, value in distances.items() if agreement.get(each, 0) >= lowest}
            rule += f" among the epochs whose {name} is within the interval of the best"
        if distances:
            return {"epoch": min(distances, key=distances.__getitem__), "rule": rule}
    return None if most is None else {"epoch": most, "rule": f"highest {name}: KID was not measured"}


def merge(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of a split: new ones, among the older ones of the same protocol, and the best epoch of all.

    Epochs are chosen by figures of images apart from those of the reported ones, if there are such figures.
    """
    kept = old["directions"] if old and old["protocol"] == new["protocol"] else {}
    directions = {}
    for way, found in new["directions"].items():
        epochs = {**kept.get(way, {}).get("epochs", {}), **found["epochs"]}
        epochs = {epoch: epochs[epoch] for epoch in sorted(epochs, key=int)}
        choices = {int(epoch): each["choice"] for epoch, each in epochs.items() if "choice" in each}
        directions[way] = {**found, "best": choose(found["read_by"], choices), "epochs": epochs}
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
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        log.warning("no epoch of %s is marked as the best: %s", run.folder.name, error)
        return None
    return epoch if epoch in run.epochs else None


def _read(folder: Path) -> dict[str, Any]:
    """The content of the file. Raises FileNotFoundError or ScoresError."""
    path = folder / NAME
    try:
        content = json.loads(read_small(path, RECORD_BYTES))
        if content["format"] != FORMAT:
            raise ValueError(f"format is {content['format']!r}, this version reads {FORMAT}")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ScoresError(f"{path} is damaged ({error}); remove it and evaluate the run again") from None
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ScoresError(f"{path} cannot be read: {error.strerror or error}") from None
    return dict(content)
