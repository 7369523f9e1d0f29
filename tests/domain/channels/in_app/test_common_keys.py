"""The keys that all kinds of in-app messages have: on which pages, when, how often, and in which language."""

import pytest

from domain.channels.in_app.channel import InApp
from domain.channels.in_app.kinds import IN_APP_KINDS
from domain.templates.template_sets import load
from tests.domain.channels.in_app.in_app_templates import BANNER, doubts, faults, in_app, remedies, render
from tests.domain.templates.sources import only, variables

IN_COMMON = ("where", "after", "every", "between", "theme", "dir", "lang", "labels")
FULL = """where: [/pricing, "/docs/**", "https://shop.example.com/*/cart"]
after: {seconds: 5, scroll: 50, exit_intent: true, seen: "#plans", feature: Search Used,
  dwell: {element: .price, seconds: 3}}
every: 3 in 7d
between: 1h30m
priority: 80
theme: {mode: dark, accent: "#8FB0FF", background: "#123", text: "#ffffff", radius: 8}
labels: {close: Not now}
language: en
"""


def test_all_keys_are_rendered() -> None:
    rendered = render(in_app(front=FULL))
    assert {key: rendered[key] for key in ("kind", "placement", "priority")} == {
        "kind": "banner",
        "placement": None,
        "priority": 80,
    }
    assert {key: rendered["content"][key] for key in IN_COMMON} == {
        "where": ["/pricing", "/docs/**", "https://shop.example.com/*/cart"],
        "after": {
            "seconds": 5,
            "scroll": 50,
            "exit_intent": True,
            "seen": "#plans",
            "feature": "Search Used",
            "dwell": {"element": ".price", "seconds": 3},
        },
        "every": {"kind": "times", "times": 3, "per_seconds": 604_800},
        "between": 5_400,
        "theme": {"mode": "dark", "accent": "#8fb0ff", "background": "#112233", "text": "#ffffff", "radius": 8},
        "dir": "ltr",
        "lang": "en",
        "labels": {"close": "Not now", "message": "Message"},
    }


def test_the_least_is_a_kind() -> None:
    content = render(in_app())["content"]
    assert {key: content[key] for key in IN_COMMON} == {
        "where": [],
        "after": None,
        "every": {"kind": "until_dismissed"},
        "between": None,
        "theme": {"mode": "auto"},
        "dir": "ltr",
        "lang": None,
        "labels": {"close": "Close", "message": "Message"},
    }


@pytest.mark.parametrize(
    ("front", "message"),
    [
        ("were: [/a]", "there is no key 'were'"),
        ("where: /pricing", "'where' must be a list of addresses"),
        ("where: {a: /b}", "'where' must be a list of at most 20 addresses"),
        ("where: []", "'where' must be a list of at most 20 addresses"),
        ("where: ['^/docs/.*$']", "'^/docs/.*$' is a regular expression"),
        ("where: ['/docs/(a|b)']", "'/docs/(a|b)' is a regular expression"),
        ("where: [pricing]", "'pricing' is not a pattern of addresses"),
        ("where: [5]", "an address must be a text"),
        ("after: {}", "'after' names nothing"),
        ("after: {secnds: 5}", "there is no key 'secnds'"),
        ("after: {seconds: 0}", "'seconds' must be a whole number from 1 to 3600"),
        ("after: {scroll: 101}", "'scroll' must be a whole number from 1 to 100"),
        ("after: {seen: '<b>'}", "'<b>' is not a selector of CSS"),
        ("after: {dwell: {element: .a}}", "'seconds' is missing"),
        ("after: {exit_intent: 1}", "'exit_intent' must be true or false"),
        ("every: twice", "'twice' does not say how often a message shows"),
        ("every: 3 in week", "`week` is not a duration"),
        ("every: 0 times", "'0 times' does not say how often a message shows"),
        ("between: 5", "this must be a text"),
        ("between: 60d", "the time is not between 1s and 30d"),
        ("priority: 101", "'priority' must be a whole number from 0 to 100"),
        ("priority: high", "'priority' must be a whole number"),
        ("theme: {mode: dim}", "there is no mode 'dim'"),
        ("theme: {accent: red}", "'red' is not a colour"),
        ("theme: {radius: 99}", "'radius' must be a whole number from 0 to 32"),
        ("labels: {clos: x}", "there is no key 'clos'"),
        ("labels: {close: '{{ profile.user_id }}'}", "'close' must be constant"),
        ("dir: up", "'up' is not a direction"),
        ("placement: top", "a banner has no placement"),
    ],
)
def test_a_wrong_key_is_named_with_its_line(front: str, message: str) -> None:
    assert [(line, said) for line, _, said in faults(in_app(front=front))] == [(4, message)]


def test_a_slip_is_told_what_was_meant() -> None:
    assert "Did you mean `where`?" in remedies(in_app(front="were: [/a]"))[0]
    assert "Did you mean `seconds`?" in remedies(in_app(front="after: {secnds: 5}"))[0]
    assert "Did you mean `modal`?" in remedies(in_app(kind="modall"))[0]
    assert "Did you mean `once`?" in remedies(in_app(front="every: onc"))[0]


