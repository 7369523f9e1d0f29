"""Messages that the end of their journey takes back: certainly, durably, and whatever dies meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from application.catalogue import Catalogue
from application.recalls import RecallSweeper
from application.send import Sender
from application.step_decisions import StepDecisions
from domain.journey.records import Ending
from domain.journey.requests import AuthorizeRequest
from domain.journey.state import COMPLETED
from domain.sending.delivery import Accepted, Ambiguous, Keyed, Recall, TakenBack, TooLate
from domain.sending.gate_answers import Granted
from store import journeys, message_origins, recalls
from store.database import Database
from tests.engine.fixed_providers import FixedProviders, link_tracker
from tests.engine.ingesting import AT
from tests.engine.positions import UNRECORDED
from tests.engine.send_harness import Held, Provider
from tests.harness import Harness, open_harness
from tests.proofs import rounds
from tests.servers import TemporalServer

CARD = """---
channel: post
format: postcard
front: <h1>We miss you</h1>
---
<p>Ten per cent off</p>
"""
# The delay keeps the journey's own workflow away.
CAMPAIGN = """
key: card
name: A card
entry: {event: Left, reentry: always}
exit: [{event: Came Back}]
steps:
  - {id: later, delay: 300d}
  - {id: card, send: {channel: post, template: card}}
  - {id: rest, delay: 7d}
