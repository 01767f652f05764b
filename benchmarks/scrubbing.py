"""Milliseconds and requests of a step of the epoch slider, in Chromium: `python -m benchmarks.scrubbing`."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import tyro
from playwright.sync_api import expect, sync_playwright

from app import WEIGHTS
from cyclegan.pages.models import find_runs
from tests.browser.driver import Watched, launch_chromium, served

# A step as the visitor makes it: the slider's event, all that answers it, and the pixels on the canvas; reading one
# back waits for the drawing, which the browser may otherwise put off.
STEPS = """async (count) => {
    const slider = document.querySelector('#stack .epoch');
    const canvases = [...document.querySelectorAll('#stack canvas')];
    const times = [];
    for (let step = 0; step < count; step++) {
        await new Promise(requestAnimationFrame);
        const begin = performance.now();
        slider.value = step % (+slider.max + 1);
        slider.dispatchEvent(new Event('input', { bubbles: true }));
        for (const canvas of canvases) canvas.getContext('2d').getImageData(0, 0, 1, 1);
        times.push(performance.now() - begin);
    }
    return times.sort((a, b) => a - b);
}"""


@dataclass(frozen=True)
class Options:
    run: tuple[Path, ...] = ()
    """Folders of the runs to show; those in weights/ unless given."""
    steps: int = 400


def main(options: Options) -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        with served(options.run or find_runs(WEIGHTS), Path(folder)) as url:
            watched = Watched(browser.new_page(viewport={"width": 1280, "height": 900}))
            page = watched.page
            page.goto(url)
            page.get_by_role("tab").nth(1).click()
            expect(page.locator("#stack [data-done=true]")).to_be_attached(timeout=120_000)
            asked = len(watched.requests)
            times = page.evaluate(STEPS, options.steps)
            result = {
                "epochs": int(str(page.locator("#stack .epoch").get_attribute("max"))) + 1,
                "median_ms": round(times[len(times) // 2], 2),
                "p95_ms": round(times[int(len(times) * 0.95)], 2),
                "p99_ms": round(times[int(len(times) * 0.99)], 2),
                "longest_ms": round(times[-1], 2),
                "requests": len(watched.requests) - asked,
            }
            print(json.dumps(result, indent=2))
            browser.close()


if __name__ == "__main__":
    main(tyro.cli(Options, prog="python -m benchmarks.scrubbing"))
