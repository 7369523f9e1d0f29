"""The test of the test: builds that are broken on purpose, and the auditor tells of each what is wrong with it.

The same scenes are played on the build as it is, of which there is nothing to tell.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.chaos.auditor import kinds
from tests.chaos.campaigns import BASKET, CAP, CART, LETTER, NUDGE, ORDERED, PULSE, RECEIPT, TIDE
from tests.chaos.client import WAYS, Client, Item
from tests.chaos.evidence import settle
from tests.chaos.mail_apis import ApiMode
from tests.chaos.mailings import append_mailing
from tests.chaos.mutants import FORGOTTEN
from tests.chaos.reporter import BOUNCING, COMPLAINING, Manner
from tests.chaos.run import examined, opened
from tests.chaos.stack import TASK_QUEUE, Stack
from tests.chaos.traffic import put_providers
from tests.harness import looks
from tests.proofs import IS_LONG

pytestmark = [pytest.mark.chaos, pytest.mark.takes_long]
LETTERS_DECIDED = """
SELECT count(DISTINCT journey_id) FROM decisions JOIN journeys ON journeys.id = journey_id
WHERE kind = 'send' AND entry_key = ANY(%(refs)s)
"""
Scene = Callable[[Stack, Client], Awaitable[None]]
# What was lost never settles.
PATIENCE, SHORT_PATIENCE = 40.0, 3.0
EDITIONS = itertools.count(2)
SIGN_INS_THAT_WAIT = """
SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE OF identity%'
"""
GATES_THAT_WAIT = """
SELECT 1 FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND (query LIKE '%FOR NO KEY UPDATE OF profiles%' OR query LIKE '%INSERT INTO messages%')
"""


async def orders_between_two_attempts(stack: Stack, client: Client) -> None:
    """The provider is away at the first attempt, the order is acknowledged, and the provider is back."""
    people = [f"cart{number}" for number in range(3)]
    stack.hook.turn("500")
    await client.report(*(Item(user, CART.entry, user) for user in people))
    async for is_last in looks(PATIENCE):
        if {arrival.ref for arrival in stack.log.arrivals} >= set(people):
            break
        assert not is_last
    await client.report(*(Item(user, ORDERED, user) for user in people))
    stack.hook.turn("well")


async def more_letters_than_the_cap_at_once(stack: Stack, client: Client) -> None:
    """A person enters the same campaign many times in one batch.

    Nothing can be reserved until more gates than the cap allows are at work: each waits for the person, or to write.
    """
    await client.identify("letter")
    async with (
        await psycopg.AsyncConnection.connect(stack.postgres.url, autocommit=True) as watcher,
        await psycopg.AsyncConnection.connect(stack.postgres.url) as holder,
    ):
        await holder.execute("LOCK TABLE messages IN SHARE MODE")
        await client.report(*(Item("letter", LETTER.entry, f"letter-{number}") for number in range(3 * CAP)))
        async for is_last in looks(PATIENCE):
            if len(await (await watcher.execute(GATES_THAT_WAIT)).fetchall()) > CAP:
                break
            assert not is_last
        await holder.rollback()


async def receipts_while_temporal_is_away(stack: Stack, client: Client) -> None:
    """The relay finds rows that it cannot tell anybody of, and is killed over it."""
    await client.identify("receipt")
    resting = asyncio.create_task(stack.supervisor.rest(stack.temporal, 2))
    await client.report(*(Item("receipt", RECEIPT.entry, f"receipt-{number}") for number in range(3)))
    await asyncio.sleep(1)
    await stack.workers[0].kill()
    await resting


async def users_sign_in_at_once(stack: Stack, client: Client) -> None:
    """Four users on each of two devices that were used before, the last of them known; then each buys something.

    The names of the devices are held until most of the calls wait to change what these mean.
    """
    devices = {f"device{number}": [f"signs{number}-{user}" for user in range(4)] for number in range(2)}
    users = [user for each in devices.values() for user in each]
    await asyncio.gather(*(client.see(device) for device in devices), *(client.identify(user) for user in users[3::4]))
    ways = itertools.cycle(WAYS)
    async with (
        await psycopg.AsyncConnection.connect(stack.postgres.url, autocommit=True) as watcher,
        asyncio.TaskGroup() as calls,
        await psycopg.AsyncConnection.connect(stack.postgres.url) as holder,
    ):
        await holder.execute("SELECT 1 FROM identities WHERE kind = 'anonymous' FOR SHARE")
        for device, each in devices.items():
            for user in each:
                calls.create_task(client.sign_in(user, device, next(ways)))
        async for is_last in looks(PATIENCE):
            if len(await (await watcher.execute(SIGN_INS_THAT_WAIT)).fetchall()) > len(users) // 2:
                break
            assert not is_last
        await holder.rollback()
    await asyncio.gather(*(client.identify(user) for user in users))
    await client.report(*(Item(user, RECEIPT.entry, f"{user}-receipt") for user in users))


async def answers_are_lost(stack: Stack, client: Client) -> None:
    """A provider that knows no keys hangs up on every mail that it has taken, until its circuit is open."""
    stack.reporter.may_go.clear()
    await send_letters(stack, client, [f"cut-off{number}" for number in range(6)], "drops")
    stack.reporter.may_go.set()


async def servers_fail_after_the_mail(stack: Stack, client: Client) -> None:
    """A provider that knows no keys answers 500 for mails that it has taken, and reports their delivery later."""
    stack.reporter.may_go.clear()
    await send_letters(stack, client, [f"failing{number}" for number in range(3)], "500")
    stack.reporter.may_go.set()
    await stack.reporter.finish(PATIENCE)


async def reports_are_forged(stack: Stack, client: Client) -> None:
    """Another than the provider says that an address has bounced, and again without any secret."""
    await send_letters(stack, client, ["slandered"])
    [arrival] = [one for one in stack.log.arrivals if one.user == "slandered"]
    manners: tuple[Manner, ...] = ("other-secret", "bare")
    for manner in manners:
        await stack.reporter.forge(arrival, manner)


async def an_address_bounces(stack: Stack, client: Client) -> None:
    """A bounce is acknowledged, and then there is more to be sent."""
    user = f"{BOUNCING}-once"
    await send_letters(stack, client, [user])
    await stack.reporter.finish(PATIENCE)
    await client.report(Item(user, LETTER.entry, f"{user}-again"), Item(user, RECEIPT.entry, f"{user}-receipt"))


async def people_complain_of_a_mailing(stack: Stack, client: Client) -> None:
    """One complaint more pauses the provider; there are letters to be sent by it before its operator resumes it."""
    await append_mailing(stack.postgres.url, "keyless")
    await send_letters(stack, client, [f"{COMPLAINING}-of-mailing"])
    await stack.reporter.finish(PATIENCE)
    assert await client.is_paused("keyless")
    await put_providers(client, stack.mail.port, keyless=100)
    people = [f"subscriber{number}" for number in range(3)]
    await asyncio.gather(*(client.identify(user) for user in people))
    await client.report(*(Item(user, LETTER.entry, user) for user in people))
    async with await psycopg.AsyncConnection.connect(stack.postgres.url, autocommit=True) as connection:
        async for is_last in looks(PATIENCE):
            cursor = await connection.execute(LETTERS_DECIDED, {"refs": people})
            if await cursor.fetchone() == (len(people),):
                break
            assert not is_last
    await client.resume("keyless")
    await put_providers(client, stack.mail.port)


async def people_read_late(stack: Stack, client: Client) -> None:
    """Pages read what an exit, a stop, a pause and a fallback have withdrawn, and more than the cap allows."""
    left, stopped, paused, absent = "leaves", "is-stopped", "is-paused", "is-absent"
    entries = {
        left: BASKET.entry,
        stopped: TIDE.entry,
        paused: PULSE.entry,
        absent: NUDGE.entry,
        FORGOTTEN: PULSE.entry,
    }
    await client.identify(absent)
    many = [Item("has-many", BASKET.entry, f"tip-{number}") for number in range(CAP + 1)]
    await client.report(*(Item(user, entry, user) for user, entry in entries.items()), *many)
    await until_sent(stack, "in_app", [*entries, *(item.ref for item in many)])
    await until_sent(stack, "email", [absent])
    await client.report(Item(left, ORDERED, left))
    await client.move(TIDE.key, "stop", {"mode": "exit"})
    await client.move(PULSE.key, "pause")
    for user in (*entries, "has-many"):
        await client.pages.read_well(user)
    await client.move(PULSE.key, "resume")
    # As it was, for the scenes that follow.
    await client.publish(TIDE, stack.hook.url, next(EDITIONS))
    await client.move(TIDE.key, "start")


async def people_have_pages(stack: Stack, client: Client) -> None:
    """They read what is withdrawn, report twice what they saw, and see a message while its fallback is under way."""
    await people_read_late(stack, client)
    [message] = (await client.pages.read_well("is-paused")).open
    # The page has lost the first answer.
    await client.pages.react("is-paused", message, "opened", is_twice=True)
    await shown_between_two_attempts_of_the_mail(stack, client)


async def shown_between_two_attempts_of_the_mail(stack: Stack, client: Client) -> None:
    """The fallback was put off, its message is shown and that acknowledged, and the provider is back."""
    await client.identify("comes")
    stack.mail.turn("4xx")
    for api in stack.mails.values():
        api.turn("429")
    await client.report(Item("comes", NUDGE.entry, "comes"))
    await until(stack, "SELECT 1 FROM messages WHERE fallback_of IS NOT NULL AND state = 'reserved' AND attempts > 0")
    [message] = (await client.pages.read_well("comes")).open
    await client.pages.react("comes", message, "opened")
    stack.mail.turn("well")
    for api in stack.mails.values():
        api.turn("well")
    await put_providers(client, stack.mail.port)
    assert await settle(stack.postgres.url, stack.client, TASK_QUEUE, PATIENCE) == {}


async def until_sent(stack: Stack, channel: str, refs: Sequence[str]) -> None:
    """Wait until a message on a channel was sent to each of these entries."""
    sent = f"""
    SELECT count(*) FROM messages JOIN journeys ON journeys.id = journey_id
    WHERE channel = '{channel}' AND messages.state = 'sent' AND entry_key = ANY(%(refs)s) HAVING count(*) = %(number)s
    """  # noqa: S608 -- a word of this module
    await until(stack, sent, refs=list(refs), number=len(refs))


async def until(stack: Stack, sql: str, **values: Any) -> None:
    """Wait until a query finds something."""
    async with await psycopg.AsyncConnection.connect(stack.postgres.url, autocommit=True) as connection:
        async for is_last in looks(PATIENCE):
            if await (await connection.execute(sql, values)).fetchone() is not None:
                return
            assert not is_last, (sql, values)


async def send_letters(stack: Stack, client: Client, people: Sequence[str], mode: ApiMode = "well") -> None:
    """A letter for each of them, by the provider that knows no keys, as it behaves; and nothing is under way."""
    await put_providers(client, stack.mail.port, keyless=100)
    stack.mails["keyless"].turn(mode)
    await asyncio.gather(*(client.identify(user) for user in people))
    await client.report(*(Item(user, LETTER.entry, f"letter-of-{user}") for user in people))
    assert await settle(stack.postgres.url, stack.client, TASK_QUEUE, PATIENCE) == {}
    stack.mails["keyless"].turn("well")
    await put_providers(client, stack.mail.port)


GIVEN_ALL_THE_SAME = {
    *(f"{verb}-{when}" for verb in ("given", "read") for when in ("after-exit", "after-stop", "in-pause")),
    "given-after-fallback",
}
SCENES: dict[str, tuple[Scene, float, set[str]]] = {
    "claim-skipped": (orders_between_two_attempts, PATIENCE, {"sent-after-exit", "unclaimed"}),
    "cap-without-lock": (more_letters_than_the_cap_at_once, PATIENCE, {"cap-exceeded"}),
    "anonymous-before-the-wait": (users_sign_in_at_once, PATIENCE, {"people-merged"}),
    "lost-answer-is-no-hand-over": (answers_are_lost, PATIENCE, {"duplicate-marketing", "failed-over-late"}),
    "report-unverified": (reports_are_forged, PATIENCE, {"forged-report"}),
    "refusal-ignored": (an_address_bounces, PATIENCE, {"granted-after-refusal", "lost-report"}),
    "pause-ignored": (people_complain_of_a_mailing, PATIENCE, {"granted-in-pause"}),
    "unknown-stays-unknown": (servers_fail_after_the_mail, PATIENCE, {"unexplained-unknown"}),
    "withdrawal-ignored": (people_have_pages, PATIENCE, GIVEN_ALL_THE_SAME),
    "caps-not-asked": (people_have_pages, PATIENCE, {"given-beyond-cap"}),
    "inbox-forgotten": (people_have_pages, PATIENCE, {"not-in-inbox"}),
    "reaction-counted-anew": (people_have_pages, PATIENCE, {"doubled-report"}),
    "shown-ignored": (people_have_pages, PATIENCE, {"fallback-after-shown"}),
    # The last: what it leaves behind never settles.
    "relay-forgets-first": (receipts_while_temporal_is_away, SHORT_PATIENCE, {"stuck-journey", "temporal-disagrees"}),
}
# One build that is broken in all places; in the long form one for each place.
BUILDS: list[tuple[str, ...]] = [(mutant,) for mutant in SCENES] if IS_LONG else [tuple(SCENES)]


@pytest.fixture
def folder(data_folder: Path, request: pytest.FixtureRequest) -> Path:
    made = data_folder / f"chaos-{request.node.name.replace('[', '-').strip(']')}"
    made.mkdir(mode=0o755)
    return made


@pytest.mark.prove
@pytest.mark.parametrize("mutants", BUILDS, ids=len)
async def test_a_broken_build_is_found_out(mutants: tuple[str, ...], folder: Path) -> None:
    async with opened(folder, ",".join(mutants), each=1) as (stack, client):
        # Some have a scene in common.
        for scene in dict.fromkeys(SCENES[mutant][0] for mutant in mutants):
            await settle(stack.postgres.url, stack.client, TASK_QUEUE, PATIENCE)
            await scene(stack, client)
        _, violations = await examined(stack, client, SCENES[mutants[-1]][1])
    assert set(kinds(violations)) >= {kind for mutant in mutants for kind in SCENES[mutant][2]}, violations


async def test_the_build_as_it_is_keeps_every_promise_in_the_same_scenes(folder: Path) -> None:
    async with opened(folder, each=1) as (stack, client):
        for scene in dict.fromkeys(scene for scene, _, _ in SCENES.values()):
            # What a worker has in hand when it is killed, waits for longer than a test.
            assert await settle(stack.postgres.url, stack.client, TASK_QUEUE, PATIENCE) == {}
            await scene(stack, client)
        history, violations = await examined(stack, client, PATIENCE)
    assert violations == []
    assert {journey.campaign for journey in history.journeys} >= {"cart", "letter", "receipt"}