"""
PROVIDERS = "providers: {printer: {kind: console, channel: post}}"
ADDRESS = {"street": "Torstraße 1", "city": "Berlin", "postalCode": "10119", "country": "DE"}
ROUNDS = rounds(20, 500)


@dataclass
class Printer(Provider):
    """A provider that prints in a day, and takes back what it has."""

    recall_seconds: float = 86_400
    recalls: list[Recall | type[BaseException]] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    async def recall(self, message_id: str, provider_id: str | None) -> Recall:
        self.asked.append((message_id, provider_id))
        answer = self.recalls.pop(0) if self.recalls else TakenBack()
        if isinstance(answer, type):
            raise answer
        return answer


@dataclass
class Post:
    """Journeys with granted postcards, and the means to send them and take them back."""

    harness: Harness
    database: Database
    printer: Printer
    sender: Sender
    sweeper: RecallSweeper
    gate: StepDecisions

    async def granted(self, user: str) -> UUID:
        await self.harness.identify(user, name="Ada", address=ADDRESS)
        await self.harness.track(user, "Left")
        [row] = await self.harness.query(
            "SELECT journeys.id FROM journeys JOIN profiles ON profiles.id = profile_id WHERE user_id = %s", user
        )
        answer = await self.gate.authorize(AuthorizeRequest(row["id"], "card", 1, 1, AT, AT, None, UNRECORDED))
        assert isinstance(answer, Granted)
        return UUID(answer.message_id)

    async def send(self, id: UUID) -> str:
        return (await self.sender.send(id, at=AT, ends_with=None, next_positions=UNRECORDED)).state

    async def sweep(self) -> None:
        """Do all that is due, or will be."""
        while await self.harness.query("SELECT 1 FROM recalls WHERE due_at IS NOT NULL"):
            await self.harness.query("UPDATE recalls SET due_at = now() WHERE due_at IS NOT NULL RETURNING message_id")
            await self.sweeper.sweep()

    async def outcome(self, id: UUID) -> tuple[str, str | None, str | None]:
        row = await self.harness.messages.one(id=id)
        return row["state"], row["reason"], row["detail"]


@pytest.fixture
async def post(database_url: str, temporal: TemporalServer) -> AsyncIterator[Post]:
    async with open_harness(database_url, temporal, is_working=False) as harness:
        await harness.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": PROVIDERS})
        await harness.run_campaign(CAMPAIGN, {"card.liquid": CARD})
        async with Database(database_url, pool_size=10) as database:
            catalogue, printer = Catalogue(), Printer("printer", Keyed(86_400))
            providers = FixedProviders({"post": printer})
            sender = Sender(
                database, catalogue, providers, lambda *_: "https://example.com/u", link_tracker(database), "UTC"
            )
            gate = StepDecisions(database, catalogue, "UTC")
            yield Post(harness, database, printer, sender, RecallSweeper(database, catalogue, providers), gate)


async def test_the_end_of_the_journey_takes_the_card_back(post: Post) -> None:
    id = await post.granted("u1")
    post.printer.answers = [Accepted("psc_1")]
    assert await post.send(id) == "sent"
    assert (await post.sweeper.sweep()).number == 0
    await post.harness.track("u1", "Came Back")
    await post.sweep()
    assert post.printer.asked == [(str(id), "psc_1")]
    assert await post.outcome(id) == ("cancelled", "taken_back", None)
    summaries = [item["summary"] for item in await post.harness.timeline("u1")]
    assert "card: post card cancelled: taken_back" in summaries
    async with post.database.transaction() as connection:
        assert list((await message_origins.find_origins(connection, [id]))[id].marks) == ["taken back"]
    # It counts in no cap any more.
    assert await post.harness.query("SELECT 1 FROM messages WHERE state IN ('reserved', 'sending', 'sent')") == []


async def test_a_journey_that_goes_on_keeps_its_card(post: Post) -> None:
    id = await post.granted("u1")
    await post.send(id)
    await post.harness.track("u1", "Something Else")
    [row] = await post.harness.journeys.all()
    async with post.database.transaction() as connection:
        await journeys.end(connection, [Ending(row["id"], COMPLETED, "completed", None, AT)])
    await post.sweep()
    assert (post.printer.asked, (await post.outcome(id))[0]) == ([], "sent")


async def test_a_card_that_is_printed_stays_sent_and_the_timeline_says_why(post: Post) -> None:
    id = await post.granted("u1")
    post.printer.answers, post.printer.recalls = [Accepted("psc_1")], [TooLate("not_deletable")]
    await post.send(id)
    await post.harness.track("u1", "Came Back")
    await post.sweep()
    assert await post.outcome(id) == ("sent", None, "too late to take it back: not_deletable")
    assert any("too late to take it back" in item["summary"] for item in await post.harness.timeline("u1"))


async def test_a_lost_answer_is_asked_for_again_until_it_is_certain(post: Post) -> None:
    id = await post.granted("u1")
    post.printer.recalls = [Ambiguous("timed out"), Ambiguous("timed out")]
    await post.send(id)
    await post.harness.track("u1", "Came Back")
    await post.sweep()
    assert len(post.printer.asked) == 3
    assert (await post.outcome(id))[:2] == ("cancelled", "taken_back")


async def test_an_answer_that_never_comes_leaves_the_card_unknown(post: Post) -> None:
    id = await post.granted("u1")
    post.printer.recalls = [Ambiguous("timed out")]
    await post.send(id)
    await post.harness.track("u1", "Came Back")
    await post.harness.query("UPDATE recalls SET possible_until = now() - interval '3 days' RETURNING message_id")
    await post.sweep()
    assert await post.outcome(id) == ("unknown", "recall_unanswered", "timed out")


async def test_an_exit_during_the_hand_over_takes_the_card_back_once_it_has_settled(post: Post) -> None:
    id = await post.granted("u1")
    held = Held(Accepted("psc_1"))
    post.printer.answers = [held]
    sending = asyncio.create_task(post.send(id))
    await post.printer.reached.wait()
    await post.harness.track("u1", "Came Back")
    await post.harness.query("UPDATE recalls SET due_at = now() RETURNING message_id")
    await post.sweeper.sweep()
    assert post.printer.asked == []
    held.release.set()
    assert await sending == "sent"
    await post.sweep()
    assert (await post.outcome(id))[:2] == ("cancelled", "taken_back")


async def test_a_card_whose_attempt_died_is_sought_by_its_message(post: Post) -> None:
    id = await post.granted("u1")
    post.printer.answers = [Held(Accepted("psc_1"))]
    sending = asyncio.create_task(post.send(id))
    await post.printer.reached.wait()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await post.harness.track("u1", "Came Back")
    assert await post.send(id) == "unknown"
    await post.harness.query("UPDATE messages SET claimed_at = claimed_at - interval '5 minutes' RETURNING id")
    await post.sweep()
    assert post.printer.asked == [(str(id), None)]
    assert (await post.outcome(id))[:2] == ("cancelled", "taken_back")


async def test_a_worker_that_dies_leaves_the_recall_to_another(post: Post) -> None:
    id = await post.granted("u1")
    await post.send(id)
    await post.harness.track("u1", "Came Back")
    post.printer.recalls = [asyncio.CancelledError]
    with pytest.raises(asyncio.CancelledError):
        await post.sweeper.sweep()
    # Another worker leaves it alone as long as the first may be at it.
    assert (await post.sweeper.sweep()).number == 0
    assert (await post.outcome(id))[0] == "sent"
    await post.sweep()
    assert (await post.outcome(id))[:2] == ("cancelled", "taken_back")


@pytest.mark.prove
async def test_no_exit_beside_a_hand_over_is_missed(post: Post) -> None:
    ids = [await post.granted(f"u{number}") for number in range(ROUNDS)]
    for number, id in enumerate(ids):
        await asyncio.gather(post.send(id), post.harness.track(f"u{number}", "Came Back"))
    await post.sweep()
    states = [row["state"] for row in await post.harness.query("SELECT DISTINCT state FROM messages")]
    assert states == ["cancelled"]
    assert {id for id, _ in post.printer.asked} == {*post.printer.got}


async def test_an_erased_person_gets_no_card(post: Post) -> None:
    id = await post.granted("u1")
    post.printer.answers = [Accepted("psc_1")]
    await post.send(id)
    await post.harness.admin("DELETE", "/v1/users/u1")
    # As the last page of the erasure does.
    await post.harness.query("DELETE FROM messages WHERE id = %s RETURNING id", id)
    await post.sweep()
    assert post.printer.asked == [(str(id), None)]


async def test_rows_of_cards_that_nobody_wanted_back_are_forgotten(post: Post) -> None:
    await post.send(await post.granted("u1"))
    await post.harness.query("UPDATE recalls SET possible_until = now() - interval '1 second' RETURNING message_id")
    async with post.database.transaction() as connection:
        await recalls.forget(connection)
    assert await post.harness.query("SELECT 1 FROM recalls") == []
