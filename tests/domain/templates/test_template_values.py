"""No value adds markup, a header, or JSON outside of its string."""

import json
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.templates.template_sets import TemplateRenderError, TemplateSet
from tests.domain.templates.template_files import WEBHOOK, context, email, only
from tests.proofs import rounds

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
