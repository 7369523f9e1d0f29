"""Origins of browser keys."""

import pytest

from domain.origins import is_origin_allowed, read_origin


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://shop.example", "https://shop.example"),
        (" HTTPS://Shop.Example/ ", "https://shop.example"),
        ("https://shop.example:443", "https://shop.example"),
        ("http://shop.example:80", "http://shop.example"),
        ("https://shop.example:8443", "https://shop.example:8443"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("https://*.shop.example", "https://*.shop.example"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        # Each of these would let in pages of others, or no page at all.
        ("*", None),
        ("null", None),
        ("https://*", None),
        ("https://*.example", None),
        ("https://shop.*.example", None),
        ("https://shop*.example", None),
        ("shop.example", None),
        ("//shop.example", None),
        ("ftp://shop.example", None),
        ("https://shop.example/path", None),
        ("https://user@shop.example", None),
        ("https://shop.example:0", None),
        ("https://shop.example:65536", None),
        ("https://Bücher.example", "https://xn--bcher-kva.example"),
        ("https://shop.example\nhttps://evil.example", None),
        ("https://" + ".".join(["a" * 60] * 5), None),
    ],
)
def test_the_spelling_of_an_origin(text: str, origin: str | None) -> None:
    assert read_origin(text) == origin


ALLOWED = ["https://shop.example", "https://*.store.example", "http://localhost:3000"]


@pytest.mark.parametrize(
    ("given", "is_allowed"),
    [
        ("https://shop.example", True),
        ("https://de.store.example", True),
        ("https://a.b.store.example", True),
        ("http://localhost:3000", True),
        ("http://shop.example", False),
        ("https://shop.example:8443", False),
        ("https://www.shop.example", False),
        ("https://store.example", False),
        ("https://evilstore.example", False),
        ("https://.store.example", False),
        ("https://evil.example/.store.example", False),
        ("https://evil.example#.store.example", False),
        ("https://de.store.example:8443", False),
        ("http://de.store.example", False),
        ("https://de.store.example.evil.example", False),
        ("https://*.store.example", False),
        ("http://localhost", False),
        ("null", False),
        ("", False),
    ],
)
def test_which_pages_may_use_a_key(given: str, is_allowed: bool) -> None:
    assert is_origin_allowed(given, ALLOWED) is is_allowed
