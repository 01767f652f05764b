"""Drawing invented buildings in the manner of the CMP Facade Database's annotations: boxes, one class each.

All lengths are in units of 1/256 of the picture's side, so a building is the same at every size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Range = tuple[float, float]

SIDE = 256.0


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


# What hides what where boxes of the database overlap, which is not the order of the classes: windows cut into
# moldings and cornices, balconies hide blinds.
PAINT_ORDER = (
    Label.BACKGROUND, Label.FACADE, Label.MOLDING, Label.CORNICE, Label.PILLAR, Label.WINDOW,
    Label.SHOP, Label.DOOR, Label.SILL, Label.BLIND, Label.BALCONY, Label.DECO,
)  # fmt: skip


class Box(NamedTuple):
    """A rectangle: left, top, right and bottom edge."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    def part(self, left: float = 0, top: float = 0, right: float = 1, bottom: float = 1) -> "Box":
        """Return the box between fractions of this one's width and height, which may lie outside 0..1."""
        return Box(
            self.left + left * self.width,
            self.top + top * self.height,
            self.left + right * self.width,
            self.top + bottom * self.height,
        )

    def beside(self, column: "Box") -> "Box":
        """Return this box's piece in a column: its heights, the column's sides."""
        return Box(column.left, self.top, column.right, self.bottom)

    def middle(self, share: float) -> "Box":
        """Return the box of the same height and center, with a share of this one's width."""
        return self.part(left=(1 - share) / 2, right=(1 + share) / 2)


class Bay(NamedTuple):
    """A column of the wall that holds one group of windows on each storey."""

    wall: Box
    panes: int


@dataclass(frozen=True)
class Style:
    """How a kind of building looks.

    Single numbers are the chances that a building has a thing at all. Ranges bound its size: widths as a
    share of a bay's, heights as a share of a storey's, but overhang and the widths of shutters and balconies
    as a share of a window's width.
    """

    storeys: tuple[int, int] = (2, 4)  # upper ones, without the ground floor and the attic
    bay_width: Range = (0.7, 1.1)  # to the height of a storey
    panes: tuple[float, float, float] = (0.62, 0.3, 0.08)  # chances of single, double and triple windows
    window_width: Range = (0.34, 0.58)
    window_height: Range = (0.5, 0.7)
    overhang: Range = (1.1, 1.65)  # of sills and cornices over their window
    ground_height: Range = (0.9, 1.4)
    attic: float = 0.4
    attic_height: Range = (0.5, 0.9)
    roof: float = 0.85
    roof_height: Range = (0.2, 0.6)
    molding: float = 0.35  # at each floor line
    molding_height: Range = (0.06, 0.22)
    sill: float = 0.75
    sill_height: Range = (0.06, 0.26)
    cornice: float = 0.6
    cornice_height: Range = (0.08, 0.34)
    balcony: float = 0.5
    balcony_height: Range = (0.28, 0.5)
    balcony_width: Range = (1.2, 2.1)
    shutter: float = 0.08
    shutter_width: Range = (0.2, 0.36)
    roller: float = 0.1
    deco: float = 0.45
    deco_width: Range = (0.25, 0.8)
    pillar: float = 0.3
    pillar_width: Range = (0.1, 0.26)
    shop: float = 0.5
    door_width: Range = (0.35, 0.6)


