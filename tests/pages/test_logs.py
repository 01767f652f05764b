"""What visitors send, in the log."""

from __future__ import annotations

import logging
import sys

import pytest

from cyclegan.pages.logs import MOST_CHARACTERS, MOST_ENTRIES, MOST_LINES, Record


def written(message: str, error: Exception | None = None) -> list[str]:
    """The lines of the log."""
    exc_info = None
    if error:
        try:
            raise error
        except Exception:
            exc_info = sys.exc_info()
    record = Record("app", logging.ERROR, "app.py", 1, "failed: %s", (message,), exc_info)
    return logging.Formatter("%(levelname)s %(name)s: %(message)s").format(record).split("\n")


@pytest.mark.parametrize("end", ["\n", "\r", "\x1b[2J", "\u2028", "\udc80", "\x85"])
def test_a_message_is_one_line_of_printable_characters(end: str) -> None:
    (line,) = written(f"그림{end}ERROR app: forged")
    assert line.startswith("ERROR app: failed: 그림\\") and line.isprintable()


def test_a_long_message_is_cut_off() -> None:
    (line,) = written("x" * 10**6)
    assert len(line) < 2 * MOST_CHARACTERS and line.endswith("... (1000008 characters)")


def test_a_traceback_is_indented_and_short_whatever_the_error_says() -> None:
    first, *lines = written("x", ValueError("\nERROR app: forged\x1b" * 10**5))
    assert first == "ERROR app: failed: x" and "Traceback" in lines[0] and "ValueError" in "".join(lines)
    assert all(line.startswith("    ") and line.isprintable() for line in lines)
    assert len(lines) <= MOST_ENTRIES * MOST_LINES and max(map(len, lines)) < 2 * MOST_CHARACTERS
