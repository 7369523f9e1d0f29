"""Selectors of CSS by which pages find elements."""

import time

import pytest

from domain.tracking.css_selectors import MAX_SELECTOR_CHARACTERS, is_selector


@pytest.mark.parametrize(
    "text",
    [
        "#buy",
        ".plan > .price",
        '[data-tour="a b"]',
        "a:not(.quiet):hover",
        "ul li:nth-child(2n + 1), main #x ~ p",
        "*",
        "button[type=submit i]",
        ".sm\\:flex",
        "#größe",
    ],
)
def test_this_is_a_selector(text: str) -> None:
    assert is_selector(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "> a",
        "a >",
        "#",
        "a {",
        "a::before",
        "//div",
        "a,,b",
        "[x",
        "a..b",
        "$('.x')",
        "#1a",
        "a; b",
        "<b>",
        ".",
        ":",
    ],
)
def test_this_is_not(text: str) -> None:
    assert not is_selector(text)


def test_a_selector_is_bounded() -> None:
    assert is_selector("a" * MAX_SELECTOR_CHARACTERS)
    assert not is_selector("a" * (MAX_SELECTOR_CHARACTERS + 1))


@pytest.mark.parametrize("part", ["a", "a ", ".a", "a > ", "\\a", ":a(b", "-a", " ", "[a", "a,"])
def test_a_selector_is_read_at_once(part: str) -> None:
    text = (part * MAX_SELECTOR_CHARACTERS)[: MAX_SELECTOR_CHARACTERS - 2] + " {"
    begun = time.process_time()
    assert not is_selector(text)
    assert time.process_time() - begun < 0.5
