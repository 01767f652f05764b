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
    for step in (Thread.start, Thread.join):
        for thread in threads:
            step(thread)

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

{before}
for _ in range(2):
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(64_000_000)  # filled with zeros, page by page
print("page fault\\n" * (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc")
@pytest.mark.parametrize(
    ("program", "call", "counted", "least", "most"),
    [
        (MANY_THREADS, "share_one_heap()", "<heap ", 3, 2),
        (LARGE_BLOCKS, "keep_freed_memory()", "page fault", 21, 9),
    ],
    ids=["threads share the heaps that are there", "freed memory is there for what comes next"],
)
def test_glibc_is_told(program: str, call: str, counted: str, least: int, most: int) -> None:
    """Without the call there are as many at least, with it as many at most."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    counts = []
    for before in ("pass", call):
        command = [sys.executable, "-c", program.format(before=before)]
        done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
        counts.append(done.stdout.count(counted))
    assert counts[0] >= least and counts[1] <= most
