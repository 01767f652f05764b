"""Unpack archives from the internet: nothing is written but plain files and folders, inside one new folder.

Members are read as streams and written by this module, never by `extractall`. Links are refused, so no path
in the new folder can lead out of it, whatever order the members come in; modes and owners are not restored.
"""

import errno
import gzip
import shutil
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import IO

CHUNK_BYTES = 1 << 20
MAX_MEMBERS = 200_000  # the largest named dataset, edges2handbags, has about 139,000
MAX_DEPTH = 8  # folders are made as members need them: this bounds their number too
HEADER_BYTES = 1 << 20  # tarfile keeps long names and extended headers in memory

# Images are compressed already, so an honest archive is about as large as what it holds.
MAX_GROWTH = 4
GROWTH_FLOOR_BYTES = 64 << 20  # small archives, of drawn images say, may grow more

_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    struct.error,
    EOFError,
    RuntimeError,  # zipfile's word for an encrypted member, or one of a later format
    ValueError,
    IndexError,  # zipfile's, for a member without a name
)

_Member = tuple[str, IO[bytes] | None]  # name and content; a folder has none


class ArchiveError(Exception):
    """The archive is damaged, is no archive, or holds something that is not unpacked."""


def extract(
    archive: Path, into: Path, *, max_bytes: int | None = None, max_members: int = MAX_MEMBERS, any_script: bool = False
) -> Path:
    """Unpack a tar.gz or zip into the new folder `into`; return the folder in which its content begins.

    That is `into`, or the archive's top folder where everything stands under one (`facades/train/...`).
    `max_bytes` bounds the unpacked size, counted while writing; by default 4 times the archive's size, but no
    less than 64 MiB. Names are ASCII, as those of every named dataset are, or with `any_script` of any letters.

    Raises ArchiveError for an archive that is damaged, too large or unsafe, and OSError where the disk
    refuses: `into` exists, the disk is full. When it raises, it leaves nothing behind.
    """
    limit = max(MAX_GROWTH * archive.stat().st_size, GROWTH_FLOOR_BYTES) if max_bytes is None else max_bytes
    into.mkdir()
    written = 0
    try:
        for number, (name, source) in enumerate(_members(archive), start=1):
            if number > max_members:
                raise ArchiveError(f"the archive has more than {max_members:,} members, the limit")
            path = into.joinpath(*safe_parts(name, any_script=any_script))
            try:
                (path.parent if source else path).mkdir(parents=True, exist_ok=True)
                if source is None:
                    continue
                target = path.open("xb")
            except (FileExistsError, NotADirectoryError) as error:
                raise ArchiveError(f"member {name!r} would overwrite an earlier member") from error
            with target, source:
                while chunk := source.read(CHUNK_BYTES):
                    written += len(chunk)
                    if written > limit:
                        raise ArchiveError(f"the archive unpacks to more than {limit:,} bytes, the limit")
                    target.write(chunk)
        tops = list(into.iterdir())
        if not tops:
            raise ArchiveError("the archive is empty")
        # A lone folder of images is a split (`train/`); only one that holds folders is a wrapping.
        wrapped = len(tops) == 1 and tops[0].is_dir() and any(child.is_dir() for child in tops[0].iterdir())
        return tops[0] if wrapped else into
    except BaseException as error:
        shutil.rmtree(into, ignore_errors=True)
        # Invalid: zipfile seeks wherever a damaged table points.
        if isinstance(error, _DAMAGE) or getattr(error, "errno", None) == errno.EINVAL:
            raise ArchiveError(f"the archive is damaged: {error}") from error
        raise


def safe_parts(name: str, *, any_script: bool = False) -> tuple[str, ...]:
    """The member's path below the new folder; ArchiveError where some system could read it as one outside."""
    # Some systems make dots and slashes of other letters that look alike: that comes first.
    name = unicodedata.normalize("NFKC", name) if any_script else name
    path = PureWindowsPath(name)  # the strictest reading: both slashes separate; knows drives and shares
    if not name.isprintable() or not (any_script or name.isascii()):
        fault = "is not printable" if any_script else "is not printable ASCII"
    elif path.anchor or ":" in name:
        fault = "is absolute or names a drive"
    elif any(part.endswith((".", " ")) for part in path.parts):
        fault = "has a part that is '..', or that Windows may shorten to it"
    elif len(path.parts) > MAX_DEPTH:
        fault = f"is deeper than {MAX_DEPTH} levels, the limit"
    else:
        return path.parts
    raise ArchiveError(f"member {name[:100]!r} is refused: its name {fault}")


def _members(archive: Path) -> Iterator[_Member]:
    """In the archive's order. A member's content is to be read before the next member is asked for."""
    with archive.open("rb") as file:
        start = file.read(32)
    if start.startswith(b"\x1f\x8b"):
        return _tar_members(archive)
    if start.startswith(b"PK\x03\x04"):
        return _zip_members(archive)
    raise ArchiveError(f"it is neither a tar.gz nor a zip: it begins with {start!r}")


class _MeteredGzip(gzip.GzipFile):
    """Unpacks no further than `allowance` bytes, so that no header can fill the memory."""

    allowance = HEADER_BYTES

    def read(self, size: int | None = -1) -> bytes:
        chunk = super().read(size)
        self.allowance -= len(chunk)
        if self.allowance < 0:
            raise ArchiveError(f"the archive has headers of more than {HEADER_BYTES:,} bytes, the limit")
        return chunk


def _tar_members(archive: Path) -> Iterator[_Member]:
    with _MeteredGzip(archive) as stream:
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for info in tar:
                if not (info.isfile() or info.isdir()) or info.issparse():
                    raise ArchiveError(f"member {info.name!r} is refused: it is no plain file or folder")
                # Its content, then the header of the next member.
                stream.allowance = HEADER_BYTES + (info.size if info.isfile() else 0)
                yield info.name, tar.extractfile(info)
        # gzip's checksum comes at the very end, and tarfile takes a damaged header for the archive's end.
        while rest := stream.read(CHUNK_BYTES):
            if rest.strip(b"\0"):
                raise ArchiveError("the archive is damaged: more data follows its end")


def _zip_members(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            # The upper half is a Unix mode, or 0 where another system made the archive.
            if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ArchiveError(f"member {info.filename!r} is refused: it is no plain file or folder")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                # Damage in the others is an OSError, which would look like a fault of the disk.
                raise ArchiveError(f"member {info.filename!r} is refused: its compression is not deflate")
            # Not `filename`, which ends at a NUL byte.
            yield info.orig_filename, None if info.is_dir() else file.open(info)
