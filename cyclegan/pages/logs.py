"""The log: no visitor can flood it, or forge a line of it."""

from __future__ import annotations

import logging
import traceback
from typing import Any

MOST_CHARACTERS = 500
"""Of a message, and of a line of a traceback."""
MOST_ENTRIES = 60
"""Of a traceback, the last ones: those of nearly all frames, and the error."""
MOST_LINES = 4
"""Of one of these entries."""


class Record(logging.LogRecord):
    """A record whose message is one short line; of a traceback all lines are indented."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.exc_info and self.exc_info[0]:
            entries = traceback.format_exception(*self.exc_info)[-MOST_ENTRIES:]
            lines = (line for entry in entries for line in entry.splitlines()[:MOST_LINES])
            self.exc_text = "\n".join(f"    {one_line(line)}" for line in lines)

    def getMessage(self) -> str:
        return one_line(super().getMessage().rstrip())


def one_line(text: str) -> str:
    """The text with everything escaped that is not printable, and cut off where it is too long."""
    shown = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text[:MOST_CHARACTERS])
    return shown if len(text) <= MOST_CHARACTERS else f"{shown}... ({len(text)} characters)"


def keep_short() -> None:
    """Have everything that is logged from now on, by any package, go through `Record`."""
    logging.setLogRecordFactory(Record)
