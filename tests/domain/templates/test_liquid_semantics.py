"""Liquid as authors know it from Shopify: nothing in tests, defaults and loops; no notation of Python's."""

import re
from typing import Any
from zoneinfo import ZoneInfo

import liquid
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.templates.filter_arguments import READERS
from domain.templates.liquid_environment import TEXT, arguments_of
from domain.templates.template_sets import TemplateRenderError, TemplateSet, load
from tests.domain.templates.sources import email, only, variables

VALUE = "entry.properties.v"
NO_VALUE = "has no value for this user"


def rendered(body: str, traits: dict[str, Any] | None = None, **properties: Any) -> str:
    return str(only(email(body)).render(variables(traits, **properties), None)["html"])


# Each filter of the library with arguments as authors give them.
ARGUMENTS = {
    "append": "'x'",
    "at_least": "3",
    "at_most": "3",
    "concat": "entry.properties.others",
    "date": "'%d.%m.%Y'",
    "default": "'D'",
    "divided_by": "4",
    "find": "'a'",
    "find_index": "'a', 1",
    "has": "'a', 1",
    "join": "', '",
    "map": "'a'",
    "minus": "1",
    "modulo": "3",
    "money": "'EUR'",
    "number": "2",
    "plus": "1",
    "prepend": "'x'",
    "reject": "'a', 1",
    "remove": "'a'",
    "remove_first": "'a'",
    "remove_last": "'a'",
    "replace": "'a', 'b'",
    "replace_first": "'a', 'b'",
    "replace_last": "'a', 'b'",
    "round": "2",
    "slice": "0, 3",
    "split": "','",
    "sum": "'a'",
    "times": "2",
    "truncate": "3",
    "truncatewords": "1",
    "where": "'a'",
}
FILTERS = sorted(
    set(liquid.Environment().filters) - {"safe", "escapejs"} | {"json", "localized_date", "money", "number"}
)
SETS = {
    name: only(email(f"{{{{ entry.properties.v | {name}{': ' + ARGUMENTS[name] if name in ARGUMENTS else ''} }}}}"))
    for name in FILTERS
}
DEFAULTED = {
    name: only(
        email(
            f"{{{{ entry.properties.v | {name}{': ' + ARGUMENTS[name] if name in ARGUMENTS else ''} | default: 'D' }}}}"
        )
    )
    for name in FILTERS
}
VALUES: dict[str, Any] = {
    "empty text": "",
    "blanks": "  ",
    "zero": 0,
    "zero point zero": 0.0,
    "false": False,
    "true": True,
    "empty list": [],
    "empty object": {},
    "list": [3, 1, 2],
    "list of nothing": [None],
    "list of texts": ["b", "a", "b"],
    "list of objects": [{"a": 2, "b": None}, {"a": 1}, {"b": [1]}],
    "list of lists": [[1, [2]], [], [True]],
    "list of all": [1, "x", None, False, {"a": None}, [2.5]],
    "object": {"a": 1, "b": None, "c": [True, {"d": "e"}]},
    "text": "Zoë, <b>Ana</b> & b",
    "number": 42,
    "big number": 9007199254740993,
    "small number": 0.0000001,
    "large number": 1e22,
    "decimal": 12.5,
    "decimal text": "12.50",
    "date": "2026-11-29",
    "instant": "2026-11-29T23:30:00Z",
    "epoch": 1795986000,
    "epoch text": "1795986000",
}
# What str() and repr() of Python's values look like.
PYTHON = re.compile(
    r"None|True|False|Decimal|datetime|Undefined|Missing|Markup|range\(|dict_|object at|<class|\bnan\b|\binf\b"
    r"|[\[{(]'|', '|': |\\x|\de[-+]\d"
)


def _outcome(template: TemplateSet, filters: str, value: Any) -> tuple[str, str]:
    """What is rendered, or why nothing is.

    The text is without what the filters are there for: JSON's exponents, and a capital letter in front of `true`.
    """
    try:
        html = template.render(variables(v=value, others=[None, 1.5, {"a": True}]), "de")["html"]
    except TemplateRenderError as error:
        return "", str(error)
    text = html.replace("&#39;", "'").replace("&#34;", '"')
    if "json" in filters:
        text = re.sub(r"\de[-+]\d", "", text)
    return (re.sub("True|False", "", text) if "capitalize" in filters else text), ""


