"""The line in which the calls of Draw wait, one for the whole app: server functions pass Gradio's own queue by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

R = TypeVar("R")

AT_ONCE = 2
"""Calls that are worked on at the same time: one drawing is translated by all cores, another read or encoded."""
MOST_WAITING = 64
"""Calls that wait at most."""


class FullError(Exception):
    """Nobody else may wait."""


class Line:
    """Some calls at a time; the others wait without a thread, which would be missing elsewhere."""

    def __init__(self) -> None:
        self._turns = CapacityLimiter(AT_ONCE)

    async def run(self, work: Callable[[Any], R], argument: Any) -> R:
        """What `work` gives, in a thread. Raises FullError where too many wait already."""
        if self._turns.statistics().tasks_waiting >= MOST_WAITING:
            raise FullError
        return await run_sync(work, argument, limiter=self._turns)


line = Line()
