"""Links of messages that a page shows."""

import pytest

from domain.templates.page_links import MAX_LINK_CHARACTERS, read_page_link


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("/cart", "/cart"),
        (" /a b?c=ü#d ", "/a%20b?c=%C3%BC#d"),
        ("?page=2", "?page=2"),
        ("#top", "#top"),
        ("https://shop.example.com", "https://shop.example.com"),
        ("https://shop.example.com:8443/a%20b", "https://shop.example.com:8443/a%20b"),
        ("/\\evil.example.com", "/%5Cevil.example.com"),
    ],
)
def test_a_link_is_encoded(written: str, url: str) -> None:
    assert read_page_link(written) == url


@pytest.mark.parametrize(
    "written",
    [
        "",
        "cart",
        "//evil.example.com",
        "http://shop.example.com",
        "javascript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,x",
        "https:evil.example.com",
        "https://",
        "https://shop@evil.example.com",
        "https://shop.example.com:x",
        "mailto:a@example.com",
        "/" + "x" * MAX_LINK_CHARACTERS,
    ],
)
def test_another_link_is_refused(written: str) -> None:
    assert read_page_link(written) is None
