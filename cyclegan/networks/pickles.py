"""What PyTorch's `weights_only` lets pass, though a small file of it can take all memory, or time without end."""

from __future__ import annotations

import pickletools
import zipfile
from pathlib import Path
from typing import IO

LONGEST = 1 << 20
"""Bytes of a pickle: that of the reference's largest generator has 20 kB."""
LEGACY_PICKLES = 5
"""How many a file begins with that PyTorch before 1.6 wrote; then come the weights."""
NAMES = ("GLOBAL", "BINUNICODE", "SHORT_BINSTRING")
"""What a pickle of weights says once and means again."""


class PickleError(ValueError):
    """A file of weights that is not read: the message ends the sentence that its name begins."""


def check_pickles(path: Path) -> None:
    """Raise PickleError, another ValueError, or what zipfile raises, where a file is not as `torch.save` writes it.

    A zip may unpack to more than memory holds. A tuple of a tuple twice, of a tuple twice, ... is hashed, if it is the
    key of a dictionary, in a time that doubles with each of its few bytes, during which no other thread runs.
    """
    with path.open("rb") as file:
        begins = file.read(4)
        if begins != b"PK\x03\x04":
            if not begins.startswith(b"\x80"):  # of a pickle, since protocol 2
                raise ValueError("neither a zip nor a pickle")
            file.seek(0)
            for _ in range(LEGACY_PICKLES):
                _check(file)
            return
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > path.stat().st_size:
                raise PickleError("unpacks to more than it holds; save the generator's state_dict() with torch.save")
            for member in members:
                if member.filename.lower().endswith("data.pkl"):  # PyTorch takes large letters for small ones
                    with archive.open(member) as pickled:
                        _check(pickled)


def _check(pickled: IO[bytes]) -> None:
    names: set[object] = set()
    before = ""
    for opcode, argument, position in pickletools.genops(pickled):
        if position is not None and position > LONGEST:
            raise PickleError(
                f"describes its weights in more than {LONGEST:,} bytes, the limit; save the generator's "
                "state_dict() alone"
            )
        if opcode.name in ("BINPUT", "LONG_BINPUT"):
            (names.add if before in NAMES else names.discard)(argument)
        elif opcode.name in ("BINGET", "LONG_BINGET") and argument not in names:
            raise PickleError("holds one value in several places; save the generator's state_dict() alone")
        before = opcode.name
