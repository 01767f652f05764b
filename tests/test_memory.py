"""The heaps that a server's threads allocate from."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from tests.forks import ROOT

MANY_THREADS = """
import ctypes
from threading import Barrier, Thread
from cyclegan.pages.memory import share_one_heap

def run(count):
    together = Barrier(count)

    def allocate():
        together.wait()
        kept = [bytearray(10_000) for _ in range(100)]
        together.wait()

    threads = [Thread(target=allocate) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

run(1)  # as importing does
{before}
run(8)
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


def heaps(before: str) -> int:
    """Of a process whose threads allocate, one at first, then eight at once."""
    command = [sys.executable, "-c", MANY_THREADS.format(before=before)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.count("<heap ")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's heaps")
def test_threads_share_the_heaps_that_are_there() -> None:
    assert heaps("pass") > 2
    assert heaps("share_one_heap()") <= 2
