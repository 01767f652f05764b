"""A comparison in three forms: one HTML file that needs no other, JSON, and Markdown to paste."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
import torch
from PIL import Image

from cyclegan.evaluation.comparison import TRAINING_IMAGES, Comparison, Gap, Measure, Plan, Row, Value, plain
from cyclegan.evaluation.measuring import SIZE, WHOLE, Instruments
from cyclegan.evaluation.metrics import RESAMPLES, Interval

TEMPLATE = Path(__file__).with_name("report.html")
ARROWS = {"lower": "↓", "higher": "↑"}


@dataclass(frozen=True)
class Cell:
    """A cell of a table: the value in words, the number of the note that says why there is none, 0 without."""

    text: str
    note: int = 0
    best: bool = False
    code: bool = False


@dataclass(frozen=True)
class Table:
    """A table with a head, a first column of names, and notes to its gaps, counted from 1."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    notes: tuple[str, ...]
    words: int = 0
    """How many of the columns after the name hold words, not numbers."""


def protocol(
    plan: Plan, tools: Instruments, device: torch.device, dtype: torch.dtype, part: slice = WHOLE
) -> tuple[tuple[str, str], ...]:
    """How the figures, which are of a part of the images, come about, by headings."""
    counts = {each.direction: len(range(each.count)[part]) for each in plan.targets}
    images = ", ".join(f"{counts[each.direction]} {each.source} to {each.target}" for each in plan.targets)
    if part != WHOLE:
        images += ": every second one; the epoch is chosen on the others"
    readers = {each.read_by for each in plan.targets}
    measures = ["means over the images; L1 in [0, 1]"]
    if readers - {None}:
        measures.append("classes over the pixels of all images together")
    if "colour" in readers:
        measures.append("those of label maps by the nearest colour")
    if "segmenter" in readers and not isinstance(tools.segmenter, Gap):
        learned = tools.segmenter.config
        measures.append(
            f"those of photos by a segmenter (U-Net of width {learned.width}, {learned.epochs} epochs of the training "
            f"split of {learned.dataset}, seed {learned.seed})"
        )
    if not isinstance(tools.lite1, Gap):
        measures.append(
            "KID (Lite1) between translations and real images (Binkowski et al. 2018: cubic kernel, unbiased), by the "
            "1280 means of EfficientNet-Lite1's last convolution before ReLU6, less the mean of training images; of "
            f"the real images, to at most {TRAINING_IMAGES} of training; perceptual (Lite1), the distance of its "
            "normalised features at four scales"
        )
    if not isinstance(tools.inception, Gap):
        measures.append("FID and KID the same by Inception v3")
    return (
        ("dataset", f"{plan.dataset}, split {plan.split_name} ({plan.split}), in the order of their names"),
        ("images", images),
        ("size", f"{SIZE}x{SIZE} pixels (bicubic), 8 bits a channel"),
        ("measures", "; ".join(measures)),
        (
            "intervals",
            f"95 %, percentiles of a bootstrap over the images, {RESAMPLES} draws, seed 0; of KID 1.96 standard "
            "errors, by the jackknife",
        ),
        ("precision", f"{str(dtype).removeprefix('torch.')} on {device}"),
        ("libraries", ", ".join(f"{name} {version(name)}" for name in ("torch", "pillow"))),
    )


def tables(comparison: Comparison) -> tuple[Table, ...]:
    """The runs, then for each direction what they are worth: the same tables in every form."""
    return (_table_of_runs(comparison), *(_table_of(comparison, index) for index in range(len(comparison.targets))))


def to_json(comparison: Comparison, command: str) -> str:
    """The figures with all their digits; null with a reason where there is none."""
    rows = []
    for row in comparison.rows:
        record: dict[str, Any] = {
            "name": row.name,
            "method": row.method,
            "options": row.options,
            "revision": row.revision,
            "epoch": row.epoch,
            "epochs_trained": row.epochs_trained,
            **plain({"hours": row.hours}),
            "parameters": row.parameters,
            "measures": {
                f"{target.source} to {target.target}": plain(row.values[target.direction])
                | {"intervals": dict(row.intervals[target.direction])}
                for target in comparison.targets
                if target.direction in row.values
            },
        }
        rows.append(record)
    report = {"command": command, "protocol": dict(comparison.protocol), "rows": rows}
    return json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_markdown(comparison: Comparison, command: str) -> str:
    """The tables, their notes, the protocol, the command."""
    parts = []
    for table in filter(lambda table: table.rows, tables(comparison)):
        lines = [f"**{_escape(table.caption)}**", ""]
        lines.append("| " + " | ".join(map(_escape, table.head)) + " |")
        lines.append("| " + " | ".join("---" for _ in table.head) + " |")
        for name, cells in table.rows:
            lines.append("| " + " | ".join([_escape(name), *map(_marked, cells)]) + " |")
        if table.notes:
            lines += ["", *(f"({number}) {_escape(note)}  " for number, note in enumerate(table.notes, 1))]
        parts.append("\n".join(lines))
    parts.append("\n".join(f"- {name}: {_escape(text)}" for name, text in comparison.protocol))
    parts.append(f"`{command}`")
    return "\n\n".join(parts) + "\n"


