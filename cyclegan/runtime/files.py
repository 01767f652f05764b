"""Files that are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
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
        # Where the disk is full torch.save raises a RuntimeError that speaks of positions.
        refused = error.__context__ if isinstance(error, RuntimeError) else error
        if isinstance(refused, OSError):
            raise _explain(refused, path) from error
        raise
    _sync_folder(path.parent)


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


def sweep_old(folder: Path, pattern: str, seconds: float) -> None:
    """Remove the files of a folder, not those below it, that nobody has written to for so long."""
    for path in folder.glob(pattern):
        with suppress(OSError):  # another process does the same, or may not
            if path.is_file() and time.time() - path.stat().st_mtime > seconds:
                path.unlink()


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


def _explain(error: OSError, path: Path) -> OSError:
    remedy = "; free some space and go on" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    message = f"cannot write {path}: {error.strerror or error}{remedy}"
    return OSError(message) if error.errno is None else OSError(error.errno, message)


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut; Windows cannot open folders and needs no help."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
