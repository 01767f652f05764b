"""The GPU of a ZeroGPU Space, which is lent for each call of a function that says so; elsewhere nothing happens."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

LENT = bool(os.environ.get("SPACES_ZERO_GPU"))
"""Whether there is a GPU only inside of functions marked `on_gpu`."""


def on_gpu(function: Callable[P, R]) -> Callable[P, R]:
    """Let the function run where a GPU is lent to it: in another process, so that all it takes and gives is pickled."""
    try:
        from spaces import GPU
    except ImportError:
        return function
    return GPU(function)
