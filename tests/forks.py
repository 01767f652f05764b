"""Programs in processes of their own that need not import PyTorch and Gradio anew, for 3 to 8 s each.

They are forked from a server that has, but has done nothing else: from there on they are as `python PROGRAM ARGUMENTS`,
with an environment, folder, output, signals and exit code of their own. What a start imports is no test for them: of
every program another test starts it as people do.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import runpy
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir
from functools import cache
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONTEXT = multiprocessing.get_context("forkserver" if hasattr(os, "fork") else "spawn")
# The second last is what the first optimizer imports; the last, what every child does where pytest is the main program.
CONTEXT.set_forkserver_preload(["app", "train", "torch._dynamo", "pytest"])


@cache
def printed() -> Path:
    """The folder of what programs print, for this process and its programs: they import this module as well."""
    folder = Path(tempfile.mkdtemp(prefix="printed-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def fork(work: Callable[..., object], *arguments: object) -> BaseProcess:
    """A process that does the work; both are pickled."""
    if hasattr(os, "fork"):
        with chdir(ROOT):  # where a server that has yet to start finds what it imports
            forkserver.ensure_running()
    process: BaseProcess = CONTEXT.Process(target=work, args=arguments, daemon=True)  # type: ignore[attr-defined]
    process.start()
    return process


class Program:
    """A script, or a module after `-m`, that is used like a subprocess.Popen.

    `before` is called in its process. What it prints goes to a file, where one is given.
    """

    def __init__(
        self,
        arguments: Sequence[object],
        *,
        cwd: Path = ROOT,
        env: Mapping[str, str] | None = None,
        before: Callable[[], object] | None = None,
        output: Path | None = None,
    ) -> None:
        folder = Path(tempfile.mkdtemp(dir=printed()))
        self._printed = [output or folder / name for name in ("out", "err")]
        for path in self._printed:
            path.write_bytes(b"")
        words = list(map(str, arguments))
        self._process = fork(_run, words, cwd, dict(os.environ if env is None else env), before, self._printed)

    def poll(self) -> int | None:
        """The exit code, or the negative number of the signal that ended it; None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self._process.pid or 0, number)

    def communicate(self, timeout: float = 200) -> tuple[str, str]:
        """What it printed, to both, when it has ended; fails where it has not in time."""
        self._process.join(timeout)
        out, err = (path.read_text(encoding="utf-8") for path in self._printed)
        assert self.poll() is not None, f"is still running after {timeout:g} s: {out}{err}"
        return out, err


def _run(
    words: list[str], cwd: Path, env: dict[str, str], before: Callable[[], object] | None, printed: list[Path]
) -> None:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for number, path in enumerate(printed, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    if before:
        before()
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        runpy.run_path(words[0], run_name="__main__")
