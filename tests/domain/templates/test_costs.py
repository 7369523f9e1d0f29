"""What a template may cost is bounded by count: none takes long to compile or to render, whatever it is."""

import time
from collections.abc import Iterable
from typing import Any

import pytest

from domain.templates.liquid_context import MAX_LOOP_STEPS, Rendering
from domain.templates.template_sets import TemplateRenderError, load
from domain.templates.trial import try_templates
from tests.domain.templates.sources import email, only, variables, webhook
from tests.proofs import IS_LONG, rounds

# Of CPU. The costliest takes a quarter of it; without the bounds, minutes.
MAX_SECONDS = 8.0

DATA: dict[str, Any] = {
    "big": ["x" * 4] * 30_000,
    "text": "x" * 200_000,
    "deep": [[["a"] * 10] * 100] * 20,
    "words": "ab " * 60_000,
    "tags": "<a " * 60_000,
    "opened": "<!--<script" * 18_000,
    "layout": "%c" * 100,
    "object": {f"k{number}": number for number in range(15_000)},
}


def spent(since: float) -> float:
    return time.process_time() - since


# Compiled: what the library's lexer and parser take quadratic time for, and more.
SOURCES = {
    "outputs without end": "{{" * 60_000,
    "tags without end": "{%" * 60_000,
    "raw without end": "{% raw %}" * 25_000,
    "doc without end": "{% doc %}" * 25_000,
    "comments without end": "{% comment %}" * 18_000,
    "blanks in an output": "{{" + " " * 60_000 + "}}",
    "blanks in many": ("{{" + " " * 95 + "}}") * 2_600,
    "lines of a liquid tag": "{% liquid " + "echo 1\n" * 30_000 + "%}",
    "parentheses": ("{{ " + "(" * 45 + " }}") * 4_500,
    "more parentheses": ("{{ " + "(" * 1_900 + " }}") * 130,
    "brackets": ("{{ a" + '["' * 24 + " }}") * 4_500,
    "quotes": ("{{ '" + "a" * 1_900 + " }}") * 130,
    "depth": "{% if 1 %}" * 9_000,
    "a deep expression": "{% if " + " and ".join(["1"] * 320) + " %}x{% endif %}",
    "long paths": ("{{ profile.traits" + ".a" * 450 + " }}") * 250,
    "unknown variables": "{{a}}" * 9_900,
    "faulty outputs": "{{ a b }}" * 9_900,
    "faulty tags": "{% if %}{% endif %}" * 4_900,
    "faulty tags without end": "{% for %}" * 9_900,
    "unknown tags": "{% fro %}" * 9_900,
    "faulty outputs in a block without end": "{% if 1 %}" + "{{ a b }}" * 9_900,
    "too many": "{{campaign.name}}" * 10_001,
    "braces": "{" * 250_000,
    "comments of HTML": "<!--" * 60_000,
}


# What costs most to compile and to try out, and goes the way of others: in the long form only.
COSTLY = {"blanks in many", "parentheses", "faulty outputs", "faulty tags", "values", "names"}


def in_this_form(names: Iterable[str]) -> list[str]:
    return [name for name in names if IS_LONG or name not in COSTLY]


@pytest.mark.prove
@pytest.mark.parametrize("source", in_this_form(SOURCES))
def test_a_file_is_compiled_or_refused_in_linear_time(source: str) -> None:
    since = time.process_time()
    _, problems = load({"t.liquid": email(SOURCES[source])})
    assert spent(since) < MAX_SECONDS
    assert len(problems) <= 100
    assert all(problem.suggestion and problem.line >= 7 for problem in problems)


@pytest.mark.parametrize("source", ["{{" * 60_000, "[" * 120_000, "{{a}} " * 20_000, "- " * 60_000, "\ue000" * 40_000])
def test_front_matter_and_bodies_are_read_in_linear_time(source: str) -> None:
    since = time.process_time()
    load({"a.liquid": email().replace('subject: "s"', f"subject: {source}"), "b.liquid": webhook(f"a: {source}\n")})
    assert spent(since) < MAX_SECONDS


