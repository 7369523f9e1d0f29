"""docs/computed.md is true: its document is valid, and its tables are those of the code."""

import re
from datetime import timedelta
from pathlib import Path
from typing import get_args

from domain.people import computed_document
from domain.people.computed import aggregates, conditions, rhythm, states, traits, window_log
from domain.people.computed.definition import DEFAULT_KEEP, TraitFunction
from domain.people.computed.traits import ComputedTraits
from tests.domain.people.computed.histories import START, definitions, rule

PAGE = (Path(__file__).parents[2] / "docs" / "computed.md").read_text()


def test_the_document_is_valid() -> None:
    [text] = re.findall(r"^```yaml computed\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    parsed = computed_document.parse_computed(text, "computed.yaml")
    assert {one.rule.function for one in parsed} >= {"count", "sum", "last", "top", "distinct", "sequence", "any"}


def test_each_function_has_its_value_without_an_event() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| (.*) \| .* \|$", PAGE, re.MULTILINE)
    without: dict[str, object] = {"0": 0, "false": False, "null": None, "an empty list": []}
    assert [name for name, _ in rows] == list(get_args(TraitFunction))
    computed = ComputedTraits(definitions(**{name: rule(name) for name in get_args(TraitFunction)}))
    assert computed.values({}, START) == {name: without[said] for name, said in rows}


def test_the_bounds_are_those_of_the_code() -> None:
    for said in (
        f"up to {window_log.MAX_ENTRIES} events of a person in the window; {window_log.MAX_EXACT_ENTRIES:,} with",
        f"cells of 1/{window_log.CELLS} of it",
        f"cells of 1/{traits.TOP_CELLS} of the window, each with {traits.MAX_TOP_VALUES_OF_CELL} values",
        f"up to {traits.MAX_TOP_VALUES} different values",
        f"the latest {rhythm.MAX_INSTANTS} events; older ones",
        f"stays at {rhythm.MAX_TENTHS // rhythm.TENTHS}.",
        f"up to `keep` different values, {DEFAULT_KEEP} if left out, at most {computed_document.MAX_KEEP}",
        f"texts of up to {conditions.MAX_COUNTED_CHARACTERS} characters",
        f"any value of up to {conditions.MAX_KEPT_BYTES:,} bytes",
        f"at most {computed_document.MAX_COMPUTED_TRAITS} traits",
        f"one of 10^{len(str(aggregates.MAX_AMOUNT)) - 1} or more does not",
    ):
        assert said in " ".join(PAGE.split()), said
    assert timedelta(hours=1) // timedelta(microseconds=1) == states.AHEAD
