import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cli.documents import templates_beside
from domain.errors import Problem
from domain.templates.template_sets import TemplateRenderError, TemplateSet, load
from tests.proofs import rounds

EXAMPLES = Path(__file__).parents[3] / "examples" / "templates"

EMAIL = """---
channel: email
from: Example Shop <hello@example.com>
subject: 'Hi {{ profile.traits.first_name | default: "there" }}'
text: |
  Hello {{ profile.traits.first_name | default: "there" }}
---
<p>Hello {{ profile.traits.first_name | default: "there" }}</p>
"""

WEBHOOK = """---
channel: webhook
url: https://crm.example.com/hook
---
user: "{{ profile.user_id }}"
city: "{{ profile.traits.city }}"
deep: [1, 2.5, true, null, {name: "{{ campaign.name }}"}]
"""


def context(traits: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "profile": {"user_id": "u1", "traits": traits or {}},
        "entry": {"event": "Cart Abandoned", "properties": {"value": 120}, "timestamp": "2026-11-02T10:00:00+00:00"},
        "campaign": {"key": "cart", "name": "Cart"},
        "message": {"id": "m-1"},
        "unsubscribe_url": "https://example.com/u/abc",
        "preferences_url": "https://example.com/p/abc",
        "confirm_url": "https://example.com/c/abc",
        "survey_url": "https://example.com/s/abc",
        "booking_query": "email=ada%40example.com",
        **changes,
    }


def email(body: str = "<p>x</p>", **fields: str) -> str:
    given_fields = {
        "channel": "email",
        "from": "Example Shop <hello@example.com>",
        "subject": "s",
        "text": "t",
        **fields,
    }
    front = "\n".join(f"{key}: {json.dumps(value)}" for key, value in given_fields.items())
    return f"---\n{front}\n---\n{body}"


def only(text: str) -> TemplateSet:
    sets, problems = load({"t.liquid": text})
    assert problems == []
    return sets["t"]


def problems_of(text: str) -> list[Problem]:
    return load({"t.liquid": text})[1]


def test_an_email_renders_all_of_its_parts() -> None:
    content = only(email("<body class=x>B", preheader="P", reply_to="Help <help@example.com>")).render(context(), None)
    html = content.pop("html")
    assert content == {
        "from": "Example Shop <hello@example.com>",
        "reply_to": "Help <help@example.com>",
        "subject": "s",
        "text": "t",
    }
    assert html.startswith("<body class=x><div style=")
    assert html.endswith(">P</div>B")


def test_a_webhook_renders_value_by_value_and_keeps_what_is_no_text() -> None:
    content = only(WEBHOOK).render(context({"city": 'a": "b", "c'}), None)
    assert content == {
        "method": "POST",
        "url": "https://crm.example.com/hook",
        "headers": {},
        "data": {"user": "u1", "city": 'a": "b", "c', "deep": [1, 2.5, True, None, {"name": "Cart"}]},
    }


@pytest.mark.parametrize(
    ("locale", "subject"),
    [("pt-BR", "pt-BR"), ("pt_br", "pt-BR"), ("pt-PT", "pt"), ("pt", "pt"), ("de-AT", "default"), (None, "default")],
)
def test_the_variant_is_the_locale_then_the_language_then_the_default(locale: str | None, subject: str) -> None:
    variants = {"t.liquid": "default", "t.pt.liquid": "pt", "t.pt-BR.liquid": "pt-BR"}
    sets, problems = load({file: email(subject=text) for file, text in variants.items()})
    assert problems == []
    assert sets["t"].render(context(), locale)["subject"] == subject


def test_a_variant_inherits_the_keys_that_it_does_not_give() -> None:
    sets, problems = load({"t.liquid": EMAIL, "t.de.liquid": "---\nsubject: Hallo\n---\n<p>Guten Tag</p>\n"})
    assert problems == []
    content = sets["t"].render(context(), "de")
    assert (content["from"], content["subject"], content["html"]) == (
        "Example Shop <hello@example.com>",
        "Hallo",
        "<p>Guten Tag</p>\n",
    )
    assert content["text"] == "Hello there\n"


