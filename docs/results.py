"""Write the results in docs/training.md from the evaluations of the shipped runs: `python -m docs.results`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclegan.evaluation.comparison import LABELS, PAIRED, SETS, Measure
from cyclegan.evaluation.measuring import CEILING, UNTRANSLATED
from cyclegan.runs.run import Run
from cyclegan.runs.scores import CHOSEN_ON, read_scores

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "training.md"
BEGIN, END = "<!-- results: made by python -m docs.results -->\n", "<!-- end of results -->\n"
ARROWS = {"lower": "↓", "higher": "↑"}


@dataclass(frozen=True)
class Line:
    """A row of the table: name, epoch, figures as `metrics.json` has them."""

    name: str
    epoch: str
    figures: Mapping[str, Any]


def results(weights: Path) -> str:
    """For each direction the chosen epoch of every run in a folder, and what it is to be seen beside, in Markdown."""
    lines: dict[str, list[Line]] = {}
    references: dict[str, dict[str, Line]] = {}
    notes: dict[str, None] = {}
    protocol: dict[str, list[str]] = {}
    for folder in sorted(path.parent for path in weights.glob("*/metrics.json")):
        run, scores = Run.open(folder), read_scores(folder)
        if CHOSEN_ON not in scores:
            continue
        for judged in scores[CHOSEN_ON]["directions"].values():
            route, best = f"{judged['source']} → {judged['target']}", judged["best"]
            epoch = best["epoch"] if best else max(map(int, judged["epochs"]))
            shown = Line(folder.name, f"{epoch} of {run.config.total_epochs}", judged["epochs"][str(epoch)])
            lines.setdefault(route, []).append(shown)
            for name, figures in ((UNTRANSLATED, judged.get("untranslated")), (CEILING, judged["ceiling"])):
                if figures:
                    references.setdefault(route, {})[name] = Line(name, "", figures)
            if best:
                notes[f"{route}: the epoch of {best['rule']}."] = None
        for heading, said in scores[CHOSEN_ON]["protocol"].items():
            protocol.setdefault(heading, []).append(said)
    parts = [table(route, [*rows, *references.get(route, {}).values()]) for route, rows in lines.items()]
    said = [f"{heading}: {' / '.join(widest(texts))}" for heading, texts in protocol.items()]
    return "\n\n".join([*parts, "\n".join(f"- {note}" for note in (*notes, *said))]) + "\n"


def widest(texts: Sequence[str]) -> list[str]:
    """The different texts, without those of which every part stands in another one."""
    parts = {text: frozenset(re.split("[;,] ", text)) for text in texts}
    return [text for text, own in parts.items() if not any(own < other for other in parts.values())]


def table(route: str, lines: Sequence[Line]) -> str:
    """One table; measures that no line has are left out."""
    present = [
        measure
        for measure in (*PAIRED, *LABELS, *SETS)
        if any(line.figures["values"].get(measure.key) is not None for line in lines)
    ]
    head = [route, "epoch", *(f"{measure.title} {ARROWS[measure.better]}" for measure in present)]
    rows = [[line.name, line.epoch, *(cell(line.figures, measure) for measure in present)] for line in lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))


def cell(figures: Mapping[str, Any], measure: Measure) -> str:
    """A value; with its interval, if the measure is written so."""
    value = figures["values"].get(measure.key)
    if value is None:
        return ""
    said = format(float(value), measure.form)
    if not measure.interval:
        return said
    low, high = (format(bound, measure.form) for bound in figures["intervals"][measure.key])
    return f"{said} ({low} to {high})"


def with_results(page: str, text: str) -> str:
    """Return the page with this text between the two marks. Raises ValueError if they are missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} lacks the line {(END if begin else BEGIN).strip()}; put both marks back")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def main() -> None:
    PAGE.write_text(with_results(PAGE.read_text(encoding="utf-8"), results(ROOT / "weights")), encoding="utf-8")


if __name__ == "__main__":
    main()