# Rendered 9,999 times in a loop, but for the first that is beyond the budget.
BODIES = {
    "join": "{% assign x = profile.traits.big | join: profile.traits.text %}",
    "join and forget": "{% assign x = profile.traits.big | join | size %}",
    "uniq": "{% assign x = profile.traits.big | uniq %}",
    "sort": "{% assign x = profile.traits.big | sort | size %}",
    "sort_natural": "{% assign x = profile.traits.big | sort_natural | size %}",
    "map": "{% assign x = profile.traits.big | map: 'a' | size %}",
    "where": "{% assign x = profile.traits.big | where: 'a', 'b' | size %}",
    "concat": "{% assign x = profile.traits.big | concat: profile.traits.big | size %}",
    "split": "{% assign x = profile.traits.text | split: '' | size %}",
    "upcase": "{% assign x = profile.traits.text | upcase | size %}",
    "replace": "{% assign x = profile.traits.text | replace: 'x', 'yyyyyyyy' %}",
    "url_encode": "{% assign x = profile.traits.text | url_encode | size %}",
    "strip_html": "{% assign x = profile.traits.tags | strip_html | size %}",
    "strip comments": "{% assign x = profile.traits.opened | strip_html | size %}",
    "truncatewords": "{% assign x = profile.traits.words | truncatewords: 3 %}",
    "json": "{% assign x = profile.traits.object | json | size %}",
    "contains": "{% if profile.traits.big contains 'y' %}{% endif %}",
    "equal": "{% if profile.traits.object == profile.traits.object %}{% endif %}",
    "case": "{% case profile.traits.deep %}{% when profile.traits.deep %}{% endcase %}",
    "cycle": "{% cycle profile.traits.object, 'x' %}",
    "capture": "{% capture c %}{{ profile.traits.text }}{% endcapture %}",
    "ifchanged": "{% ifchanged %}{{ profile.traits.text }}{% endifchanged %}",
    "print": "{{ profile.traits.deep }}",
    "much template": "{% if true %}{% endif %}" * 200,
    "long conditions": "{% if " + " or ".join(["1 == 2"] * 150) + " %}{% endif %}",
    "nested": "{% for j in (1..9999) %}{% endfor %}",
    "nested twice": "{% for j in (1..99) %}{% for k in (1..99) %}{% endfor %}{% endfor %}",
    "tablerow": "{% tablerow j in (1..99) %}x{% endtablerow %}",
    "reversed": "{% for j in profile.traits.big reversed %}{% endfor %}",
    "assign": "{% assign b = profile.traits.big | concat: profile.traits.big %}",
    "number": "{% assign x = f" + " | number: 2" * 150 + " %}",
    "money": "{% assign x = f | money: 'EUR' %}" * 50,
    "localized_date": "{% assign x = '2027-01-01T10:00:00Z' | localized_date: 'full', time: 'full' %}" * 50,
    "date": "{% assign x = '2027-01-01T10:00:00Z' | date: '%A %c %z %s' %}" * 50,
    "directives": "{% assign x = '2027-01-01T10:00:00Z' | date: profile.traits.layout %}" * 50,
    "squares": "{% assign n = n | times: n %}",
    "doubles": "{% assign s = s | append: s %}",
}


@pytest.mark.parametrize("body", BODIES)
def test_a_rendering_ends(body: str) -> None:
    template = only(
        email(
            "{% assign n = 3 %}{% assign s = 'ab' %}{% assign f = 1.5 %}"
            f"{{% for i in (1..9999) %}}{BODIES[body]}{{% endfor %}}"
        )
    )
    since = time.process_time()
    with pytest.raises(TemplateRenderError, match=r"costs too much|larger than|steps|KB|'times' cannot take"):
        template.render(variables(DATA), None)
    assert spent(since) < MAX_SECONDS