@pytest.mark.parametrize("matter", ["", "\n"])
def test_a_variant_may_take_all_keys_from_the_default(matter: str) -> None:
    sets, problems = load({"t.liquid": EMAIL, "t.de.liquid": f"---\n{matter}---\n<p>Guten Tag</p>\n"})
    assert problems == []
    content = sets["t"].render(context(), "de")
    assert (content["subject"], content["html"]) == ("Hi there", "<p>Guten Tag</p>\n")


@pytest.mark.parametrize("traits", [{}, {"first_name": None}, {"first_name": ""}])
def test_default_replaces_what_is_missing_null_or_empty(traits: Mapping[str, Any]) -> None:
    assert only(EMAIL).render(context(traits), None)["subject"] == "Hi there"


@pytest.mark.parametrize("traits", [{}, {"address": None}, {"address": {}}])
def test_a_missing_value_without_default_fails_and_is_named(traits: Mapping[str, Any]) -> None:
    with pytest.raises(TemplateRenderError) as failure:
        only(email("<p>\n{{ profile.traits.address.city }}</p>")).render(context(traits), None)
    assert str(failure.value).startswith("t.liquid:8: body: profile.traits.address")
    assert str(failure.value).endswith("has no value for this user")


@pytest.mark.parametrize(
    "condition",
    ["unsubscribe_url", "unsubscribe_url != nil", "profile.traits.age > 3", "profile.traits.plan == 'pro'"],
)
def test_conditions_take_a_missing_value_as_false(condition: str) -> None:
    template = only(email(f"{{% if {condition} %}}yes{{% else %}}no{{% endif %}}"))
    assert template.render(context(unsubscribe_url=None), None)["html"] == "no"


SECRET = "Zarathustra"


@pytest.mark.parametrize(
    ("body", "traits"),
    [
        ("{{ profile.traits.name | times: 3 | divided_by: 2 }}", {"name": SECRET}),
        ("{{ 3 | divided_by: profile.traits.name }}", {"name": SECRET}),
        ("{{ 3 | plus: profile.traits.missing }}", {"name": SECRET}),
        ("{{ profile.traits.missing | plus: 3 }}", {"name": SECRET}),
        ("{{ profile.traits.missing | size }}", {"name": SECRET}),
        ("{{ profile.traits.missing | date: '%Y' }}", {"name": SECRET}),
        ("{{ profile.traits.name | date: '%Y' }}", {"name": SECRET}),
        ("{{ profile.traits.name | date: '%Y' }}", {"name": "now"}),
        ("{{ profile.traits[profile.traits.name] }}", {"name": SECRET}),
        ("{{ profile.traits.name | base64_decode }}", {"name": SECRET}),
        ("{{ profile.traits.name | slice: profile.traits.name }}", {"name": SECRET}),
        ("{% for x in (1..5) limit: profile.traits.name %}x{% endfor %}", {"name": SECRET}),
        ("{% if profile.traits.name > 3 %}x{% endif %}", {"name": SECRET}),
        ("{{ profile.traits.name | upcase }}", {"name": "\ud800"}),
    ],
)
def test_a_filter_that_fails_on_the_data_is_refused_without_quoting_it(body: str, traits: Mapping[str, Any]) -> None:
    with pytest.raises(TemplateRenderError) as failure:
        only(email(body)).render(context(traits), None)
    assert str(failure.value).startswith("t.liquid:7: body: ")
    assert SECRET.lower() not in str(failure.value).lower()
    # Whoever records the error records its cause as well, which does quote.
    assert failure.value.__cause__ is None
    assert failure.value.__suppress_context__


@pytest.mark.parametrize(
    "body",
    [
        "{% for a in (1..200) %}{% for b in (1..200) %}x{% endfor %}{% endfor %}",
        "{% for a in (1..9000) %}" + "x" * 100 + "{% endfor %}",
        "{% assign x = 'aaaaaaaaaa' %}{% for a in (1..60) %}{% assign x = x | append: x %}{% endfor %}",
        "{{ profile.traits.long | replace: 'x', profile.traits.long }}",
        "{% for a in profile.traits.long_list %}.{% endfor %}",
    ],
)
def test_what_costs_too_much_is_refused(body: str) -> None:
    with pytest.raises(TemplateRenderError):
        only(email(body)).render(context({"long": "x" * 30_000, "long_list": [1] * 20_000}), None)


