"""Downloads that are there whole or not at all, and that the next call continues where they broke."""

import hashlib
import logging
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock
from huggingface_hub.utils import httpx
from tqdm import tqdm

from cyclegan.data.archives import ArchiveError
from cyclegan.runtime.files import cache_folder

logger = logging.getLogger(__name__)

MAX_ARCHIVE_BYTES = 16 << 30  # if no size is published; the largest, edges2handbags, has about 8.6 GB
TIMEOUT_SECONDS = 30.0  # without a byte
RETRY_DELAYS = (1.0, 4.0)  # seconds before the second and the third attempt
RETRY_STATUSES = {408, 416, 425, 429, 500, 502, 503, 504}


class DownloadError(RuntimeError):
    """A dataset cannot be downloaded; the message says what, where, and what to do."""


@dataclass(frozen=True)
class Archive:
    """A file on one server; `size` in bytes. What is None has not been published and is not checked."""

    url: str
    sha256: str | None = None
    size: int | None = None
    md5: str | None = None

    @property
    def filename(self) -> str:
        return urlsplit(self.url).path.rpartition("/")[2]


def data_root(given: Path | None = None) -> Path:
    """Return the folder of all datasets: `given`, else $CYCLEGAN_DATASETS, else one in the user's cache."""
    if given is not None:
        return given
    if chosen := os.environ.get("CYCLEGAN_DATASETS"):
        return Path(chosen).expanduser()
    return cache_folder() / "datasets"


def complete_folder(folder: Path, bring: Callable[[Path], Path]) -> Path:
    """Return the folder; if it is missing or empty, with what `bring` makes for it.

    `bring` is given a folder to work in and returns one in it that is complete. If it fails, or its process is killed,
    the next call gives it the same folder with everything in it. Of several calls at the same time one works, and the
    others wait. Raises OSError if the disk refuses, and what `bring` raises.
    """
    work = folder.with_name(f".{folder.name}.parts")
    if _is_ready(folder) and not work.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")) as lock:
        if not _is_ready(folder):
            work.mkdir(exist_ok=True)
            content = bring(work)
            with suppress(OSError):
                folder.rmdir()  # an empty one; Windows replaces none
            content.replace(folder)
        shutil.rmtree(work, ignore_errors=True)
        with suppress(OSError):  # Windows removes no open file
            Path(lock.lock_file).unlink()
    return folder


def _is_ready(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def download(archive: Archive, path: Path) -> None:
    """Download the archive to `path`, if it is not there, and check it. A broken transfer leaves its part beside
    `path`, and the next call continues it; parts of two versions fail the check.

    Raises ArchiveError if the server does not deliver it after a few attempts, or has something else.
    """
    for delay in (*RETRY_DELAYS, None):
        if path.exists():
            break
        try:
            _transfer(archive, path)
        except (httpx.HTTPError, httpx.InvalidURL, ImportError, ValueError) as error:
            status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else None
            message = f"HTTP {status}" if status else str(error) or type(error).__name__
            if delay is None or not (status in RETRY_STATUSES or isinstance(error, httpx.TransportError)):
                raise ArchiveError(message) from error
            logger.info("%s: %s; again in %g s", archive.url, message, delay)
            time.sleep(delay)
    kind, expected = ("md5", archive.md5) if archive.md5 else ("sha256", archive.sha256)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, kind).hexdigest()
    if expected is None:
        logger.info("%s has the sha256 %s; none is published to compare it with", archive.filename, found)
    elif found != expected:
        raise ArchiveError(f"the archive has the {kind} {found}, but should have {expected}")


def _transfer(archive: Archive, path: Path) -> None:
    """Request what is missing of `path`, once."""
    part = path.with_name(f"{path.name}.part")
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "cyclegan-pix2pix-demo", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with httpx.stream("GET", archive.url, headers=headers, follow_redirects=True, timeout=TIMEOUT_SECONDS) as response:
        if response.status_code == 416:
            part.unlink()  # it is no part of what is there: the next attempt begins anew
        response.raise_for_status()
        have = have if response.status_code == 206 else 0  # a server without ranges sends everything
        length, limit = response.headers.get("Content-Length"), archive.size or MAX_ARCHIVE_BYTES
        total = have + int(length) if length else None
        if (total or 0) > limit:
            raise ArchiveError(f"the archive has {total:,} bytes there, more than {limit:,}")
        with (
            part.open("ab" if have else "wb") as file,
            tqdm(None, archive.filename, total, initial=have, unit="B", unit_scale=True, disable=None) as bar,
        ):
            for chunk in response.iter_raw():
                have += len(chunk)
                if have > limit:
                    file.truncate(0)  # the wrong bytes are not worth continuing
                    raise ArchiveError(f"the archive has more than {limit:,} bytes there, the limit")
                file.write(chunk)
                file.flush()  # what a killed process had in memory would be fetched again
                bar.update(len(chunk))
    part.replace(path)
