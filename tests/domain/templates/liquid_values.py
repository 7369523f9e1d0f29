"""Filters and values of all kinds for tests of Liquid."""

import re
from typing import Any

import liquid

from domain.templates.template_sets import TemplateRenderError, TemplateSet
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
