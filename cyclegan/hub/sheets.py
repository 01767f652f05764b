"""Contact sheets: pictures of a run in a grid with names, for its model card and for READMEs."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from cyclegan.facades.labels import EXAMPLE_SEEDS, draw_facade
from cyclegan.images.io import open_image
from cyclegan.runs.run import Run
from cyclegan.runs.samples import SAMPLE_SIZE, cut, spread

SIDE, GAP, LEGEND, MARGIN = 192, 6, 22, 84
"""Pixels: side of each picture, between them, height of the names on top, least width of the names at the left."""

EXAMPLES, EPOCHS = 4, 6
"""Most pictures in a row of a run's sheets."""

Row = tuple[str, Sequence[Image.Image]]


def sheet(rows: Sequence[Row], columns: Sequence[str] = ()) -> Image.Image:
    """Pictures in a grid, the names of rows at the left and of columns, where they have any, on top."""
    font = ImageFont.load_default(14)
    margin = max(MARGIN, *(round(font.getlength(name)) + 16 for name, _ in rows))
    head = LEGEND if columns else 0
    width = margin + max(len(pictures) for _, pictures in rows) * (SIDE + GAP)
    page = Image.new("RGB", (width, head + len(rows) * (SIDE + GAP)), "white")
    pen = ImageDraw.Draw(page)
    for column, name in enumerate(columns):
        pen.text((margin + column * (SIDE + GAP) + SIDE / 2, head / 2), name, "black", font, anchor="mm")
    for row, (name, pictures) in enumerate(rows):
        top = head + row * (SIDE + GAP)
        pen.text((margin - 8, top + SIDE / 2), name, "black", font, anchor="rm")
        for column, picture in enumerate(pictures):
            small = picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            page.paste(small, (margin + column * (SIDE + GAP), top))
    return page


def side_by_side(run: Run) -> Image.Image | None:
    """What the last epoch made of the sample inputs, below these where they are the project's own drawings; None
    where the run has no samples. Raises ImageError where they are damaged."""
    if not (run.samples and run.sample_epochs):
        return None
    last = open_image(run.sample_path(run.sample_epochs[-1]))
    columns = range(min(EXAMPLES, last.width // SAMPLE_SIZE))
    rows: list[Row] = []
    for row, (direction, kind) in enumerate(run.samples.items()):
        if kind == "drawn":
            drawn = [draw_facade(EXAMPLE_SEEDS[column], size=SAMPLE_SIZE) for column in columns]
            rows.append((run.domain(direction[0]), drawn))
        rows.append((f"to {run.domain(direction[1])}", [cut(last, row, column) for column in columns]))
    return sheet(rows)


def through_epochs(run: Run) -> Image.Image | None:
    """What a few epochs made of the first sample input of each direction; None where the run has no samples. Raises
    ImageError where they are damaged."""
    if not (run.samples and run.sample_epochs):
        return None
    epochs = spread(run.sample_epochs, EPOCHS)
    samples = [open_image(run.sample_path(epoch)) for epoch in epochs]
    rows = [
        (f"to {run.domain(direction[1])}", [cut(sample, row, 0) for sample in samples])
        for row, direction in enumerate(run.samples)
    ]
    return sheet(rows, [f"epoch {epoch}" for epoch in epochs])


def to_webp(page: Image.Image) -> bytes:
    """The sheet as a WebP file."""
    content = io.BytesIO()
    page.save(content, "WEBP", quality=85, method=6)
    return content.getvalue()