@pytest.mark.parametrize("every", ["each_session", "until_clicked", "3 times", "3 in 7d"])
def test_a_tour_does_not_come_again_after_it_was_skipped(every: str) -> None:
    said = f"a tour that was skipped does not come again, so it cannot show '{every}'"
    tour = in_app("steps: [{id: one, title: a, text: b}]", kind="tour", front=f"every: {every}")
    assert [found for _, _, found in faults(tour)] == [said]


def test_a_template_without_a_kind_is_refused() -> None:
    assert faults("---\nchannel: in_app\n---\ntext: x\n") == [(1, "front matter", "'kind' is missing")]


@pytest.mark.parametrize("kind", ["card", "slot", "custom"])
def test_a_kind_that_interrupts_no_one_has_no_time(kind: str) -> None:
    front = "placement: home\nafter: {seconds: 5}\nbetween: 1h"
    body = {"card": "title: a\ntext: b", "slot": "text: b", "custom": "data: {a: b}"}[kind]
    said = f"a {kind} interrupts no one"
    assert faults(in_app(body, front, kind=kind)) == [(5, "after", said), (6, "between", said)]


def test_caps_count_the_kinds_that_interrupt() -> None:
    assert {name for name in IN_APP_KINDS if not InApp().interrupts(name)} == {"card", "slot", "custom"}


def test_a_placement_is_a_name() -> None:
    assert render(in_app("title: a\ntext: b", kind="card"))["placement"] == "feed"
    assert render(in_app("title: a\ntext: b", "placement: news", kind="card"))["placement"] == "news"
    assert faults(in_app("text: b", kind="slot")) == [(3, "kind", "the slot has no placement")]
    assert faults(in_app("text: b", "placement: a b", kind="slot")) == [(4, "placement", "'a b' is not a name")]


@pytest.mark.parametrize(
    ("theme", "doubted"),
    [
        ('{text: "#888", background: "#999"}', True),
        ('{text: "#000", background: "#fff"}', False),
        ('{mode: light, text: "#eee"}', True),
        ('{mode: dark, text: "#eee"}', False),
        ('{mode: light, accent: "#ffff00"}', True),
        ("{mode: dark, radius: 4}", False),
    ],
)
def test_colours_that_are_hard_to_read_are_doubted(theme: str, doubted: bool) -> None:
    assert any("contrast" in said for said in doubts(in_app(front=f"theme: {theme}"))) == doubted


def test_a_template_has_the_words_and_the_direction_of_its_language() -> None:
    files = {
        "t.liquid": in_app(front="language: en"),
        "t.de.liquid": f"---\nchannel: in_app\n---\n{BANNER}\n",
        "t.ar.liquid": f"---\nchannel: in_app\n---\n{BANNER}\n",
        "t.sv.liquid": f"---\nlabels: {{close: Stäng}}\n---\n{BANNER}\n",
    }
    sets, problems = load(files)
    assert problems == []
    shown = {
        locale: sets["t"].render(variables(), locale)["content"] for locale in ("en", "de-AT", "ar_EG", "sv", "fr", "")
    }
    assert {locale: (one["lang"], one["dir"], one["labels"]["close"]) for locale, one in shown.items()} == {
        "en": ("en", "ltr", "Close"),
        "de-AT": ("de", "ltr", "Schließen"),
        "ar_EG": ("ar", "rtl", "إغلاق"),
        "sv": ("sv", "ltr", "Stäng"),
        "fr": ("en", "ltr", "Close"),
        "": ("en", "ltr", "Close"),
    }


def test_a_direction_may_be_written() -> None:
    assert render(in_app(front="dir: rtl"))["content"]["dir"] == "rtl"


def test_a_message_is_bounded() -> None:
    body = 'data: {a: "{{ profile.traits.text }}"}'
    template = only(in_app(body, "placement: home", kind="custom"))
    assert render(template, {"text": "x" * 31_000})
    with pytest.raises(Exception, match="bytes for this user, and a page takes 32000"):
        render(template, {"text": "x" * 33_000})


def test_a_message_that_is_too_large_for_everybody_is_refused() -> None:
    said = "the message has 32,002 bytes, and a page takes 32,000"
    body = f"data: {{a: {'x' * 16_001}, b: [{'x' * 16_001}, '{{{{ profile.traits.text }}}}']}}"
    assert faults(in_app(body, "placement: home", kind="custom")) == [(6, "body", said)]
    either = f"data: {{a: '{{% if profile.traits.a %}}{'x' * 32_001}{{% endif %}}'}}"
    assert faults(in_app(either, "placement: home", kind="custom")) == []


def test_a_long_text_is_doubted() -> None:
    long, short = (render(in_app(f"text: {'x' * length}")) for length in (161, 160))
    assert list(InApp().find_doubts(long)) == ["the text has 161 characters: a banner is read in passing, up to 160"]
    assert list(InApp().find_doubts(short)) == []


def test_a_key_in_the_wrong_part_is_told_the_right_one() -> None:
    assert faults(in_app(front="position: bottom")) == [
        (4, "position", "there is no key 'position'"),
        (4, "position", "'position' stands in the body"),
    ]
    assert faults(in_app(f"{BANNER}\nwhere: [/cart]")) == [
        (7, "body.where", "there is no key 'where'"),
        (7, "body.where", "'where' stands in the front matter"),
    ]
