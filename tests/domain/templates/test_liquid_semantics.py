"""Liquid as authors know it from Shopify: nothing in tests, defaults and loops; no notation of Python's."""

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.templates.liquid_environment import TEXT
from domain.templates.template_sets import TemplateRenderError
from tests.domain.templates.liquid_values import (
    ARGUMENTS,
    DEFAULTED,
    FILTERS,
    NO_VALUE,
    PYTHON,
    SETS,
    VALUES,
    _outcome,
)
from tests.domain.templates.sources import email, only, variables


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
