"""One atomic commit on the Hugging Face Hub at a time: only what has changed, and errors that say what to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
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
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from huggingface_hub.utils import get_session, httpx, logging, parse_ratelimit_headers, validate_repo_id

from cyclegan.hub.errors import LOGIN

Kind = Literal["model", "space"]
Content = Path | bytes
T = TypeVar("T")

TIMEOUT = httpx.Timeout(60.0, connect=10.0)
"""Seconds without a byte; by itself the client waits for ever."""
RETRY_DELAYS = (1.0, 4.0, 15.0, 60.0)
"""Seconds before each further attempt, or longer where the Hub asks for it."""
LONGEST_WAIT = 300.0
"""Seconds that the Hub may ask for: the window of its rate limits."""
TEMPORARY = {408, 409, 412, 425, 429, 500, 502, 503, 504}
"""Statuses that another attempt may change; 409 and 412: somebody else's commit came first."""
UNCLAIMED = frozenset({".gitattributes", ".gitignore", "README.md", "LICENSE"})
"""Files of a repository that holds nothing yet."""


class UploadError(RuntimeError):
    """The Hub does not take it: the message says why and what to do."""


class TemporaryUploadError(UploadError):
    """The Hub may take it at another attempt, after `wait` seconds or more."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = min(wait, LONGEST_WAIT)


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

    `private` is for a new one; one that is there stays as it is. Raises UploadError as `check_login` does, and if the
    token may not write there; TemporaryUploadError if the Hub cannot be reached.
    """
    check_login(name)
    logging.set_verbosity_error()  # its own attempts and hints: what matters is said here
    limit_waiting()
    repository, api = Repository(name, kind), HfApi()
    with _explained(repository):
        api.create_repo(
            name,
            repo_type=kind,
            private=private or None,
            exist_ok=True,
            space_sdk="gradio" if kind == "space" else None,
        )
        api.auth_check(name, repo_type=kind, write=True)
    return repository


def check_login(name: str) -> None:
    """Raise UploadError, without a request, if the name cannot be one or nobody is logged in."""
    if not _is_name(name):
        example = "give owner/name, such as your-name/facades-pix2pix, of letters, digits and single '-', '_', '.'"
        raise UploadError(f"{name!r} is no name of a repository; {example}")
    if is_offline_mode():
        raise UploadError("HF_HUB_OFFLINE is set; unset it to publish")
    token = get_token()
    if token and not (token.isascii() and token.isprintable()):  # the client's error would show it
        raise UploadError("the token that you are logged in with holds characters that no token has; copy it again")
    if token is None:
        raise UploadError(f"you are not logged in to the Hub; {LOGIN}, with a token that may write")


def limit_waiting() -> None:
    """Let huggingface_hub give up on a Hub that is silent for TIMEOUT, wherever it is asked from now on."""
    hooks = get_session().event_hooks  # by which it heeds HF_HUB_OFFLINE
    set_client_factory(lambda: httpx.Client(event_hooks=hooks, follow_redirects=True, timeout=TIMEOUT))


def _is_name(text: str) -> bool:
    try:
        validate_repo_id(text)
    except HFValidationError:
        return False
    return "/" in text


def head_of(repository: Repository, *, marker: str) -> Head:
    """The newest commit. Raises UploadError where the repository holds files, but not the marker: they are others'."""
    with _explained(repository):
        ask = HfApi().space_info if repository.kind == "space" else HfApi().model_info
        info = ask(repository.name)
    files = frozenset(sibling.rfilename for sibling in info.siblings or ())
    others = files - UNCLAIMED
    if others and marker not in files:
        raise UploadError(
            f"{repository.url} holds something else ({min(others)}, but no {marker}); choose another name, or empty it"
        )
    return Head(str(info.sha), files)


def read_text(repository: Repository, head: Head, path: str) -> str:
    """A text file of the commit."""
    with _explained(repository):
        file = hf_hub_download(repository.name, path, repo_type=repository.kind, revision=head.commit)
    return Path(file).read_bytes().decode("utf-8", errors="replace")


def commit(
    repository: Repository, head: Head, files: Mapping[str, Content], *, removed: Iterable[str], message: str
) -> bool:
    """Add the files, of which the client uploads what is not there in the same bytes, and remove others, in one commit
    on top of `head`. Return whether there was anything to do.

    Raises TemporaryUploadError also if the newest commit is not `head` any more.
    """
    deletions = [CommitOperationDelete(path) for path in removed if path in head.files]
    with _explained(repository):
        done = HfApi().create_commit(
            repository.name,
            [*(CommitOperationAdd(path, content) for path, content in files.items()), *deletions],
            repo_type=repository.kind,
            commit_message=message,
            parent_commit=head.commit,
        )
    return done.oid != head.commit


def retried(action: Callable[[], T], *, on_wait: Callable[[TemporaryUploadError, float], object]) -> T:
    """What the action gives, after further attempts where it fails for a time; `on_wait` is told of each."""
    for delay in RETRY_DELAYS:
        try:
            return action()
        except TemporaryUploadError as error:
            wait = max(delay, error.wait)
            on_wait(error, wait)
            time.sleep(wait)
    return action()


@contextmanager
def _explained(repository: Repository) -> Iterator[None]:
    """Raise the client's errors as UploadError."""
    try:
        yield
    except (httpx.HTTPError, LocalEntryNotFoundError, ConnectionError, TimeoutError, RuntimeError, ValueError) as error:
        raise _explain(error, repository) from error
    except (LookupError, TypeError, AttributeError) as error:  # the client takes answers to be what they should be
        what = type(error).__name__
        raise UploadError(f"{repository.url}: the Hub's answer is not understood ({what}); try again later") from error


def _explain(error: BaseException, repository: Repository) -> UploadError:
    owner, name, url = repository.name.partition("/")[0], repository.name, repository.url
    cause = error
    while cause.__cause__ and not isinstance(cause, httpx.HTTPError):  # uploads wrap it, in threads twice
        cause = cause.__cause__
    if not isinstance(cause, HfHubHTTPError):
        if isinstance(error, ValueError):
            return UploadError(f"{url}: {_line(error)}")
        return TemporaryUploadError(f"{HfApi().endpoint} cannot be reached ({_line(cause)})")
    status, said = cause.response.status_code, cause.server_message or cause.response.reason_phrase
    if status in TEMPORARY:
        conflict = status in (409, 412)
        message = "somebody else has just written there" if conflict else f"the Hub answers {status} {said}".strip()
        return TemporaryUploadError(f"{url}: {message}", _asked_wait(cause.response.headers))
    explanations = {
        401: f"the Hub does not know your token; {LOGIN}, with a valid one",
        402: f"the Hub wants {owner} to have a paid plan for this ({said})",
        403: f"your token may not write to {name}; use one with write access, and an owner that you are or belong to",
        404: f"there is no {owner} on the Hub, or {name} was removed meanwhile; check the name",
    }
    return UploadError(f"{url}: {explanations.get(status, f'the Hub answers {status} ({said})')}")


def _asked_wait(headers: Mapping[str, str]) -> float:
    """Seconds that the Hub asks to wait for; 0 where it does not."""
    limit, after = parse_ratelimit_headers(headers), headers.get("Retry-After", "")
    if after.isdigit():
        return float(after)
    return float(limit.reset_in_seconds) if limit and not limit.remaining else 0.0


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
