"""What a Space is made of: the app, the package, and the runs that it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cyclegan.hub import publishing
from cyclegan.hub.cards import CARD, sealed
from cyclegan.hub.publishing import Publication
from cyclegan.hub.uploads import Content, Repository, commit, head_of
from cyclegan.runs.run import Run, RunError

ROOT = Path(__file__).parents[2]
FILES = ("app.py", "LICENSE", "CITATION.cff")
MARKER = "cyclegan/__init__.py"
"""What tells a Space of this app from others, and from a new one, whose card is the Hub's."""
REQUIREMENTS = "requirements.txt"
FOLDERS = {"cyclegan": (".py", ".css", ".js", ".html", ".md", ".png"), "docs": (".md", ".webp")}
"""Folders of the project, and the files that a Space takes of them: the package, and what the README shows."""
WEIGHTS = "weights"
CPU_WHEELS = "--extra-index-url https://download.pytorch.org/whl/cpu\n"
"""Makes pip prefer PyTorch without CUDA, which is far larger and of no use there."""


def contents(runs: Sequence[Run], *, gpu: bool = False) -> dict[str, Content]:
    """Everything that the Space holds, by path: of this project what the app needs, of the runs what is published.
    With `gpu` it installs PyTorch with CUDA.

    Raises RunError where a run has no snapshot or two have the same name, FileNotFoundError where this package is not
    in its project's folder.
    """
    files: dict[str, Content] = {name: ROOT / name for name in FILES}
    files[CARD] = sealed((ROOT / CARD).read_text(encoding="utf-8")).encode()
    for name, suffixes in FOLDERS.items():
        paths = sorted(path for path in (ROOT / name).rglob("*") if path.suffix in suffixes)
        files |= {path.relative_to(ROOT).as_posix(): path for path in paths}
    requirements = (ROOT / REQUIREMENTS).read_bytes()
    files[REQUIREMENTS] = requirements if gpu else CPU_WHEELS.encode() + requirements
    names = [run.folder.resolve().name for run in runs]
    for name, run in zip(names, runs, strict=True):
        if names.count(name) > 1:
            raise RunError(f"two of the runs are called {name}; rename the folder of one")
        run.check_epoch(None)
        files |= {f"{WEIGHTS}/{name}/{path}": content for path, content in publishing.contents(run).items()}
    return files


def push(files: Mapping[str, Content], repository: Repository) -> Publication:
    """Make the Space hold these files, in one commit; a card that a person has edited there stays. Raises HubError."""
    head = head_of(repository, marker=MARKER)
    kept = MARKER in head.files and publishing.is_edited(repository, head)
    new = {path: content for path, content in files.items() if not (kept and path == CARD)}
    older = [path for path in head.files if path.split("/")[0] in (*FOLDERS, WEIGHTS) and path not in files]
    names = sorted({path.split("/")[1] for path in files if path.startswith(f"{WEIGHTS}/")})
    changed = commit(repository, head, new, removed=older, message=f"The app with {', '.join(names)}")
    return Publication(changed, kept)
