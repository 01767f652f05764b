"""The page as it is sent: whatever stands in the address, and what other sites show of a link to it."""

from __future__ import annotations

import html
import re

import httpx
import pytest

from cyclegan.pages import texts


@pytest.mark.parametrize("query", ["page=draw", "page=ko", "page=../x&lang=en", "deep_link=../../x"])
def test_whatever_stands_in_the_address_the_page_is_shown(url: str, query: str) -> None:
    answer = httpx.get(f"{url}/?{query}")
    assert answer.status_code == 200 and 'lang="en"' in answer.text


@pytest.mark.parametrize(("path", "language"), [("", "en"), ("ko", "ko"), ("zh", "zh")])
def test_a_link_to_it_is_shown_with_its_name_and_icon(url: str, path: str, language: str) -> None:
    page = httpx.get(f"{url}/{path}", headers={"Accept-Language": language}).text
    shown = dict(re.findall(r'<meta property="og:(\w+)" content="([^"]*)"', html.unescape(page)))
    assert shown["title"] == texts.TITLE.en and shown["url"] == f"{url}/{path}"
    assert shown["description"] == texts.INTRO_MANY.to(language)  # type: ignore[arg-type]
    assert httpx.get(shown["image"]).headers["content-type"] == "image/png"
    assert "Click to try out" not in page and "twitter:creator" not in page
