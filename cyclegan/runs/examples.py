"""Example inputs that a run brings along: images in RUN/examples/a and RUN/examples/b, for visitors to try.

They are published with the run, so they must be free to share; RUN/examples/LICENSE.md names their authors and terms.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from cyclegan.config import Domain

MOST = 8
"""Examples of a domain that are published and shown."""
LARGEST_EXAMPLE = 1 << 20
"""Bytes that an example may have."""
NOTICE = "examples/LICENSE.md"
_NAME = re.compile(r"examples/([ab])/[A-Za-z0-9][\w-]{0,79}\.(?:png|jpg|webp)", re.ASCII)


def example_files(names: Iterable[str]) -> list[str]:
    """Return which of the paths below a run's folder are examples, at most 8 of each domain by name, and their notice;
    without the notice none."""
    found = set(names)
    if NOTICE not in found:
        return []
    examples = sorted(filter(_NAME.fullmatch, found))
    return [NOTICE, *(name for domain in "ab" for name in _of(examples, domain)[:MOST])]


def example_images(folder: Path, domain: Domain) -> list[Path]:
    """Return the example inputs of a domain in a run's folder, by name."""
    paths = (path.relative_to(folder).as_posix() for path in (folder / "examples").glob("*/*"))
    notice = [NOTICE] if (folder / NOTICE).is_file() else []
    return [folder / name for name in _of(example_files([*paths, *notice]), domain)]


def _of(names: Iterable[str], domain: str) -> list[str]:
    return [name for name in names if name.startswith(f"examples/{domain}/")]
