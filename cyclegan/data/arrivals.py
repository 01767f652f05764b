"""A folder that is downloaded: it is there complete or not at all, and a broken download is continued."""

import logging
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

logger = logging.getLogger(__name__)


def arrived(folder: Path, bring: Callable[[Path], Path]) -> Path:
    """Return the folder; if it is missing or empty, with what `bring` makes for it.

    `bring` is given a folder to work in and returns one in it that is complete. If it fails, or its process is killed,
    the next call gives it the same folder with everything in it. Of several calls at the same time one works, the
    others wait for it: the operating system releases the lock of a killed process.
    Raises OSError if the disk refuses, and what `bring` raises.
    """
    work = folder.with_name(f".{folder.name}.parts")
    if _is_ready(folder) and not work.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except OSError as error:  # of a read-only folder, or Timeout
        if _is_ready(folder):
            return folder
        if not isinstance(error, Timeout):
            raise
        logger.info("another process is downloading %s: waiting for it", folder)
        lock.acquire()
    except NotImplementedError:
        logger.warning("%s has no file locks: start one download of %s at a time", folder.parent, folder.name)
    try:
        if not _is_ready(folder):
            work.mkdir(exist_ok=True)
            content = bring(work)
            with suppress(OSError):
                folder.rmdir()  # an empty one; Windows replaces none
            content.replace(folder)
        shutil.rmtree(work, ignore_errors=True)
        with suppress(OSError):  # Windows removes no open file
            Path(lock.lock_file).unlink()
    finally:
        lock.release()
    return folder


def _is_ready(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())
