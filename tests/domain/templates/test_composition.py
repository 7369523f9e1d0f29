"""Layouts and blocks: what they see, where their faults are, and which files a template is made of."""

from collections.abc import Mapping
from typing import Any

import pytest

from domain.templates.composition import MAX_COMPOSED_CHARACTERS
from domain.templates.liquid_context import MAX_LOOP_STEPS
from domain.templates.template_sets import TemplateRenderError, TemplateSet, load
from domain.templates.trial import try_templates
from tests.domain.templates.sources import email, variables, webhook

BUTTON = '<a href="{{ href }}">{{ label }}</a>'


def composed(files: Mapping[str, str]) -> TemplateSet:
    sets, problems = load(files)
    assert problems == []
    return sets["t"]


def html(files: Mapping[str, str], **properties: Any) -> str:
    return str(composed(files).render(variables(**properties), None)["html"])


def faults(files: Mapping[str, str]) -> list[str]:
    return list(map(str, load(files)[1]))


def test_a_block_gets_its_arguments_escaped_as_html() -> None:
    body = "{% render 'button', href: entry.properties.url, label: 'A & B' %}"
    given = html({"t.liquid": email(body), "blocks/button.liquid": BUTTON}, url='https://x.example/?a=1&b="')
    assert given == '<a href="https://x.example/?a=1&amp;b=&#34;">A & B</a>'


def test_a_block_sees_the_variables_of_the_message_and_no_name_of_its_caller() -> None:
    block = "{{ profile.user_id }}{{ hidden | default: '-' }}{% assign shown = 'inner' %}{% increment n %}"
    body = "{% assign hidden = 'x' %}{% assign shown = 'outer' %}{% increment n %}{% render 'b' %}{{ shown }}"
    assert html({"t.liquid": email(body), "blocks/b.liquid": block}) == "0u1-0outer"


def test_a_loop_renders_a_block_for_each_item() -> None:
    body = "{% for item in entry.properties.items %}{% render 'row', name: item.name %}{% endfor %}"
    items = [{"name": "Tea"}, {"name": "<Cup>"}]
    assert html({"t.liquid": email(body), "blocks/row.liquid": "[{{ name }}]"}, items=items) == "[Tea][&lt;Cup&gt;]"


def test_a_block_renders_another_block() -> None:
    files = {"blocks/outer.liquid": "<b>{% render 'inner', x: y %}</b>", "blocks/inner.liquid": "{{ x }}"}
    assert html({"t.liquid": email("{% render 'outer', y: 'z' %}"), **files}) == "<b>z</b>"


def test_dashes_remove_the_white_space_around_the_block_and_not_within() -> None:
    body = "a  {%- render 'b' -%}  c"
    assert html({"t.liquid": email(body), "blocks/b.liquid": " {{ profile.user_id }} "}) == "a u1 c"


def test_a_block_serves_the_subject_and_the_text_as_well() -> None:
    files = {"t.liquid": email(subject="{% render 'hi' %}!", text="{% render 'hi' %}\n"), "blocks/hi.liquid": "A & B"}
    content = composed(files).render(variables(), None)
    assert (content["subject"], content["text"]) == ("A & B!", "A & B\n")


def test_a_block_is_taken_in_the_language_of_the_template() -> None:
    files = {
        **{f"t{language}.liquid": email("{% render 'hi' %}") for language in ("", ".de", ".pt-BR", ".fr")},
        **{"blocks/hi.liquid": "Hi", "blocks/hi.de.liquid": "Hallo", "blocks/hi.pt.liquid": "Oi"},
    }
    template = composed(files)
    said = [template.render(variables(), locale)["html"] for locale in (None, "de-AT", "pt-BR", "fr")]
    assert said == ["Hi", "Hallo", "Oi", "Hi"]
    assert template.shared == {"blocks/hi.liquid", "blocks/hi.de.liquid", "blocks/hi.pt.liquid"}


