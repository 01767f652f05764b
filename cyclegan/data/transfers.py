"""Transfers: one file from one server, continued where it broke, and checked."""

import hashlib
import http.client
import json
import logging
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tqdm import tqdm

logger = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 18
MAX_ARCHIVE_BYTES = 16 << 30  # where no size is published; the largest, edges2handbags, has about 8.6 GB
TIMEOUT_SECONDS = 30.0  # without a byte
RETRY_DELAYS = (1.0, 4.0)  # seconds before the second and the third attempt at a mirror
RETRY_STATUSES = {408, 425, 429, 500, 502, 503, 504}


class MirrorError(Exception):
    """This mirror does not have the archive, or not the right one."""


class TransferError(MirrorError):
    """This mirror may do better at the next attempt."""


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


def download(archive: Archive, part: Path) -> None:
    """Bring the archive into `part`, continuing what is there, with a few attempts.

    Raises TransferError where the connection fails every time, MirrorError where the server has something else.
    """
    for delay in RETRY_DELAYS:
        try:
            return _transfer(archive, part)
        except TransferError as error:
            logger.info("%s: %s; again in %g s", archive.url, error, delay)
            time.sleep(delay)
    return _transfer(archive, part)


def _transfer(archive: Archive, part: Path) -> None:
    """One request for what is missing of `part`, which is whole afterwards.

    Beside it stands what makes it safe to continue: the validator by which the server knows the version, and
    the size of the whole. A server that has another version by now, or no ranges, sends everything again.
    """
    note = part.with_suffix(".json")
    validator, total = _read_note(note)
    have = part.stat().st_size if validator and part.exists() else 0
    if have and have == total:
        return
    headers = {"User-Agent": "cyclegan-pix2pix-demo"}
    if validator and have:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    with _request(archive.url, headers) as response:
        have, total = _extent(response, have)
        if archive.size is not None and total not in (None, archive.size):
            raise MirrorError(f"the archive has {total:,} bytes there, but should have {archive.size:,}")
        limit = archive.size or MAX_ARCHIVE_BYTES
        with (
            part.open("r+b" if have else "wb") as file,
            tqdm(None, archive.filename, total, initial=have, unit="B", unit_scale=True, disable=None) as bar,
        ):
            file.seek(have)
            # After the old bytes are gone, or a crash here would leave them under the new validator.
            note.write_text(json.dumps([_validator(response), total]))
            for chunk in _chunks(response):
                have += len(chunk)
                if have > limit:
                    raise MirrorError(f"the archive has more than {limit:,} bytes there, the limit")
                file.write(chunk)
                bar.update(len(chunk))
    if total is not None and have != total:
        raise TransferError(f"the connection closed after {have:,} of {total:,} bytes")


def _read_note(note: Path) -> tuple[str | None, int | None]:
    try:
        validator, total = json.loads(note.read_text())
    except (FileNotFoundError, ValueError):  # none yet, or cut short by a full disk
        return None, None
    return validator, total


def _validator(response: http.client.HTTPResponse) -> str | None:
    etag = response.headers.get("ETag", "")
    # RFC 9110, 13.1.5: If-Range takes no weak tag, which allows different bytes.
    return etag if etag.startswith('"') else response.headers.get("Last-Modified")


def _request(url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
    try:
        request = urllib.request.Request(url, headers=headers)
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
        return response
    except urllib.error.HTTPError as error:
        error.close()
        kind = TransferError if error.code in RETRY_STATUSES else MirrorError
        raise kind(f"HTTP {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: a redirect to nonsense
        raise TransferError(str(error) or type(error).__name__) from error


def _extent(response: http.client.HTTPResponse, asked: int) -> tuple[int, int | None]:
    """The offset of the response's first byte and the size of the whole archive, in bytes."""
    if response.status != 206:
        return 0, response.length
    given = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", given)
    if not match or int(match[1]) != asked:
        raise MirrorError(f"asked for the bytes from {asked:,}, it answers with {given!r}")
    return asked, int(match[2])


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        while chunk := response.read(CHUNK_BYTES):
            yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise TransferError(f"the connection broke: {str(error) or type(error).__name__}") from error


def verify(archive: Archive, part: Path) -> None:
    """Raise MirrorError where the file has not the published checksum."""
    kind, expected = ("md5", archive.md5) if archive.md5 else ("sha256", archive.sha256)
    with part.open("rb") as file:
        found = hashlib.file_digest(file, kind).hexdigest()
    if expected is None:
        logger.info("%s has the sha256 %s; none is published to compare it with", archive.filename, found)
    elif found != expected:
        raise MirrorError(f"the archive has the {kind} {found}, but should have {expected}")
