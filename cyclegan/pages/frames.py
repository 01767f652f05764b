"""The pictures of every epoch: cut from a run's sample images, or computed for a visitor's own picture."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image

from cyclegan.images.io import open_image
from cyclegan.pages.models import Model, Models, Route
from cyclegan.runs.samples import SAMPLE_SIZE, cut

log = logging.getLogger(__name__)

CACHED_SHEETS = 1000
"""Sample images whose pictures are kept, ready to send: about 150 kB each, 60 MB for two runs of 200 epochs."""

CUT_SHEETS = 3
"""Decoded sample images that are kept, those that are cut just now: 2 MB each of a CycleGAN, 33 MB of the largest that
WebP can hold."""

Places = Collection[tuple[int, int]]
"""Model (its place in `Models`) and epoch of frames that are asked for."""


@dataclass(frozen=True)
class Frame:
    """One picture of the stack: by which model (its place in `Models`), after which epoch, as a data URI."""

    model: int
    epoch: int
    src: str


def sample_epochs(model: Model) -> tuple[int, ...]:
    """Epochs of a model whose sample image is whole: a damaged one is as good as none."""
    run = model.translator.run
    height = len(run.samples) * SAMPLE_SIZE
    paths = {epoch: run.sample_path(epoch) for epoch in run.sample_epochs}
    return tuple(epoch for epoch, path in paths.items() if _is_whole(path, _changed(path), height))


def sample_picture(model: Model, route: Route, epoch: int, column: int) -> Image.Image:
    """A drawn example's picture in the sample image of an epoch. Raises ValueError where the run has none."""
    row = model.drawn_row(route)
    if row is None:
        raise ValueError(f"{model.title} has no drawn samples for {route.name}")
    path = model.translator.run.sample_path(epoch)
    return cut(_sample_image(path, _changed(path)), row, column)


def sample_frames(models: Models, route: Route, column: int | None, wanted: Places | None = None) -> Iterator[Frame]:
    """The frames of a column of the sample images, or of all columns in one picture, from a rough overview to
    every epoch; all of them, or those wanted."""
    there = {
        index: frozenset(sample_epochs(model)) for index, model in enumerate(models.models) if model in models.on(route)
    }
    for epoch in coarse_to_fine(sorted(frozenset().union(*there.values()))):
        for index, epochs in there.items():
            if epoch in epochs and (wanted is None or (index, epoch) in wanted):
                yield sample_frame(models, index, route, epoch, column)


def sample_frame(models: Models, index: int, route: Route, epoch: int, column: int | None) -> Frame:
    """One of these frames. Raises ValueError where the model has no samples along the route."""
    model = models.models[index]
    row = model.sample_row(route)
    if row is None:
        raise ValueError(f"{model.title} has no samples for {route.name}")
    path = model.translator.run.sample_path(epoch)
    changed = _changed(path)
    return Frame(index, epoch, _overview(path, changed, row) if column is None else _sheet(path, changed, row)[column])


def noise_frames(models: Models, wanted: Places | None = None) -> Iterator[Frame]:
    """The sample images of the models that make pictures from noise: the same whatever the visitor's picture."""
    for index, model in enumerate(models.models):
        run = model.translator.run
        for epoch in () if model.routes else coarse_to_fine(sample_epochs(model)):
            if wanted is None or (index, epoch) in wanted:
                path = run.sample_path(epoch)
                yield Frame(index, epoch, _sheet(path, _changed(path), 0)[0])


def computed_frames(models: Models, route: Route, image: Image.Image, wanted: Places | None = None) -> Iterator[Frame]:
    """The frames of any picture at the epochs whose generators are kept, in the order of training; all of them, or
    those wanted."""
    steps = sorted(
        (epoch, index)
        for index, model in enumerate(models.models)
        if route in model.routes
        for epoch in model.translator.epochs
        if wanted is None or (index, epoch) in wanted
    )
    for epoch, index in steps:
        picture = models.models[index].translate(image, route, epoch)
        yield Frame(index, epoch, data_uri(picture, exact=route.to_labels))


def coarse_to_fine(epochs: Iterable[int]) -> list[int]:
    """Every 16th first, then the gaps between: whoever drags the slider early finds something near everywhere."""
    epochs = list(epochs)
    ordered = [epoch for step in (16, 4, 1) for epoch in epochs[::step]]
    return list(dict.fromkeys(ordered))


def data_uri(image: Image.Image, *, exact: bool = False) -> str:
    """The image as a data URI: PNG where every pixel counts, otherwise JPEG, ten times smaller and quick to make."""
    content = io.BytesIO()
    if exact:
        image.save(content, "PNG", compress_level=6)
    else:
        image.save(content, "JPEG", quality=90)
    return f"data:image/{'png' if exact else 'jpeg'};base64,{base64.b64encode(content.getvalue()).decode()}"


def picture_of(frame: Frame) -> Image.Image:
    """The picture of a frame, back from its data URI."""
    return open_image(io.BytesIO(base64.b64decode(frame.src.partition(",")[2])))


@lru_cache(CACHED_SHEETS)
def _sheet(path: Path, changed: int, row: int) -> tuple[str, ...]:
    """All pictures in a row of a sample image. `changed` tells the files apart that were at this path: a run may be
    trained anew in the folder of an earlier one."""
    sheet = _sample_image(path, changed)
    return tuple(data_uri(cut(sheet, row, column)) for column in range(sheet.width // SAMPLE_SIZE))


@lru_cache(CACHED_SHEETS)
def _overview(path: Path, changed: int, row: int) -> str:
    """A row of a sample image broken into two lines."""
    sheet = _sample_image(path, changed)
    columns = sheet.width // SAMPLE_SIZE
    breadth = -(-columns // 2)
    overview = Image.new("RGB", (breadth * SAMPLE_SIZE, -(-columns // breadth) * SAMPLE_SIZE), "white")
    for column in range(columns):
        below, across = divmod(column, breadth)
        overview.paste(cut(sheet, row, column), (across * SAMPLE_SIZE, below * SAMPLE_SIZE))
    return data_uri(overview)


@lru_cache(CUT_SHEETS)
def _sample_image(path: Path, changed: int) -> Image.Image:
    """Decoding a sample image takes far longer than cutting it."""
    return open_image(path)


def _changed(path: Path) -> int:
    """When the file was last written, in nanoseconds; 0 where there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(16 * CACHED_SHEETS)
def _is_whole(path: Path, changed: int, height: int) -> bool:
    """Whether a file is a sample image of this height; opening it tells, without decoding the pixels."""
    try:
        with Image.open(path, formats=("WEBP",)) as sheet:
            whole = sheet.height == height and sheet.width % SAMPLE_SIZE == 0
    except Exception:  # Pillow raises whatever it meets
        whole = False
    if not whole:
        log.warning("%s is damaged: it is left out", path)
    return whole