def test_a_layout_stands_around_the_body_and_the_text() -> None:
    layout = "---\ntext: |\n  {{ content }}\n  --\n  {% render 'foot' %}\n---\n<body>{{ content }}<hr></body>"
    files = {"layouts/base.liquid": layout, "blocks/foot.liquid": "Bye"}
    content = composed({"t.liquid": email("<p>x</p>", layout="base", text="Hello"), **files}).render(variables(), None)
    assert (content["html"], content["text"]) == ("<body><p>x</p><hr></body>", "Hello\n--\nBye\n")


def test_a_variant_inherits_the_layout() -> None:
    files = {
        "t.liquid": email(layout="base"),
        "t.de.liquid": "---\nsubject: Hallo\n---\n<i>Tag</i>",
        "layouts/base.liquid": "<main>{{ content }}</main>",
        "layouts/base.de.liquid": "<section>{{ content }}</section>",
    }
    assert composed(files).render(variables(), "de")["html"] == "<section><i>Tag</i></section>"


def test_a_failure_is_placed_in_the_file_of_the_block() -> None:
    files = {
        "t.liquid": email("\n\n{% render 'b', label: entry.properties.label %}"),
        "blocks/b.liquid": "<b>\n{{ label }}\n</b>\n{{ entry.properties.more }}",
    }
    given: list[tuple[dict[str, Any], str]] = [
        ({}, "t.liquid:9: body: "),
        ({"label": "x"}, "blocks/b.liquid:4: block: "),
    ]
    for data, said in given:
        with pytest.raises(TemplateRenderError) as raised:
            composed(files).render(variables(**data), None)
        assert str(raised.value).startswith(said)
        assert "has no value for this user" in str(raised.value)


def test_warnings_follow_values_into_blocks() -> None:
    files = {
        "t.liquid": email("{% for item in entry.properties.items %}{% render 'row', item: item %}{% endfor %}"),
        "blocks/row.liquid": "\n{{ item.price | money: 'EUR' }}",
    }
    trials = try_templates([(composed(files), False)], frozenset())
    assert trials.problems == []
    assert [(each.file, each.line, "entry.properties.items[].price" in each.message) for each in trials.warnings] == [
        ("blocks/row.liquid", 2, True)
    ]


def test_a_block_that_fails_for_everybody_is_refused() -> None:
    files = {"t.liquid": email("{% render 'b' %}"), "blocks/b.liquid": "\n{{ title }}"}
    [problem] = try_templates([(composed(files), False)], frozenset()).problems
    assert str(problem).startswith("blocks/b.liquid:2: block: the message fails for everybody: title has no value")


def test_an_optional_name_needs_no_argument() -> None:
    files = {"t.liquid": email("{% render 'b' %}"), "blocks/b.liquid": "{% if note %}{{ note }}{% endif %}x"}
    trials = try_templates([(composed(files), False)], frozenset())
    assert (trials.problems, trials.warnings) == ([], [])
    assert html(files) == "x"


@pytest.mark.parametrize(
    ("body", "block", "said"),
    [
        (
            "\n{% render 'buton' %}",
            BUTTON,
            "t.liquid:8: body: there is no block `buton.liquid`. Did you mean `button`?",
        ),
        (
            "{% render 'button', href: 'x', lable: 'y' %}",
            BUTTON,
            "t.liquid:7: body: the block 'button' does not use 'lable'. Did you mean `label`?",
        ),
        ("{% render 'button', profile: 1 %}", BUTTON, "t.liquid:7: body: 'profile' is a variable of all messages."),
        (
            "{% render 'button' %}",
            "\n{{ profil.traits.x }}",
            "blocks/button.liquid:1: block: there is no variable 'profil', and the block is not given one. "
            "Did you mean `profile`?",
        ),
        ("{% render 'button' %}", "\n{{ x | upcas }}", "blocks/button.liquid:2: block: there is no filter 'upcas'."),
        ("{% render 'button' %}", "{{ profile.tratis }}", "blocks/button.liquid:1: block: there is no variable"),
        ("{% render 'button' %}", "\n{% render 'button' %}", "blocks/button.liquid:2: block: a block renders itself:"),
        ("{% liquid\nrender 'button' %}", "x", "t.liquid:8: body: a block is rendered within a `liquid` tag."),
        ("{% render button %}", "x", "t.liquid:7: body: this is not Liquid: a block is named in quotes"),
        ("{% render 'button' for profile.traits.x as y %}", "x", "t.liquid:7: body: this is not Liquid: "),
        ("{% block 'button' %}{% endblock %}", "x", "t.liquid:7: body: there is no tag 'block'."),
        ("{% include 'button' %}", "x", "t.liquid:7: body: there is no tag 'include'."),
    ],
)
def test_a_fault_is_refused_in_its_own_file(body: str, block: str, said: str) -> None:
    found = faults({"t.liquid": email(body), "blocks/button.liquid": block})
    assert found[0].startswith(said)
    assert len(found) == 1


