"""The one frame around the decisions on a journey's requests: what it costs, and that it answers once."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from application.catalogue import Catalogue
from application.step_decisions import StepDecisions
from domain.journey.position import NextPositions, Position
from domain.journey.requests import ActionRequest, AuthorizeRequest, BranchRequest, DelayRequest
from tests.engine.ingesting import statements
from tests.engine.positions import UNRECORDED_DELAY, UNRECORDED_FORK
from tests.harness import Harness, now

ALL_KINDS = """
key: all
name: All kinds
entry: {event: Signed Up}
steps:
  - {id: rest, delay: 1d}
  - {id: morning, delay: {until: "09:00"}}
  - {id: which, branch: [{when: profile.traits.points > 5, do: [{id: loyal, set_stage: loyal}]}]}
  - {id: offer, split: {arms: {a: 1, b: 1}}, a: [], b: []}
  - {id: mail, send: {channel: email, template: note, category: transactional}}
"""
PLACED = NextPositions(1, (Position("later", "waiting", 60.0),))
# Locks and facts; then the decision, what follows from it, and the journey's position.
LOCKED, LOCKED_BY_THE_GATE = 4, 5


@pytest.mark.parametrize(
    ("step", "first", "repeated"),
    [
        ("mail", LOCKED_BY_THE_GATE + 3, LOCKED_BY_THE_GATE),
        ("which", LOCKED + 1, LOCKED),
        ("offer", LOCKED + 1, LOCKED),
        ("morning", LOCKED + 2, LOCKED),
        ("loyal", LOCKED + 5, LOCKED),
    ],
)
async def test_a_request_takes_few_statements_and_is_answered_once(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, step: str, first: int, repeated: int
) -> None:
    await harness.run_campaign(ALL_KINDS)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Signed Up")
    journey = await harness.journeys.one()
    id, at = journey["id"], now()
    catalogue = Catalogue()
    decisions = StepDecisions(harness.database, catalogue, "UTC")
    requests: dict[str, Callable[[], Awaitable[Any]]] = {
        "mail": lambda: decisions.authorize(AuthorizeRequest(id, "mail", 1, 1, at, at, None, PLACED)),
        "which": lambda: decisions.choose(BranchRequest(id, "which", at, {}, UNRECORDED_FORK)),
        "offer": lambda: decisions.choose(BranchRequest(id, "offer", at, {}, UNRECORDED_FORK)),
        "morning": lambda: decisions.look_up(DelayRequest(id, "morning", 1, 1, at, at, UNRECORDED_DELAY)),
        "loyal": lambda: decisions.perform(ActionRequest(id, "loyal", 1, at, None, {}, PLACED)),
    }
    # The first request of a process loads the campaign and the providers, and the first change of a value those that
    # listen.
    async with harness.database.transaction() as connection:
        await catalogue.listeners(connection)
        await catalogue.load_providers(connection)
    await decisions.choose(BranchRequest(id, "which", at, {"which": 9}, UNRECORDED_FORK))
    with statements(monkeypatch) as sent:
        answer = await requests[step]()
    assert len(sent) == first, sent
    with statements(monkeypatch) as sent:
        assert await requests[step]() == answer
    assert len(sent) == repeated, sent
    assert len(await harness.query("SELECT 1 FROM decisions WHERE step = %s AND answer IS NOT NULL", step)) == (
        2 if step == "which" else 1
    )
