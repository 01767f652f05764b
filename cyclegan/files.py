"""Files that are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

STRAY_PREFIX = ".tmp-"


def write_atomically(path: Path, content: bytes | Callable[[BinaryIO], object]) -> None:
    """Write bytes, or what the function writes, to a temporary file beside `path`, then move it into place.

    Raises OSError, naming the file, where it cannot be written (full disk, no permission); `path` is then as it was.
    """
    try:
        descriptor, name = tempfile.mkstemp(prefix=STRAY_PREFIX, dir=path.parent)
    except OSError as error:
        raise OSError(error.errno, f"cannot write {path}: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644 & ~_umask())
        os.replace(name, path)
    # torch.save turns a full disk into RuntimeError; whatever stopped the write, the target is untouched.
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError | RuntimeError):
            reason = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
            code = error.errno if isinstance(error, OSError) else None
            raise OSError(code, f"cannot write {path}: {reason}; free some space and go on") from error
        raise
    _sync_folder(path.parent)


def sweep_strays(folder: Path) -> None:
    """Remove temporary files that a killed process left in the folder or below."""
    for stray in folder.rglob(f"{STRAY_PREFIX}*"):
        stray.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut; Windows cannot open folders and needs no help."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
