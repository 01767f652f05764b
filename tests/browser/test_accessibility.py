"""Every page on a desktop and a phone, in light and dark, as axe-core sees it; and all of it by keyboard alone."""

from __future__ import annotations

from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.driver import Watched, beyond_the_edge, open_tab

PAGES = ("Translate", "Watch it learn", "Draw", "Round trip", "More", "Compare", "About")
SERIOUS = {"serious", "critical"}


def violations(page: Page) -> list[str]:
    """Rules of WCAG 2 and axe-core's best practices that the page breaks, and where."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['impact']}: {each['help']}: {node['target']}"
        for each in found
        for node in each["nodes"]
        if each["impact"] in SERIOUS
    ]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_every_page_fits_its_window_and_has_no_serious_violation(
    browser: Browser, url: str, scheme: Literal["light", "dark"], width: int
) -> None:
    with browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme) as context:
        watched = Watched(context.new_page())
        page = watched.page
        page.goto(url)
        expect(page.locator("#examples img")).to_have_count(8)
        background = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        assert (max(background[:3]) < 60) == (scheme == "dark")
        page.get_by_role("radio").last.click()  # the direction with a truth
        expect(page.locator("#truth img")).to_be_visible()
        page.get_by_role("button", name="Compare with the true answer").click()
        for name in PAGES:
            open_tab(page, name)
            if name == "Compare":
                page.get_by_role("radio").first.click()  # the direction that both networks know
                page.locator("#compare-run").click()
                expect(page.locator("#compare-caption")).to_contain_text("of 255 levels", timeout=30_000)
            page.wait_for_timeout(1000)
            assert violations(page) == [], name
            assert beyond_the_edge(page) == [], name
        assert watched.problems == [] and watched.outside_hosts == set()


def test_everything_is_reached_by_the_tab_key_in_the_order_of_the_page(page: Page) -> None:
    for run in ("facades-cyclegan", "facades-pix2pix"):
        expect(page.locator(f"#result-{run} .stage")).to_be_visible(timeout=30_000)
        expect(page.locator(f"#download-{run}")).to_be_visible(timeout=30_000)
    page.wait_for_timeout(1000)  # what came last is still being put in its place
    seen: list[str] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        name = page.evaluate(
            """() => {
                const node = document.activeElement;
                const own = node.ariaLabel || node.alt || node.textContent.trim() || node.querySelector('img')?.alt;
                return own || node.labels?.[0]?.textContent.trim() || node.getAttribute('name') || node.id || '';
            }"""
        )
        if seen and name == seen[0]:
            break
        seen.append(name)
    wanted = [
        "English", "한국어", "中文", "Labels → Photo", "Remove picture", "Upload a picture",
        "Label map of a drawn house front, number 1", "Label map of a drawn house front, number 8", "Translate",
        "Before and after CycleGAN", "Download PNG", "Before and after pix2pix",
    ]  # fmt: skip
    places = [next((place for place, name in enumerate(seen) if text in name), None) for text in wanted]
    assert None not in places, (wanted, seen)
    assert places == sorted(places, key=lambda place: place or 0), seen


@pytest.mark.parametrize("target", ["#direction input", "#hub input, #hub textarea"])
def test_what_has_the_keyboard_is_outlined(page: Page, target: str) -> None:
    page.locator(target).first.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    page.wait_for_function(  # for it fades in
        """() => [document.activeElement, document.activeElement.closest('label')]
            .some((node) => node && getComputedStyle(node).outline.includes('solid 2px'))"""
    )