@pytest.mark.parametrize("value", VALUES)
def test_no_filter_crashes_or_writes_what_is_python(value: str) -> None:
    for name in FILTERS:
        text, reason = _outcome(SETS[name], name, VALUES[value])
        # A reason that says which filter, or that nothing has come of it.
        assert not reason or re.search(rf"body: (the filter '{name}' cannot take|\S+\.v {NO_VALUE})", reason)
        assert not PYTHON.search(text), (name, text)


@pytest.mark.parametrize("properties", [{}, {"v": None}], ids=["missing", "null"])
@pytest.mark.parametrize("name", FILTERS)
def test_nothing_passes_through_every_filter_until_default(name: str, properties: dict[str, Any]) -> None:
    given_variables = variables(**properties, others=[1])
    if name == "json":
        assert SETS[name].render(given_variables, None)["html"] == "null"
        return
    assert DEFAULTED[name].render(given_variables, None)["html"] == "D"
    if name != "default":
        with pytest.raises(TemplateRenderError, match=rf"entry\.properties\.v {NO_VALUE}"):
            SETS[name].render(given_variables, None)


def test_every_filter_of_the_library_is_there() -> None:
    assert set(TEXT.filters) == set(FILTERS)


@given(st.sampled_from(FILTERS), st.sampled_from(FILTERS), st.sampled_from(sorted(VALUES)))
@example("split", "first", "text")
@example("first", "join", "object")
@example("map", "compact", "list of objects")
def test_no_chain_of_filters_writes_what_is_python(first: str, second: str, value: str) -> None:
    chain = " | ".join(f"{name}{': ' + ARGUMENTS[name] if name in ARGUMENTS else ''}" for name in (first, second))
    text, reason = _outcome(only(email(f"{{{{ entry.properties.v | {chain} }}}}")), chain, VALUES[value])
    assert not reason or re.search(r"body: (the filter '\w+' cannot take|\S+ has no value)", reason)
    assert not PYTHON.search(text), text


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


# An amount that could not be read must not become 0, nor a letter of one.
AMOUNTS = ["abc", "12,50", "1.2.3", "", " ", [], {}, True, False, "0x10", "nan", "Infinity", "1e999"]


@pytest.mark.parametrize("amount", AMOUNTS, ids=repr)
@pytest.mark.parametrize(
    "use", ["plus: 0", "times: 1", "round: 2", "money: 'EUR'", "number: 2", "minus: 1", "at_least: 0"]
)
def test_what_is_no_amount_is_never_printed_as_one(amount: Any, use: str) -> None:
    template = only(email(f"{{{{ entry.properties.v | {use} }}}} EUR"))
    if amount == "" and use.partition(":")[0] in ("money", "number"):
        assert template.render(variables(v=amount), None)["html"] == " EUR"
    else:
        with pytest.raises(TemplateRenderError, match="cannot take `"):
            template.render(variables(v=amount), None)


@pytest.mark.parametrize(
    ("use", "takes"),
    [
        ("date", "layout"),
        ("money", "currency"),
        ("upcase: 'x'", "none"),
        ("replace", "seq, sub (optional)"),
        ("default: 1, 2", "other (optional), allow_false (optional)"),
        ("append: 'x', environment: 1", "arg"),
        ("number: context: 1", "digits (optional)"),
    ],
)
def test_arguments_that_a_filter_does_not_take_are_refused_when_published(use: str, takes: str) -> None:

    _, (problem,) = load({"t.liquid": email(f"\n{{{{ campaign.name | {use} }}}}")})
    assert (problem.line, problem.suggestion) == (8, f"It takes: {takes}")


