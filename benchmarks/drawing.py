"""Milliseconds from the end of a stroke to both photos, in a real Chromium: `python -m benchmarks.drawing`.

For every stroke a box is dragged over the drawing as a hand does it, in `moves` steps; the clock is the browser's, from
the event that ends the stroke to the frame in which the last of the photos has changed.
"""

from __future__ import annotations

import json
import os
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.driver import launch_chromium, open_tab, served

ROOT = Path(__file__).parent.parent
RUNS = (ROOT / "weights" / "facades-cyclegan", ROOT / "weights" / "facades-pix2pix")
QUIET_MS = 1500
"""Without a new photo for so long, a stroke is answered."""

_CLOCK = """() => {
    const clock = (window.clock = { ended: 0, changed: {} });
    document.addEventListener('pointerup', () => { clock.ended = performance.now(); clock.changed = {}; }, true);
    for (const [name, photo] of [...document.querySelectorAll('#drawn-pictures img')].entries())
        new MutationObserver(() => photo.decode().then(() => requestAnimationFrame(() => {
            if (clock.ended) clock.changed[name] = performance.now() - clock.ended;
        }))).observe(photo, { attributes: true });
}"""


@dataclass(frozen=True)
class Options:
    strokes: int = 30
    """Strokes that are timed, after 3 to warm up."""
    moves: int = 12
    """Steps of a stroke."""
    pace: int = 16
    """Milliseconds between two steps."""
    precision: str = "auto"
    """auto, fp32 or bf16, as `python app.py --precision`."""


def draw_box(page: Page, rng: random.Random, options: Options) -> None:
    """A box of random class and place, dragged with the left button."""
    page.locator("#painter .classes label").nth(rng.randrange(12)).click()
    area = page.locator("#painter canvas").bounding_box()
    if area is None:
        raise SystemExit("the painter is not on the screen")
    left, top = (rng.uniform(0, 0.7) for _ in range(2))
    for step in range(options.moves + 1):
        share = 0.25 * step / options.moves
        page.mouse.move(area["x"] + (left + share) * area["width"], area["y"] + (top + share) * area["height"])
        if step == 0:
            page.mouse.down()
        page.wait_for_timeout(options.pace)
    page.mouse.up()


def time_strokes(page: Page, options: Options) -> list[list[float]]:
    """For each stroke the milliseconds to the first and to the last photo; strokes that change nothing are left out."""
    rng = random.Random(0)
    timed = []
    for stroke in range(3 + options.strokes):
        draw_box(page, rng, options)
        page.wait_for_timeout(QUIET_MS)
        changed = sorted(page.evaluate("Object.values(window.clock.changed)"))
        if stroke >= 3 and len(changed) == len(RUNS):
            timed.append([changed[0], changed[-1]])
    return timed


def summary(values: Sequence[float]) -> dict[str, int]:
    ranked = sorted(values)
    shares = {"best": 0.0, "median": 0.5, "p90": 0.9}
    return {name: round(ranked[int(share * (len(ranked) - 1))]) for name, share in shares.items()}


def main(options: Options) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        served(RUNS, Path(folder), precision=options.precision) as url,
        sync_playwright() as playwright,
    ):
        browser = launch_chromium(playwright)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(url)
        open_tab(page, "Draw")
        expect(page.locator("#drawn-pictures img")).to_have_count(len(RUNS), timeout=60_000)
        page.evaluate(_CLOCK)
        first, last = zip(*time_strokes(page, options), strict=True)
        browser.close()
    report = {
        "strokes": len(last),
        "first_photo_ms": summary(first),
        "both_photos_ms": summary(last),
        "load_average": os.getloadavg()[0],
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main(tyro.cli(Options, prog="python -m benchmarks.drawing"))