@pytest.mark.parametrize(
    "range_",
    ["(1..50000000)", "(0..10000)", "(1..profile.traits.n)", "(profile.traits.n..5)", "(1..'50000000')"],
)
@pytest.mark.parametrize(
    "use",
    [
        "{{ RANGE | join }}",
        "{% for a in RANGE reversed %}x{% endfor %}",
        "{% assign r = RANGE %}",
        "{{ profile.user_id | append: RANGE }}",
        "{% if true %}{% case 1 %}{% when 1 %}{% if RANGE contains 3 %}x{% endif %}{% endcase %}{% endif %}",
        "{% tablerow a in RANGE %}x{% endtablerow %}",
        "{% liquid assign r = RANGE %}",
    ],
)
def test_a_range_without_constant_near_ends_is_not_published(range_: str, use: str) -> None:
    problems = problems_of(email(use.replace("RANGE", range_)))
    assert [problem.line for problem in problems] == [7]
    assert "range" in problems[0].message


def test_a_short_range_is_bounded_by_data_through_limit() -> None:
    template = only(email("{% for star in (1..5) limit: profile.traits.rating %}*{% endfor %}"))
    assert template.render(context({"rating": 3}), None)["html"] == "***"


@pytest.mark.parametrize(
    "tag", ["{% include 'x' %}", "{% render 'x' %}", "{% if %}x{% endif %}", "{{ 'x' ", "{% for %}{% endfor %}"]
)
def test_what_is_no_liquid_or_reads_files_is_not_published(tag: str) -> None:
    problems = problems_of(email(f"<p>\n\n{tag}</p>"))
    assert [(problem.line, problem.path) for problem in problems] == [(9, "body")]


def test_everything_wrong_is_told_at_once_with_its_line() -> None:
    broken = """---
channel: email
from: Example Shop <hello@>
subjct: x
subject: Hi {{ profil.traits.first_name }}
text: |
  Hello
  {{ entry.propertie.value | defualt: 3 }}
preheader: "{{ entry }}"
---
<p>
{{ now }} {{ profile.traits.name | safe }} {{ campaign.name | upcase }}
"""
    files = {
        "a.liquid": broken,
        "b.de.liquid": EMAIL,
        "C@.liquid": EMAIL,
        "notes.txt": "",
        "d.liquid": "no front matter",
        "e.liquid": "---\nchannel: fax\n---\n",
        "f.liquid": "---\nchannel: email\nsubject: a: {{ b }}\n---\n",
        "g.liquid": "---\nchannel: email\n",
        "h.liquid": "---\nchannel: email\n---\n",
        "x/i.liquid": EMAIL,
        "y/i.liquid": EMAIL,
        "j.liquid": EMAIL,
        "j.de.liquid": WEBHOOK,
    }
    sets, problems = load(files)
    told = [(problem.file, problem.line, problem.path, problem.message) for problem in problems]
    assert told == [
        ("C@.liquid", 1, "file name", "this does not name a template"),
        ("a.liquid", 3, "from", "this is not an address"),
        ("a.liquid", 4, "subjct", "there is no key 'subjct'"),
        ("a.liquid", 5, "subject", "there is no variable 'profil.traits.first_name'"),
        ("a.liquid", 8, "text", "there is no filter 'defualt'"),
        ("a.liquid", 8, "text", "there is no variable 'entry.propertie.value'"),
        ("a.liquid", 9, "preheader", "'entry' is not a value"),
        ("a.liquid", 12, "body", "there is no filter 'safe'"),
        ("a.liquid", 12, "body", "there is no variable 'now'"),
        ("b.de.liquid", 1, "file name", "'b' has no default language"),
        ("d.liquid", 1, "front matter", "the file does not begin with front matter"),
        ("e.liquid", 2, "channel", "the channel is missing or unknown"),
        ("f.liquid", 3, "front matter", "not valid YAML: mapping values are not allowed here"),
        ("g.liquid", 1, "front matter", "the front matter does not end"),
        ("h.liquid", 1, "front matter", "'subject' is missing"),
        ("h.liquid", 1, "front matter", "'from' is missing"),
        ("h.liquid", 1, "front matter", "'text' is missing"),
        ("h.liquid", 4, "body", "the body is empty"),
        ("j.de.liquid", 2, "channel", "the default language is for email"),
        ("j.de.liquid", 3, "url", "there is no key 'url'"),
        ("notes.txt", 1, "file name", "this does not name a template"),
        ("y/i.liquid", 1, "file name", "x/i.liquid is the same template"),
    ]
    suggestions = {problem.message: problem.suggestion for problem in problems}
    assert suggestions["there is no key 'subjct'"] == (
        "Did you mean `subject`? "
        "Keys: channel, subject, from, text, reply_to, from_owner, preheader, layout, attachments, survey, language"
    )
    assert suggestions["there is no variable 'profil.traits.first_name'"] == (
        "Did you mean `profile.traits.first_name`? "
        "Variables: account, booking_query, campaign, confirm_url, deployment, entry, journey, message, "
        "preferences_url, profile, survey_url, unsubscribe_url"
    )
    assert suggestions["there is no variable 'entry.propertie.value'"] == (
        "Did you mean `properties`? Fields of entry: anonymous_id, event, properties, timestamp"
    )
    assert suggestions["there is no filter 'defualt'"].startswith("Did you mean `default`? ")
    assert set(sets) == set("abdefghij")
    with pytest.raises(TemplateRenderError):
        sets["a"].render(context(), None)


