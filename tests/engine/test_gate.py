"""The shared gate under concurrency and retries, on the real ledger."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from application.catalogue import Catalogue
from application.step_decisions import StepDecisions
from domain.journey.requests import AuthorizeRequest
from domain.sending.gate_answers import Answer, Deferred, Granted, Refused
from store.database import Database
from tests.engine.campaigns import CART, PROMOTION
from tests.engine.caps_worker import patiently
from tests.engine.positions import UNRECORDED
from tests.harness import Harness, actions

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
CAP_OF_THREE = "rules: [{name: three, limit: 3, per: 7d}]"


@pytest.fixture
async def gate(database_url: str) -> AsyncIterator[StepDecisions]:
    """A gate with connections enough to be asked by many at once."""
    async with Database(database_url, pool_size=40) as database:
        yield StepDecisions(database, Catalogue(), "UTC")


async def journeys_of(harness: Harness, user: str, number: int) -> list[UUID]:
    """So many resting journeys of one user."""
    await harness.identify(user, email=f"{user}@example.com")
    batch = [
        {
            "type": "track",
            "messageId": str(uuid4()),
            "userId": user,
            "event": "Cart Abandoned",
            "properties": {"value": 200, "cart_id": f"c{index}"},
        }
        for index in range(number)
    ]
    await harness.post("batch", {"batch": batch})
    rows = await harness.journeys.all(user_id=user)
    return [row["id"] for row in rows]


async def answer_of(gate: StepDecisions, question: AuthorizeRequest) -> Answer:
    """However long a busy machine takes to find a connection for it."""
    return await patiently(lambda: gate.authorize(question))


def may_nudge_go(journey_id: UUID, *, at: datetime = AT, ask: int = 1, visit: int = 1) -> AuthorizeRequest:
    return AuthorizeRequest(journey_id, "nudge", visit, ask, AT, at, None, UNRECORDED)


async def test_a_hundred_at_once_under_a_cap_of_three_grant_three(harness: Harness, gate: StepDecisions) -> None:
    await harness.put_caps(CAP_OF_THREE)
    await harness.run_campaign(CART.replace("on_capped: wait", "on_capped: skip"))
    questions = [may_nudge_go(id) for id in await journeys_of(harness, "u1", 100)]
    answers = await asyncio.gather(*(answer_of(gate, question) for question in questions))
    granted = {answer.message_id for answer in answers if isinstance(answer, Granted)}
    assert len(granted) == 3
    assert sum(answer == Refused("capped") for answer in answers) == 97
    again = await asyncio.gather(*(answer_of(gate, question) for question in questions))
    assert again == answers
    assert {str(row["id"]) for row in await harness.query("SELECT id FROM messages")} == granted


async def test_one_question_asked_by_fifty_at_once_reserves_one_message(harness: Harness, gate: StepDecisions) -> None:
    await harness.put_caps(CAP_OF_THREE)
    await harness.run_campaign(CART)
    [journey] = await journeys_of(harness, "u1", 1)
    answers = await asyncio.gather(*(answer_of(gate, may_nudge_go(journey)) for _ in range(50)))
    assert len(set(answers)) == 1
    assert isinstance(answers[0], Granted)
    assert len(await harness.messages.all()) == 1
    assert len(await harness.decisions.all(kind="send")) == 1


async def test_the_cap_holds_over_campaigns_and_frees_as_the_answer_says(harness: Harness, gate: StepDecisions) -> None:
    await harness.put_caps("rules: [{name: one, limit: 1, per: 1d}]")
    await harness.run_campaign(PROMOTION)
    await harness.run_campaign(CART)
    [cart] = await journeys_of(harness, "u1", 1)
    await harness.track("u1", "Price Dropped")
    # What is under way counts as if it were sent now.
    [sent] = await harness.messages.until(campaign_key="promotion", state="sent")
    asked = AuthorizeRequest(cart, "nudge", 1, 1, sent["at"], sent["at"] + timedelta(hours=1), None, UNRECORDED)
    answer = await gate.authorize(asked)
    assert answer == Deferred(sent["at"] + timedelta(days=1), "capped")
    early = AuthorizeRequest(
        cart, "nudge", 1, 2, sent["at"], answer.until - timedelta(microseconds=1), None, UNRECORDED
    )
    assert isinstance(await gate.authorize(early), Deferred)
    due = AuthorizeRequest(cart, "nudge", 1, 3, sent["at"], answer.until, None, UNRECORDED)
    assert isinstance(await gate.authorize(due), Granted)


async def test_a_capped_journey_that_is_to_exit_ends_as_capped(harness: Harness) -> None:
    await harness.put_caps("rules: [{name: one, limit: 1, per: 1d}]")
    await harness.run_campaign(PROMOTION.replace("template: note}", "template: note, on_capped: exit}"))
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Price Dropped")
    await harness.ended("u1")
    await harness.track("u1", "Price Dropped")
    handle = await harness.journey("u1")
    assert await handle.result() == "capped"
    assert (await harness.ended("u1"))["outcome"] == "capped"
    # Start, authorise, and the search attribute that says how it ended.
    assert actions(await handle.fetch_history()) == 3


@pytest.mark.parametrize(("move", "body"), [("pause", None), ("stop", {"mode": "exit"})])
async def test_no_message_is_granted_after_a_pause_or_an_exit_was_acknowledged(
    harness: Harness, gate: StepDecisions, move: str, body: dict[str, str] | None
) -> None:
    await harness.run_campaign(CART)
    journeys = await journeys_of(harness, "u1", 60)
    asking = [asyncio.create_task(answer_of(gate, may_nudge_go(id))) for id in journeys]
    await harness.admin("POST", f"/v1/campaigns/cart/{move}", body)
    [acknowledged] = await harness.query("SELECT clock_timestamp() AS at")
    await asyncio.gather(*asking)
    late = await harness.query("SELECT * FROM messages WHERE reserved_at > %s", acknowledged["at"])
    assert late == []


async def test_a_cap_put_while_messages_wait_holds_for_the_next_decision(harness: Harness, gate: StepDecisions) -> None:
    await harness.run_campaign(CART.replace("on_capped: wait", "on_capped: skip"))
    first, second = await journeys_of(harness, "u1", 2)
    assert isinstance(await gate.authorize(may_nudge_go(first)), Granted)
    await harness.put_caps("rules: [{name: one, limit: 1, per: 1d}]")
    assert await gate.authorize(may_nudge_go(second)) == Refused("capped")
