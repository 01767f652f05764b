"""Line charts as plain geometry, for a template to draw as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 360, 200
"""Pixels of a chart; small enough that its writing can be read on a phone."""
LEFT, RIGHT, TOP, BOTTOM = 48, 8, 10, 24
"""Margins within it, in which the axes are written."""

Points = Sequence[tuple[int, float]]


@dataclass(frozen=True)
class Tick:
    """A mark of an axis: its place in pixels along it, and what is written there."""

    place: float
    text: str


@dataclass(frozen=True)
class Line:
    """A line to draw, `points` as SVG has them; and its first and last value in words."""

    name: str
    points: str
    first: str
    last: str


@dataclass(frozen=True)
class Chart:
    """A chart over epochs; `logarithmic` where the vertical axis is."""

    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    logarithmic: bool


def chart(lines: Sequence[tuple[str, Points]], *, logarithmic: bool) -> Chart | None:
    """The chart of named lines of (epoch, value), without values that are not finite; None where none is. The axis is
    logarithmic only where every value is positive: the scores of a Wasserstein critic are not."""
    kept = []
    for name, points in lines:
        finite = [(x, y) for x, y in points if math.isfinite(y)]
        if finite:
            kept.append((name, finite))
    if not kept:
        return None
    xs = [x for _, points in kept for x, _ in points]
    ys = [y for _, points in kept for _, y in points]
    left, right = min(xs), max(xs)
    logarithmic = logarithmic and min(ys) > 0
    y_values = _decades(min(ys), max(ys)) if logarithmic else _steps(min(*ys, 0.0), max(*ys, 0.0))
    scale = math.log10 if logarithmic else float
    low, high = scale(min(*ys, *y_values)), scale(max(*ys, *y_values))

    def place_x(x: float) -> float:
        share = (x - left) / (right - left) if right > left else 0.5
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def place_y(y: float) -> float:
        share = (scale(y) - low) / (high - low) if high > low else 0.5
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    return Chart(
        tuple(
            Line(
                name,
                _path([(place_x(x), place_y(y)) for x, y in points]),
                _short(points[0][1]),
                _short(points[-1][1]),
            )
            for name, points in kept
        ),
        tuple(Tick(place_x(x), str(x)) for x in sorted({left, (left + right) // 2, right})),
        tuple(Tick(place_y(y), _short(y)) for y in y_values),
        logarithmic,
    )


def _path(places: Sequence[tuple[float, float]]) -> str:
    if len(places) == 1:  # a line of one point would not be seen
        (x, y) = places[0]
        places = [(x - 3, y), (x + 3, y)]
    return " ".join(f"{x:g},{y:g}" for x, y in places)


def _short(value: float) -> str:
    """The value in a few letters: 0.05, 1.5e-4, 2e4."""
    if value == 0 or 0.001 <= abs(value) < 10_000:
        return f"{value:.3g}"
    digits, power = f"{value:.1e}".split("e")
    return f"{digits.removesuffix('.0')}e{int(power)}"


def _decades(low: float, high: float) -> list[float]:
    """Round values from about `low` to about `high`: 1, 2, 5 of each decade, or only 1 where there are many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    digits = (1, 2, 5) if last - first <= 3 else (1,)
    values = [float(f"{digit}e{power}") for power in range(first, last + 1) for digit in digits]
    within = [value for value in values if low <= value <= high]
    return within if len(within) >= 2 else [low, high] if high > low else [low]


def _steps(low: float, high: float) -> list[float]:
    """Round values from `low` or a little less up to `high` or a little more, about four steps."""
    if high <= low:
        return [low]
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{index * step:.6g}") for index in range(first, last + 1)]
