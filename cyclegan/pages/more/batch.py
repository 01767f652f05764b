"""Many pictures at once: found in uploads, translated one after the other, packed under their own names."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

from PIL import Image

from cyclegan.data.archives import ArchiveError, extract, safe_parts
from cyclegan.images.io import ImageError, open_image, to_png
from cyclegan.pages import texts
from cyclegan.pages.errors import Refusal
from cyclegan.pages.inputs import prepare, shrunk_note
from cyclegan.pages.languages import Text
from cyclegan.pages.models import Model, Route
from cyclegan.pages.more import batch_texts

MAX_PICTURES = 100
MAX_MEGABYTES = 200
"""All files together, those of a zip unpacked; counted while they are unpacked."""
MAX_MEMBERS = 10 * MAX_PICTURES
"""Files and folders in a zip, whatever they are."""

_ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class Upload:
    """A file as it came, and what the visitor calls it."""

    path: Path
    name: str


@dataclass(frozen=True)
class Done:
    """A translated picture; `note` says what was done to it before."""

    name: str
    image: Image.Image
    note: Text | None = None


@dataclass(frozen=True)
class Skipped:
    """A file that is left out, and why."""

    name: str
    reason: Text


def gather(uploads: Sequence[Upload], folder: Path) -> tuple[list[Upload], list[Skipped]]:
    """All files in the uploads, zips unpacked into an empty folder, and what cannot be used; names have subfolders
    with slashes.

    Raises Refusal where there are none, more than MAX_PICTURES, or more than MAX_MEGABYTES.
    """
    found, skipped = [], []
    left = MAX_MEGABYTES * 10**6
    for number, upload in enumerate(uploads):
        try:
            parts = safe_parts(upload.name, any_script=True)
            if not _is_zip(upload.path):
                inside = [Upload(upload.path, "/".join(parts))]
            else:
                inside = _unpack(upload.path, folder / str(number), left)
        except ArchiveError:
            skipped.append(Skipped(upload.name, batch_texts.BAD_ZIP.format(limit=MAX_MEGABYTES)))
            continue
        left -= sum(file.path.stat().st_size for file in inside)
        if left < 0:
            raise Refusal(batch_texts.TOO_LARGE.format(limit=MAX_MEGABYTES))
        found += inside
    if len(found) > MAX_PICTURES:
        raise Refusal(batch_texts.TOO_MANY.format(count=len(found), limit=MAX_PICTURES))
    if not found and not skipped:
        raise Refusal(batch_texts.NO_FILES)
    return found, skipped


def translate_all(
    files: Sequence[Upload], model: Model, route: Route, epoch: int | None = None
) -> Iterator[Done | Skipped]:
    """The translation of each file in its own size, or why there is none; by the best networks unless an epoch is
    given. Raises Refusal where the model has none yet."""
    at = epoch or model.default_epoch(route)
    for file in files:
        try:
            image = open_image(file.path, file.name)
            prepared = prepare(image, route).image
        except ImageError as error:
            if not error.fault:
                raise
            yield Skipped(file.name, texts.PICTURE_FAULTS[error.fault])
        else:
            note = None if prepared.size == image.size else shrunk_note(image, prepared)
            yield Done(file.name, model.translate(prepared, route, at), note)


class Pack:
    """A zip that grows by a picture at a time."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED)  # PNG is compressed already
        self._taken: set[str] = set()

    def add(self, name: str, image: Image.Image) -> str:
        """Add a picture as PNG, which leaves every class of a label map where it is; returns its name in the zip: its
        own, but for the suffix, or with a number where another has it."""
        path = PurePosixPath(name)
        names = (str(path.with_name(f"{path.stem}{suffix}.png")) for suffix in _suffixes())
        free = next(each for each in names if each.casefold() not in self._taken)
        self._taken.add(free.casefold())
        self._zip.writestr(free, to_png(image))
        return free

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()


def _suffixes() -> Iterator[str]:
    yield ""
    number = 2
    while True:
        yield f" ({number})"
        number += 1


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_ZIP)) == _ZIP


def _unpack(archive: Path, into: Path, max_bytes: int) -> list[Upload]:
    """The files in a zip, by name, without those that systems leave behind (`.DS_Store`, `__MACOSX`)."""
    extract(archive, into, max_bytes=max(1, max_bytes), max_members=MAX_MEMBERS, any_script=True)
    files = sorted(path for path in into.rglob("*") if path.is_file())
    names = {path: path.relative_to(into) for path in files}
    return [
        Upload(path, name.as_posix())
        for path, name in names.items()
        if not any(part.startswith((".", "__MACOSX")) for part in name.parts)
    ]


def refused_files(skipped: Sequence[Skipped]) -> list[dict[str, str]]:
    """Names and reasons for programs, in English."""
    return [{"name": each.name, "reason": each.reason.en} for each in skipped]
