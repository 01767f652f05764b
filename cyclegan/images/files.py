"""Which files of a folder are images. What is left out is named, in one line of the log for each reason."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from PIL import Image

from cyclegan.images.io import FORMATS, IMAGE_SUFFIXES, ImageError, Levels, dark_levels, open_image
from cyclegan.runtime import distributed

T = TypeVar("T")

log = logging.getLogger(__name__)
SUFFIXES = tuple(sorted(IMAGE_SUFFIXES))
SEQUENCES = (".gif", ".tif", ".tiff", ".webp", ".avif")
"""Suffixes of files that may hold several frames."""
SAMPLE = 16
"""Images whose levels are looked at before all are read."""
MOST_OPENED = 10_000
"""Files of these suffixes that are opened to count their frames, at most."""


def warn(message: str) -> None:
    """Log a warning, once of several processes."""
    if distributed.is_first():
        log.warning(message)


def some(names: Sequence[str], limit: int = 5) -> str:
    """The first few names, for a message."""
    return ", ".join(names[:limit]) + (", ..." if len(names) > limit else "")


def list_files(folder: Path, *, recursive: bool = True) -> list[Path]:
    """Return the images in a folder and below it, 2.jpg before 10.jpg, and warn of files that are left out.

    Hidden files and folders are none, `._1.jpg` and `__MACOSX` of macOS among them. Links to folders are not followed.
    """
    found: list[Path] = []
    others: list[str] = []
    for inside, folders, names in os.walk(folder):  # which tells files from folders without asking the disk about each
        folders[:] = [name for name in folders if not _is_hidden(name)] if recursive else []
        for name in names:
            if name.lower().endswith(SUFFIXES) and not _is_hidden(name):
                found.append(Path(inside, name))
            elif not _is_hidden(name):
                others.append(name)
    if others:
        warn(
            f"{folder}: {len(others)} files are not read: {some(sorted(others))}; convert pictures among them to PNG "
            "or JPEG"
        )
    found.sort(key=lambda path: natural(str(path)[len(str(folder)) :]))
    _warn_of_frames(found)
    return found


def holds_images(folder: Path) -> bool:
    """Return whether images lie in the folder itself; not in a hidden one, or one that cannot be read."""
    if _is_hidden(folder.name) or not os.access(folder, os.R_OK):
        return False
    with os.scandir(folder) as entries:
        return any(each.name.lower().endswith(SUFFIXES) and not _is_hidden(each.name) for each in entries)


def natural(name: str) -> list[tuple[int, str]]:
    """Return the sort key by which 2.jpg comes before 10.jpg."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def evenly(items: Sequence[T], count: int) -> list[T]:
    """`count` of the items, or all if they are fewer, evenly spread."""
    count = min(count, len(items))
    return [items[index * len(items) // count] for index in range(count)]


def warn_of_dark(paths: Sequence[Path]) -> None:
    """Warn if images are nearly black, with the range of values in the first of them; looks at SAMPLE of them."""
    dark: dict[str, Levels] = {}
    looked_at = evenly(paths, SAMPLE)
    for path in looked_at:
        with suppress(ImageError):  # reading the file reports it
            if levels := dark_levels(open_image(path)):
                dark[f"{path.parent.name}/{path.name}"] = levels
    if dark:
        name, first = next(iter(dark.items()))
        of = f"{len(looked_at)} images" if len(looked_at) == len(paths) else f"{SAMPLE} images looked at"
        warn(f"{len(dark)} of {of} are read as nearly black: {some(list(dark))}; {name} has {first}")


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _warn_of_frames(paths: Iterable[Path]) -> None:
    candidates = [path for path in paths if path.suffix.lower() in SEQUENCES][:MOST_OPENED]
    frames = {path.name: count for path in candidates if (count := _frames(path)) > 1}
    if frames:
        named = some([f"{name} ({count})" for name, count in frames.items()])
        warn(
            f"{len(frames)} files have several frames, of which only the first is read: {named}; "
            f"{sum(frames.values()) - len(frames)} frames are left out: save each as a file of its own to use them"
        )


def _frames(path: Path) -> int:
    try:
        with Image.open(path, formats=FORMATS) as image:
            return int(getattr(image, "n_frames", 1))
    except Exception:  # decoders raise whatever they meet; reading the file reports it
        return 1
