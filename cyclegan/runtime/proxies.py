"""Proxy variables of the environment: which the HTTP client cannot use, and why."""

from __future__ import annotations

import os
from importlib.util import find_spec
from urllib.parse import urlsplit

VARIABLES = ("http_proxy", "https_proxy", "all_proxy")
OWN = ("localhost", "127.0.0.1", "::1")
"""Hosts that no proxy leads to: this machine."""


def unusable_proxies() -> dict[str, str]:
    """Return the proxy variables that the HTTP client fails at, each with what is wrong and the remedy."""
    found = {}
    for name in (each for lower in VARIABLES for each in (lower, lower.upper())):
        value = os.environ.get(name, "")
        scheme = urlsplit(value).scheme if "://" in value else "http"
        if scheme in ("socks5", "socks5h") and find_spec("socksio") is None:
            found[name] = f"{name} is {value}: a SOCKS proxy needs another package; run: pip install socksio"
        elif value and scheme not in ("http", "https", "socks5", "socks5h"):
            found[name] = f"{name} is {value}: its scheme must be http, https or socks5; set it to socks5://..."
    return found


def bypass_proxies() -> list[str]:
    """Let requests to this machine pass no proxy, and drop the variables that cannot be used; return why, for each."""
    for name in ("no_proxy", "NO_PROXY"):
        hosts = [host for host in os.environ.get(name, "").split(",") if host]
        os.environ[name] = ",".join(dict.fromkeys([*hosts, *OWN]))
    dropped = unusable_proxies()
    for name in dropped:
        del os.environ[name]
    return list(dropped.values())
