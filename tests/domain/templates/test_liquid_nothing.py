"""Nothing in tests, loops and defaults is what it is in Shopify."""

from typing import Any

import pytest

from domain.templates.template_sets import TemplateRenderError
from tests.domain.templates.liquid_values import NO_VALUE, VALUE, VALUES, rendered
from tests.domain.templates.sources import email, only, variables

# Shopify's truth about nothing, of a value that is missing, null, or lies in something that is.
TESTS = {
    "V": False,
    "V == blank": True,
    "V != blank": False,
    "blank == V": True,
    "V == empty": False,
    "V == nil": True,
    "V == null": True,
    "V != nil": False,
    "V == false": False,
    "V == true": False,
    "V == ''": False,
    "V == 0": False,
    "V != 'x'": True,
    "V > 3": False,
    "V < 3": False,
    "V <= 3": False,
    "V contains 'x'": False,
    "'x' contains V": False,
    "V.size > 0": False,
    "V.deeper.still == blank": True,
    "V or true": True,
    "V and true": False,
    "V == entry.properties.also_missing": True,
}


@pytest.mark.parametrize(
    "value", ["entry.properties.v", "entry.properties.n", "entry.properties.n.m", "profile.traits.v"]
)
@pytest.mark.parametrize("condition", TESTS)
def test_nothing_in_tests(condition: str, value: str) -> None:
    test = condition.replace("V", value)
    expected = "yes" if TESTS[condition] else "no"
    assert rendered(f"{{% if {test} %}}yes{{% else %}}no{{% endif %}}", n=None) == expected
    assert rendered(f"{{% unless {test} %}}no{{% else %}}yes{{% endunless %}}", n=None) == expected


BLANKS = {"empty text": True, "blanks": True, "zero": False, "false": True, "true": False, "empty list": True}
BLANKS |= {"empty object": True, "list": False, "object": False, "text": False}


@pytest.mark.parametrize("value", BLANKS)
def test_blank_is_what_it_is_in_shopify(value: str) -> None:
    body = "{% if V == blank %}blank{% endif %}{% case V %}{% when blank %}!{% endcase %}".replace("V", VALUE)
    assert rendered(body, v=VALUES[value]) == ("blank!" if BLANKS[value] else "")


CASES = {
    "{% for x in V %}{{ x }}{% else %}none{% endfor %}": "none",
    "{% for x in V.items %}{{ x }}{% else %}none{% endfor %}": "none",
    "{% for x in V | default: E %}x{% endfor %}": None,
    "{% for x in V %}x{% endfor %}.": ".",
    "{% tablerow x in V %}x{% endtablerow %}.": ".",
    "{% for x in (1..3) limit: V %}{{ x }}{% endfor %}": "123",
    "{% for x in (1..3) offset: V %}{{ x }}{% endfor %}": "123",
    "{% for x in (1..3) limit: 0 %}{{ x }}{% else %}none{% endfor %}": "none",
    "{% assign x = V %}{% if x == blank %}blank{% endif %}": "blank",
    "{% assign x = V | capitalize | default: 'there' %}{{ x }}": "there",
    "{% assign n = V | size %}{% if n > 0 %}some{% else %}none{% endif %}": "none",
    "{% case V %}{% when 'a' %}a{% when nil %}nil{% endcase %}": "nil",
    "{{ V | default: 'there' }}": "there",
    "{{ V | capitalize | default: 'there' }}": "there",
    "{{ V | split: ',' | first | upcase | default: 'there' }}": "there",
    "{{ V.first.name | default: 'there' }}": "there",
    "{{ V | default: '' }}": "",
    "{{ V | default: V | default: 'c' }}": "c",
    "{{ V | plus: 1 | times: 2 | default: 'n/a' }}": "n/a",
    "{{ 1 | plus: V | default: 'n/a' }}": "n/a",
    "{{ 'x' | append: V | default: 'n/a' }}": "n/a",
    "{{ V | date: '%Y' | default: 'soon' }}": "soon",
    "{{ V | money: 'EUR' | default: 'free' }}": "free",
    "{{ 5 | money: V | default: 'free' }}": "free",
    "{{ false | default: 'x', allow_false: true }}": "false",
    "{% capture c %}{{ V | default: 'a' }}{% endcapture %}{{ c }}": "a",
    "{% cycle 'a', 'b' %}{% cycle 'a', 'b' %}": "ab",
}


@pytest.mark.parametrize("value", ["entry.properties.v", "entry.properties.n", "entry.properties.n.deeper"])
@pytest.mark.parametrize("body", CASES)
def test_nothing_in_loops_and_defaults(body: str, value: str) -> None:
    expected = CASES[body]
    if expected is not None:
        assert rendered(body.replace("V", value), n=None) == expected


