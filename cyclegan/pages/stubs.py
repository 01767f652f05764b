"""Gradio without the stub files that it writes for editors."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def no_stubs() -> Iterator[None]:
    """Import Gradio in half the time. For each of its components it parses that module's source again, to write a stub
    file beside it, but where it finds no source: `create_or_modify_pyi` in gradio/component_meta.py. Components of this
    package do without by `inputs.NoStub`."""
    find_file = inspect.getfile

    def getfile(object: Any) -> str:
        if isinstance(object, type) and object.__module__.startswith("gradio."):
            raise OSError
        return find_file(object)

    inspect.getfile = getfile
    try:
        yield
    finally:
        inspect.getfile = find_file