@pytest.mark.parametrize(
    ("text", "line", "path"),
    [
        (email(**{"from": "{{ profile.traits.name }} <a@example.com>"}), 3, "from"),
        (email(**{"from": "Example Shop"}), 3, "from"),
        (email(**{"from": "Example\nShop <hello@example.com>"}), 3, "from"),
        (email(reply_to="nobody"), 6, "reply_to"),
        (email(subject=" "), 4, "subject"),
        (email().replace('subject: "s"', "subject: 3"), 4, "subject"),
        (email().replace('subject: "s"', 'subject: "s"\nsubject: t'), 5, "subject"),
        (WEBHOOK.replace("https://crm.example.com/hook", "{{ profile.user_id }}"), 3, "url"),
        (WEBHOOK.replace("https://", "ftp://"), 3, "url"),
        (WEBHOOK.replace("crm.example.com", "user:secret@crm.example.com"), 3, "url"),
        (WEBHOOK.replace("crm.example.com", "crm.example.com:99999"), 3, "url"),
        (WEBHOOK.replace("crm.example.com", "crm example.com"), 3, "url"),
        (WEBHOOK.replace("user:", '"{{ profile.user_id }}":'), 5, "body"),
        (WEBHOOK.replace("city:", "user:"), 6, "body.user"),
        (WEBHOOK.replace("2.5", ".inf"), 7, "body.deep[1]"),
        (WEBHOOK.replace("2.5", "18446744073709551616"), 7, "body.deep[1]"),
        (WEBHOOK.replace("2.5", "!!python/name:os.system"), 7, "body"),
        (WEBHOOK.replace("campaign.name", "campaign.nam"), 7, "body.deep[4].name"),
        (WEBHOOK.replace("user: ", "user: &a ").replace("2.5", "*a"), 7, "body"),
        (WEBHOOK.partition("user:")[0] + "- just\n- a list\n", 5, "body"),
        (WEBHOOK.partition("user:")[0] + "[" * 5000, 5, "body"),
        ("\n" + EMAIL, 1, "front matter"),
        (email("x" * 256 * 1024), 1, "file"),
    ],
)
def test_each_fault_is_pointed_at(text: str, line: int, path: str) -> None:
    problems = problems_of(text)
    assert problems
    assert (problems[0].line, problems[0].path) == (line, path)
    assert all(problem.suggestion for problem in problems)


