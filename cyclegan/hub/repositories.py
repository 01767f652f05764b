"""Repositories on the Hugging Face Hub: what is in one at a commit, and its files, cached and verified."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import re
import shutil
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from cyclegan.hub.errors import HubError, in_words, is_unreachable
from cyclegan.runtime.files import write_atomically

log = logging.getLogger(__name__)

SECONDS, SECONDS_CACHED = 10.0, 3.0
"""How long the Hub may take to list a repository; the second where what is cached can stand in."""
COMMIT = re.compile(r"[0-9a-f]{40}")
_ADDRESS = re.compile(
    r"(?:https://(?:huggingface|hf)\.co/)?(?![^@]*(?:--|\.\.))(?P<name>\w[\w.-]{0,95}/\w[\w.-]{0,95})/?"
    r"(?:@(?P<revision>\S{1,200}))?",
    re.ASCII,
)


class Cancelled(Exception):
    """Whoever waited for files does so no longer."""


@dataclass(frozen=True)
class Address:
    """A repository, and which revision of it: a branch, tag or commit, None for the newest."""

    name: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address written as owner/name or owner/name@revision, or pasted from a browser. Raises HubError."""
        match = _ADDRESS.fullmatch(text.strip())
        if match is None:
            shown = text.strip()[:80]
            raise HubError("name", shown, f"{shown!r} names no repository; write owner/name or owner/name@revision")
        return cls(match["name"], match["revision"])

    def __str__(self) -> str:
        return f"{self.name}@{self.revision}" if self.revision else self.name


@dataclass(frozen=True)
class RemoteFile:
    """What the Hub says of a file: bytes, and the sha256 of its content or, if it is small, git's sha1."""

    size: int
    digest: str


@dataclass(frozen=True)
class Listing:
    """All files of a repository at a commit."""

    address: Address
    commit: str
    files: Mapping[str, RemoteFile]


@dataclass
class Transfer:
    """How far a fetch is, in bytes. Whoever watches it may cancel it."""

    total: int = 0
    done: int = 0
    cancelled: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, count: int) -> None:
        """Note bytes that came, in any thread. Raises Cancelled."""
        if self.cancelled:
            raise Cancelled
        with self._lock:
            self.done += count


def list_files(address: Address) -> Listing:
    """What the repository holds, by one request; what it held when it was last listed if the Hub does not answer.

    A commit that was listed before is never asked for again. Raises HubError.
    """
    path = _listing_path(address)
    known = _read_listing(path, address)
    if known is not None and address.revision == known.commit:
        return known
    from huggingface_hub import HfApi

    try:
        # `resolve_revision` and `list_repo_tree` have no time limit: with them a silent Hub is waited for without end.
        info = HfApi().model_info(
            address.name,
            revision=address.revision,
            files_metadata=True,
            timeout=SECONDS if known is None else SECONDS_CACHED,
        )
        files = {
            each.rfilename: RemoteFile(each.size or 0, each.lfs.sha256 if each.lfs else str(each.blob_id))
            for each in info.siblings or ()
        }
    except Exception as error:
        if known is None or not is_unreachable(error):
            raise in_words(error, str(address)) from None
        log.warning("the Hub does not tell of %s now (%s); it is shown as it last was", address, type(error).__name__)
        return known
    if not COMMIT.fullmatch(info.sha or ""):
        raise HubError("trouble", str(address), f"the Hub's answer about {address} names no commit; try again later")
    listing = Listing(address, str(info.sha), files)
    _refuse_unsafe_names(listing)
    with suppress(OSError):  # a full or read-only disk: it is asked again next time
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {"commit": listing.commit, "files": {name: asdict(file) for name, file in files.items()}}
        write_atomically(path, json.dumps(content).encode())
    return listing


def get_file(listing: Listing, name: str, transfer: Transfer, *, limit: int) -> Path:
    """The file in huggingface_hub's cache, fetched where it is missing or damaged there: two requests, or none.

    It lies in the folder of its commit, at the place that it has in the repository. Raises HubError, without having
    fetched anything, where it has more than `limit` bytes or the disk has less room; Cancelled.
    """
    from huggingface_hub import hf_hub_download

    file, address = listing.files[name], str(listing.address)
    if file.size > limit:
        raise HubError(
            "refused",
            address,
            f"{name} in {address} has {file.size / 1e6:.0f} MB; at most {limit / 1e6:.0f} MB are expected of it",
        )
    for _ in range(2):
        transfer.add(0)
        try:
            _check_disk(listing, name)
            path = Path(
                hf_hub_download(listing.address.name, name, revision=listing.commit, tqdm_class=_meter(transfer))
            )
            if _is_whole(path, file):
                return path
            log.warning("%s in %s has the wrong content: it is fetched anew", name, address)
            path.resolve().unlink()
            path.unlink(missing_ok=True)
        except Cancelled:
            raise
        except Exception as error:
            raise in_words(error, address) from None
    message = f"{name} comes damaged from {address}: its content is not what the Hub lists; try again later"
    raise HubError("incomplete", address, message)


def repository_cache(name: str) -> Path:
    """The folder in huggingface_hub's cache where all that belongs to a repository lies, and goes with it."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE).expanduser().resolve() / f"models--{name.replace('/', '--')}"


def _listing_path(address: Address) -> Path:
    return repository_cache(address.name) / "listings" / f"{quote(address.revision or 'main', safe='')}.json"


def _read_listing(path: Path, address: Address) -> Listing | None:
    try:
        content = json.loads(path.read_bytes())
        files = {name: RemoteFile(int(file["size"]), str(file["digest"])) for name, file in content["files"].items()}
        return Listing(address, str(content["commit"]), files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _refuse_unsafe_names(listing: Listing) -> None:
    """No such name would be asked for: but who puts one into a repository is not to be trusted with the others."""
    for name in listing.files:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or set(name) & set("\\:\0"):
            message = f"{listing.address} holds a file of the unsafe name {name[:80]!r}: it is not opened"
            raise HubError("refused", str(listing.address), message)


def _check_disk(listing: Listing, name: str) -> None:
    """Raise OSError where the file is not there yet and would not fit."""
    from huggingface_hub import try_to_load_from_cache

    if try_to_load_from_cache(listing.address.name, name, revision=listing.commit) is not None:
        return
    folder = repository_cache(listing.address.name)
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if shutil.disk_usage(there).free < listing.files[name].size:
        raise OSError(errno.ENOSPC, "No space left on device")


def _git_digest(content: bytes) -> str:
    """What git, and so the Hub, calls a small file of this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _is_whole(path: Path, expected: RemoteFile) -> bool:
    if path.stat().st_size != expected.size:
        return False
    with path.open("rb") as file:
        large = len(expected.digest) == 64
        found = hashlib.file_digest(file, "sha256").hexdigest() if large else _git_digest(file.read())
    return found == expected.digest


def _meter(transfer: Transfer) -> Any:
    """A progress bar, as huggingface_hub takes one, that draws nothing and counts for the transfer."""
    from tqdm import tqdm

    class Meter(tqdm):  # type: ignore[type-arg]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            transfer.add(int(n or 0))
            return None

    return Meter