@pytest.mark.parametrize(
    ("use", "said", "remedy"),
    [
        ('money: "EURO"', "\"EURO\" is not a currency (argument 'currency' of the filter 'money')",
         "Did you mean `EUR`?"),
        ("money: nil", "null is not a currency (argument 'currency' of the filter 'money')", "Allowed: ADP"),
        ("localized_date: 'ful'", "\"ful\" is not a length (argument 'length' of the filter 'localized_date')",
         "Did you mean `full`?"),
        ("localized_date: time: 'ful'", "\"ful\" is not a length (argument 'time' of the filter 'localized_date')",
         "Did you mean `full`?"),
        ("number: 21", "21 is not a number of decimal places, 0 to 20 (argument 'digits' of the filter 'number')",
         "Write a"),
        ("date: nil", "null is not a layout of at most 200 characters (argument 'layout' of the filter 'date')",
         "Write a"),
        ("plus: 'x'", "\"x\" is not a number (argument 'right' of the filter 'plus')", "Write a number"),
        ("modulo: 0.0", "0.0 is not a number other than 0 (argument 'right' of the filter 'modulo')", "Write"),
        ("truncate: 'x'", "\"x\" is not a whole number (argument 'num' of the filter 'truncate')", "Write"),
        ("concat: 'x'", "\"x\" is not a list (argument 'others' of the filter 'concat')", "Write a list"),
    ],
)  # fmt: skip
def test_literal_arguments_that_no_input_makes_right_are_refused_when_published(
    use: str, said: str, remedy: str
) -> None:
    _, (problem,) = load({"t.liquid": email(f"\n{{{{ {VALUE} | {use} | default: '?' }}}}")})
    assert (problem.line, problem.message) == (8, said)
    assert problem.suggestion.startswith(remedy)


@pytest.mark.parametrize("use", ["money: ' eur '", "number: nil", "localized_date: time: nil", "slice: '1'"])
def test_literal_arguments_that_a_filter_can_read_are_published(use: str) -> None:
    only(email(f"{{{{ {VALUE} | {use} }}}}"))


@pytest.mark.parametrize("name", READERS)
def test_arguments_are_checked_by_the_names_that_filters_give_them(name: str) -> None:
    assert set(READERS[name]) <= set(arguments_of(name).parameters)


REFUSED: dict[str, str] = {
    "{{ entry.properties.v | money: 'EUR' }}": "'money' cannot take `entry.properties.v`: it is a text, not a number",
    "{{ 1 | money: entry.properties.v }}": "'money' cannot take `entry.properties.v` as its 'currency': it is a text, "
    "not a currency",
    "{{ entry.properties['a b'] | upcase | date: '%d' }}": "'date' cannot take `entry.properties['a b'] | upcase`: "
    "it is a text, not a date",
    "{% assign x = entry.properties.list %}{{ x | plus: 1 }}": "'plus' cannot take `x`: it is a list, not a number",
    "{{ entry.properties[entry.properties.v] | plus: 1 }}": "'plus' cannot take "
    "`entry.properties[entry.properties.v]`: it is an object, not a number",
    "{% for i in entry.properties.list %}{{ i.a | plus: 1 }}{% endfor %}": "'plus' cannot take `i.a`: it is true or "
    "false, not a number",
    "{{ entry.properties.list | concat: entry.properties.v }}": "'concat' cannot take `entry.properties.v` as its "
    "'others': it is a text, not a list",
    "{{ entry.properties.list | sort }}": "'sort' cannot take `entry.properties.list`: it is a list",
}


@pytest.mark.parametrize("body", REFUSED)
def test_a_filter_that_fails_names_the_value_as_it_is_written_and_its_kind(body: str) -> None:
    given: dict[str, Any] = {
        "v": "Zarathustra",
        "a b": "Zarathustra",
        "Zarathustra": {"a": 1},
        "list": [{"a": True}, 1],
    }
    with pytest.raises(TemplateRenderError) as failure:
        rendered(body, **given)
    assert failure.value.reason == f"the filter {REFUSED[body]}"


def test_a_filter_within_which_the_work_ends_is_not_told_as_one_that_cannot_take_the_value() -> None:
    body = "{% for n in (1..9000) %}" + "{{ n | times: 1.5 | number }}" * 5 + "{% endfor %}"
    with pytest.raises(TemplateRenderError, match="the template costs too much"):
        rendered(body)


@pytest.mark.parametrize(
    "use",
    ["'a%00' | url_decode", "'YQA=' | base64_decode", "'YQA=' | base64_url_safe_decode"],
)
def test_no_filter_makes_a_text_that_the_database_cannot_hold(use: str) -> None:
    assert "\0" not in rendered(f"{{{{ {use} }}}}")
    assert rendered("{{ profile.traits.told | url_decode }}", {"told": "a%00b"}) == "a\ufffdb"


