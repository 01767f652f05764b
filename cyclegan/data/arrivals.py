"""A folder that is downloaded: it is there complete or not at all, and a broken download is continued."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

ABANDONED_SECONDS = 600.0
"""What nobody has written to for so long, and nobody holds, is a killed process's."""


def arrived(folder: Path, bring: Callable[[Path], Path]) -> Path:
    """The folder; where it is missing or empty, with what `bring` makes for it.

    `bring` is given a folder to work in, and returns one in it that is complete. What it keeps in `parts/` is there
    again at the next call where it fails. Raises OSError where the disk refuses, and what `bring` raises.
    """
    if _is_ready(folder):
        with suppress(OSError), _workspace(folder.parent, folder.name) as work:
            shutil.rmtree(work / "parts")  # what broken calls have left, of no use any more
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _workspace(folder.parent, folder.name) as work:
        _publish(bring(work), folder)
        shutil.rmtree(work / "parts")
    return folder


def _is_ready(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


@contextmanager
def _workspace(root: Path, name: str) -> Iterator[Path]:
    """A folder of this call alone. Its `parts/`, the transfers, go from a broken call to the next one.

    Every hand-over is one rename: of two processes at the same time, one continues the parts, the other
    begins anew, and neither writes where the other does.
    """
    kept = root / f".{name}.parts"

    def close(work: Path) -> None:
        with suppress(OSError):  # no parts, or another process has kept its own
            (work / "parts").replace(kept)
        shutil.rmtree(work, ignore_errors=True)

    for stray in root.glob(f".{name}-*"):
        if time.time() - _last_written(stray) > ABANDONED_SECONDS and not _is_held(stray):
            close(stray)
    work = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=root))
    lock = _lock(work)
    try:
        with suppress(OSError, NotImplementedError):  # a file system without locks: then time alone must tell
            lock.acquire()
        with suppress(OSError):
            kept.replace(work / "parts")
        (work / "parts").mkdir(exist_ok=True)
        yield work
    finally:
        lock.release()  # Windows removes no file that is open
        close(work)


def _lock(work: Path) -> FileLock:
    return FileLock(work / ".lock", timeout=0)


def _is_held(work: Path) -> bool:
    """Whether its process lives, if only to wait for a server that is silent."""
    try:
        with _lock(work):
            return False
    except Timeout:
        return True
    except (OSError, NotImplementedError):
        return False


def _last_written(folder: Path) -> float:
    """Seconds since the epoch; infinite for a folder that vanishes meanwhile."""
    try:
        return max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
    except FileNotFoundError:
        return float("inf")


def _publish(content: Path, folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()  # an empty one; Windows replaces none
    try:
        content.replace(folder)
    except OSError:
        if not _is_ready(folder):  # else another process was faster, and its result is as good
            raise
