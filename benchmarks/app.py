"""Seconds to the app's first byte, paint and translation, its weight and memory: `python -m benchmarks.app`.

Needs requirements-dev.txt, for the browser that paints.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import tyro
from gradio_client import Client, handle_file
from playwright.sync_api import sync_playwright

from cyclegan.facades.labels import draw_facade
from tests.browser.driver import launch_chromium
from tests.hub_server import free_port

ROOT = Path(__file__).parent.parent
RESTING_MS = 8000
"""Until the page has loaded all that it loads by itself."""


@dataclass(frozen=True)
class Options:
    method: str = "CycleGAN"
    """Whose translations are timed."""
    translations: int = 20
    """Translations after the first; memory is read after them."""
    python: Path = Path(sys.executable)
    """Python that runs the app: that of an environment with requirements.txt alone is what its users have."""


def wait_for_first_byte(url: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                response.read(1)
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.02)
    raise SystemExit(f"app.py ended with exit code {process.returncode}")


def page_figures(url: str, language: str) -> dict[str, float]:
    """What an empty cache costs in Chromium: bytes over the wire until the page rests, requests, and seconds from the
    first byte of the page to what is first painted."""
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        page = browser.new_page(locale=language)
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")
        sizes: list[float] = []
        network.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
        page.goto(url)
        page.wait_for_selector(".pictures img")
        paint, first_byte = page.evaluate(
            """() => [
                performance.getEntriesByName('first-contentful-paint')[0].startTime,
                performance.getEntriesByType('navigation')[0].responseStart,
            ]"""
        )
        page.wait_for_timeout(RESTING_MS)
        browser.close()
    return {
        "page_mb": round(sum(sizes) / 1e6, 2),
        "requests": len(sizes),
        "first_paint_s": round((paint - first_byte) / 1000, 2),
    }


def memory_mb(process: subprocess.Popen[bytes]) -> float:
    """Resident memory of the process, from /proc (Linux)."""
    lines = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8").splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024, 1)


def main(options: Options) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    started = time.perf_counter()
    process = subprocess.Popen([options.python, str(ROOT / "app.py"), "--no-browser", "--port", str(port)])
    try:
        wait_for_first_byte(url, process)
        first_byte = time.perf_counter() - started
        pages = {language: page_figures(url, language) for language in ("en", "ko", "zh-CN")}
        client = Client(url, verbose=False)
        with tempfile.TemporaryDirectory() as folder:
            image = Path(folder) / "labels.png"
            draw_facade(999).save(image)
            seconds = []
            for _ in range(1 + options.translations):
                begin = time.perf_counter()
                client.predict(handle_file(image), "photo", options.method, None, api_name="/translate")
                seconds.append(time.perf_counter() - begin)
        later = sorted(seconds[1:])
        print(
            json.dumps(
                {
                    "first_byte_s": round(first_byte, 2),
                    "pages": pages,
                    "first_translation_s": round(seconds[0], 2),
                    "median_translation_s": round(later[len(later) // 2], 2) if later else None,
                    "memory_mb": memory_mb(process),
                },
                indent=2,
            )
        )
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main(tyro.cli(Options, prog="python -m benchmarks.app"))
