"""What the fuzz kept is read again: inputs that reach other lines than all before them, and those that went wrong."""

from __future__ import annotations

import pytest

from tests.faults.fuzz import CORPUS
from tests.faults.loaders import LOADERS, feed, good_files


@pytest.mark.parametrize("name", LOADERS)
def test_what_the_fuzz_kept_is_loaded_or_refused(name: str) -> None:
    kept = [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]
    assert kept
    for content in [*good_files(name), *kept]:
        feed(name, content)