STYLES = (
    # Apartment block
    Style(storeys=(2, 5), balcony=0.85, roller=0.3, cornice=0.35, shop=0.6, pillar=0.1),
    # Palace
    Style(storeys=(2, 3), cornice=0.9, deco=0.7, pillar=0.7, molding=0.75, panes=(0.8, 0.15, 0.05)),
    # Shops with a few flats above
    Style(storeys=(1, 3), bay_width=(0.7, 1.2), shutter=0.4, shop=0.9, deco=0.5, ground_height=(1.1, 1.6)),
    # Modern grid
    Style(
        storeys=(5, 8), bay_width=(0.9, 1.6), window_width=(0.45, 0.8), window_height=(0.45, 0.6), attic=0.1,
        sill=0.4, cornice=0.05, deco=0.15, molding=0.1, balcony=0.4, ground_height=(1.2, 1.8),
    ),
    # Tenement
    Style(storeys=(2, 4), bay_width=(0.6, 0.95), sill=0.9, cornice=0.75, panes=(0.5, 0.4, 0.1)),
)  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """What surrounds the buildings, and how exact the annotators were: chances and lengths."""

    cropped: float = 0.45  # the building reaches the picture's edge;
    side: float = 28.0  # otherwise, the mean width of the strip beside it,
    sky: float = 36.0  # above it
    street: float = 8.0  # and below it
    neighbor: float = 0.7  # a strip wide enough shows windows of the next house
    neighbor_strip: float = 12.0
    pair: float = 0.12  # two houses share the picture
    missed: float = 0.03  # a window that nobody annotated
    slip: float = 0.65  # standard deviation of an edge
    rim: float = 1.0  # the outermost pixels are never annotated


SCENE = Scene()
CORE = Box(90, 110, 166, 220)  # what buildings always cover


def draw_indices(rng: np.random.Generator, size: int) -> npt.NDArray[np.uint8]:
    """Return the class indices, uint8 [size, size], of an invented picture of one or two buildings."""
    artist = _Artist(rng)
    artist.street()
    return artist.paint(size)


