"""Links of a mail are rewritten, and nothing else of it."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.sending.tracking.links import MAX_LINKS, LinkRewriting, UtmRule, rewrite

OWN = "https://sojourn.example.com/"
TRACKED = LinkRewriting(OWN, link_url=lambda number: f"{OWN}c/{number}")


def links_of(source: str) -> list[str]:
    """The targets of all links, as another parser reads them."""
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag in ("a", "area"):
                found.extend(value or "" for name, value in attrs if name == "href")

    Reader().feed(source)
    return found


@pytest.mark.parametrize(
    "tag",
    [
        '<a href="https://a.example/?x=1&amp;y=2">',
        "<a href='https://a.example/?x=1&amp;y=2'>",
        "<A class=big HREF=https://a.example/?x=1&amp;y=2 title='more > less'>",
        '<a\n  href = "https://a.example/?x=1&amp;y=2"\n>',
        '<area href="https://a.example/?x=1&amp;y=2"/>',
        '<a data-track="on" href=" https://a.example/?x=1&amp;y=2 ">',
    ],
)
def test_a_link_leads_by_our_address(tag: str) -> None:
    found = rewrite(f"<p>{tag}Hi</a></p>", TRACKED)
    assert found.targets == ("https://a.example/?x=1&y=2",)
    assert links_of(found.html) == [f"{OWN}c/0"]


@pytest.mark.parametrize(
    "source",
    [
        '<a href="mailto:hello@example.com">',
        '<a href="tel:+49">',
        '<a href="#top">',
        '<a href="/relative">',
        '<a href="javascript:alert(1)">',
        '<a href="">',
        "<a name=top>",
        f'<a href="{OWN}u/token">unsubscribe</a>',
        '<a href="https://a.example/sign-in" data-track="off">',
        '<a data-track=OFF href="https://a.example/sign-in">',
        "<!--[if mso]><a href='https://a.example'><![endif]-->",
        "<style>a::after{content:'<a href=\"https://a.example\">'}</style>",
        "<title><a href='https://a.example'></title>",
        "<abbr href='https://a.example'>",
        "<a href='https://a.example",
        '<a title=\'" href="https://a.example',
    ],
)
def test_other_links_stay(source: str) -> None:
    found = rewrite(source, TRACKED)
    assert (found.html, found.targets) == (source, ())


def test_equal_targets_have_one_number() -> None:
    found = rewrite('<a href="http://a/">1</a><a href="http://b/">2</a><a href="http://a/">3</a>', TRACKED)
    assert found.targets == ("http://a/", "http://b/")
    assert links_of(found.html) == [f"{OWN}c/0", f"{OWN}c/1", f"{OWN}c/0"]


def test_beyond_the_numbers_links_stay() -> None:
    found = rewrite("".join(f'<a href="http://a/{number}">' for number in range(MAX_LINKS + 2)), TRACKED)
    assert len(found.targets) == MAX_LINKS
    assert links_of(found.html)[-2:] == [f"http://a/{MAX_LINKS}", f"http://a/{MAX_LINKS + 1}"]


@pytest.mark.parametrize("end", ["", "</body></html>", "</BODY>\n</html>\n"])
def test_the_trap_and_the_image_stand_at_the_end_of_the_body(end: str) -> None:
    wanted = LinkRewriting(OWN, link_url=TRACKED.link_url, trap_url=f"{OWN}c/trap?a&b", pixel_url=f"{OWN}o/1.gif")
    found = rewrite(f'<a href="http://a/">Hi</a>{end}', wanted)
    assert re.fullmatch(
        r'<a href="[^"]*c/0">Hi</a><a href="[^"]*c/trap\?a&amp;b" style="display:none" tabindex="-1" '
        r'aria-hidden="true"></a><img src="[^"]*o/1.gif"[^>]*>' + re.escape(end),
        found.html,
    )
    assert "trap" not in rewrite(f"<p>No link</p>{end}", wanted).html


UTM = UtmRule({"source": "sojourn", "campaign": "spring sale & more"}, ["shop.example.com"])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "https://shop.example.com/",
            "https://shop.example.com/?utm_source=sojourn&utm_campaign=spring%20sale%20%26%20more",
        ),
        (
            "https://www.shop.example.com/a?b=1#top",
            "https://www.shop.example.com/a?b=1&utm_source=sojourn&utm_campaign=spring%20sale%20%26%20more#top",
        ),
        (
            "https://shop.example.com/?utm_source=mine",
            "https://shop.example.com/?utm_source=mine&utm_campaign=spring%20sale%20%26%20more",
        ),
        ("https://other.example/", "https://other.example/"),
        ("https://evilshop.example.com.evil.example/", "https://evilshop.example.com.evil.example/"),
        # Not even hosts: a template may print anything.
        ("https://[shop.example.com/", "https://[shop.example.com/"),
        ("https://shop\u2100.example.com/", "https://shop\u2100.example.com/"),
    ],
)
def test_utm_parameters_are_added_where_they_belong(url: str, expected: str) -> None:
    assert UTM.add(url) == expected
    assert links_of(rewrite(f'<a href="{url}">', LinkRewriting(OWN, utm=UTM)).html) == [expected]
    assert rewrite(f'<a href="{url}">', LinkRewriting(OWN, UTM, TRACKED.link_url)).targets == (expected,)


HTML = st.text("<>a/=\"' hrefi:tps!-\n&;#", max_size=60) | st.lists(
    st.sampled_from(["<a ", "href=", '"https://a.example/"', "'", '"', ">", "<!--", "-->", "<style>", "</style>", " x"])
).map("".join)


@given(source=HTML)
def test_any_text_keeps_all_but_its_links(source: str) -> None:
    assert rewrite(source, LinkRewriting(OWN)).html == source
    found = rewrite(source, TRACKED)
    assert found.html.count(f"{OWN}c/") >= len(found.targets)
    assert rewrite(found.html, TRACKED).targets == ()