def test_a_template_fits_the_channel_that_it_names() -> None:
    template = only(EMAIL)
    assert template.check("email") == []
    (problem,) = template.check("webhook")
    assert (problem.file, problem.line, problem.path) == ("t.liquid", 2, "channel")
    broken, _ = load({"t.liquid": "nothing"})
    assert broken["t"].check("email") == []


@pytest.mark.parametrize("name", ["", "\u2028", "\n\t", "x" * 999])
def test_a_subject_that_is_empty_or_endless_is_refused(name: str) -> None:
    with pytest.raises(TemplateRenderError, match="subject"):
        only(email(subject="{{ profile.traits.name }}")).render(context({"name": name}), None)


def test_dates_are_laid_out_without_clock_or_local_zone() -> None:
    body = (
        "{{ entry.timestamp | date: '%d.%m.%Y %H:%M' }} {{ 1767225600 | date: '%Y' }} "
        "{{ profile.traits.due | date: '%B' }}"
    )
    assert only(email(body)).render(context({"due": "2026-03-01"}), None)["html"] == "02.11.2026 10:00 2026 March"


def test_one_template_serves_many_threads() -> None:
    template = only(
        email("{% assign n = profile.user_id %}{% for i in (1..50) %}{{ n }}{% cycle ',', ';' %}{% endfor %}")
    )

    def render(number: int) -> str:
        return str(template.render(context(profile={"user_id": str(number), "traits": {}}), None)["html"])

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(render, range(200)))
    assert results == [f"{number},{number};" * 25 for number in range(200)]


NASTY = st.one_of(
    st.text(),
    st.text(alphabet="<>\"'&/=;%{}\\\r\n\x00 abcscript:x"),
    st.sampled_from(
        [
            "<script>x</script>",
            "%3Cscript%3E",
            "&lt;b&gt;",
            "PHNjcmlwdD4=",
            "</p><a href=x>",
            '" onload="x',
            "a\r\nBcc: e@x",
            "]]>",
            "{{ profile }}",
            "{% if %}",
            '","admin":true,"',
            "\u2028",
            "<!--",
            "\x85\x1c",
            "&#60;b&#62;",
        ]
    ),
)

FILTERS_OF_TEXT = """append: 'é' prepend: '<i>' capitalize downcase upcase escape escape_once lstrip rstrip strip squish
strip_html strip_newlines newline_to_br remove:'a' remove_first:'a' remove_last:'a' replace:'a','<' replace:'<i>','b'
replace_first:'a','b' replace_last:'a','b' slice:0,5 truncate:5 truncatewords:2 url_encode url_decode base64_encode
base64_url_safe_encode"""
FILTERS = [
    "",
    *(f"| {name}" for name in FILTERS_OF_TEXT.replace(": ", ":").split()),
    "| split: '' | join: ','",
    "| split: 'a' | first",
    "| split: ' ' | join",
    "| split: '' | reverse | join: ''",
    "| url_encode | url_decode",
    "| escape | url_decode",
    "| escape | strip_html",
    "| escape_once | escape_once",
    "| base64_encode | base64_decode",
    "| newline_to_br | strip_html",
    "| default: '<u>'",
]


