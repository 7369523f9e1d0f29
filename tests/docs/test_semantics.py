"""docs/semantics.md is true where it lists or counts: its reasons and bounds are those of the code."""

import re
from pathlib import Path

import pytest

from application import routing as routing_use_case
from domain.conditions import cel_costs, cel_data
from domain.journey import routing
from domain.tracking import arrival
from store import events

ROOT = Path(__file__).parents[2]
PAGE = " ".join((ROOT / "docs" / "semantics.md").read_text().split())


def test_entries_are_refused_for_the_reasons_of_the_page_in_its_order() -> None:
    table = PAGE.partition("## Entering a campaign")[2].partition("###")[0]
    cells = re.findall(r"\| (`\w+`(?:, `\w+`)*) \|", table)
    reasons = re.findall(r"\w+", " ".join(cells))
    source = Path(routing.__file__).read_text()
    assert set(reasons) == set(re.findall(r'"(\w+)", \{', source))
    first = source.index(f'"{reasons[0]}"')
    places = [source.index(f'"{reason}"', first) for reason in reasons]
    assert places == sorted(places)


@pytest.mark.parametrize(
    "said",
    [
        f"the user has {routing.MAX_ACTIVE} active journeys in this campaign",
        f"The {events.MAX_SINCE} latest exits and goals of a name",
        f"without a conversion, the last {routing_use_case.MAX_PAST}.",
        f"time before {arrival.EARLIEST_POSSIBLE.year} or more than",
        f"more than {cel_data.MAX_ITEMS:,} items, or nested deeper than {cel_data.MAX_DEPTH},",
        f"Beyond {cel_costs.MAX_UNITS:,} units",
    ],
)
def test_bounds_are_those_of_the_code(said: str) -> None:
    assert said in PAGE