class _Artist:
    """Collects the boxes of a picture; every method adds those of one part of it."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.boxes: dict[Label, list[Box]] = {label: [] for label in PAINT_ORDER}

    def paint(self, size: int) -> npt.NDArray[np.uint8]:
        indices = np.full((size, size), Label.BACKGROUND, dtype=np.uint8)
        for label in PAINT_ORDER:
            for box in self.boxes[label]:
                clipped = np.clip(box, SCENE.rim, SIDE - SCENE.rim)
                left, top, right, bottom = (round(float(edge) * size / SIDE) for edge in clipped)
                indices[top:bottom, left:right] = label
        return indices

    def add(self, label: Label, box: Box) -> None:
        self.boxes[label].append(Box(*(np.array(box) + self.rng.normal(0, SCENE.slip, 4))))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def within(self, limits: Range) -> float:
        return float(self.rng.uniform(*limits))

    def margin(self, mean: float) -> float:
        return self.within((-6, 3)) if self.chance(SCENE.cropped) else float(self.rng.exponential(mean))

    def street(self) -> None:
        """One building, or two that share a wall, among sky, street and neighbours."""
        lot = Box(
            min(self.margin(SCENE.side), CORE.left),
            min(self.margin(SCENE.sky), CORE.top),
            max(SIDE - self.margin(SCENE.side), CORE.right),
            max(SIDE - self.margin(SCENE.street), CORE.bottom),
        )
        for strip in (Box(0, lot.top, lot.left, SIDE), Box(lot.right, lot.top, SIDE, SIDE)):
            if strip.width > SCENE.neighbor_strip and self.chance(SCENE.neighbor):
                self.neighbor(strip)
        if self.chance(SCENE.pair):
            shared = self.within((0.3, 0.7))
            self.building(lot.part(right=shared))
            self.building(lot.part(left=shared, top=self.within((-0.1, 0.25))))
        else:
            self.building(lot)

    def neighbor(self, strip: Box) -> None:
        """A column of windows on the background: the database leaves the walls of neighbours out."""
        storeys = int(self.rng.integers(3, 7))
        column = strip.part(left=self.within((0, 0.3)), right=self.within((0.7, 1)))
        if column.width > 24:
            column = column.part(right=24 / column.width)
        trim = [
            (label, area)
            for label, area in (
                (Label.SILL, (-0.1, 0.95, 1.1, 1.15)),
                (Label.CORNICE, (-0.1, -0.2, 1.1, 0.02)),
                (Label.BALCONY, (-0.2, 0.6, 1.2, 1.2)),
                (Label.BLIND, (-0.2, 0.0, 0.1, 1.0)),
            )
            if self.chance(0.25)
        ]
        foot = self.within((0.6, 0.8))
        for storey in range(storeys):
            window = column.part(top=(storey + 0.25) / storeys, bottom=(storey + foot) / storeys)
            self.add(Label.WINDOW, window)
            for label, area in trim:
                self.add(label, window.part(*area))

    def building(self, wall: Box) -> None:
        """A house in one of the styles: attic, roof line, upper storeys and ground floor over common bays."""
        style = STYLES[int(self.rng.integers(len(STYLES)))]
        storeys = int(self.rng.integers(style.storeys[0], style.storeys[1] + 1))
        has_attic, has_roof = self.chance(style.attic), self.chance(style.roof)
        heights = [
            self.within(style.attic_height) if has_attic else 0.1,
            self.within(style.roof_height) if has_roof else 0.0,
            *np.sort(self.rng.uniform(0.85, 1.15, storeys)),  # the grandest rooms are the lowest
            self.within(style.ground_height),
        ]
        attic, roof, *upper, ground = _rows(wall, heights)
        bays = self.bays(wall, upper[0].height * self.within(style.bay_width), style)

        self.add(Label.FACADE, wall)
        if has_attic:
            self.attic(attic, bays)
        if has_roof:
            self.roof(roof, bays, style)
        self.moldings([*upper, ground], style)
        self.windows(upper, bays, style)
        self.balconies(upper, bays, style)
        self.decos(upper, bays, style)
        self.ground_floor(ground, bays, style)
        if self.chance(style.pillar):
            self.pillars(upper, bays, style)

    def bays(self, wall: Box, width: float, style: Style) -> list[Bay]:
        """Divide the wall into bays of about the width given, mirrored about its middle."""
        count = int(np.clip(round(wall.width / width), 2, 11))
        half = self.rng.choice([1, 2, 3], size=(count + 1) // 2, p=style.panes)
        widths = self.rng.uniform(0.85, 1.2, len(half))
        if self.chance(0.5):
            half[:], widths[:] = half[0], 1.0
        mirrored = [*range(len(half)), *reversed(range(count // 2))]
        panes, edge = half[mirrored], self.within((0.0, 0.3))
        columns = _columns(wall, [edge, *(widths[mirrored] * (0.7 + 0.3 * panes)), edge])
        return [Bay(column, int(n)) for column, n in zip(columns[1:-1], panes, strict=True)]

    def attic(self, attic: Box, bays: Sequence[Bay]) -> None:
        """Dormers in the roof, smaller than the windows below and not over all of them."""
        share, top = self.within((0.25, 0.45)), self.within((0.2, 0.45))
        covered, decorated = self.chance(0.3), self.chance(0.15)
        for bay in bays[int(self.rng.integers(2)) :: int(self.rng.integers(1, 3))]:
            dormer = attic.beside(bay.wall).middle(share).part(top=top, bottom=0.9)
            self.panes(dormer, bay.panes)
            if covered:
                self.add(Label.CORNICE, dormer.part(-0.2, -0.3, 1.2, 0.02))
            if decorated:
                self.add(Label.DECO, dormer.part(1.3, 0.0, 1.9, 1.0))

    def roof(self, roof: Box, bays: Sequence[Bay], style: Style) -> None:
        """The wide molding under the roof, at times with brackets or a parapet."""
        self.add(Label.MOLDING, roof.part(left=self.within((-0.01, 0.02)), right=self.within((0.98, 1.01))))
        if self.chance(style.deco / 2):
            share, top = self.within((0.15, 0.5)), self.within((0.2, 0.6))
            for bay in bays:
                self.add(Label.DECO, roof.beside(bay.wall).middle(share).part(top=top, bottom=top + 0.4))
        elif self.chance(style.balcony / 6):
            self.add(Label.BALCONY, roof.part(top=-0.5, bottom=0.1))

    def moldings(self, storeys: Sequence[Box], style: Style) -> None:
        """Bands on the floor lines; the one over the ground floor, the last, is the most usual."""
        height = self.within(style.molding_height)
        for storey in storeys[1:]:
            base = storey is storeys[-1]
            if self.chance(0.75 if base else style.molding):
                top, thick = self.within((-0.08, 0.0)), height * (self.within((1.0, 2.0)) if base else 1.0)
                left, right = self.within((-0.01, 0.02)), self.within((0.98, 1.01))
                self.add(Label.MOLDING, storey.part(left, top, right, top + thick))

    def panes(self, opening: Box, count: int) -> list[Box]:
        """The windows of a group, side by side; returns their boxes."""
        gap = self.within((0.1, 0.35))
        panes = _columns(opening, [1.0, *([gap, 1.0] * (count - 1))])[::2]
        for pane in panes:
            self.add(Label.WINDOW, pane)
        return panes

    def windows(self, storeys: Sequence[Box], bays: Sequence[Bay], style: Style) -> None:
        """The window groups of the upper storeys with what belongs to each: sill, cornice and blinds."""
        width, height = self.within(style.window_width), self.within(style.window_height)
        top = self.within((0.5, 0.75)) * (1 - height)
        overhang = self.within(style.overhang)
        sill = self.within(style.sill_height) / height if self.chance(style.sill) else 0.0
        cornice = self.within(style.cornice_height) / height if self.chance(style.cornice) else 0.0
        shutter = self.within(style.shutter_width) if self.chance(style.shutter) else 0.0
        roller = self.within((0.15, 0.7)) if self.chance(style.roller) else 0.0
        for storey in storeys:
            with_sills, with_cornices = self.chance(0.85), self.chance(0.75)
            for bay in bays:
                if self.chance(SCENE.missed):
                    continue
                share = min(width * (1 + 0.15 * (bay.panes - 1)), 0.9)
                opening = storey.beside(bay.wall).middle(share).part(top=top, bottom=top + height)
                panes = self.panes(opening, bay.panes)
                if sill and with_sills:
                    self.add(Label.SILL, opening.middle(overhang).part(top=0.97, bottom=0.97 + sill))
                if cornice and with_cornices:
                    self.add(Label.CORNICE, opening.middle(overhang).part(top=-cornice, bottom=0.05))
                if shutter and self.chance(0.9):
                    self.add(Label.BLIND, opening.part(-shutter * 0.8, 0, shutter * 0.2, 1))
                    self.add(Label.BLIND, opening.part(1 - shutter * 0.2, 0, 1 + shutter * 0.8, 1))
                for pane in panes:
                    if self.chance(roller):
                        self.add(Label.BLIND, pane.part(0.05, 0, 0.95, self.within((0.2, 1.0))))

    def balconies(self, storeys: Sequence[Box], bays: Sequence[Bay], style: Style) -> None:
        """Balconies before the lower part of the windows, at one of the usual sets of places."""
        if not self.chance(style.balcony):
            return
        height, width = self.within(style.balcony_height), self.within(style.balcony_width)
        share = min(self.within(style.window_width) * width, 1.0)
        rows, columns = range(len(storeys)), range(len(bays))
        outer = int(self.rng.integers((len(bays) + 1) // 2))
        mirrored = {outer, len(bays) - 1 - outer}
        row = int(self.rng.integers(len(storeys)))
        places = (
            [(i, j) for i in rows for j in mirrored],
            [(i, j) for i in rows for j in columns],
            [(row, j) for j in columns],
            [(row, len(bays) // 2)],
            [(i, j) for i in rows for j in columns if self.chance(0.35)],
        )
        for i, j in places[int(self.rng.choice(len(places), p=(0.35, 0.15, 0.15, 0.2, 0.15)))]:
            front = storeys[i].beside(bays[j].wall).middle(share)
            self.add(Label.BALCONY, front.part(top=1 - height, bottom=1))
        if self.chance(0.15):
            wide = self.within((0.5, 1.0))
            self.add(Label.BALCONY, storeys[-1].middle(wide).part(top=1 - height, bottom=1))

    def decos(self, storeys: Sequence[Box], bays: Sequence[Bay], style: Style) -> None:
        """Panels or reliefs over the windows of a storey or two, or between the bays."""
        if not self.chance(style.deco):
            return
        first = int(self.rng.integers(len(storeys)))
        share, height = self.within(style.deco_width), self.within((0.12, 0.4))
        top, between = self.within((-0.12, 0.05)), self.chance(0.3)
        rows, columns = storeys[first :: len(storeys) - 1 or 1], bays[:: int(self.rng.integers(1, 3))]
        for storey, bay in product(rows, columns):
            place = bay.wall.part(left=0.75, right=1.25) if between else bay.wall
            panel = storey.beside(place).middle(share)
            self.add(Label.DECO, panel.part(top=top + 0.3 * between, bottom=top + height + 0.4 * between))

    def ground_floor(self, ground: Box, bays: Sequence[Bay], style: Style) -> None:
        """Doors, and shops or windows between them; signs and lamps of shops hang anywhere above."""
        middle = len(bays) // 2
        entrances = {middle} if self.chance(0.5) else set(self.rng.integers(len(bays), size=2).tolist())
        top, share = self.within((0.25, 0.4)), self.within((0.6, 1.1))
        window_width, foot = self.within(style.window_width), self.within((0.7, 0.9))
        shops = self.chance(style.shop)
        for index, bay in enumerate(bays):
            room = ground.beside(bay.wall)
            if index in entrances and self.chance(0.75):
                self.entrance(room.middle(self.within(style.door_width)).part(top=top, bottom=0.97), style)
            elif shops and self.chance(0.75):
                self.add(Label.SHOP, room.middle(share).part(top=top, bottom=self.within((0.85, 1.0))))
            elif self.chance(0.75):
                self.panes(room.middle(window_width).part(top=top, bottom=foot), bay.panes)
        if shops and self.chance(0.4):
            start = self.within((0.0, 0.5))
            sign = ground.part(left=start, right=start + self.within((0.2, 0.5)))
            self.add(Label.SHOP, sign.part(top=0.1, bottom=self.within((0.18, 0.28))))
        if self.chance(0.4):
            for _ in range(int(self.rng.integers(1, 4))):
                left, top = self.within((0.0, 0.95)), self.within((-0.1, 0.5))
                sign = ground.part(left=left, right=left + self.within((0.02, 0.08)))
                self.add(Label.SHOP, sign.part(top=top, bottom=top + self.within((0.08, 0.3))))

    def entrance(self, door: Box, style: Style) -> None:
        """A door, which may have a relief or a balcony over it and pillars at its sides."""
        self.add(Label.DOOR, door)
        if self.chance(style.deco):
            self.add(Label.DECO, door.part(-0.15, -0.3, 1.15, 0.0))
        elif self.chance(style.balcony / 2):
            self.add(Label.BALCONY, door.part(-0.5, -0.55, 1.5, -0.1))
        if self.chance(style.pillar):
            self.add(Label.PILLAR, door.part(-0.25, -0.1, 0.0, 1.0))
            self.add(Label.PILLAR, door.part(1.0, -0.1, 1.25, 1.0))

    def pillars(self, storeys: Sequence[Box], bays: Sequence[Bay], style: Style) -> None:
        """Pillars with capitals between the bays, over one storey or more."""
        first = int(self.rng.integers(len(storeys)))
        top, bottom = storeys[first].top, storeys[int(self.rng.integers(first, len(storeys)))].bottom
        width = self.within(style.pillar_width)
        capital = self.chance(0.5)
        for bay in bays[:: int(self.rng.integers(1, 3))]:
            for side in (0, 1):
                axis = bay.wall.part(left=side - 0.5, right=side + 0.5)
                shaft = Box(axis.left, top, axis.right, bottom)
                self.add(Label.PILLAR, shaft.middle(width))
                if capital:
                    self.add(Label.PILLAR, shaft.middle(width * 1.7).part(bottom=0.08))


def _rows(box: Box, heights: Sequence[float]) -> list[Box]:
    """Divide a box from top to bottom in proportion to the heights."""
    lines = np.cumsum([0.0, *heights]) / sum(heights)
    return [box.part(top=a, bottom=b) for a, b in pairwise(lines.tolist())]


def _columns(box: Box, widths: Sequence[float]) -> list[Box]:
    """Divide a box from left to right in proportion to the widths."""
    lines = np.cumsum([0.0, *widths]) / sum(widths)
    return [box.part(left=a, right=b) for a, b in pairwise(lines.tolist())]