def to_html(comparison: Comparison, command: str) -> str:
    """One page without a script, a font or any other request; whatever comes from a run or a name is escaped."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["data_uri"] = data_uri
    runs, *judged = tables(comparison)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        command=command,
        protocol=comparison.protocol,
        runs=runs,
        directions=[
            (target, table, comparison.strips[target.direction])
            for target, table in zip(comparison.targets, judged, strict=True)
        ],
    )


def data_uri(image: Image.Image) -> str:
    """The image within an address."""
    content = io.BytesIO()
    image.save(content, "WEBP", quality=82, method=4)
    return "data:image/webp;base64," + base64.b64encode(content.getvalue()).decode()


def _table_of_runs(comparison: Comparison) -> Table:
    notes: list[str] = []
    rows = []
    for row in comparison.rows:
        if not row.method:
            continue
        cells = (
            Cell(row.method),
            Cell(row.options or "the defaults", code=bool(row.options)),
            Cell(f"{row.epoch} of {row.epochs_trained}"),
            _cell(row.hours, ".2f", notes),
            Cell(_count(row.parameters)),
        )
        rows.append((row.name, cells))
    head = ("run", "method", "options", "epoch", "hours", "parameters")
    return Table("Runs", head, tuple(rows), tuple(notes), words=2)


def _table_of(comparison: Comparison, index: int) -> Table:
    target = comparison.targets[index]
    notes: list[str] = []
    judged = [row for row in comparison.rows if target.direction in row.values]
    best = {measure.key: _best(judged, target.direction, measure) for measure in target.measures}
    rows = []
    for row in judged:
        values = row.values[target.direction]
        goals = best if row.ranks else dict.fromkeys(best)
        spans = row.intervals[target.direction]
        cells = [
            _cell(values[each.key], each.form, notes, goals[each.key], spans.get(each.key) if each.interval else None)
            for each in target.measures
        ]
        rows.append((row.name, tuple(cells)))
    head = ("run", *(f"{measure.title}\N{NO-BREAK SPACE}{ARROWS[measure.better]}" for measure in target.measures))
    return Table(f"{target.source} → {target.target}", head, tuple(rows), tuple(notes))


def _best(rows: Sequence[Row], direction: Any, measure: Measure) -> float | None:
    """The best value of a column of several, as it is written."""
    ranked = [row for row in rows if row.ranks]
    values = [value for row in ranked if isinstance(value := row.values[direction][measure.key], float)]
    if len(values) < 2:
        return None
    return min(values) if measure.better == "lower" else max(values)


def _cell(
    value: Value, form: str, notes: list[str], best: float | None = None, interval: Interval | None = None
) -> Cell:
    if isinstance(value, Gap):
        if value.reason not in notes:
            notes.append(value.reason)
        return Cell("-", notes.index(value.reason) + 1)
    text = _words(value, form)
    span = " ({} to {})".format(*(_words(bound, form) for bound in interval)) if interval else ""
    return Cell(text + span, best=best is not None and text == _words(best, form))


def _words(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else str(value)


def _count(number: int) -> str:
    return f"{number / 1e6:.1f} M" if number >= 100_000 else f"{number:,}"


def _marked(cell: Cell) -> str:
    if cell.note:
        return f"{cell.text} ({cell.note})"
    mark = "`" if cell.code else "**" if cell.best else ""
    return mark + (cell.text.replace("|", "\\|") if cell.code else _escape(cell.text)) + mark


def _escape(text: str) -> str:
    """Text within a Markdown table, that is no markup: a run may be called <b> or *."""
    return re.sub(r"([\\`*<|])", r"\\\1", text).replace("\n", " ").replace("\N{NO-BREAK SPACE}", " ")
