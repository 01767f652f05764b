"""The heaps that a server's threads allocate from."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from tests.forks import ROOT

MANY_THREADS = """
import ctypes
from threading import Barrier, Thread
from cyclegan.pages.memory import share_one_heap

{begin}
together = Barrier(8)

def allocate():
    together.wait()
    kept = [bytearray(10_000) for _ in range(100)]
    together.wait()

threads = [Thread(target=allocate) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


def heaps(begin: str) -> int:
    command = [sys.executable, "-c", MANY_THREADS.format(begin=begin)]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.count("<heap ")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's heaps")
def test_all_threads_share_one_heap() -> None:
    assert heaps("pass") > 1
    assert heaps("share_one_heap()") == 1
