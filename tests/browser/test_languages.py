"""Every language as a visitor meets it: the whole page, what Gradio adds to it, and messages, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from cyclegan.pages import texts
from cyclegan.pages.languages import LANGUAGE_NAMES, LANGUAGE_TAGS, LANGUAGES, Language
from tests.browser.driver import Watched

NAMES = {
    "L1",
    "L",
    *("CycleGAN", "pix2pix", "GAN", "PatchGAN", "Hugging", "Face", "Hub", "owner", "name"),
    *("L1", "API", "PNG", "JPEG", "WebP", "ZIP", "zip", "GIF", "MP4", "Shift", "Ctrl", "Esc", "Home", "End"),
}
"""Latin words that are the same in every language."""
LATIN = "[A-Za-z][A-Za-z0-9]+"
FOREIGN: dict[Language, str] = {"en": "[가-힣一-鿿]+", "ko": f"{LATIN}|[一-鿿]+", "zh": f"{LATIN}|[가-힣]+"}
LOCALES: dict[Language, str] = {"en": "en-GB", "ko": "ko-KR", "zh": "zh-CN"}


@contextmanager
def opened(browser: Browser, url: str, locale: str) -> Iterator[Page]:
    """The page of a visitor whose browser speaks this language."""
    with browser.new_context(viewport={"width": 1280, "height": 900}, locale=locale) as context:
        watched = Watched(context.new_page())
        watched.page.goto(url)
        expect(watched.page.locator("#examples img")).to_have_count(8)
        yield watched.page
        assert watched.requests and watched.outside_hosts == set()


def words(page: Page) -> list[str]:
    """Everything that is read on the page or read out: text and names of what is visible, but for the switch."""
    found: list[str] = page.evaluate(
        """() => {
            const found = [];
            for (const node of document.querySelectorAll('body *')) {
                if (!node.checkVisibility() || node.closest('#languages, script, style')) continue;
                for (const name of ['aria-label', 'alt', 'title', 'placeholder', 'aria-valuetext'])
                    if (node.getAttribute(name)) found.push(node.getAttribute(name));
                for (const child of node.childNodes)
                    if (child.nodeType === Node.TEXT_NODE && child.data.trim()) found.push(child.data.trim());
            }
            return found;
        }"""
    )
    return found


def foreign(page: Page, language: Language) -> list[str]:
    """What of it is in another language."""
    return [text for text in words(page) if set(re.findall(FOREIGN[language], text)) - NAMES]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_browsers_language_is_that_of_everything_on_every_page(
    browser: Browser, url: str, language: Language, tmp_path: Path
) -> None:
    (tmp_path / "text.png").write_text("this is no picture")
    with opened(browser, url, LOCALES[language]) as page:
        assert page.locator("html").get_attribute("lang") == LANGUAGE_TAGS[language]
        expect(page.locator("#languages [aria-current]")).to_have_text(LANGUAGE_NAMES[language])
        for tab in page.get_by_role("tab").all():
            tab.click()
            page.wait_for_timeout(500)
            assert len(words(page)) > 20
            assert foreign(page, language) == []
        page.get_by_role("radio").last.click()
        expect(page.locator("#missing")).to_contain_text("pix2pix")
        page.get_by_role("tab").first.click()
        page.locator("#picture input[type=file]").set_input_files(tmp_path / "text.png")
        expect(page.get_by_test_id("toast-body")).to_contain_text(texts.PICTURE_FAULTS["format"].to(language))
        expect(page.locator("#picture img")).to_have_count(0)
        page.locator("#translate").click()
        expect(page.get_by_test_id("toast-body").last).to_contain_text(texts.NO_IMAGE.to(language))
        assert foreign(page, language) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_who_is_refused_is_told_why_in_their_language(
    browser: Browser, url: str, language: Language, tmp_path: Path
) -> None:
    (tmp_path / "large.png").write_bytes(bytes(11_000_000))
    with opened(browser, url, LOCALES[language]) as page:
        expect(page.locator("#download-facades-pix2pix")).to_be_visible(timeout=30_000)
        page.locator("#picture input[type=file]").set_input_files(tmp_path / "large.png")
        too_large = texts.GRADIO_WORDS["File(s) exceed the maximum allowed size of"]
        expect(page.get_by_test_id("toast-body").last).to_contain_text(f"{too_large.to(language)} 10")
        page.route("**/queue/join*", lambda route: route.fulfill(status=503, json={"detail": "Queue is full."}))
        page.locator("#translate").click()
        busy = texts.GRADIO_WORDS["This application is currently busy. Please try again."]
        expect(page.get_by_test_id("toast-body").last).to_contain_text(busy.to(language))


def test_the_switch_wins_over_the_browser_and_leaves_the_rest_of_the_address(browser: Browser, url: str) -> None:
    with opened(browser, f"{url}?__theme=dark", "ko-KR") as page:
        page.get_by_role("link", name="中文").click()
        expect(page.get_by_role("radio", name="标签 → 照片")).to_be_checked()
        assert page.locator("html").get_attribute("lang") == "zh-CN"
        assert "__theme=dark" in page.url
        page.get_by_role("link", name="English").click()
        expect(page.get_by_role("radio", name="Labels → Photo")).to_be_checked()
        assert page.locator("html").get_attribute("lang") == "en"
        page.reload()
        expect(page.get_by_role("radio", name="Labels → Photo")).to_be_checked()
