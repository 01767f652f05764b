"""A coverage-guided fuzz of what reads files from elsewhere: `python -m tests.faults.fuzz --minutes 10`.

Atheris (libFuzzer) changes good files, and keeps what reaches new branches. Wrong is an exception that is no refusal, a
file outside of the folder, more than SECONDS or MEGABYTES. What is wrong stops the loader's turn, and is kept in
`findings/`; inputs that reach new lines of this project join `corpus/`, which `test_corpus.py` reads. Prints a line of
JSON for each loader. The arcs that it counts are steps from one line of the project to another.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Any

import tyro

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CORPUS, FINDINGS = HERE / "corpus", HERE / "findings"
SECONDS, MEGABYTES = 20, 1024
LIMITS = [f"-timeout={SECONDS}", "-rss_limit_mb=4096", f"-dict={HERE / 'fuzz.dict'}"]
INSTRUMENTED = ["cyclegan", "PIL", "tarfile", "zipfile"]
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHILD = "import sys; from tests.faults.fuzz import change; change(sys.argv)"

Arc = tuple[str, int, int]


@dataclass(frozen=True)
class Options:
    minutes: float = 10
    """Of all loaders together."""
    loaders: tuple[str, ...] = ()
    """Which, unless all."""


def change(arguments: list[str]) -> None:
    """Fuzz the loader that is named first; what follows is libFuzzer's. Ends the process."""
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED):
        from tests.faults import loaders
    from torch._weights_only_unpickler import Unpickler

    # All of PyTorch would take a minute.
    Unpickler.load = atheris.instrument_func(Unpickler.load)  # type: ignore[method-assign]
    _, name, *flags = arguments
    sys.dont_write_bytecode = True
    strays: list[str] = []
    inside = os.path.realpath(tempfile.gettempdir())

    def watch(event: str, details: tuple[Any, ...]) -> None:
        writes = event in ("os.mkdir", "os.rename", "os.link", "os.symlink") or (
            event == "open" and details[2] & WRITING
        )
        for path in details[:2] if event != "open" else details[:1]:
            if writes and isinstance(path, str | bytes | os.PathLike):
                absolute = os.path.realpath(os.fsdecode(path))
                if not absolute.startswith(inside + os.sep) and absolute != os.devnull:
                    strays.append(absolute)

    def one_input(content: bytes) -> None:
        loaders.feed(name, content)
        if strays:
            raise AssertionError(f"outside of its folder it wrote {strays}")
        if (used := _peak_megabytes() - before) > MEGABYTES:
            raise AssertionError(f"it took {used} MB")

    for content in loaders.good_files(name):
        loaders.feed(name, content)
    before = _peak_megabytes()
    longest = loaders.LOADERS[name].longest
    atheris.Setup(["fuzz", *flags, f"-max_len={longest}", *LIMITS], one_input)
    sys.addaudithook(watch)
    atheris.Fuzz()


def _peak_megabytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def arcs_of(name: str, content: bytes) -> set[Arc]:
    """The steps between lines of the package that a loader takes with this content."""
    from tests.faults import loaders

    package, found = str(ROOT / "cyclegan"), set()

    def enter(frame: FrameType, event: str, _: Any) -> Any:
        file, last = frame.f_code.co_filename, 0

        def step(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal last
            found.add((file, last, frame.f_lineno))
            last = frame.f_lineno
            return step

        return step if file.startswith(package) else None

    sys.settrace(enter)
    try:
        loaders.feed(name, content)
    finally:
        sys.settrace(None)
    return found


def covered(name: str, contents: Sequence[bytes], reached: set[Arc]) -> list[bytes]:
    """Those of the contents that reach what none before them did, shortest first; `reached` grows."""
    keep = []
    for content in sorted(set(contents), key=lambda content: (len(content), content)):
        if new := arcs_of(name, content) - reached:
            reached |= new
            keep.append(content)
    return keep


def fuzz(name: str, seconds: float) -> dict[str, Any]:
    """A loader's turn: figures, and what it found."""
    from tests.faults import loaders

    corpus = CORPUS / name
    corpus.mkdir(parents=True, exist_ok=True)
    FINDINGS.mkdir(exist_ok=True)
    good = loaders.good_files(name)
    reached: set[Arc] = set()
    covered(name, good, reached)
    with_seeds = len(reached)
    covered(name, [path.read_bytes() for path in corpus.iterdir()], reached)
    with_corpus = len(reached)
    with tempfile.TemporaryDirectory() as place:
        made, seeds = Path(place, "made"), Path(place, "seeds")
        made.mkdir()
        _write(seeds, good)
        known = set(FINDINGS.iterdir())
        flags = [f"-max_total_time={int(seconds)}", f"-artifact_prefix={FINDINGS}/{name}-", "-print_final_stats=1"]
        command = [sys.executable, "-c", CHILD, name, *flags, *map(str, (made, seeds, corpus))]
        alone = {**os.environ, "TMPDIR": place}  # nothing is written anywhere else
        done = subprocess.run(command, cwd=ROOT, env=alone, capture_output=True, text=True, errors="replace")
        found = sorted(path.name for path in set(FINDINGS.iterdir()) - known)
        _write(corpus, covered(name, [path.read_bytes() for path in made.iterdir()], reached))
    if done.returncode:
        sys.stderr.write(done.stderr[-4000:])
    told = re.findall(r"^#(\d+)", done.stderr, re.MULTILINE)
    return {
        "loader": name,
        "executions": int(told[-1]) if told else 0,
        "seconds": int(seconds),
        "arcs": [with_seeds, with_corpus, len(reached)],
        "findings": found or ([f"exit code {done.returncode}"] if done.returncode else []),
    }


def _write(folder: Path, contents: Sequence[bytes]) -> None:
    folder.mkdir(exist_ok=True)
    for content in contents:
        (folder / sha256(content).hexdigest()[:16]).write_bytes(content)


def main(options: Options) -> int:
    from tests.faults import loaders

    names = options.loaders or tuple(loaders.LOADERS)
    wrong = False
    for name in names:
        told = fuzz(name, options.minutes * 60 / len(names))
        print(json.dumps(told), flush=True)
        wrong = wrong or bool(told["findings"])
    return int(wrong)


if __name__ == "__main__":
    raise SystemExit(main(tyro.cli(Options, prog="python -m tests.faults.fuzz")))
