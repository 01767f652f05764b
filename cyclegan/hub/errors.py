"""What goes wrong with the Hugging Face Hub, in words: what it is, and what to do about it."""

from __future__ import annotations

import errno
import logging
from typing import Literal

log = logging.getLogger(__name__)

LOGIN = "log in with `hf auth login`, or set HF_TOKEN"
HubFault = Literal[
    "name", "missing", "gated", "revision", "login", "limit", "trouble", "network", "disk", "incomplete",
    "foreign", "newer", "refused",
]  # fmt: skip
"""What it can be, for who says it in other words."""


class HubError(RuntimeError):
    """The Hub, or a repository there, is not to be had: the message says why and what to do. It holds no path of this
    machine and no token, so that it can be shown to anybody."""

    def __init__(self, fault: HubFault, repository: str, message: str) -> None:
        super().__init__(message)
        self.fault = fault
        self.repository = repository


def in_words(error: BaseException, repository: str) -> HubError:
    """What an error of huggingface_hub means for who wanted this repository, owner/name with or without @revision."""
    if isinstance(error, HubError):
        return error
    log.debug("%s", repository, exc_info=error)
    fault, message = _explain(error, repository)
    return HubError(fault, repository, message)


def is_unreachable(error: BaseException) -> bool:
    """Whether the Hub did not answer, or only that it cannot now: what is cached may stand in for what it has."""
    from huggingface_hub.errors import FileMetadataError, HfHubHTTPError, LocalEntryNotFoundError
    from huggingface_hub.utils import httpx

    if isinstance(error, LocalEntryNotFoundError):
        return error.__cause__ is None or is_unreachable(error.__cause__)
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code == 429 or error.response.status_code >= 500
    return isinstance(error, (httpx.TransportError, ConnectionError, FileMetadataError))


def _explain(error: BaseException, repository: str) -> tuple[HubFault, str]:
    from huggingface_hub import constants, errors

    name, hub = repository.partition("@")[0], constants.ENDPOINT
    if isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__ is not None:
        return _explain(error.__cause__, repository)  # "not cached either": the reason is why it was not fetched
    if isinstance(error, errors.OfflineModeIsEnabled):
        missing = f"{repository}, or this part of it, is not on this machine"
        return "network", f"{missing}, and HF_HUB_OFFLINE forbids to ask the Hub; unset it"
    if isinstance(error, errors.GatedRepoError):
        return "gated", f"{name} is gated: ask for access at {hub}/{name}, then {LOGIN}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "missing", f"the Hub has no repository {name}, or it is private; check the name, or {LOGIN}"
    if isinstance(error, errors.RevisionNotFoundError):
        return "revision", f"{repository} is no revision of that repository; leave @... out for the newest"
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return "incomplete", f"a file of {repository} is gone from the Hub; open it again"
    if isinstance(error, errors.HfHubHTTPError):
        return _explain_status(error.response.status_code, error.response.headers.get("Retry-After", ""), repository)
    if is_unreachable(error):
        return "network", f"{hub} does not answer, so {repository} cannot be had; check the network and try again"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "disk", f"the disk is full, so {repository} cannot be kept; free some space, or set HF_HOME to another"
    if isinstance(error, OSError) and error.errno is not None:
        return "disk", f"{repository} cannot be kept here ({error.strerror}); set HF_HOME to a folder to write to"
    if isinstance(error, OSError):  # the client's complaint of a wrong length
        return "incomplete", f"a file of {repository} did not arrive whole; try again"
    return "trouble", f"the Hub's answer about {repository} is not understood ({type(error).__name__}); try again later"


def _explain_status(status: int, wait: str, repository: str) -> tuple[HubFault, str]:
    from huggingface_hub import constants

    if status == 429:
        when = f"in {wait} seconds" if wait.isdigit() else "in a few minutes"
        return "limit", f"the Hub is asked too often, and so refuses {repository}; try again {when}, or {LOGIN}"
    if status == 401:
        return "login", f"the Hub does not know the token that it was sent for {repository}; {LOGIN} again"
    if status == 403:
        return "login", f"the Hub forbids to read {repository}; ask its owner for access, then {LOGIN}"
    return "trouble", f"{constants.ENDPOINT} answers {status} instead of {repository}; try again later"
