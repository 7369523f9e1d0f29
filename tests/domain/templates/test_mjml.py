"""MJML: compiled with its Liquid, which is rendered for each message, and refused with the line of each fault."""

from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.templates import mjml
from domain.templates.template_sets import TemplateRenderError, TemplateSet, load
from tests.domain.templates.sources import email, variables, webhook


def in_column(text: str) -> str:
    return f"<mjml><mj-body><mj-section><mj-column>\n{text}\n</mj-column></mj-section></mj-body></mjml>"


def compiled(body: str, **files: str) -> TemplateSet:
    sets, problems = load({"t.mjml": email(body), **files})
    assert problems == []
    return sets["t"]


def html(body: str, traits: dict[str, Any] | None = None, **properties: Any) -> str:
    return str(compiled(body).render(variables(traits, **properties), None)["html"])


def faults(body: str) -> list[str]:
    return list(map(str, load({"t.mjml": email(body)})[1]))


class _Seen(HTMLParser):
    """The elements, attributes and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.values: list[str] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.values += [value or "" for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_body_becomes_the_tables_of_a_mail() -> None:
    page = html(in_column("<mj-text>Hello</mj-text>"))
    assert page.startswith("<!doctype html>")
    assert "mj-text" not in page
    assert "Hello" in _Seen(page).texts


def test_no_font_is_loaded_that_the_author_does_not_name() -> None:
    assert "fonts.googleapis" not in html(in_column("<mj-text>Hello</mj-text>"))


def test_tags_between_elements_repeat_and_choose_them() -> None:
    column = """{% for item in entry.properties.items %}
      <mj-text>{{ item.name }}</mj-text>
      {% if item.price < 5 %}<mj-button href="https://shop.example.com/">Cheap</mj-button>{% endif %}
    {% else %}<mj-text>Nothing</mj-text>{% endfor %}"""
    items = [{"name": "Tea", "price": 4}, {"name": "Cup", "price": 9}]
    texts = [text.strip() for text in _Seen(html(in_column(column), items=items)).texts]
    assert [text for text in texts if text in ("Tea", "Cup", "Cheap", "Nothing")] == ["Tea", "Cheap", "Cup"]
    assert "Nothing" in _Seen(html(in_column(column))).texts


def test_tags_in_an_mj_raw_of_their_own_stand_where_they_are_written() -> None:
    column = "<mj-raw>{% if profile.traits.vip %}</mj-raw><mj-text>VIP</mj-text><mj-raw>{% endif %}</mj-raw>"
    assert "VIP" in html(in_column(column), {"vip": True})
    plain = html(in_column(column))
    assert "VIP" not in plain
    assert plain.count("<tr>") == html(in_column("")).count("<tr>")


def test_values_stand_in_texts_and_attributes() -> None:
    column = """<mj-text color="{{ profile.traits.color | default: "red" }}">{{ profile.traits.name }}</mj-text>
      <mj-button href="https://x.example/?a={{ profile.traits.name | url_encode }}&amp;b=1">Go</mj-button>
      <mj-image src="{{ profile.traits.image }}" alt="{{ profile.traits.name }}" />"""
    page = _Seen(html(in_column(column), {"name": "A & B", "image": "https://x.example/i.png"}))
    assert "A & B" in page.texts
    assert {"https://x.example/?a=A+%26+B&b=1", "https://x.example/i.png", "A & B"} <= set(page.values)
    assert any("color:red;" in value for value in page.values)


@given(st.text(min_size=1).filter(str.strip))
def test_no_value_becomes_markup(value: str) -> None:
    sets, _ = load(_ANY)
    page = _Seen(str(sets["t"].render(variables({"a": value.replace("\0", "0") + "\"'><b>-->{{ x }}"}), None)["html"]))
    assert page.tags == _Seen(str(sets["t"].render(variables({"a": "x"}), None)["html"])).tags


_ANY = {
    "t.mjml": email(
        "<mjml><mj-head><mj-title>{{ profile.traits.a }}</mj-title>"
        "<mj-preview>{{ profile.traits.a }}</mj-preview></mj-head><mj-body>"
        '<mj-section background-color="{{ profile.traits.a }}" background-url="{{ profile.traits.a }}"><mj-column>'
        '<mj-text color="{{ profile.traits.a }}">{{ profile.traits.a }}</mj-text>'
        '<mj-button href="{{ profile.traits.a }}">{{ profile.traits.a }}</mj-button>'
        '<mj-raw><td title="{{ profile.traits.a }}">{{ profile.traits.a }}</td></mj-raw>'
        "</mj-column></mj-section></mj-body></mjml>"
    )
}


def test_liquid_that_looks_like_markup_is_kept() -> None:
    column = """<mj-text>{% if 1 < 2 %}{{ "<b>" }}{% endif %}{% comment %}<mj-oops>{% endcomment %}</mj-text>
    {% comment %}<mj-text>{% endcomment %}{% raw %}{% endraw %}
    {% capture name %}<b>{{ profile.user_id }}</b>{% endcapture %}<mj-text>{{ name }}</mj-text>"""
    page = html(in_column(column))
    assert "<b></div>" in page
    assert "<b>u1</b>" in page
    assert "mj-" not in page.partition("<body")[2].replace("mj-column", "").replace("mj-outlook", "")


def test_assignments_may_stand_before_the_mjml() -> None:
    assert ">u1</div>" in html("{% assign id = profile.user_id %}\n" + in_column("<mj-text>{{ id }}</mj-text>"))


def test_blocks_and_layouts_are_mjml_too() -> None:
    files = {
        "t.mjml": email(
            "<mj-section><mj-column>{% render 'go', to: 'Paris' %}</mj-column></mj-section>", layout="base"
        ),
        "layouts/base.mjml": "<mjml><mj-head>{% render 'brand' %}</mj-head><mj-body>{{ content }}</mj-body></mjml>",
        "blocks/brand.mjml": '<mj-attributes><mj-button background-color="#123456" /></mj-attributes>',
        "blocks/go.mjml": '<mj-button href="https://x.io/{{ to | downcase }}">{{ to }}, {{ campaign.key }}</mj-button>',
    }
    sets, problems = load(files)
    assert problems == []
    page = sets["t"].render(variables(), None)["html"]
    assert "background:#123456" in page
    assert 'href="https://x.io/paris"' in page
    assert "Paris, order</a>" in page
    assert sets["t"].shared == files.keys() - {"t.mjml"}


def test_the_html_says_the_language_of_its_template_and_none_that_is_not_known() -> None:
    text = in_column("<mj-text>Hi</mj-text>")
    files = {
        "t.mjml": email(text),
        "t.pt-br.mjml": email(text),
        "t.de.mjml": email(text.replace("<mjml", "<mjml lang='fr'")),
    }
    sets, problems = load(files)
    assert problems == []
    pages = {locale: sets["t"].render(variables(), locale)["html"] for locale in ("en", "pt-BR", "de")}
    assert " lang=" not in pages["en"]
    assert pages["pt-BR"].count(' lang="pt-br"') == pages["de"].count(' lang="fr"') == 2
    sets, _ = load({"t.mjml": email(text, language="en")})
    assert sets["t"].render(variables(), None)["html"].startswith('<!doctype html><html lang="en" ')


def test_a_block_of_html_serves_mjml_within_a_text() -> None:
    files = {"blocks/sign.liquid": "<i>{{ profile.user_id }}</i>"}
    sets, problems = load({"t.mjml": email(in_column("<mj-text>{% render 'sign' %}</mj-text>")), **files})
    assert problems == []
    assert "<i>u1</i>" in sets["t"].render(variables(), None)["html"]


def test_the_html_of_a_version_is_not_compiled_again() -> None:
    files = {"t.mjml": email(in_column("<mj-text>\n{{ profile.traits.name }}</mj-text>"))}
    sets, _ = load(files)
    kept = dict(sets["t"].compiled_bodies)
    old = {
        "t.mjml": kept["t.mjml"].__class__(
            kept["t.mjml"].html.replace("</body>", "<!-- old --></body>"), kept["t.mjml"].origins
        )
    }
    again, problems = load(files, old)
    assert problems == []
    assert "<!-- old -->" in again["t"].render(variables({"name": "Ada"}), None)["html"]
    with pytest.raises(TemplateRenderError, match=r"t\.mjml:9: body: profile\.traits\.name has no value"):
        again["t"].render(variables(), None)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (in_column("<mj-txt>x</mj-txt>"), "8: body: there is no element `mj-txt`. Did you mean `mj-text`?"),
        (in_column("<mj-text>x</mj-tex>"), "8: body: `</mj-tex>` closes nothing."),
        (in_column("<mj-text><b>x</mj-text>"), "8: body: `</mj-text>` closes `<b>`. Write </b> before it"),
        (in_column("x"), "8: body: text stands between the elements of MJML. Put it into an mj-text"),
        (in_column("<p>x</p>"), "8: body: `<p>` is HTML between the elements of MJML."),
        (in_column("{{ profile.user_id }}"), "8: body: a value is put out between the elements of MJML."),
        (in_column("<mj-text {{ profile.user_id }}>x</mj-text>"), "8: body: Liquid stands within a tag,"),
        (
            in_column('<mj-image src="x" width="{{ profile.user_id }}" />'),
            "8: body: the HTML does not have this Liquid",
        ),
        (in_column("<mj-text>1 < 2</mj-text>"), "8: body: `<` begins no tag."),
        (in_column("<mj-text color=red>x</mj-text>"), "8: body: the value of an attribute has no quotes."),
        (in_column("<mj-include path='x.mjml' />"), "8: body: mj-include is not compiled. Use a block"),
        (in_column("<mj-section></mj-section>"), "8: body: `<mj-section>` stands within `<mj-column>`."),
        (in_column("<mj-text>{{ profil.x }}</mj-text>"), "8: body: there is no variable 'profil.x'."),
        (in_column("<mj-text>{% if profile.user_id %}x</mj-text>"), "9: body: this is not Liquid: "),
        ("<p>x</p>", "7: body: there is no <mjml> element."),
        ("x<mjml><mj-body></mj-body></mjml>", "7: body: text stands before <mjml>."),
        ("<mjml><mj-body>", "7: body: `<mjml>` is not closed."),
        (
            "<mjml><mj-head>\n{% if 1 %}<mj-title>x</mj-title>{% endif %}</mj-head><mj-body></mj-body></mjml>",
            "8: body: Liquid stands between the elements of `<mj-head>`.",
        ),
    ],
)
def test_a_fault_is_refused_with_its_line(body: str, said: str) -> None:
    assert faults(body)[0].startswith(f"t.mjml:{said}")


def test_what_only_the_compiler_sees_has_a_line_too() -> None:
    [found] = faults(in_column("<mj-text>x</mj-text>\n<mj-spacer>x</mj-spacer>"))
    assert found.startswith("t.mjml:9: body: this is not MJML: ")


class PanicException(BaseException):
    """A panic: the bindings' own class can be neither imported nor raised at will."""


def test_a_panic_of_the_compiler_is_a_fault_of_the_template(monkeypatch: pytest.MonkeyPatch) -> None:
    def panic(_: str, **__: Any) -> str:
        raise PanicException("called `Option::unwrap()` on a `None` value")

    monkeypatch.setattr(mjml, "mjml2html", panic)
    [found] = faults(in_column("<mj-text>x</mj-text>"))
    assert found.startswith("t.mjml:7: body: the compiler of MJML fails on this text")


def test_html_and_mjml_of_one_name_are_one_template_too_many() -> None:
    _, [problem] = load({"t.liquid": email(), "t.mjml": email(in_column("<mj-text>x</mj-text>"))})
    assert problem.message == "t.liquid is the same template"


def test_a_webhook_is_not_mjml() -> None:
    _, [problem] = load({"t.mjml": webhook("a: 1\n")})
    assert problem.message == "a template for webhook is not MJML"
