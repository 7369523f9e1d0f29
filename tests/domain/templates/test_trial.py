"""A message that can never be sent is refused when it is published; one that fails for some people is warned of."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.campaign.publication import check
from domain.channels.kind import Variant
from domain.errors import InvalidDocumentError, Problem
from domain.templates.liquid_context import MAX_WORK, Rendering
from domain.templates.liquid_text import LiquidText
from domain.templates.template_sets import TemplateRenderError, load
from domain.templates.trial import MAX_PLACES, MAX_TRIAL_WORK, try_templates
from tests.domain.templates.sources import email, only, variables
from tests.proofs import rounds

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
        ("{{ 'soon' | date: '%d' }}", "the filter 'date' cannot take `'soon'`: it is a text, not a date"),
        ("{{ '2027-13-45' | date: '%d' }}", "the filter 'date' cannot take `'2027-13-45'`: it is a text, not a date"),
        (
            "{% for n in (1..9999) %}{% for m in (1..9999) %}.{% endfor %}{% endfor %}",
            "loops have more than 10000 steps",
        ),
    ],
)
def test_what_fails_for_everybody_is_refused(body: str, reason: str) -> None:
    assert refused(body) == [f"templates/a.liquid:7: the message fails for everybody: {reason}"]


# Each is right for some people: for those with a plan, with items, with a name that is a date.
RIGHT_FOR_SOME = [
    'Total {{ entry.properties.items | sum: "price" | money: "EUR" }}',
    "{{ entry.properties.products[0].name }}",
    '{{ entry.properties.items | map: "name" | first }}',
    '{{ entry.properties["order id"] }}',
    "{% assign p = entry.properties %}{{ p.name }}",
    '{% if profile.traits.plan == "pro" %}Hello{% else %}{{ "no" | date: "%d" }}{% endif %}',
    '{% case profile.traits.plan %}{% when "a", "b" %}Hello{% else %}{{ "no" | date: "%d" }}{% endcase %}',
    "{% for item in entry.properties.items %}Hello{% else %}{{ 'no' | date: '%d' }}{% endfor %}",
    "{% unless profile.traits.a %}{{ 'no' | date: '%d' }}{% endunless %}",
    "{% if true %}{% if profile.traits.a %}{% else %}{{ 'no' | date: '%d' }}{% endif %}{% endif %}",
    # A variable is what was assigned last.
    "{% assign x = 'no' %}{% assign x = profile.traits.x %}{{ x | date: '%d' }}",
    "{% assign x = 'no' %}{% if profile.traits.a %}{% assign x = '2027-01-01' %}{% endif %}{{ x | date: '%d' }}",
    "{% capture x %}{{ profile.traits.x }}{% endcapture %}{{ x | date: '%d' }}",
    "{% for x in profile.traits.list %}{% assign y = x %}{% endfor %}{{ y | date: '%d' }}",
    "{% assign profile = 'no' %}{% assign profile = entry.properties.a %}{{ profile | date: '%d' }}",
    # What is passed over may have changed where a loop or a cycle goes on, or have made room.
    "{% if profile.traits.a %}{% for n in (1..9999) %}{% endfor %}{% endif %}"
    "{% for n in (1..9999) offset: continue %}{{ 'no' | date: '%d' }}{% endfor %}",
    "{% if profile.traits.a %}{% cycle 'x': 'a', 'b' %}{% endif %}{% cycle 'x': nil, 'b' %}",
    "{% assign x = 'x' %}"
    + "{% assign x = x | append: x %}" * 17
    + "{% if profile.traits.a %}{% assign x = '' %}{% endif %}"
    + "{% capture y %}{% for n in (1..9000) %}01234567890123456789{% endfor %}{% endcapture %}",
    # They depend on what everybody has, but not on what it is.
    "{{ campaign.name | date: '%d' }}",
    "{{ profile.user_id | plus: 1 }}",
    # They depend on when the message is sent.
    "{% assign y = 'now' | date: '%Y' | plus: 0 %}{% if y > 2026 %}{{ 'no' | date: '%d' }}{% endif %}",
    "{% assign y = 'today' | localized_date %}{% if y contains '2027' %}{{ 'no' | date: '%d' }}{% endif %}",
    "{% capture m %}{{ 'now' | date: '%m' }}{% endcapture %}{% if m == '01' %}{{ 'no' | date: '%d' }}{% endif %}",
]


@pytest.mark.parametrize("body", RIGHT_FOR_SOME)
def test_what_is_right_for_some_is_not_refused(body: str) -> None:
    published(body)


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("{{ profile.traits.a }}\n{{ 'no' | date: '%d' }}\n{{ 'nor' | plus: 1 }}", [8, 9]),
        ("{% if profile.traits.a %}a{% endif %}\n{% assign x = 'no' %}\n{{ x | date: '%d' }}", [9]),
        ("{% if true %}{{ 'no' | date: '%d' }}{{ profile.traits.a }}{% endif %}", [7]),
        ("{{ 'no' | date: '%d' | append: profile.traits.a }}", [7]),
        ("{% for n in (1..9000) %}{% endfor %}{{ profile.traits.a }}\n{% for n in (1..9000) %}{% endfor %}", [8]),
        ("{% for n in (1..3) %}{{ 'a' | append: n | plus: 1 }}{% endfor %}", [7]),
        ("{% liquid\nassign x = 'no'\necho x | date: '%d'\n%}", [9]),
        ("{{ profile.traits.a }}{% break %}", [7]),
    ],
)
def test_what_fails_before_any_data_is_asked_for_is_refused(body: str, lines: list[int]) -> None:
    told = refused(body)
    assert [int(problem.split(":")[1]) for problem in told] == lines
    assert all("the message fails for everybody" in problem for problem in told)


PARTS = [
    "{{ 'no' | date: '%d' }}",
    "{{ x | date: '%d' }}",
    "{{ x | default: '2027-01-01' | date: '%d' }}",
    "{{ profile.traits.a }}",
    "{% assign x = 'no' %}",
    "{% assign x = '2027-01-01' %}",
    "{% assign x = profile.traits.a %}",
    "{% capture x %}{{ profile.traits.a }}{% endcapture %}",
    "{% cycle 'no', '2027-01-01', y %}",
    "{% increment x %}",
    "{% for n in (1..6000) %}{% endfor %}",
    "{% for n in (1..3) offset: continue %}{{ n | times: x }}{% endfor %}",
]
OPENINGS = [
    ("{% if profile.traits.a == '2027-01-01' %}", "{% endif %}"),
    ("{% unless profile.traits.b %}", "{% endunless %}"),
    ("{% if true %}", "{% endif %}"),
    ("{% for x in profile.traits.list %}", "{% endfor %}"),
    ("{% for x in (1..2) %}", "{% endfor %}"),
    ("{% capture y %}", "{% endcapture %}"),
]
PEOPLE = [
    {"a": a, "b": b, "list": items}
    for a in ("2027-01-01", "no", None)
    for b in (True, None)
    for items in ([], ["2027-01-01"], ["no", 3])
]


def within(block: tuple[str, str], parts: list[str]) -> str:
    return f"{block[0]}{''.join(parts)}{block[1]}"


bodies = st.recursive(
    st.sampled_from(PARTS),
    lambda inner: st.builds(within, st.sampled_from(OPENINGS), st.lists(inner, max_size=3)),
    max_leaves=6,
)


@pytest.mark.prove
@settings(max_examples=rounds(60, 2000))
@given(parts=st.lists(bodies, min_size=1, max_size=5))
def test_what_is_refused_can_be_rendered_for_none(parts: list[str]) -> None:
    # `x` and `y` are known names to the compiler in all of them.
    template = only(email("{% assign y = 1 %}{% assign x = 1 %}" + "".join(parts)))
    problems = try_templates([(template, False)], frozenset()).problems
    for traits in PEOPLE if problems else ():
        with pytest.raises(TemplateRenderError):
            template.render(variables(traits), None)


def test_an_unsubscribe_link_in_a_transactional_mail_is_refused() -> None:
    link = "<a href='{{ unsubscribe_url }}'>Unsubscribe</a>"
    assert refused(link, category="transactional") == [
        "templates/a.liquid:7: the message fails for everybody: unsubscribe_url has no value for this user"
    ]
    assert published(link) == []
    assert published(f"{{% if unsubscribe_url %}}{link}{{% endif %}}", category="transactional") == []


def test_each_language_is_tried_out() -> None:
    assert refused("Hello", de="{{ 'bald' | date: '%d' }}") == [
        "templates/a.de.liquid:7: the message fails for everybody: "
        "the filter 'date' cannot take `'bald'`: it is a text, not a date"
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
        ("{{ entry.properties.total | money: 'EUR' }}", ["entry.properties.total"]),
        ("{{ entry.properties.total | plus: 1 }} on {{ profile.traits.ends | date: '%d' }}",
         ["entry.properties.total", "profile.traits.ends"]),
    ],
)  # fmt: skip
def test_what_fails_for_some_is_warned_of(body: str, named: list[str]) -> None:
    [warning] = published(body)
    assert (warning.file, warning.line) == ("templates/a.liquid", 7)
    paths = ", ".join(f"`{path}`" for path in named)
    assert warning.message == f"the message fails for people without {paths}"
    assert warning.suggestion == "Give it a `default`, or require it in the entry's `where`"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        # Kinds of values are seen through variables, loops and filters; what has a default is not named.
        ("{% assign f = entry.properties.items | first %}{{ f.price | plus: 1 }}"
         '{{ profile.traits.first_name | default: "x" }}',
         ["entry.properties.items", "entry.properties.items[].price"]),
        ("{{ entry.properties.ends | date: '%d' }} {{ entry.properties.total | round: 2 }}"
         "{% for i in entry.properties.items %}{{ i.name }} {{ i.price | times: 1.0 }}{% endfor %}",
         ["entry.properties.ends", "entry.properties.items[].name", "entry.properties.items[].price",
          "entry.properties.total"]),
        ("{{ entry.properties.total | money: entry.properties.currency }}",
         ["entry.properties.currency", "entry.properties.total"]),
        ("{{ entry.properties.a.name }} {{ entry.properties.shipping.city }}",
         ["entry.properties.a.name", "entry.properties.shipping.city"]),
        ("{{ entry.properties.items.size }}{{ entry.properties.items | json }}", ["entry.properties.items"]),
        ("{{ entry.properties.items | where: 'kind', 'tea' | map: 'name' | first }}",
         ["entry.properties.items", "entry.properties.items[].kind", "entry.properties.items[].name"]),
        ("{% if entry.properties.n > 5 %}{{ entry.properties.n | round: entry.properties.d }}{% endif %}",
         ["entry.properties.d"]),
        ("{% for pair in entry.properties.o %}{{ pair[0] }}{{ pair[1] }}{% endfor %}", []),
        ("{% for pair in profile.traits %}{{ pair[0] }}{% endfor %}{{ profile.traits.a }}", ["profile.traits.a"]),
        ("{{ entry.properties.prices[profile.traits.sku] | default: 0 }}", []),
        ("{{ entry.properties['order id'] }}", ['entry.properties["order id"]']),
        # Two values of which one will do.
        ("{{ profile.traits.nick | default: profile.traits.name }}", ["profile.traits.name", "profile.traits.nick"]),
    ],
)  # fmt: skip
def test_the_values_that_must_be_there_are_named(body: str, named: list[str]) -> None:
    told = [warning.message for warning in published(body)]
    paths = ", ".join(f"`{path}`" for path in named)
    wanted = f"the message fails for people without {paths}"
    assert [message.partition(": ")[0] for message in told] == ([wanted] if named else [])


@pytest.mark.parametrize(
    "body",
    [
        "{{ profile.traits.ends | date: '%d' | default: 'soon' }}",
        "{{ entry.properties.total | money: entry.properties.currency | default: '?' }}",
        "{{ entry.properties.items | map: 'price' | sum | money: 'EUR' | default: '' }}",
        "{% for i in (1..9) limit: entry.properties.n %}{{ i }}{% endfor %}",
        "{% if entry.properties.n > 5 %}many{% endif %}",
    ],
)
def test_values_that_no_template_can_test_for_are_not_warned_of(body: str) -> None:
    assert published(body) == []


@pytest.mark.parametrize(
    ("body", "people", "remedy"),
    [
        ("{{ entry.properties.a }}", "without `entry.properties.a`",
         "Give it a `default`, or require it in the entry's `where`"),
        ("{% for i in entry.properties.items %}{{ i.name }}{% endfor %}", "without `entry.properties.items[].name`",
         "Give it a `default`"),
        ("{{ profile.computed.orders }}", "without `profile.computed.orders`",
         "Give it a `default`, or require it in the entry's `where`. A `count`, a `sum` or an `any` lacks its value "
         "only while past events are counted"),
        ("{{ entry.properties.a | default: '' | plus: 1 }}", "without `entry.properties.a`",
         "Use it within an `if` only, or give it a `default` that fits"),
        ("{{ 9 | divided_by: entry.properties.n | default: '' }}", "with an odd value of `entry.properties.n`",
         "Test the value with an `if` before it is used, or repair it where the data comes from; it failed for "
         '{"profile": {"traits": {}, "computed": {}}, "account": {"traits": {}}, '
         '"entry": {"properties": {"n": 0}}, "journey": {"saved": {}, "answers": {}}}'),
        ("{% if profile.traits.plan == 'pro' %}{{ 'x' | date: '%d' }}{% endif %}",
         "with an odd value of `profile.traits.plan`",
         "Test the value with an `if` before it is used, or repair it where the data comes from; it failed for "
         '{"profile": {"traits": {"plan": "pro"}, "computed": {}}, '
         '"account": {"traits": {}}, "entry": {"properties": {}}, "journey": {"saved": {}, "answers": {}}}'),
    ],
)  # fmt: skip
def test_the_remedy_fits_what_is_wrong_with_the_value(body: str, people: str, remedy: str) -> None:
    [warning] = published(body)
    assert warning.message.partition(": ")[0] == f"the message fails for people {people}"
    assert warning.suggestion == remedy


def test_all_places_that_fail_for_some_are_told_once_for_each_value() -> None:
    body = (
        "{{ profile.traits.a }}\n{% if true %}{{ profile.traits.a }}\n{{ entry.properties.total | money: 'EUR' }}\n"
        "{{ profile.traits.a | upcase }}{% endif %}\n{{ profile.traits.b | default: '' }}"
    )
    of_the_trait, of_the_total = published(body, subject="{{ profile.traits.a }}")
    assert (of_the_trait.line, of_the_total.line) == (3, 9)
    assert of_the_trait.message == (
        "the message fails for people without `profile.traits.a`, "
        "also at templates/a.liquid:7, templates/a.liquid:8, templates/a.liquid:10"
    )
    assert of_the_total.message.startswith("the message fails for people without `entry.properties.total`")


def test_the_places_that_are_told_are_bounded() -> None:
    [warning] = published("\n".join(["{{ profile.traits.a }}"] * (MAX_PLACES + 3)))
    assert warning.message.endswith(f"templates/a.liquid:12 and {MAX_PLACES - 6} more")
    assert warning.suggestion.endswith(". It fails at 3 more places")


class Counted:
    """A variant that counts what its renderings cost."""

    def __init__(self, variant: Variant, costs: list[int]) -> None:
        self._variant = variant
        self._costs = costs

    def texts(self) -> Iterator[LiquidText]:
        return self._variant.texts()

    def render(self, rendering: Rendering) -> dict[str, Any]:
        try:
            return self._variant.render(rendering)
        finally:
            self._costs.append(MAX_WORK - rendering.budget.left)


LANGUAGES = [f"{first}{second}" for first in "abcd" for second in "vwxyz"]
SMALL = "<p>Lorem ipsum dolor sit amet, consetetur sadipscing elitr.</p>\n" * 100 + "".join(
    f"{{{{ profile.traits.a{n} }}}} {{{{ entry.properties.b{n} | money: 'EUR' | default: '' }}}}\n" for n in range(16)
)
ORDER = (Path(__file__).parent / "order-confirmation.liquid").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("source", "languages", "templates", "most"),
    [(email(SMALL), 1, 1, 100), (email(SMALL), 20, 1, 1_200), (email(SMALL), 1, 20, 1_200), (ORDER, 4, 1, 200)],
    ids=["a small mail", "in 20 languages", "20 small mails", "an order in 4 languages"],
)
def test_all_renderings_of_a_document_have_one_budget(source: str, languages: int, templates: int, most: int) -> None:
    names = ["t.liquid", *(f"t.{language}.liquid" for language in LANGUAGES[1:languages])]
    template = load(dict.fromkeys(names, source))[0]["t"]
    costs: list[int] = []
    counted = {language: Counted(variant, costs) for language, variant in template.variants.items()}
    trials = try_templates([(replace(template, variants=counted), False)] * templates, frozenset())
    assert trials.problems == []
    assert len(trials.warnings) >= languages * templates
    assert len(costs) <= most
    # The last one may go beyond.
    assert sum(costs) < MAX_TRIAL_WORK + max(costs)


def test_what_the_entry_asks_for_is_there() -> None:
    body = "{{ entry.properties.cart_id }} {{ entry.properties.value }}"
    [warning] = published(body, entry=", key: event.properties.cart_id")
    assert "`entry.properties.value`" in warning.message
    assert "cart_id" not in warning.message
    assert published(body, entry=", where: event.properties.value > 1, key: event.properties.cart_id") == []


def test_a_template_that_no_generated_data_fits_is_published_with_a_warning() -> None:
    # Only one text passes, which is not guessed.
    [warning] = published(
        "{% assign city = profile.traits.city | slice: 0, 1 %}{% if city == 'R' %}ok{% else %}"
        "{{ city | append: 'x' | date: '%d' }}{% endif %}{{ profile.traits.other | append: 'x' | date: '%d' }}"
    )
    assert warning.message.startswith(
        "the message failed for all generated people, most recently here: the filter 'date'"
    )
    assert "it failed for {" in warning.suggestion
