"""What is wrong with a document and its templates is said in one go, with paths that an editor can follow."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.campaign.publication import check
from domain.errors import InvalidDocumentError
from domain.sending.caps_document import parse_caps
from domain.templates.liquid_text import SourceLocation, compile_liquid

TEMPLATE = """\
---
channel: email
from: a@example.com
subject: "Hi {{ profile.trats.name | upcaze }}"
sbject: x
text: "{{ profile.traits.x | defalt: 'a' }}"
---
{{ profile.nope }}
{{ entry.propertis.x | nofilter }}
{{ 'x' | | date }}
{{ | upcase }}
{% for x in profile.traits.items %}{{ x.y | foo }}{% endfor %}
"""
CAMPAIGN = """\
key: a
name: A
entry: {event: “Cart Abandoned”}
send_window: {days: [monday, funday, tue, tue]}
steps:
  - {id: d, delay: {until: "25:00", days: [tuesdy, mon]}}
  - {id: nudge, send: {channel: email, template: one}}
  - {id: nudge, send: {channel: email, template: two}}
  - {id: b, branch: [{when: profile.stage == 5, do: []}]}
"""
SAID = [
    "a.yaml:3: entry.event: the quotes are part of the name",
    "a.yaml:4: send_window.days: `monday` is not a weekday; `funday` is not a weekday; `tue` stands there twice",
    "a.yaml:6: steps[0].delay.until: `25:00` is not a time of day",
    "a.yaml:6: steps[0].delay.days: `tuesdy` is not a weekday",
    "a.yaml:8: steps[2].id: the id `nudge` is taken",
    "a.yaml:9: steps[3].branch[0].when: `==` does not apply to (string or null, number)",
    *(
        f"templates/{name}.liquid:{line}: {said}"
        for name in ("one", "two")
        for line, said in (
            (4, "subject: there is no filter 'upcaze'"),
            (4, "subject: there is no variable 'profile.trats.name'"),
            (5, "sbject: there is no key 'sbject'"),
            (6, "text: there is no filter 'defalt'"),
            (8, "body: there is no variable 'profile.nope'"),
            (9, "body: there is no filter 'nofilter'"),
            (9, "body: there is no variable 'entry.propertis.x'"),
            (10, "body: this is not Liquid"),
            (11, "body: this is not Liquid"),
            (12, "body: there is no filter 'foo'"),
        )
    ),
]


def test_a_campaign_and_its_templates() -> None:
    templates = {"templates/one.liquid": TEMPLATE, "templates/two.liquid": TEMPLATE}
    with pytest.raises(InvalidDocumentError) as refused:
        check(CAMPAIGN, "a.yaml", templates)
    found = [str(problem) for problem in refused.value.problems]
    missed = [said for said in SAID if not any(one.startswith(said) for one in found)]
    assert missed == []
    assert all(re.match(r"[\w/.]+:[0-9]+: ", one) for one in found)


MAIL = "---\nchannel: email\nfrom: a@example.com\nsubject: {subject}\ntext: t\n---\n{body}\n"
SENDS = "key: a\nname: A\nentry: {{event: E}}\nsteps:\n{steps}"
STEP = "  - {{id: {name}, send: {{channel: email, template: {name}}}}}\n"
BRACES = "{{ user.name }} %7B%7B x %7D%7D\n%7b%7b y {{ profile.nope }}"


@pytest.mark.parametrize(
    ("templates", "said"),
    [
        pytest.param(
            {"one": MAIL.format(subject="'%7B%7B x'", body=BRACES)},
            [
                ("one", 4, "subject: `%7B%7B` is"),
                ("one", 7, "body: `%7B%7B` is"),
                ("one", 7, "body: there is no variable 'user.name'"),
                ("one", 8, "body: `%7b%7b` is"),
                ("one", 8, "body: there is no variable 'profile.nope'"),
            ],
            id="encoded braces",
        ),
        pytest.param(
            {
                "one": MAIL.format(
                    subject="s", body="{% for a in profile.nope %}{{ a.b | nof }}\n{% if %}\n{{ profile.no }}{{ a b }}"
                )
            },
            [
                ("one", 7, "body: there is no filter 'nof'"),
                ("one", 8, "body: this is not Liquid"),
                ("one", 9, "body: this is not Liquid: expected end of expression"),
                ("one", 9, "body: this is not Liquid: expected tag endif"),
                ("one", 9, "body: there is no variable 'profile.no'"),
            ],
            id="a tag that cannot be read",
        ),
        pytest.param(
            {
                "one": MAIL.format(
                    subject="s",
                    body="{% if %}\n{{ x | }}\n{% for a profile.user_id %}{{ a }}{% endfor %}\n{% else if %}\n"
                    "{% endif %}\n{% fro %}{% endfro %}\n{% case profile.user_id %}{% when %}\n{{ a }}{% endcase %}\n"
                    "{{ 'a' | nof }}",
                )
            },
            [
                ("one", 7, "body: this is not Liquid: missing expression"),
                ("one", 8, "body: this is not Liquid: expected word, found end"),
                ("one", 9, "body: this is not Liquid: expected in"),
                ("one", 12, "body: there is no tag 'fro'"),
                ("one", 13, "body: this is not Liquid: missing expression"),
                ("one", 15, "body: there is no filter 'nof'"),
            ],
            id="many tags that cannot be read",
        ),
        pytest.param(
            {
                "one": MAIL.format(
                    subject="s",
                    body="{% if 1 %}{% else if 2 %}{% endif %}\n{% if 1 %}{% else %}\n{% else %}{{ a b }}{% endif %}\n"
                    "{{ profile.nope }}",
                )
            },
            [
                ("one", 7, "body: this is not Liquid: `else` has no condition. Write {% elsif … %}"),
                ("one", 9, "body: this is not Liquid: expected end of expression"),
                ("one", 10, "body: there is no variable 'profile.nope'"),
            ],
            id="a misplaced else",
        ),
        pytest.param(
            {
                "one": MAIL.format(
                    subject="s",
                    body="{% if 1 %}{% else %}\n{% else %}{{ nope }}{% endif %}",
                )
            },
            [
                ("one", 8, "body: this is not Liquid: a part stands behind `else`. Move it before `else`"),
                ("one", 8, "body: there is no variable 'nope'"),
            ],
            id="a second else",
        ),
        pytest.param(
            {
                "one": MAIL.format(
                    subject="s",
                    body="{% if %}\n{% for a in (1..2) %}\n{{ profile.nope }}\n{{ a b }}\n{% endif %}\n{{ 'a' | nof }}",
                )
            },
            [
                ("one", 7, "body: this is not Liquid: missing expression"),
                ("one", 9, "body: there is no variable 'profile.nope'"),
                ("one", 10, "body: this is not Liquid"),
                ("one", 11, "body: this is not Liquid: unexpected tag 'endif'"),
                ("one", 12, "body: there is no filter 'nof'"),
            ],
            id="blocks that do not fit together",
        ),
        pytest.param(
            {
                "one": MAIL.format(
                    subject="'{{ nope'",
                    body="{{ nope }}\n{% if " + "(" * 60 + "1" + ")" * 60 + " %}\n{{ nix }}{% endif %}\n{{ 'a' | nof }}"
                    "\n{% assign a = 1 %}{% if a"
                    + " " * 120
                    + "%}{% endif %}\n{{ "
                    + "a" * 2_000
                    + " }}\n{{ profile.no }}"
                    "\n{{ never ends",
                )
            },
            [
                ("one", 4, "subject: this is not Liquid: `{{` has no `}}`"),
                ("one", 7, "body: there is no variable 'nope'"),
                ("one", 8, "body: this expression has too many brackets"),
                ("one", 9, "body: there is no variable 'nix'"),
                ("one", 10, "body: there is no filter 'nof'"),
                ("one", 11, "body: there is a tag with much white space"),
                ("one", 12, "body: a tag is longer"),
                ("one", 13, "body: there is no variable 'profile.no'"),
                ("one", 14, "body: this is not Liquid: `{{` has no `}}`"),
            ],
            id="beyond bounds",
        ),
        pytest.param(
            {
                "one": MAIL.format(
                    subject="s",
                    body="{{ profile.nope }}\n{% comment %}\n{{ a b }}{% nix %}{% endcomment %}{% if 1 %}\nx",
                )
            },
            [
                ("one", 7, "body: there is no variable 'profile.nope'"),
                ("one", 10, "body: this is not Liquid: expected tag endif"),
            ],
            id="a comment holds no Liquid",
        ),
        pytest.param(
            {"one": MAIL.format(subject="'{{ nope }}'", body="{{ profile.user_id | nof }}").replace("email", "emial")},
            [
                ("one", 2, "channel: the channel is missing or unknown"),
                ("one", 4, "subject: there is no variable 'nope'"),
                ("one", 7, "body: there is no filter 'nof'"),
            ],
            id="an unknown channel",
        ),
        pytest.param(
            {"one": MAIL.format(subject="[x", body="{{ nope }}")},
            [("one", 4, "front matter: a list or object in"), ("one", 7, "body: there is no variable 'nope'")],
            id="front matter that cannot be read",
        ),
        pytest.param(
            {"one.de": MAIL.format(subject="s", body="{{ nope }}")},
            [("one.de", 1, "file name: 'one' has no default"), ("one.de", 7, "body: there is no variable 'nope'")],
            id="no default",
        ),
        pytest.param(
            {
                "one": MAIL.format(subject="s", body="{{ user.name }}"),
                "two": MAIL.format(subject="s", body="{{ 'soon' | date: '%d' }}"),
            },
            [("one", 7, "body: there is no variable"), ("two", 7, "body: the message fails for everybody")],
            id="one that is wrong and one that fails",
        ),
    ],
)
def test_all_that_is_wrong_with_templates(templates: dict[str, str], said: list[tuple[str, int, str]]) -> None:
    names = sorted({name.partition(".")[0] for name in templates})
    source = SENDS.format(steps="".join(STEP.format(name=name) for name in names))
    with pytest.raises(InvalidDocumentError) as refused:
        check(source, "shop/campaigns/a.yaml", {f"{name}.liquid": text for name, text in templates.items()})
    found = [str(problem) for problem in refused.value.problems]
    wanted = [f"shop/campaigns/templates/{name}.liquid:{line}: {words}" for name, line, words in said]
    assert [one for one in wanted if not any(told.startswith(one) for told in found)] == []
    assert len(found) == len(wanted), found


RIGHT = [
    "{% if profile.user_id %}",
    "{% else %}",
    "{% endif %}",
    "{% for item in entry.properties.items %}{{ item.name }}",
    "{% endfor %}",
    "{% comment %} {{ a b }} {% endcomment %}",
    "{{ profile.user_id }}",
    "text",
]
FAULTY = [
    "{{ a b }}",
    "{{ profile.user_id | }}",
    "{{ profile.nope }}",
    "{{ 'a' | nof }}",
    "{{ 'a' | append }}",
    "%7B%7B",
    "{% if %}{% endif %}",
    "{% if 1 %}{% elsif %}{% endif %}",
    "{% for a profile.user_id %}{{ a }}{% endfor %}",
    "{% case 1 %}{% when %}{% endcase %}",
    "{% assign x %}",
    "{% fro %}",
    "{% capture %}{% endcapture %}",
    f"{{{{ {'(' * 60} }}}}",
    f"{{% if {' ' * 150} 1 %}}{{% endif %}}",
    f"{{{{ {'a' * 2_000} }}}}",
]


@given(
    parts=st.lists(st.sampled_from(RIGHT + FAULTY), max_size=12),
    end=st.sampled_from(["", "{{ x", "{% if x", "{% raw %}"]),
)
def test_each_fault_is_told_whatever_else_is_wrong(parts: list[str], end: str) -> None:
    _, problems = compile_liquid("\n".join([*parts, end]), SourceLocation("a.liquid", 1, "body"))
    lines = {line for line, part in enumerate([*parts, end], start=1) if part in FAULTY or (part == end and part)}
    assert lines - {problem.line for problem in problems} == set()


def test_caps() -> None:
    rules = "rules:\n  - {name: A b, limit: 0, per: 7dd}\n  - {name: b, limit: x, per: day}\n  - {name: b, lmit: 3}\n"
    with pytest.raises(InvalidDocumentError) as refused:
        parse_caps(rules, "caps/all.yaml")
    paths = [(problem.file, problem.line, problem.path) for problem in refused.value.problems]
    assert sorted(set(paths)) == [
        ("caps/all.yaml", 2, "rules[0].limit"),
        ("caps/all.yaml", 2, "rules[0].name"),
        ("caps/all.yaml", 2, "rules[0].per"),
        ("caps/all.yaml", 3, "rules[1].limit"),
        ("caps/all.yaml", 3, "rules[1].per"),
        ("caps/all.yaml", 4, "rules[2]"),
        ("caps/all.yaml", 4, "rules[2].lmit"),
        ("caps/all.yaml", 4, "rules[2].name"),
    ]
