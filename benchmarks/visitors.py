"""Many visitors at once: failures, pictures of others, seconds and memory: `python -m benchmarks.visitors`."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import tyro
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from gradio_client.utils import QueueError
from PIL import Image

from benchmarks.app import ROOT, memory_mb, wait_for_first_byte
from cyclegan.facades.labels import draw_facade
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
    troublemakers: int = 0
    """Further visitors who send broken and oversized files, cancel, break off, and ask for what is none of theirs."""


@dataclass
class Tally:
    """What the visitors met."""

    seconds: list[float] = field(default_factory=list)
    refused: int = 0
    failures: list[str] = field(default_factory=list)
    wrong: int = 0
    troubles: Counter[str] = field(default_factory=Counter)
    """What troublemakers did, and were answered rightly."""


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


def trouble(url: str, path: Path, method: str, deadline: float, tally: Tally) -> None:
    """One trouble after the other; a failure is an answer other than the one that is due."""
    client = Client(url, verbose=False, httpx_kwargs={"timeout": PATIENCE})
    broken = path.with_suffix(".broken.png")
    broken.write_bytes(path.read_bytes()[:200])

    def send_broken_file() -> None:
        try:
            client.predict(handle_file(broken), "photo", method, None, api_name="/translate")
            raise RuntimeError("a broken file was translated")
        except AppError as error:
            if "Traceback" in str(error) or str(ROOT) in str(error):
                raise RuntimeError(f"a broken file was answered with {error}") from error

    def cancel() -> None:
        client.submit(handle_file(path), "photo", method, None, api_name="/translate").cancel()

    def break_off_an_upload() -> None:
        address = urlsplit(url)
        with socket.create_connection((str(address.hostname), int(address.port or 80))) as connection:
            connection.sendall(
                b"POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n"
                b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n" + bytes(1000)
            )

    def send_too_much() -> None:
        answer = httpx.post(f"{url}/gradio_api/upload", files={"files": bytes(11 * 10**6)}, timeout=PATIENCE)
        if answer.status_code != 413:
            raise RuntimeError(f"11 MB were answered with {answer.status_code}")

    def ask_for_a_foreign_file() -> None:
        for foreign in ("/etc/passwd", "../../etc/passwd", str(ROOT / "app.py"), "http://127.0.0.1:1/x"):
            answer = httpx.get(f"{url}/gradio_api/file={foreign}", timeout=PATIENCE)
            if answer.status_code < 400:
                raise RuntimeError(f"{foreign} was answered with {answer.status_code}")

    def call_for_nonsense() -> None:
        call = f"{url}/gradio_api/call/translate"
        answer = httpx.post(call, json={"data": [None, "nonsense", method, None]}, timeout=PATIENCE)
        if answer.status_code == 503:
            raise QueueError
        event = answer.json()["event_id"]
        if "event: error" not in httpx.get(f"{call}/{event}", timeout=PATIENCE).text:
            raise RuntimeError("a call for nonsense had an answer")

    kinds = (
        send_broken_file, cancel, break_off_an_upload, send_too_much, ask_for_a_foreign_file, call_for_nonsense,
    )  # fmt: skip
    while time.monotonic() < deadline:
        for kind in kinds:
            try:
                kind()
                tally.troubles[kind.__name__] += 1
            except QueueError:
                tally.refused += 1
            except Exception as error:
                tally.failures.append(f"{kind.__name__}: {error!r}"[:200])
        time.sleep(0.5)


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
            with ThreadPoolExecutor(options.visitors + options.troublemakers) as pool:
                for path, own in zip(paths, expected, strict=True):
                    pool.submit(visit, url, path, options.method, own, deadline, tally)
                for number in range(options.troublemakers):
                    mischief = picture(folder, options.visitors + number, options.size)
                    pool.submit(trouble, url, mischief, options.method, deadline, tally)
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
                "troubles": dict(tally.troubles),
                "median_s": round(times[len(times) // 2], 2) if times else None,
                "p95_s": round(times[int(0.95 * len(times))], 2) if times else None,
                "longest_s": round(times[-1], 2) if times else None,
                "memory_mb": memory,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main(tyro.cli(Options, prog="python -m benchmarks.visitors"))
