"""Many visitors at once: failures, pictures of others, seconds and memory: `python -m benchmarks.visitors`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import tyro
from gradio_client import Client, handle_file
from gradio_client.utils import QueueError
from PIL import Image

from benchmarks.app import ROOT, memory_mb, wait_for_first_byte
from cyclegan.facades import draw_facade
from tests.hub_server import free_port

PATIENCE = 60.0
"""Seconds that a visitor waits for any answer of the server; the client's own five are less than a browser's."""


@dataclass(frozen=True)
class Options:
    visitors: int = 32
    seconds: float = 60
    """How long they come; all answers are waited for."""
    size: int = 128
    """Side of their pictures in pixels."""
    method: str = "pix2pix"


@dataclass
class Tally:
    """What the visitors met."""

    seconds: list[float] = field(default_factory=list)
    refused: int = 0
    failures: list[str] = field(default_factory=list)
    wrong: int = 0


def picture(folder: Path, visitor: int, size: int) -> Path:
    path = folder / f"{visitor}.png"
    draw_facade(1000 + visitor).resize((size, size), Image.Resampling.NEAREST).save(path)
    return path


def translated(client: Client, path: Path, method: str) -> str:
    """A checksum of the pixels that the app gives back."""
    with Image.open(client.predict(handle_file(path), "photo", method, None, api_name="/translate")) as image:
        return sha256(image.convert("RGB").tobytes()).hexdigest()


def visit(url: str, path: Path, method: str, expected: str, deadline: float, tally: Tally) -> None:
    """Translate the same picture again and again, and look whether it is one's own that comes back."""
    client = Client(url, verbose=False, httpx_kwargs={"timeout": PATIENCE})
    while time.monotonic() < deadline:
        begin = time.perf_counter()
        try:
            tally.wrong += translated(client, path, method) != expected
            tally.seconds.append(time.perf_counter() - begin)
        except QueueError:
            tally.refused += 1
            time.sleep(1)
        except Exception as error:
            tally.failures.append(repr(error)[:200])


def main(options: Options) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process = subprocess.Popen([sys.executable, str(ROOT / "app.py"), "--no-browser", "--port", str(port)])
        try:
            wait_for_first_byte(url, process)
            client = Client(url, verbose=False, httpx_kwargs={"timeout": PATIENCE})
            paths = [picture(folder, visitor, options.size) for visitor in range(options.visitors)]
            expected = [translated(client, path, options.method) for path in paths]
            memory = [memory_mb(process)]
            tally, deadline = Tally(), time.monotonic() + options.seconds
            watching = threading.Event()

            def watch() -> None:
                while not watching.wait(5):
                    memory.append(memory_mb(process))

            watcher = threading.Thread(target=watch)
            watcher.start()
            with ThreadPoolExecutor(options.visitors) as pool:
                for path, own in zip(paths, expected, strict=True):
                    pool.submit(visit, url, path, options.method, own, deadline, tally)
            watching.set()
            watcher.join()
        finally:
            process.terminate()
            process.wait()
    times = sorted(tally.seconds)
    print(
        json.dumps(
            {
                "visitors": options.visitors,
                "answers": len(times),
                "failures": tally.failures,
                "another_visitors_picture": tally.wrong,
                "refused_as_busy": tally.refused,
                "median_s": round(times[len(times) // 2], 2) if times else None,
                "longest_s": round(times[-1], 2) if times else None,
                "memory_mb": memory,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main(tyro.cli(Options, prog="python -m benchmarks.visitors"))