def test_one_set_renders_for_anybody() -> None:
    template: TemplateSet = only(email("{{ entry.properties.v }}"))
    assert [template.render(variables(v=value), None)["html"] for value in ("a", "", 0)] == ["a", "", "0"]


# The same instant, and days and local times, for somebody in Asia/Tokyo.
DATES: dict[Any, str] = {
    "2026-11-29T23:30:00Z": "2026-11-30 08:30:00 +0900 1795995000",
    "2026-11-30T00:30:00+01:00": "2026-11-30 08:30:00 +0900 1795995000",
    "2026-11-29 23:30:00 UTC": "2026-11-30 08:30:00 +0900 1795995000",
    "Sun, 29 Nov 2026 23:30:00 +0000": "2026-11-30 08:30:00 +0900 1795995000",
    " 1795995000 ": "2026-11-30 08:30:00 +0900 1795995000",
    "1795995000000": "2026-11-30 08:30:00 +0900 1795995000",
    1795995000: "2026-11-30 08:30:00 +0900 1795995000",
    1795995000000: "2026-11-30 08:30:00 +0900 1795995000",
    1795995000.5: "2026-11-30 08:30:00 +0900 1795995000",
    "2026-11-30": "2026-11-30 00:00:00 +0900 1795964400",
    "2026-11-30 08:30": "2026-11-30 08:30:00 +0900 1795995000",
    "": "",
}


@pytest.mark.parametrize("written", DATES, ids=repr)
def test_dates_are_by_the_recipients_clock(written: Any) -> None:
    template = only(email(f"{{{{ {VALUE} | date: '%Y-%m-%d %H:%M:%S %z %s' }}}}"))
    assert template.render(variables(v=written), None, ZoneInfo("Asia/Tokyo"))["html"] == DATES[written]


@pytest.mark.parametrize("written", ["soon", "29.11.2026", "now", 0, 3, True, [], {}, 1e300, "2026-02-30"], ids=repr)
@pytest.mark.parametrize("use", ["date: '%Y'", "localized_date"])
def test_what_is_no_date_fails_the_message(written: Any, use: str) -> None:
    with pytest.raises(TemplateRenderError, match="cannot take `"):
        rendered(f"{{{{ {VALUE} | {use} }}}}", v=written)


LAYOUTS = {
    "%-d.%-m.%y": "3.1.26",
    "%e %B %Y": " 3 January 2026",
    "%^b %a": "JAN Sat",
    "%I:%M %p": "05:04 PM",
    "%L %3N %N": "000 000 000000000",
    "%:z": "+09:00",
    "%Q": "1767427440000",
    "%F %T": "2026-01-03 17:04:00",
    "%% %v?": "% %v?",
    "%9999d": "%9999d",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_are_those_of_ruby(layout: str) -> None:
    template = only(email(f"{{{{ {VALUE} | date: '{layout}' }}}}"))
    assert template.render(variables(v="2026-01-03T08:04:00Z"), None, ZoneInfo("Asia/Tokyo"))["html"] == LAYOUTS[layout]


LOCAL = {
    "de-DE": "24.12.2026|1.234.567,5|1.234,50\u00a0€",
    "en_US": "Dec 24, 2026|1,234,567.5|€1,234.50",
    "en-IN": "24 Dec 2026|12,34,567.5|€1,234.50",
    "fr-CH": "24 déc. 2026|1\u202f234\u202f567,5|1\u202f234,50\u00a0€",
    "ja": "2026/12/24|1,234,567.5|€1,234.50",
    "xx": "Dec 24, 2026|1,234,567.5|€1,234.50",
    "../../etc": "Dec 24, 2026|1,234,567.5|€1,234.50",
}


@pytest.mark.parametrize("locale", LOCAL)
def test_numbers_and_dates_are_in_the_recipients_language(locale: str) -> None:
    body = "{{ '2026-12-24' | localized_date }}|{{ 1234567.5 | number }}|{{ '1234.5' | money: 'eur' }}"
    assert only(email(body)).render(variables(), locale)["html"] == LOCAL[locale]
