"""What goes wrong with the Hugging Face Hub: one error, with what to do about it."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from huggingface_hub import constants, errors
from huggingface_hub.utils import httpx, parse_ratelimit_headers

from cyclegan.runtime.proxies import unusable_proxies

log = logging.getLogger(__name__)

LOGIN = "log in with `hf auth login`, or set HF_TOKEN"
LONGEST_WAIT = 300.0
"""Seconds that the Hub may ask for: the window of its rate limits."""
TEMPORARY = {408, 409, 412, 425, 429}
"""Statuses that another attempt may change, beside those from 500 on; 409 and 412: another commit came first."""
HubFault = Literal[
    "name", "missing", "gated", "revision", "login", "limit", "trouble", "network", "disk", "incomplete",
    "foreign", "newer", "refused",
]  # fmt: skip
"""What it can be, for pages that tell it in other words."""


_FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
_UNREACHABLE = (
    httpx.TransportError, errors.FileMetadataError, errors.LocalEntryNotFoundError, ConnectionError, TimeoutError
)  # fmt: skip
_KINDS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], HubFault, str], ...] = (
    (errors.OfflineModeIsEnabled, "network", "{repository}, or this part of it, is not on this machine, and "
        "HF_HUB_OFFLINE forbids to ask the Hub; unset it"),
    (errors.GatedRepoError, "gated", f"{{name}} is gated: ask for access at {{hub}}/{{name}}, then {LOGIN}"),
    (errors.RevisionNotFoundError, "revision", "{repository} is no revision of that repository; leave @... out for "
        "the newest"),
    (errors.RemoteEntryNotFoundError, "incomplete", "a file of {repository} is gone from the Hub; open it again"),
    (errors.RepositoryNotFoundError, "missing", f"the Hub has no repository {{name}}, or it is private; check the "
        f"name, or {LOGIN}"),
    (_UNREACHABLE, "network", "{hub} does not answer, so {repository} cannot be {verb}{detail}; check the network and "
        "try again"),
)  # fmt: skip
_STATUSES: Mapping[int, tuple[HubFault, str]] = {
    401: ("login", f"the Hub does not know your token, so {{repository}} cannot be {{verb}}; {LOGIN} again"),
    402: ("refused", "the Hub wants the owner of {name} to have a paid plan{detail}"),
    403: ("login", f"{{repository}} may not be {{verb}} by you; {LOGIN}, with a token of somebody who may"),
    404: ("missing", "the Hub has no owner or repository {name}; check the name"),
    409: ("trouble", "somebody else has just written to {name}; try again"),
    412: ("trouble", "somebody else has just written to {name}; try again"),
    429: ("limit", f"the Hub is asked too often, and so refuses {{repository}}; try again {{when}}, or {LOGIN}"),
}
_OTHER_STATUS = "{hub} answers {status} instead of {repository}{detail}; try again later"
_DISKS = "{repository} cannot be kept here ({reason}); set HF_HOME to a folder to write to"


class HubError(RuntimeError):
    """The Hub, or a repository there, cannot be read or written; the message says why and what to do.

    The message of a read holds no path of this machine and no token, so that it can be shown to anybody. `wait` is None
    unless another attempt may succeed, after so many seconds or more.
    """

    def __init__(self, fault: HubFault, repository: str, message: str, *, wait: float | None = None) -> None:
        super().__init__(message)
        self.fault = fault
        self.repository = repository
        self.wait = wait


@contextmanager
def explained(repository: str, *, writing: bool = False) -> Iterator[None]:
    """Raise errors of huggingface_hub as HubError."""
    try:
        yield
    except Exception as error:
        raise in_words(error, repository, writing=writing) from None


def in_words(error: BaseException, repository: str, *, writing: bool = False) -> HubError:
    """Return what an error of huggingface_hub means for a repository, owner/name with or without @revision."""
    if isinstance(error, HubError):
        return error
    log.debug("%s", repository, exc_info=error)
    while error.__cause__ and not isinstance(error, httpx.HTTPError):  # uploads wrap it, in threads twice
        error = error.__cause__
    if isinstance(error, ImportError | ValueError) and (wrong := unusable_proxies()):
        return HubError("network", repository, next(iter(wrong.values())))
    if isinstance(error, RuntimeError) and str(error).endswith("the client has been closed."):
        # One thread's failed connection makes huggingface_hub close the client that its other threads send with.
        error = httpx.TransportError(str(error))
    status, wait, said = 0, 0.0, " ".join(str(error).split())
    kind = next((rule for rule in _KINDS if isinstance(error, rule[0])), None)
    temporary = isinstance(error, _UNREACHABLE)
    fault: HubFault
    if kind:
        _, fault, text = kind
    elif isinstance(error, errors.HfHubHTTPError):
        status, said = error.response.status_code, error.server_message or error.response.reason_phrase
        wait, temporary = _asked_wait(error.response.headers), status in TEMPORARY or status >= 500
        fault, text = _STATUSES.get(status, ("trouble", _OTHER_STATUS))
    elif isinstance(error, OSError) and error.errno in _FULL_DISK:
        fault = "disk"
        text = "the disk is full, so {repository} cannot be kept; free some space, or set HF_HOME to another"
    elif isinstance(error, OSError) and error.errno is not None:
        fault, text, said = "disk", _DISKS, said if writing else str(error.strerror)
    elif isinstance(error, OSError):  # the client's complaint of a wrong length
        fault, text = "incomplete", "a file of {repository} did not arrive whole; try again"
    else:
        fault, text = (
            "trouble",
            "the Hub's answer about {repository} is not understood ({type}{detail}); try again later",
        )
    words = {
        "repository": repository, "name": repository.partition("@")[0], "hub": constants.ENDPOINT, "status": status,
        "verb": "written" if writing else "read", "type": type(error).__name__, "reason": said,
        "detail": f" ({said})" if writing and said else "",
        "when": f"in {wait:.0f} seconds" if wait else "in a few minutes",
    }  # fmt: skip
    return HubError(fault, repository, text.format(**words), wait=min(wait, LONGEST_WAIT) if temporary else None)


def _asked_wait(headers: Mapping[str, str]) -> float:
    """Return the seconds that the Hub asks to wait for; 0 if it does not."""
    limit, after = parse_ratelimit_headers(headers), headers.get("Retry-After", "")
    if after.isdigit():
        return float(after)
    return float(limit.reset_in_seconds) if limit and not limit.remaining else 0.0
