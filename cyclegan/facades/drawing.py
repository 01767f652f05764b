"""Draw invented facades in the manner of the CMP Facade Database: rectangles, each of one class.

Lengths are in units of 1/256 of the image's side, so that a building is the same at every size.
"""

from __future__ import annotations

from enum import IntEnum
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

SIDE = 256


class Label(IntEnum):
    """The classes of the CMP Facade Database, in its order."""

    BACKGROUND = 0
    FACADE = 1
    WINDOW = 2
    DOOR = 3
    CORNICE = 4
    SILL = 5
    BALCONY = 6
    BLIND = 7
    DECO = 8
    MOLDING = 9
    PILLAR = 10
    SHOP = 11


class Box(NamedTuple):
    """A rectangle: left, top, right and bottom edge."""

    left: float
    top: float
    right: float
    bottom: float

    def part(self, left: float, top: float, right: float, bottom: float) -> Box:
        """Return the box between fractions of this one's width and height, which may lie outside 0..1."""
        width, height = self.right - self.left, self.bottom - self.top
        return Box(
            self.left + left * width, self.top + top * height, self.left + right * width, self.top + bottom * height
        )


def draw_indices(rng: np.random.Generator, size: int) -> npt.NDArray[np.uint8]:
    """Return the class indices, uint8 [size, size], of an invented building."""
    indices = np.full((size, size), Label.BACKGROUND, dtype=np.uint8)
    for label, box in _Building(rng).boxes:
        left, top, right, bottom = (round(min(max(edge, 1), SIDE - 1) * size / SIDE) for edge in box)
        indices[top:bottom, left:right] = label
    return indices


class _Building:
    """The rectangles of a building, in the order in which they are painted."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.boxes: list[tuple[Label, Box]] = []
        left, right = rng.exponential(16, 2)
        wall = Box(min(left, 60), min(rng.exponential(36), 90), SIDE - min(right, 60), SIDE - rng.uniform(0, 12))
        storeys, bays = int(rng.integers(3, 6)), int(rng.integers(3, 7))
        roof, ground = rng.uniform(0.15, 0.45), rng.uniform(1.1, 1.5)
        heights = np.cumsum([0.0, roof, *[1.0] * (storeys - 1), ground])
        rows = (heights / heights[-1]).tolist()
        sides = np.linspace(0.03, 0.97, bays + 1).tolist()
        self.add(Label.FACADE, wall)
        self.moldings(wall, rows)
        cells = [
            [wall.part(left, top, right, bottom) for left, right in pairwise(sides)]
            for top, bottom in pairwise(rows[1:])
        ]
        if self.chance(0.35):
            self.pillars(cells)
        self.windows(cells[:-1])
        self.balconies(cells[:-1])
        self.ground_floor(cells[-1])

    def add(self, label: Label, box: Box) -> None:
        self.boxes.append((label, box))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def moldings(self, wall: Box, rows: list[float]) -> None:
        """Bands under the roof, over the ground floor and, at times, at every floor."""
        self.add(Label.MOLDING, wall.part(-0.01, 0, 1.01, rows[1]))
        if self.chance(0.3):
            for left in np.arange(0.06, 0.94, 0.12):
                self.add(Label.DECO, wall.part(left, rows[1] * 0.4, left + 0.04, rows[1] * 0.8))
        thickness = self.between(0.012, 0.03)
        for row in rows[2:-1] if self.chance(0.4) else rows[-2:-1]:
            self.add(Label.MOLDING, wall.part(0, row - thickness, 1, row + thickness))

    def windows(self, cells: list[list[Box]]) -> None:
        """A window in every cell, all of them with the same sill, cornice, blinds and ornament."""
        width, top, bottom = self.between(0.4, 0.62), self.between(0.18, 0.26), self.between(0.76, 0.86)
        has_sill, has_cornice, has_deco = self.chance(0.8), self.chance(0.6), self.chance(0.35)
        has_shutters, has_rollers = self.chance(0.2), self.chance(0.3)
        for cell in (cell for row in cells for cell in row):
            window = cell.part((1 - width) / 2, top, (1 + width) / 2, bottom)
            self.add(Label.WINDOW, window)
            if has_shutters:
                self.add(Label.BLIND, window.part(-0.3, 0, 0, 1))
                self.add(Label.BLIND, window.part(1, 0, 1.3, 1))
            elif has_rollers and self.chance(0.5):
                self.add(Label.BLIND, window.part(0.05, 0, 0.95, self.between(0.2, 0.8)))
            if has_sill:
                self.add(Label.SILL, window.part(-0.15, 0.97, 1.15, 1.14))
            if has_cornice:
                self.add(Label.CORNICE, window.part(-0.2, -0.18, 1.2, 0.0))
            if has_deco:
                self.add(Label.DECO, window.part(0.2, -0.32, 0.8, -0.2))

    def balconies(self, cells: list[list[Box]]) -> None:
        """Balconies before a column of windows, a row of them, the outer ones, or none."""
        if not self.chance(0.65):
            return
        columns = len(cells[0])
        places = (
            [row[columns // 2] for row in cells],
            cells[int(self.rng.integers(len(cells)))],
            [cell for row in cells for cell in (row[0], row[-1])],
        )
        for cell in places[int(self.rng.integers(len(places)))]:
            self.add(Label.BALCONY, cell.part(0.08, 0.62, 0.92, 0.97))

    def pillars(self, cells: list[list[Box]]) -> None:
        """Pillars between the bays of all storeys but the ground floor."""
        for left in (*cells[0][::2], cells[0][-1]):
            shaft = Box(left.left, left.top, left.right, cells[-2][0].bottom)
            self.add(Label.PILLAR, shaft.part(-0.06, 0.04, 0.06, 0.97))
            self.add(Label.PILLAR, shaft.part(-0.11, 0.04, 0.11, 0.09))

    def ground_floor(self, cells: list[Box]) -> None:
        """A door, with shops or windows beside it."""
        door = int(self.rng.integers(len(cells)))
        has_shops = self.chance(0.55)
        for index, cell in enumerate(cells):
            if index == door:
                self.add(Label.DOOR, cell.part(0.25, 0.28, 0.75, 1))
                self.add(Label.DECO, cell.part(0.2, 0.16, 0.8, 0.28))
            elif has_shops:
                self.add(Label.SHOP, cell.part(0.08, 0.3, 0.92, 0.97))
            else:
                self.add(Label.WINDOW, cell.part(0.25, 0.28, 0.75, 0.78))
