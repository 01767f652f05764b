"""The history of a run, `history.jsonl`: a line for each epoch, and the curves of its losses."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Required

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic refuses that of typing before Python 3.12

from cyclegan.config.rules import MOST_EPOCHS
from cyclegan.runtime.files import RECORD_BYTES, read_small

MOST_LOSSES = 100
"""Names of losses in a history."""


class RunError(ValueError):
    """A folder that is no usable run, or an epoch or domain it does not have: the message lists the choices."""


class _Record(TypedDict, total=False):
    """A line of `history.jsonl`; what else it holds is kept as it is."""

    __pydantic_config__ = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)  # type: ignore[misc]

    epoch: Required[Annotated[int, Field(ge=1, le=MOST_EPOCHS)]]
    learning_rate: float
    seconds: float
    images_per_second: float
    losses: dict[Annotated[str, Field(max_length=100)], float]


_RECORD = TypeAdapter(_Record)


def read_history(path: Path) -> list[dict[str, Any]]:
    """Return the records, ascending by epoch; none if there is no file. A torn last line, without its end, is skipped.

    Raises RunError if any other line is no such record, or the file cannot be read.
    """
    try:
        content = read_small(path, RECORD_BYTES)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror or error}") from None
    records: list[dict[str, Any]] = []
    names: set[str] = set()
    for number, line in enumerate(io.BytesIO(content), 1):
        damaged = RunError(f"{path} is damaged at line {number}")
        try:
            record: dict[str, Any] = dict(_RECORD.validate_json(line))
        except ValidationError:
            if line.endswith(b"\n"):
                raise damaged from None
            break
        names |= record.get("losses", {}).keys()
        if len(names) > MOST_LOSSES or (records and record["epoch"] <= records[-1]["epoch"]):
            raise damaged
        records.append(record)
    return records


@dataclass(frozen=True)
class Curve:
    """A value by epoch: (epoch, value) in ascending order."""

    name: str
    points: tuple[tuple[int, float], ...]


def loss_curves(history: Sequence[dict[str, Any]]) -> list[Curve]:
    """Return a curve for each loss of a run's history, named as in the log: `gan_b`, `cycle_a`."""
    points: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for record in history:
        for key, value in record.get("losses", {}).items():
            points[key].append((record["epoch"], round(value, 4)))
    return [Curve(key, tuple(each)) for key, each in points.items()]
