"""Amounts, arguments and dates that cannot be read fail, and say why."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from domain.templates.filter_arguments import READERS
from domain.templates.liquid_environment import arguments_of
from domain.templates.template_sets import TemplateRenderError, TemplateSet, load
from tests.domain.templates.liquid_values import VALUE, rendered
from tests.domain.templates.sources import email, only, variables

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
