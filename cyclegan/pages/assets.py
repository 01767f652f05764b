"""Templates, style sheets and scripts of the components, which lie beside their modules."""

from pathlib import Path

_FOLDER = Path(__file__).parent


def read(name: str) -> str:
    """The text of a file by its path in this folder, such as "watch/canvas.js"."""
    return (_FOLDER / name).read_text(encoding="utf-8")
