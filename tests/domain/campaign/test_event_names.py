"""Names of events that no client is likely to report are refused or warned of, with the likely right one."""

import pytest

from domain.campaign.event_names import normalize_name
from tests.domain.campaign.documents import problem, publish

CAMPAIGN = """\
key: a
name: A
entry: {{event: {0}}}
exit: [{{event: {0}}}]
goal: {{event: {0}, within: 7d}}
steps:
  - {{id: w, wait_for: {{event: {0}, timeout: 1d}}}}
  - {{id: v, wait_for: {{events: [{{event: {0}}}, {{event: Seen}}], timeout: 1d}}}}
  - {{id: r, repeat: {{every: 1d, until: {{event: {0}}}}}, do: [{{id: d, delay: 1h}}]}}
  - {{id: e, emit_event: {{event: {0}, properties: {{event: “not a name”}}}}}}
"""
PLACES = [
    *("entry.event", "exit[0].event", "goal.event", "steps[0].wait_for.event", "steps[1].wait_for.events[0].event"),
    *("steps[2].repeat.until.event", "steps[3].emit_event.event"),
]


@pytest.mark.parametrize(
    "written", ["“Cart Abandoned”", "„Cart Abandoned“", "«Cart Abandoned»", "‘Cart Abandoned’", "'\"Cart Abandoned\"'"]
)
def test_a_name_in_quotes_is_refused(written: str) -> None:
    found = problem(f"key: a\nname: A\nentry: {{event: {written}}}\nsteps: [{{id: d, delay: 1h}}]\n")
    assert found.path == "entry.event"
    assert found.message.startswith("the quotes are part of the name")
    assert found.suggestion == "Did you mean `Cart Abandoned`?"


@pytest.mark.parametrize("written", ["Customer’s Day", "Cart  Abandoned", "Cart – Abandoned", "Cart “Abandoned” Twice"])
def test_a_name_with_odd_characters_is_warned_of_wherever_it_stands(written: str) -> None:
    warned = {one.path: one for one in publish(CAMPAIGN.format(written)).warnings if "looks like it" in one.message}
    assert list(warned) == PLACES
    assert all(f"Write `{normalize_name(written)}`" in one.suggestion for one in warned.values())


@pytest.mark.parametrize("written", ["Cart Abandoned", "Commande passée", "注文完了", "app:Opened (v2)", "Don't Stop"])
def test_other_names_are_as_they_are(written: str) -> None:
    assert normalize_name(written) == written
