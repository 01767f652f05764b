"""Files that are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

STRAY_PREFIX = ".tmp-"
STALE = 3600.0
"""Seconds after which a half-made folder is a killed process's: making one takes no minute."""
CONFIG_BYTES, RECORD_BYTES = 2**20, 8 * 2**20
"""Most bytes of a configuration (run.json, config.json), and of a history, metrics, or a sample image: several times
what trainings write."""


def read_small(path: Path, limit: int) -> bytes:
    """Return the content of a file.

    Raises OSError, naming the file, if it cannot be read, is no regular file, or has more bytes than `limit`.
    """
    # Opening a FIFO would wait for a writer. Looking before opening would leave time to exchange the file.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        if found.st_size > limit:
            size = f"it has {found.st_size / 2**20:.1f} MB, more than {limit / 2**20:g}"
            raise OSError(errno.EFBIG, size, str(path))
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(limit)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, content: bytes | Callable[[BinaryIO], object]) -> None:
    """Write bytes, or what the function writes, to a temporary file beside `path`, then move it into place.

    Raises OSError, naming the file, where it cannot be written (full disk, no permission); `path` is then as it was.
    """
    temporary = path.with_name(STRAY_PREFIX + secrets.token_hex(8))
    try:
        with temporary.open("xb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        # If the disk is full torch.save raises a RuntimeError that speaks of positions.
        refused = error.__context__ if isinstance(error, RuntimeError) else error
        if not isinstance(refused, OSError):
            raise
        remedy = "; free some space and go on" if refused.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        message = f"cannot write {path}: {refused.strerror or refused}{remedy}"
        raise OSError(*([] if refused.errno is None else [refused.errno]), message) from error
    if os.name != "nt":  # make the rename survive a power cut; Windows cannot open folders and needs no help
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def last_change(path: Path) -> int:
    """Return when the file was last written, in nanoseconds; 0 if it is missing."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path` that becomes it when the block ends well, and is gone when it does not.

    What killed processes left beside it is removed. Raises OSError where something is at `path` by then, unless it
    is an empty folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for stray in path.parent.glob(f"{STRAY_PREFIX}*"):
        if stray.is_dir() and time.time() - stray.stat().st_mtime > STALE:
            shutil.rmtree(stray, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=STRAY_PREFIX, dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        with suppress(FileNotFoundError):
            path.rmdir()  # Windows moves nothing onto a folder, not even an empty one
        temporary.replace(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def names_in(folder: Path) -> list[str]:
    """What is in a folder, in any order; nothing where there is none, or no longer. `Path.glob` raises where a folder
    goes away under its hands."""
    try:
        return [path.name for path in folder.iterdir()]  # which asks once
    except (FileNotFoundError, NotADirectoryError):
        return []


def sweep_strays(folder: Path) -> None:
    """Remove temporary files that a killed process left in the folder or below."""
    for stray in folder.rglob(f"{STRAY_PREFIX}*"):
        if not stray.is_dir():
            stray.unlink(missing_ok=True)


def cache_folder() -> Path:
    """Where this user's programs keep what can be made again."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "cyclegan"
