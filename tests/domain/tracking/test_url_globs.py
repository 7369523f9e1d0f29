"""Patterns of addresses, in the spelling that browsers have of hosts."""

import pytest

from domain.hosts import spell_host
from domain.origins import read_origin
from domain.tracking.url_globs import read_url_glob


@pytest.mark.parametrize(
    ("written", "spelled"),
    [
        ("/bücher/**", "/bücher/**"),
        ("**/pricing", "**/pricing"),
        ("https://shop.example/**", "https://shop.example/**"),
        ("https://Shop.Example/Pricing", "https://shop.example/Pricing"),
        ("https://bücher.example/bücher", "https://xn--bcher-kva.example/bücher"),
        ("https://*.bücher.example/**", "https://*.xn--bcher-kva.example/**"),
        ("https://xn--bcher-kva.example/**", "https://xn--bcher-kva.example/**"),
        ("*://BÜCHER.example/**", "*://xn--bcher-kva.example/**"),
        # As browsers do, and not as the first standard of such names did: ss.
        ("https://straße.example/*", "https://xn--strae-oqa.example/*"),
        ("https://shop.example:443/**", "https://shop.example/**"),
        ("http://shop.example:443/**", "http://shop.example:443/**"),
        ("https://shop*.example:8443", "https://shop*.example:8443"),
    ],
)
def test_a_pattern_is_spelled_as_browsers_do(written: str, spelled: str) -> None:
    assert read_url_glob(written) == spelled
    assert read_url_glob(spelled) == spelled


@pytest.mark.parametrize("text", ["pricing", "ftp://shop.example", "https://bü*.example/", "https://\u2488.example/"])
def test_others_are_no_patterns(text: str) -> None:
    assert read_url_glob(text) is None


def test_origins_of_keys_are_spelled_alike() -> None:
    assert read_origin("https://*.Bücher.example:443/") == "https://*.xn--bcher-kva.example"
    assert read_origin("https://bü*.example") is None
    assert spell_host("[::1]") == "[::1]"