class _Shape(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, ...]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, *(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.seen.append(("/", tag))

    def handle_comment(self, data: str) -> None:
        self.seen.append(("!",))


def shape(html: str) -> list[tuple[str, ...]]:
    parser = _Shape()
    parser.feed(html)
    parser.close()
    return parser.seen


VALUE = "profile.traits.name"
HTML_USES = email(
    "".join(f"<p title=\"{{{{ {VALUE} }}}}\" class='{{{{ {VALUE} }}}}'>{{{{ {VALUE} }}}}</p>\n")
    + f"{{% capture c %}}<b>{{{{ {VALUE} }}}}</b>{{% endcapture %}}{{{{ c }}}}"
    + f"{{% assign a = {VALUE} | append: 'x' %}}{{{{ a }}}}{{{{ '<i>' | append: {VALUE} }}}}</i>"
    + f"{{{{ profile.traits.list }}}}{{{{ profile.traits.list | join: {VALUE} }}}}{{{{ profile.traits }}}}"
    + f"{{% cycle {VALUE}, 'x' %}}{{% echo {VALUE} %}}{{% for x in profile.traits.list %}}{{{{ x }}}}{{% endfor %}}",
    preheader=f"{{{{ {VALUE} }}}}",
)
HTML_SET = only(HTML_USES)
HEADER_SET = only(email(subject=f"Hi {{{{ {VALUE} }}}}!", text=f"{{{{ {VALUE} }}}}"))
FILTER_SETS = [only(email(f"<p>{{{{ {VALUE} {use} }}}}</p>")) for use in FILTERS]
WEBHOOK_SET = only(WEBHOOK)


def is_encodable(value: str) -> bool:
    return not any(0xD800 <= ord(character) < 0xE000 for character in value)


@given(NASTY.filter(is_encodable))
@example("</p><script>")
def test_no_value_adds_markup(value: str) -> None:
    plain = HTML_SET.render(context({"name": "Ana", "list": ["Ana"]}), None)["html"]
    html = HTML_SET.render(context({"name": value, "list": [value, {value: value}]}), None)["html"]
    assert shape(html) == shape(plain)


@pytest.mark.prove
@pytest.mark.parametrize("template", FILTER_SETS, ids=FILTERS)
@settings(max_examples=rounds(30, 500))
@given(value=NASTY.filter(is_encodable))
@example(value="%3Cscript%3E")
@example(value="&lt;script&gt;")
def test_no_filter_lets_markup_through(template: TemplateSet, value: str) -> None:
    try:
        html = template.render(context({"name": value}), None)["html"]
    except TemplateRenderError:
        return
    # What a filter's own literal argument brings is the author's.
    assert [seen for seen in shape(html) if not {"br", "i", "u"} & set(seen)] == [("p",), ("/", "p")]


@given(NASTY.filter(is_encodable))
@example("a\r\nBcc: eve@example.com")
def test_no_value_adds_a_header(value: str) -> None:
    content = HEADER_SET.render(context({"name": value}), None)
    assert len(content["subject"].splitlines()) == 1
    assert content["from"] == "Example Shop <hello@example.com>"


@given(NASTY.filter(is_encodable))
def test_no_value_leaves_its_json_string(value: str) -> None:
    data = WEBHOOK_SET.render(context({"city": value}), None)["data"]
    assert json.loads(json.dumps(data)) == {
        "user": "u1",
        "city": value.replace("\r\n", "\n").replace("\r", "\n"),
        "deep": [1, 2.5, True, None, {"name": "Cart"}],
    }


def test_the_examples_are_sound_and_cart_nudge_fails_without_a_checkout_url() -> None:
    sets, problems = load(templates_beside(EXAMPLES.parent / "any.yaml"))
    assert problems == []
    assert sets.keys() >= {
        "cart-nudge",
        "cart-reminder",
        "price-drop",
        "trial-crm",
        "trial-extension",
        "trial-subscribe",
    }
    properties = {
        **{"value": 120, "cart_id": "c-1", "price": 9, "checkout_url": "https://shop.example.com/c/1"},
        **{"subscription_id": "s-1", "renews_at": "2026-12-01", "tier": "gold", "year": 2026, "orders": 12},
        "order_id": "o-1",
        "report_url": "https://app.example.com/reports/r1",
    }
    for name, template in sets.items():
        links = ["/c/"] if name.startswith("double-opt-in") else ["/u/", "/p/"]
        if name == "delivery-delayed.email":  # It is transactional.
            links = []
        for locale in (None, "de"):
            entry = {"event": "Cart Abandoned", "properties": properties, "timestamp": "2026-11-02T10:00:00+00:00"}
            content = template.render(context(entry=entry), locale)
            if template.channel == "email":
                assert all(
                    f"https://example.com{link}abc" in content[part] for link in links for part in ("text", "html")
                )
            quiet = template.render(context(entry=entry, unsubscribe_url=None), locale)
            assert "nsubscribe:" not in quiet.get("text", "")
    with pytest.raises(TemplateRenderError, match=r"entry\.properties\.checkout_url has no value for this user"):
        sets["cart-nudge"].render(context(), None)
