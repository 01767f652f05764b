"""The app's own temporary folder: no other app uses it, old files in it are deleted, and all when the app ends."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

PREFIX = "cyclegan-app-"
UNLOCKED = 60.0
"""Seconds after which a folder that nobody has locked is a killed process's: locking one takes no minute."""


def own_folder() -> tempfile.TemporaryDirectory[str]:
    """Create the folder where this process keeps all its temporary files, those of Gradio among them.

    It is in GRADIO_TEMP_DIR, or where the system keeps temporary files. Folders of killed processes are removed there.
    To be called before Gradio is imported. The result removes the folder at the end of its context.
    """
    parent = Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()).resolve()
    parent.mkdir(parents=True, exist_ok=True)
    remove_left(parent)
    folder = tempfile.TemporaryDirectory(prefix=PREFIX, dir=parent, ignore_cleanup_errors=True)
    with suppress(OSError):  # a network's disk may have no locks: then nobody removes the folder of a killed process
        _lock(Path(folder.name))
    tempfile.tempdir = os.environ["GRADIO_TEMP_DIR"] = folder.name
    return folder


def remove_left(parent: Path) -> None:
    """Remove the folders of killed processes, but for those that are younger than a minute."""
    for left in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):  # it is in use, or another user's
            if time.time() - left.stat().st_mtime > UNLOCKED:
                descriptor = _lock(left)
                shutil.rmtree(left, ignore_errors=True)
                os.close(descriptor)


def files_in(folder: Path) -> set[Path]:
    """Return all files in the folder and below."""
    return {Path(place, name) for place, _, names in os.walk(folder) for name in names}


def sweep(folder: Path, keep: Collection[Path], seconds: float) -> None:
    """Delete files that nobody has written to for so long, but for those to keep, and folders empty for so long."""
    for place, _, names in os.walk(folder, topdown=False):
        for path in (Path(place, name) for name in names):
            with suppress(OSError):  # it is gone meanwhile
                if path not in keep and path.is_file() and _age(path) > seconds:
                    path.unlink()
        with suppress(OSError):  # it is not empty
            if place != str(folder) and _age(Path(place)) > seconds:
                Path(place).rmdir()


def _age(path: Path) -> float:
    """Return the seconds since the file was written or copied here: a copy has the time of its original."""
    status = path.lstat()
    return time.time() - max(status.st_mtime, status.st_ctime)


def _lock(folder: Path) -> int:
    """Lock a folder for the rest of this process. Raises OSError if another process has locked it."""
    try:
        import fcntl
    except ImportError:
        raise OSError("Windows has no locks of folders") from None
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
