"""A message that can never be sent is refused when it is published; one that fails for some people is warned of."""

from typing import Any

import pytest

from domain.campaign.publishing import check
from domain.errors import InvalidDocumentError, Problem

CAMPAIGN = """
key: hello
name: Hello
entry: {{event: Signed Up{entry}}}
steps: [{{id: a, send: {{channel: {channel}, template: a, category: {category}}}}}]
"""
MAIL = """---
channel: email
subject: "{subject}"
from: Example Shop <hello@example.com>
text: "Hello"
---
<p>{body}</p>
"""


def published(
    body: str, *, subject: str = "Hello", category: str = "marketing", entry: str = "", **variants: str
) -> list[Problem]:
    """The warnings. Raises InvalidDocumentError."""
    templates = {"a.liquid": MAIL.format(subject=subject, body=body)}
    templates |= {
        f"a.{language}.liquid": MAIL.format(subject="Hallo", body=text) for language, text in variants.items()
    }
    source = CAMPAIGN.format(channel="email", category=category, entry=entry)
    return check(source, "hello.yaml", templates).warnings


def refused(*arguments: Any, **named: Any) -> list[str]:
    with pytest.raises(InvalidDocumentError) as refusal:
        published(*arguments, **named)
    return [f"{problem.file}:{problem.line}: {problem.message}" for problem in refusal.value.problems]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{{ 'soon' | date: '%d' }}", "the filter 'date' cannot take this user's data"),
        ("{{ '2027-13-45' | date: '%d' }}", "the filter 'date' cannot take this user's data"),
        (
            "{% for n in (1..9999) %}{% for m in (1..9999) %}.{% endfor %}{% endfor %}",
            "loops have more than 10000 steps",
        ),
    ],
)
def test_what_fails_for_everybody_is_refused(body: str, reason: str) -> None:
    assert refused(body) == [f"templates/a.liquid:7: the message fails for everybody: {reason}"]


def test_an_unsubscribe_link_in_a_transactional_mail_is_refused() -> None:
    link = "<a href='{{ unsubscribe_url }}'>Unsubscribe</a>"
    assert refused(link, category="transactional") == [
        "templates/a.liquid:7: the message fails for everybody: unsubscribe_url has no value for this user"
    ]
    assert published(link) == []
    assert published(f"{{% if unsubscribe_url %}}{link}{{% endif %}}", category="transactional") == []


def test_each_language_is_tried_out() -> None:
    assert refused("Hello", de="{{ 'bald' | date: '%d' }}") == [
        "templates/a.de.liquid:7: the message fails for everybody: the filter 'date' cannot take this user's data"
    ]


@pytest.mark.parametrize(
    "link", ["https://example.com/%7B%7B profile.user_id %7D%7D", "?u=%7b%7bprofile.user_id%7d%7d"]
)
def test_braces_written_for_a_url_are_refused(link: str) -> None:
    [told] = refused(f"<a href='{link}'>Look</a>")
    assert "is `{{` written for a URL, and is sent as it stands" in told


@pytest.mark.parametrize(
    "body",
    [
        "{{ 'now' | date: '%Y' }}",
        "{{ profile.traits.first_name | capitalize | default: 'you' }}",
        "{% if entry.properties.url %}{{ entry.properties.url }}{% endif %}",
        "{% for item in entry.properties.items %}{{ item.name | default: '' }}{% else %}nothing{% endfor %}",
        "{{ profile.traits.email }}",
    ],
)
def test_what_can_be_sent_to_all_is_published_without_a_word(body: str) -> None:
    assert published(body) == []


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("{{ profile.traits.first_name }}", ["profile.traits.first_name"]),
        ("{{ profile.traits.a }} {{ entry.properties.b }}", ["entry.properties.b", "profile.traits.a"]),
        ("{{ profile.traits.ends | date: '%d' }}", ["profile.traits.ends"]),
        # With a default, it fails only where there is a value that is no date.
        ("{{ profile.traits.ends | date: '%d' | default: 'soon' }}", ["profile.traits.ends"]),
        ("{{ entry.properties.total | money: 'EUR' }}", ["entry.properties.total"]),
        ("{{ entry.properties.total | plus: 1 }} on {{ profile.traits.ends | date: '%d' }}",
         ["entry.properties.total", "profile.traits.ends"]),
    ],
)  # fmt: skip
def test_what_fails_for_some_is_warned_of_with_an_example(body: str, named: list[str]) -> None:
    [warning] = published(body)
    assert (warning.file, warning.line) == ("templates/a.liquid", 7)
    paths = ", ".join(f"`{path}`" for path in named)
    assert warning.message.startswith(f"the message fails for people without {paths}, or with an odd value there: ")
    assert warning.suggestion.startswith("Give it a `default`; it failed for {")


def test_what_the_entry_asks_for_is_there() -> None:
    body = "{{ entry.properties.cart_id }} {{ entry.properties.value }}"
    [warning] = published(body, entry=", key: event.properties.cart_id")
    assert "`entry.properties.value`" in warning.message
    assert "cart_id" not in warning.message
    assert published(body, entry=", where: event.properties.value > 1, key: event.properties.cart_id") == []


def test_a_template_that_no_generated_data_fits_is_published_with_a_warning() -> None:
    # Only one text passes, which is not guessed.
    body = (
        "{% assign city = profile.traits.city %}{% if city == 'Rome' %}ok{% else %}"
        "{{ city | append: 'x' | date: '%d' }}{% endif %}{{ profile.traits.other | date: '%d' }}"
    )
    warnings = published(body)
    assert len(warnings) == 1
