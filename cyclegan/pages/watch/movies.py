"""Movies of a training: the pictures of all epochs one after the other, as a GIF or an MP4."""

from __future__ import annotations

import importlib.util
import io
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

from cyclegan.pages.frames import Frame, picture_of

Format = Literal["gif", "mp4"]

MOVIE_FRAMES = 60
"""Most epochs in a movie: a GIF of so many, two models at 256 pixels, has about 5 MB."""
MOVIE_SIDE = 256
"""Longest side of a picture in it, in pixels."""
FULL_MS, LONGEST_MS, LAST_MS = 8000, 600, 1600
"""Milliseconds of the whole movie, most of one epoch, and how long the last epoch stays."""
FRAMES_PER_SECOND = 10
"""Of an MP4, whose pictures are repeated: players stumble over less than one a second."""

_HEADER, _GAP = 30, 8
_INK, _PAPER = "#1e293b", "white"


def formats() -> tuple[Format, ...]:
    """What can be made here; MP4 needs imageio-ffmpeg, which has no build for every platform."""
    return ("gif", "mp4") if importlib.util.find_spec("imageio_ffmpeg") else ("gif",)


def movie(frames: Sequence[Frame], titles: Sequence[str], kind: Format) -> bytes:
    """The frames of models with these titles, epoch by epoch, side by side; of many epochs, evenly spread ones.

    A model without a picture of its own at an epoch shows its nearest earlier one. Raises ValueError for no frames.
    """
    pages = list(_pages(frames, titles))
    if not pages:
        raise ValueError("a movie needs at least one frame")
    each = min(LONGEST_MS, FULL_MS // len(pages))
    durations = [*[each] * (len(pages) - 1), LAST_MS]
    return _gif(pages, durations) if kind == "gif" else _mp4(pages, durations)


def places(epochs_of_models: Sequence[Sequence[int]]) -> set[tuple[int, int]]:
    """Model and epoch of the frames that a movie needs, of those that there are."""
    epochs = sorted({epoch for epochs in epochs_of_models for epoch in epochs})
    return {
        (model, max((epoch for epoch in there if epoch <= at), default=min(there)))
        for at in evenly(epochs, MOVIE_FRAMES)
        for model, there in enumerate(epochs_of_models)
        if there
    }


def evenly(epochs: Sequence[int], count: int) -> list[int]:
    """At most `count` of them, the first and the last among them."""
    if len(epochs) <= count:
        return list(epochs)
    step = (len(epochs) - 1) / (count - 1)
    return [epochs[round(index * step)] for index in range(count)]


def _pages(frames: Sequence[Frame], titles: Sequence[str]) -> Iterator[Image.Image]:
    by_model: dict[int, dict[int, Frame]] = {}
    for frame in frames:
        by_model.setdefault(frame.model, {})[frame.epoch] = frame
    epochs = sorted({frame.epoch for frame in frames})
    for epoch in evenly(epochs, MOVIE_FRAMES):
        row = []
        for model, there in sorted(by_model.items()):
            shown = max((at for at in there if at <= epoch), default=min(there))
            row.append((titles[model], _small(picture_of(there[shown]))))
        yield _page(row, f"{epoch}/{epochs[-1]}")


def _small(picture: Image.Image) -> Image.Image:
    scale = MOVIE_SIDE / max(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)


def _page(row: Sequence[tuple[str, Image.Image]], epoch: str) -> Image.Image:
    """The pictures beside each other under their titles, the epoch at the right; both sides even, as H.264 wants."""
    width = sum(picture.width + _GAP for _, picture in row) + _GAP
    height = _HEADER + max(picture.height for _, picture in row) + _GAP
    page = Image.new("RGB", (width + width % 2, height + height % 2), _PAPER)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(15)
    left = _GAP
    for title, picture in row:
        draw.text((left, 7), title, _INK, font)
        page.paste(picture, (left, _HEADER))
        left += picture.width + _GAP
    draw.text((left - _GAP, 7), epoch, _INK, font, anchor="ra")
    return page


def _gif(pages: Sequence[Image.Image], durations: Sequence[int]) -> bytes:
    content = io.BytesIO()
    first, *rest = [page.quantize(method=Image.Quantize.FASTOCTREE) for page in pages]
    first.save(content, "GIF", save_all=True, append_images=rest, duration=list(durations), loop=0, disposal=1)
    return content.getvalue()


def _mp4(pages: Sequence[Image.Image], durations: Sequence[int]) -> bytes:
    import imageio_ffmpeg

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "movie.mp4"
        writer = imageio_ffmpeg.write_frames(
            str(path), pages[0].size, fps=FRAMES_PER_SECOND, quality=7, macro_block_size=2
        )
        writer.send(None)
        try:
            for page, duration in zip(pages, durations, strict=True):
                for _ in range(max(1, round(duration * FRAMES_PER_SECOND / 1000))):
                    writer.send(page.tobytes())
        finally:
            writer.close()
        return path.read_bytes()
