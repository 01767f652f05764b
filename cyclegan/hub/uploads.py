"""One atomic commit on the Hugging Face Hub at a time, attempted again if it fails for a time."""

from __future__ import annotations

import logging as python_logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    get_token,
    hf_hub_download,
    is_offline_mode,
    set_client_factory,
)
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import get_session, httpx, logging, validate_repo_id

from cyclegan.hub.errors import LOGIN, HubError, explained

log = python_logging.getLogger(__name__)

Kind = Literal["model", "space"]
Content = Path | bytes
T = TypeVar("T")

TIMEOUT = httpx.Timeout(60.0, connect=10.0)
"""Seconds without a byte; by itself the client waits for ever."""
RETRY_DELAYS = (1.0, 4.0, 15.0, 60.0)
"""Seconds before each further attempt, or longer where the Hub asks for it."""
UNCLAIMED = frozenset({".gitattributes", ".gitignore", "README.md", "LICENSE"})
"""Files of a repository that holds nothing yet."""


@dataclass(frozen=True)
class Repository:
    """A repository that may be written: `name` is owner/name."""

    name: str
    kind: Kind = "model"

    @property
    def url(self) -> str:
        return f"{HfApi().endpoint}/{'spaces/' if self.kind == 'space' else ''}{self.name}"


@dataclass(frozen=True)
class Head:
    """The newest commit of a repository, and the paths of its files."""

    commit: str
    files: frozenset[str]


def open_repository(name: str, kind: Kind = "model", *, private: bool = False) -> Repository:
    """Return the repository of this name, created if it is missing, after a check whether it can be written.

    `private` is for a new one; one that is there stays as it is. Raises HubError as `check_login` does, and if the
    token may not write there or the Hub cannot be reached.
    """
    check_login(name)
    logging.set_verbosity_error()  # its own attempts and hints: what matters is said here
    limit_waiting()
    api, sdk = HfApi(), "gradio" if kind == "space" else None
    with explained(name, writing=True):
        api.create_repo(name, repo_type=kind, private=private or None, exist_ok=True, space_sdk=sdk)
        api.auth_check(name, repo_type=kind, write=True)
    return Repository(name, kind)


def check_login(name: str) -> None:
    """Raise HubError, without a request, if the name cannot be one or nobody is logged in."""
    token = get_token()
    try:
        validate_repo_id(name if "/" in name else "")
    except HFValidationError:
        example = "give owner/name, such as your-name/facades-pix2pix, of letters, digits and single '-', '_', '.'"
        raise HubError("name", name, f"{name!r} is no name of a repository; {example}") from None
    if is_offline_mode():
        raise HubError("network", name, "HF_HUB_OFFLINE is set; unset it to publish")
    if token is None:
        raise HubError("login", name, f"you are not logged in to the Hub; {LOGIN}, with a token that may write")
    if not (token.isascii() and token.isprintable()):  # the client's error would show it
        raise HubError("login", name, "your token holds characters that no token has; copy it again")


def limit_waiting() -> None:
    """Let huggingface_hub give up on a Hub that is silent for TIMEOUT, wherever it is asked from now on."""
    hooks = get_session().event_hooks  # by which it heeds HF_HUB_OFFLINE
    set_client_factory(lambda: httpx.Client(event_hooks=hooks, follow_redirects=True, timeout=TIMEOUT))


def head_of(repository: Repository, *, marker: str) -> Head:
    """Return the newest commit. Raises HubError if the repository holds files, but not the marker: they are others'."""
    with explained(repository.name, writing=True):
        ask = HfApi().space_info if repository.kind == "space" else HfApi().model_info
        info = ask(repository.name)
    files = frozenset(sibling.rfilename for sibling in info.siblings or ())
    others = files - UNCLAIMED
    if others and marker not in files:
        found = f"{repository.url} holds something else ({min(others)}, but no {marker})"
        raise HubError("refused", repository.name, f"{found}; choose another name, or empty it")
    return Head(str(info.sha), files)


def read_text(repository: Repository, head: Head, path: str) -> str:
    """Return a text file of the commit."""
    with explained(repository.name, writing=True):
        file = hf_hub_download(repository.name, path, repo_type=repository.kind, revision=head.commit)
    return Path(file).read_bytes().decode("utf-8", errors="replace")


def commit(
    repository: Repository, head: Head, files: Mapping[str, Content], *, removed: Iterable[str], message: str
) -> bool:
    """Add the files, of which the client uploads what is not there in the same bytes, and remove others, in one commit
    on top of `head`. Return whether there was anything to do. Raises HubError, also if another commit came first."""
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    deletions = [CommitOperationDelete(path) for path in removed if path in head.files]
    with explained(repository.name, writing=True):
        done = HfApi().create_commit(
            repository.name,
            [*operations, *deletions],
            repo_type=repository.kind,
            commit_message=message,
            parent_commit=head.commit,
        )
    return done.oid != head.commit


def retried(
    action: Callable[[], T],
    delays: Iterable[float] | None = None,
    pause: Callable[[float, HubError], object] = lambda seconds, _: time.sleep(seconds),
) -> T:
    """Return what the action returns, attempted again after each of the delays, RETRY_DELAYS unless given, while it
    fails for a time. The last error is raised."""
    for delay in RETRY_DELAYS if delays is None else delays:
        try:
            return action()
        except HubError as error:
            if error.wait is None:
                raise
            seconds = max(delay, error.wait)
            log.warning("not published yet: %s; again in %.0f s", error, seconds)
            pause(seconds, error)
    return action()