def test_a_circle_of_blocks_is_named() -> None:
    files = {"blocks/a.liquid": "{% render 'b' %}", "blocks/b.liquid": "{% render 'a' %}"}
    assert [
        "a block renders itself: a → b → a" in said for said in faults({"t.liquid": email("{% render 'a' %}"), **files})
    ]


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        ("<body></body>", "layouts/base.liquid:1: layout: a layout has `{{ content }}` once."),
        ("{{ content }}{{ content }}", "layouts/base.liquid:1: layout: a layout has `{{ content }}` once."),
        ("---\nfrom: x\n---\n{{ content }}", "layouts/base.liquid:2: from: a layout has no key 'from'."),
        ("{{ content }}\n{{ subjct }}", "layouts/base.liquid:2: layout: there is no variable 'subjct'."),
    ],
)
def test_a_fault_of_a_layout_is_refused(layout: str, said: str) -> None:
    [found] = faults({"t.liquid": email(layout="base"), "layouts/base.liquid": layout})
    assert found.startswith(said)


def test_a_missing_layout_is_named() -> None:
    [found] = faults({"t.liquid": email(layout="bas"), "layouts/base.liquid": "{{ content }}"})
    assert found.startswith("t.liquid:6: layout: there is no layout `bas.liquid`. Did you mean `base`?")


def test_what_is_not_used_costs_nothing() -> None:
    files = {"t.liquid": email(), "blocks/broken.liquid": "{{ x | nothing }}", "layouts/broken.liquid": "{{"}
    template = composed(files)
    assert template.shared == frozenset()


def test_blocks_cannot_grow_without_end() -> None:
    files = {f"blocks/b{n}.liquid": f"{{% render 'b{n + 1}' %}}" * 10 for n in range(9)}
    files["blocks/b9.liquid"] = "x" * 100
    [found] = faults({"t.liquid": email("{% render 'b0' %}"), **files})
    assert f"is larger than {MAX_COMPOSED_CHARACTERS // 1024} KB" in found


def test_blocks_of_nothing_but_calls_cannot_grow_either() -> None:
    files = {f"blocks/b{n}.liquid": f"{{% render 'b{n + 1}' %}}" * 2 for n in range(24)}
    files["blocks/b24.liquid"] = ""
    [found] = faults({"t.liquid": email("{% render 'b0' %}"), **files})
    assert f"is larger than {MAX_COMPOSED_CHARACTERS // 1024} KB" in found


def test_the_work_of_blocks_is_counted() -> None:
    files = {
        "t.liquid": email("{% for a in (1..200) %}{% render 'b' %}{% endfor %}"),
        "blocks/b.liquid": "{% for b in (1..200) %}{{ b }}{% endfor %}",
    }
    assert MAX_LOOP_STEPS < 200 * 200
    with pytest.raises(TemplateRenderError, match="loops have more than"):
        composed(files).render(variables(), None)


def test_a_webhook_renders_no_block() -> None:
    [found] = faults({"t.liquid": webhook("a: \"{% render 'b' %}\"\n"), "blocks/b.liquid": "x"})
    assert "no block is rendered here" in found