PRINTS = {
    "{{ entry.properties.v }}": "entry.properties.v",
    "{{ entry.properties.n }}": "entry.properties.n",
    "{{ entry.properties.n.deeper }}": "entry.properties.n.deeper",
    "{% echo entry.properties.v %}": "entry.properties.v",
    "{% cycle entry.properties.v, 'x' %}": "entry.properties.v",
    "{{ entry.properties.v | upcase | append: 'x' }}": "entry.properties.v",
    "{{ 'x' | append: entry.properties.v }}": "entry.properties.v",
    "{{ 'x' | append: entry.properties.n }}": "entry.properties.n",
    "{{ 3 | plus: entry.properties.v }}": "entry.properties.v",
    "{{ 3 | money: entry.properties.v }}": "entry.properties.v",
    "{% assign x = entry.properties.v %}{{ x }}": "entry.properties.v",
    "{% assign x = entry.properties.v | upcase %}Hello {{ x }}": "entry.properties.v",
    "{% for i in entry.properties.list %}{{ i.price }}{% endfor %}": "i.price",
    "{{ entry.properties.none | first }}": "entry.properties.none",
    "{{ entry.properties.list | map: 'price' | first }}": "entry.properties.list",
    "{{ entry.properties.list | sum: 'price' }}": "entry.properties.list",
    "{{ entry.properties.list[7] }}": "entry.properties.list[7]",
    "{% capture c %}{{ entry.properties.v }}{% endcapture %}": "entry.properties.v",
}


@pytest.mark.parametrize("body", PRINTS)
def test_to_print_nothing_fails_the_message_and_names_the_variable(body: str) -> None:
    with pytest.raises(TemplateRenderError) as failure:
        rendered(f"\n{body}", n=None, list=[{"price": None}], none=[])
    assert str(failure.value) == f"t.liquid:8: body: {PRINTS[body]} {NO_VALUE}"


TEXTS: dict[str, tuple[Any, str]] = {
    "empty": ("", ""),
    "true": (True, "true"),
    "false": (False, "false"),
    "zero": (0, "0"),
    "big": (9007199254740993, "9007199254740993"),
    "twice as big": (2**64, "18446744073709551616"),
    "small": (0.0000001, "0.0000001"),
    "large": (1e22, "10000000000000000000000"),
    "half": (0.5, "0.5"),
    "list": ([1, "a", None, True, [2.5, {"b": None}]], '1atrue2.5{"b":null}'),
    "object": ({"a": 1, "b": [None, True, "x'y"]}, '{"a":1,"b":[null,true,"x\'y"]}'),
    "empty list": ([], ""),
    "empty object": ({}, "{}"),
}


@pytest.mark.parametrize("value", TEXTS)
def test_values_print_as_liquid_and_json_have_them(value: str) -> None:
    given_value, text = TEXTS[value]
    template = only(email(text="{{ entry.properties.v }}|{{ entry.properties.v | append: '' }}"))
    assert template.render(variables(v=given_value), None)["text"] == f"{text}|{text}"


ROWS: dict[str, str] = {
    "{{ '12.50' | plus: 1 }}": "13.5",
    "{{ 0.1 | plus: 0.2 }}": "0.3",
    "{{ 2.5 | round }} {{ 2.675 | round: 2 }} {{ -2.5 | round }}": "3 2.68 -3",
    "{{ 7 | divided_by: 2 }} {{ 7 | divided_by: 2.0 }}": "3 3.5",
    "{{ 9007199254740993 | plus: 1 }} {{ 9007199254740993 | times: 2 }}": "9007199254740994 18014398509481986",
    "{{ 4.2 | ceil }} {{ 4.8 | floor }} {{ -3 | abs }} {{ '-1.5' | abs }}": "5 4 3 1.5",
    "{{ 7 | modulo: 3 }} {{ 7.5 | modulo: 2 }}": "1 1.5",
    "{{ 3 | at_least: 5 }} {{ 3 | at_most: 2.5 }}": "5 2.5",
    "{{ entry.properties.items | sort: 'p' | map: 'n' | join: ',' }}": "b,a,c",
    "{{ entry.properties.items | where: 'p', 1 | map: 'n' | join }}": "b",
    "{{ entry.properties.items | where: 'p' | map: 'n' | join }}": "a b",
    "{{ entry.properties.items | reject: 'p' | map: 'n' | join }}": "c",
    "{{ entry.properties.items | find: 'n', 'a' | map: 'p' }}": "2",
    "{{ entry.properties.items | find_index: 'n', 'c' }}": "2",
    "{{ entry.properties.items | has: 'n', 'z' }}": "false",
    "{{ entry.properties.items | compact: 'p' | size }}": "2",
    "{{ entry.properties.items | map: 'p' | compact | sum }}": "3",
    "{{ entry.properties.mixed | uniq | json }}": "[1,true,&#34;1&#34;,{&#34;a&#34;:1}]",
    "{{ entry.properties.mixed | map: 'a' | compact | join }}": "1 1",
    "{{ entry.properties.names | sort_natural | join: ' ' }}": "a B c",
    "{{ entry.properties.names | concat: entry.properties.names | uniq | size }}": "3",
    "{{ '<b>a</b><script>x</script><!-- c -->d < e' | strip_html }}": "ad < e",
    "{% for pair in entry.properties.items[1] %}{{ pair[0] }}={{ pair[1] }};{% endfor %}": "n=b;p=1;",
}


@pytest.mark.parametrize("body", ROWS)
def test_filters_reckon_and_choose(body: str) -> None:
    items = [{"n": "a", "p": 2}, {"n": "b", "p": 1}, {"n": "c", "p": None}]
    mixed = [1, 1.0, True, "1", [1], [1], {"a": 1}, {"a": 1}]
    assert rendered(body, items=items, mixed=mixed, names=["c", "B", "a"]) == ROWS[body]
