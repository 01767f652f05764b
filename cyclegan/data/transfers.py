"""One file from one server, continued where it broke, and checked."""

import hashlib
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from huggingface_hub.utils import httpx
from tqdm import tqdm

logger = logging.getLogger(__name__)

MAX_ARCHIVE_BYTES = 16 << 30  # if no size is published; the largest, edges2handbags, has about 8.6 GB
TIMEOUT_SECONDS = 30.0  # without a byte
RETRY_DELAYS = (1.0, 4.0)  # seconds before the second and the third attempt at a mirror
RETRY_STATUSES = {408, 416, 425, 429, 500, 502, 503, 504}


class MirrorError(Exception):
    """This mirror does not have the archive, or not the right one."""


@dataclass(frozen=True)
class Archive:
    """A file on one mirror; `size` in bytes. What is None has not been published and is not checked."""

    url: str
    sha256: str | None = None
    size: int | None = None
    md5: str | None = None

    @property
    def filename(self) -> str:
        return urlsplit(self.url).path.rpartition("/")[2]


def download(archive: Archive, path: Path) -> None:
    """Bring the archive to `path`, if it is not there; what a broken transfer leaves beside it is continued.

    Raises MirrorError if the server does not deliver it after a few attempts, or has something else.
    """
    for delay in (*RETRY_DELAYS, None):
        if path.exists():
            break
        try:
            _transfer(archive, path)
        except (httpx.HTTPError, httpx.InvalidURL, ImportError, ValueError) as error:
            status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else None
            said = f"HTTP {status}" if status else str(error) or type(error).__name__
            if delay is None or not (status in RETRY_STATUSES or isinstance(error, httpx.TransportError)):
                raise MirrorError(said) from error
            logger.info("%s: %s; again in %g s", archive.url, said, delay)
            time.sleep(delay)
    _verify(archive, path)


def _transfer(archive: Archive, path: Path) -> None:
    """One request for what is missing of `path`. Beside the part stands the validator of its version: a server that
    has another version by now, or no ranges, sends everything again."""
    part, note = path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.validator")
    headers = {"User-Agent": "cyclegan-pix2pix-demo", "Accept-Encoding": "identity"}
    if part.exists() and note.exists() and (validator := note.read_text()):
        headers |= {"Range": f"bytes={part.stat().st_size}-", "If-Range": validator}
    with httpx.stream("GET", archive.url, headers=headers, follow_redirects=True, timeout=TIMEOUT_SECONDS) as response:
        if response.status_code == 416:
            note.unlink(missing_ok=True)  # the part is no part of what is there: the next attempt begins anew
        response.raise_for_status()
        have = part.stat().st_size if response.status_code == 206 else 0
        length = response.headers.get("Content-Length")
        total, limit = have + int(length) if length else None, archive.size or MAX_ARCHIVE_BYTES
        if (total or 0) > limit:
            raise MirrorError(f"the archive has {total:,} bytes there, more than {limit:,}")
        with (
            part.open("ab" if have else "wb") as file,
            tqdm(None, archive.filename, total, initial=have, unit="B", unit_scale=True, disable=None) as bar,
        ):
            etag = response.headers.get("ETag", "")
            # RFC 9110, 13.1.5: If-Range takes no weak tag, which allows different bytes.
            note.write_text(etag if etag.startswith('"') else response.headers.get("Last-Modified", ""))
            for chunk in response.iter_raw():
                if have + len(chunk) > limit:
                    file.truncate(0)  # the wrong bytes are not worth continuing
                    raise MirrorError(f"the archive has more than {limit:,} bytes there, the limit")
                have += file.write(chunk)
                file.flush()  # what a killed process had in memory would be fetched again
                bar.update(len(chunk))
    part.replace(path)


def _verify(archive: Archive, path: Path) -> None:
    kind, expected = ("md5", archive.md5) if archive.md5 else ("sha256", archive.sha256)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, kind).hexdigest()
    if expected is None:
        logger.info("%s has the sha256 %s; none is published to compare it with", archive.filename, found)
    elif found != expected:
        raise MirrorError(f"the archive has the {kind} {found}, but should have {expected}")
