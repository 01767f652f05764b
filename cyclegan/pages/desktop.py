"""The app on a visitor's own computer: when to open a browser, and a window of its own instead of one."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

REMOTE = ("SSH_CONNECTION", "SSH_TTY", "CI", "SPACE_ID")
"""Environment variables of sessions whose screen is elsewhere, or nowhere: SSH, continuous integration, a Space."""


class WindowError(RuntimeError):
    """No window can be shown here: the message says why and what to do."""


def has_screen(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> bool:
    """Whether a browser that is opened here is seen by whoever started the app."""
    return not any(environment.get(name) for name in REMOTE) and _has_display(environment, platform)


def _has_display(environment: Mapping[str, str], platform: str) -> bool:
    return platform in ("darwin", "win32") or any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def check_window() -> None:
    """Raise WindowError where there is no display, or pywebview, which shows the window, is not installed."""
    if not _has_display(os.environ, sys.platform):
        raise WindowError("--window needs a display, and there is none here; leave it out and open the address")
    try:
        import webview  # noqa: F401
    except ImportError:
        raise WindowError("--window needs pywebview: pip install -r requirements-window.txt") from None


def show_window(url: str, title: str) -> None:
    """Show a page in a window until it is closed; on the main thread. Raises WindowError where that fails."""
    import webview

    webview.settings["ALLOW_DOWNLOADS"] = True
    webview.create_window(title, url, width=1280, height=900)
    try:
        webview.start(gui="qt" if sys.platform == "linux" else None)  # GTK is tried first, and complained of, otherwise
    except webview.WebViewException as error:
        raise WindowError(f"cannot show a window here ({error}); leave out --window and open {url}") from None
