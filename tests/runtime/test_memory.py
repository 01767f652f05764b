"""How glibc hands out memory: the heaps of a server's threads, the blocks of a training."""

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
from cyclegan.runtime.memory import share_one_heap

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

LARGE_BLOCKS = """
import resource
from cyclegan.runtime.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(64_000_000)  # filled with zeros, page by page
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

{before}
faults()
print(faults())
"""

GLIBC = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc")


def output_of(program: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout


def heaps(before: str) -> int:
    """Of a process whose threads allocate, one at first, then eight at once."""
    return output_of(MANY_THREADS.format(before=before)).count("<heap ")


@GLIBC
def test_threads_share_the_heaps_that_are_there() -> None:
    assert heaps("pass") > 2
    assert heaps("share_one_heap()") <= 2


@GLIBC
def test_freed_memory_is_there_for_what_comes_next() -> None:
    assert int(output_of(LARGE_BLOCKS.format(before="pass"))) > 20
    assert int(output_of(LARGE_BLOCKS.format(before="keep_freed_memory()"))) < 10