LANGUAGES = ("", ".de", ".fr")[: rounds(1, 3)]
# Tried out before they are published: data that is deep, wide, or in lists within lists.
EXPECTED = {
    "indexes": "{{ profile.traits" + "[0]" * 45 + " }}",
    "indexes of indexes": "{% assign x = profile.traits.x %}" + "{% assign x = x" + "[0]" * 45 + " %}" * 50 + "{{ x }}",
    "names": ("{% assign x = profile.traits" + ".a" * 450 + " %}") + ("{% assign x = x" + ".a" * 450 + " %}") * 200,
    "loops": "{% for x in profile.traits.x %}" + "{% for x in x %}" * 20 + "{{ x.y }}" + "{% endfor %}" * 21,
    "values": "".join(f"{{{{ profile.traits.a{n} | plus: 1 }}}}" for n in range(2_000)),
    "values with defaults": "".join(f"{{{{ profile.traits.a{n} | default: 1 }}}}" for n in range(2_000)),
    "literals": "".join(f"{{% if profile.traits.a == {n} %}}{{% endif %}}" for n in range(2_000)),
    "assignments": "".join(f"{{% assign a{n} = profile.traits.b %}}" for n in range(2_000)),
    "skipped": "{% if profile.user_id %}" + "{% assign a = 1 %}" * 2_000 + "{% endif %}",
    "work": "{% for n in (1..9000) %}{{ profile.traits.a }}{% if profile.traits.b == 'x' %}{% endif %}{% endfor %}",
}


@pytest.mark.prove
@pytest.mark.parametrize("body", in_this_form(EXPECTED))
def test_a_trial_ends(body: str) -> None:
    sets, problems = load({f"t{language}.liquid": email(EXPECTED[body]) for language in LANGUAGES})
    assert problems == []
    since = time.process_time()
    try_templates([(template, False) for template in sets.values()], frozenset())
    assert spent(since) < MAX_SECONDS


def test_the_texts_of_a_message_have_one_budget() -> None:
    loop = "{% for i in (1..9000) %}{% if profile.user_id == 'x' %}{% endif %}{% endfor %}"
    lines = "".join(f"k{number}: '{loop.replace(chr(39), chr(39) * 2)}'\n" for number in range(1, 800))
    template = only(webhook(lines))
    since = time.process_time()
    with pytest.raises(TemplateRenderError, match=f"loops have more than {MAX_LOOP_STEPS} steps"):
        template.render(variables(), None)
    assert spent(since) < MAX_SECONDS


def test_a_message_is_charged_for_what_it_goes_through() -> None:
    def cost(body: str) -> int:
        rendering = Rendering(variables(DATA, items=list(range(10))))
        before = rendering.budget.left
        only(email(body)).variants[""].render(rendering)
        return before - rendering.budget.left

    nothing = cost("<p>x</p>")
    assert cost("{{ profile.user_id }}") - nothing < 5
    assert cost("{{ profile.traits.big | size }}") - nothing < 5
    assert cost("{{ profile.traits.big | join | size }}") - nothing > 60_000
    # What lays out is slow: tens of microseconds.
    assert cost("{{ 5.5 | plus: 2 }}") - nothing < 10
    assert cost("{{ 5.5 | number: 2 }}") - nothing > 30
    assert cost("{{ 5.5 | money: 'EUR' }}") - nothing > 30
    assert cost("{{ '2027-01-01' | localized_date }}") - nothing > 30
    assert cost("{{ '2027-01-01' | date: '%d.%m.%Y' }}") - nothing > 30 + 3 * 3
    # A loop costs by its steps and by how much template there is in it.
    short, long = (cost(f"{{% for i in entry.properties.items %}}{'x' * n}{{% endfor %}}") for n in (8, 808))
    assert 10 * 2 * 100 - 50 < long - short < 10 * 2 * 100 + 50
