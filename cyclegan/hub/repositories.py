"""Repositories on the Hugging Face Hub: what is in one at a commit, and its files, cached and verified."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import re
import shutil
import threading
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import quote

from huggingface_hub import HfApi, constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.utils.sha import git_hash
from tqdm import tqdm

from cyclegan.hub.errors import HubError, in_words
from cyclegan.runtime.files import STALE, last_change, write_atomically

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


HF = "hf:"
"""What the name of a dataset of the Hub begins with."""


def is_on_hub(dataset: str) -> bool:
    """Return whether this is the name of a dataset of the Hub, `hf:owner/name`."""
    return dataset.startswith(HF)


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


class RemoteFile(NamedTuple):
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
    """Return what the repository holds, by one request; what it held when it was last listed if the Hub does not
    answer. A commit that was listed before is never asked for again. Raises HubError."""
    path = repository_cache(address.name) / "listings" / f"{quote(address.revision or 'main', safe='')}.json"
    known = _read_listing(path, address)
    if known is not None and address.revision == known.commit:
        with suppress(OSError):
            path.touch()  # `evict` goes by it
        return known
    try:
        # `resolve_revision` and `list_repo_tree` have no time limit: with them a silent Hub is waited for without end.
        info = HfApi().model_info(
            address.name,
            revision=address.revision,
            files_metadata=True,
            timeout=SECONDS if known is None else SECONDS_CACHED,
        )
        siblings = info.siblings or ()
        files = {
            each.rfilename: RemoteFile(each.size or 0, each.lfs.sha256 if each.lfs else str(each.blob_id))
            for each in siblings
        }
    except Exception as error:
        told = in_words(error, str(address))
        if known is None or told.wait is None:
            raise told from None
        log.warning("%s; it is shown as it last was", told)
        return known
    if not COMMIT.fullmatch(info.sha or ""):
        raise HubError("trouble", str(address), f"the Hub's answer about {address} names no commit; try again later")
    for name in files:  # none would be asked for: but who puts one into a repository is not to be trusted
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or set(name) & set("\\:\0"):
            unsafe = f"{address} holds a file of the unsafe name {name[:80]!r}: it is not opened"
            raise HubError("refused", str(address), unsafe)
    with suppress(OSError):  # a full or read-only disk: it is asked again next time
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps({"commit": info.sha, "files": files}).encode())
        _sweep(repository_cache(address.name))
    return Listing(address, str(info.sha), files)


def _read_listing(path: Path, address: Address) -> Listing | None:
    try:
        content = json.loads(path.read_bytes())
        files = {name: RemoteFile(int(size), str(digest)) for name, (size, digest) in content["files"].items()}
        return Listing(address, str(content["commit"]), files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _sweep(cache: Path) -> None:
    """Delete what killed processes left: the client neither continues nor deletes it."""
    for part in cache.glob("blobs/*.incomplete"):
        if time.time() - part.stat().st_mtime > STALE:
            part.unlink()


def get_file(listing: Listing, name: str, transfer: Transfer, *, limit: int) -> Path:
    """Return the file in huggingface_hub's cache, fetched if it is missing or damaged there: two requests, or none.

    It lies in the folder of its commit, at the place that it has in the repository. Raises HubError, without having
    fetched anything, if it has more than `limit` bytes or the disk has less room; Cancelled.
    """
    file, address, repository = listing.files[name], str(listing.address), listing.address.name
    if file.size > limit:
        sizes = f"has {file.size / 1e6:.0f} MB; at most {limit / 1e6:.0f} MB are expected of it"
        raise HubError("refused", address, f"{name} in {address} {sizes}")
    for _ in range(2):
        transfer.add(0)
        try:
            if not isinstance(try_to_load_from_cache(repository, name, revision=listing.commit), str):
                cache = repository_cache(repository)
                there = next(path for path in (cache, *cache.parents) if path.exists())
                if shutil.disk_usage(there).free < file.size:
                    raise OSError(errno.ENOSPC, "No space left on device")
            path = Path(hf_hub_download(repository, name, revision=listing.commit, tqdm_class=_meter(transfer)))
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


def _is_whole(path: Path, expected: RemoteFile) -> bool:
    if path.stat().st_size != expected.size:
        return False
    with path.open("rb") as file:
        large = len(expected.digest) == 64
        found = hashlib.file_digest(file, "sha256").hexdigest() if large else git_hash(file.read())
    return found == expected.digest


def repository_cache(name: str) -> Path:
    """Return the folder in huggingface_hub's cache where all that belongs to a repository lies, and goes with it."""
    return Path(constants.HF_HUB_CACHE).expanduser().resolve() / f"models--{name.replace('/', '--')}"


def evict(limit: int, *, keep: Collection[str]) -> None:
    """Delete the longest unused models of huggingface_hub's cache until it has no more than `limit` bytes of models;
    never those to keep, by owner/name.

    Not by `scan_cache_dir`: it neither counts nor deletes broken downloads, listings, and repositories that have
    nothing else, of which strangers may name any number.
    """
    kept = {repository_cache(name) for name in keep}
    sizes = {folder: _size(folder) for folder in repository_cache("any").parent.glob("models--*")}
    for folder in sorted(
        sizes.keys() - kept, key=lambda each: max(map(last_change, each.glob("listings/*")), default=0)
    ):
        if sum(sizes.values()) <= limit:
            return
        log.info("%s is deleted to make room", folder.name)
        shutil.rmtree(folder, ignore_errors=True)
        sizes[folder] = 0


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # gone meanwhile
            total += path.lstat().st_size
    return total


def _meter(transfer: Transfer) -> Any:
    """Return a progress bar, as huggingface_hub takes one, that draws nothing and counts for the transfer."""

    class Meter(tqdm):  # type: ignore[type-arg]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            transfer.add(int(n or 0))
            return None

    return Meter
