"""A document is drawn as it is typed: with its lines, its changes and the numbers of the version in force."""

import pytest

from application.campaign_graph import CampaignGraphs
from application.document_graphs import DocumentGraph, DocumentGraphs
from application.documents import CampaignText
from runtime.documents import DocumentProcesses
from tests.engine.ingesting import statements
from tests.engine.test_migration import FIRST, SECOND
from tests.engine.test_plans import ask, at_the_steps, refused
from tests.harness import MAIL, Harness

# Four for the names of the deployment, two for the campaign and its version, and seven to count its journeys, of which
# every viewer has the use.
MAX_STATEMENTS = 13


async def test_a_document_is_drawn_with_the_people_whom_it_meets(harness: Harness) -> None:
    await at_the_steps(harness)
    graph = await harness.admin("GET", "/v1/campaigns/offer/graph")
    typed = await ask(harness, "graph", SECOND)
    drawn = {node["id"]: node for node in typed["nodes"]}
    assert (typed["campaign"], typed["counts_of"], typed["compared_with"]) == ("offer", 1, 1)
    counted = {node["id"]: node for node in graph["nodes"]}
    # What stays has the numbers of the running version, and what is new has none.
    assert {id: node["came"] for id, node in drawn.items() if id in counted} == {
        id: node["came"] for id, node in counted.items() if id in drawn
    }
    assert (drawn["cool-off"]["came"], drawn["cool-off"]["here"], drawn["looked"]["here"]) == (3, 1, 1)
    assert (drawn["stage"]["came"], drawn["stage"]["here"]) == (0, 0)
    people = {(edge["source"], edge["target"]): edge["people"] for edge in typed["edges"]}
    assert people[":entry", "cool-off"] == 3
    assert people["cool-off", "stage"] == 0
    lines = SECOND.splitlines()
    assert all(id in lines[drawn[id]["line"] - 1] for id in ("cool-off", "stage", "looked"))
    assert lines[drawn[":entry"]["line"] - 1].startswith("entry:")
    assert drawn[":end"]["line"] is None
    # The plan tells the same changes, and has no graph.
    plan = await ask(harness, "plan", SECOND)
    assert typed["changes"] == plan["changes"] != []
    assert "graph" not in plan
    # Applied, it has that graph, less the lines and the numbers.
    await ask(harness, "apply", SECOND, in_flight="keep")
    applied = await harness.admin("GET", "/v1/campaigns/offer/graph?version=2")
    shape = ("id", "kind", "label", "within", "block", "depth")
    assert [[node[name] for name in shape] for node in applied["nodes"]] == [
        [node[name] for name in shape] for node in typed["nodes"]
    ]
    ways = ("source", "target", "label")
    assert [[edge[name] for name in ways] for edge in applied["edges"]] == [
        [edge[name] for name in ways] for edge in typed["edges"]
    ]


async def test_a_new_campaign_is_drawn_without_numbers(harness: Harness) -> None:
    new = await ask(harness, "graph", FIRST)
    assert (new["counts_of"], new["compared_with"]) == (None, None)
    assert {node["came"] for node in new["nodes"]} == {0}
    assert {change["kind"] for change in new["changes"]} == {"added"}
    assert (await harness.admin("GET", "/v1/campaigns"))["campaigns"] == []


async def test_a_campaign_that_has_ended_is_drawn_though_it_cannot_be_planned(harness: Harness) -> None:
    await harness.run_campaign(FIRST)
    await harness.admin("POST", "/v1/campaigns/offer/stop")
    await harness.until("SELECT 1 FROM campaigns WHERE state = 'ended'")
    await harness.admin("POST", "/v1/campaigns/offer/archive")
    assert (await refused(harness, "plan", SECOND))["code"] == "conflict"
    assert (await ask(harness, "graph", SECOND))["changes"] != []


@pytest.mark.parametrize(
    ("source", "key"),
    [
        (FIRST.replace("delay: 1d", "delay: never"), "offer"),
        (FIRST.replace("  - id: looked", "  - id: cool-off", 1), "offer"),
        ("steps: [", "offer"),
        (FIRST, "another"),
    ],
)
async def test_it_has_the_errors_of_a_plan_with_their_lines(harness: Harness, source: str, key: str) -> None:
    planned = await refused(harness, "plan", source, key=key)
    drawn = await refused(harness, "graph", source, key=key)
    assert (drawn["status"], drawn["problems"]) == (planned["status"], planned["problems"])
    assert drawn["problems"][0]["line"] > 0


async def test_it_takes_as_many_statements_for_forty_people_as_for_one(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await harness.run_campaign(FIRST)
    costs: list[int] = []
    for number in (1, 40):
        for user in range(number):
            await harness.track(f"u{number}-{user}", "Signed Up")
        drawn, sent = await _count_statements(harness, monkeypatch)
        assert {node.id: node.came for node in drawn.nodes}["cool-off"] == (1 if number == 1 else 41)
        costs.append(len(sent))
    assert costs[0] == costs[1] <= MAX_STATEMENTS, sent


async def _count_statements(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> tuple[DocumentGraph, list[str]]:
    """Draw as a process does that has just started."""
    draw = DocumentGraphs(harness.database, DocumentProcesses(), CampaignGraphs(harness.database))
    with statements(monkeypatch) as sent:
        drawn = await draw("offer", CampaignText(SECOND, "offer.yaml", {"note.liquid": MAIL}))
    return drawn, sent
