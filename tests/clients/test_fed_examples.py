"""Examples that count what people and accounts do, fed by a real client through several API processes at once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from segment.analytics.client import Client

from cli.demo.receiver import Receiver
from tests.api.fakes import WRITE_KEY
from tests.api.live import api_process
from tests.databases import database_of
from tests.examples.harness import ExampleHarness
from tests.harness import Harness, open_harness
from tests.proofs import rounds
from tests.servers import PostgresServer, TemporalServer

SEED = 20_261_130
PROCESSES = rounds(3, 20)
READERS = tuple(f"reader-{number}" for number in range(4))
TOPICS = ("go", "rust", "sql")
# The same entry, which only the event that is the fifth makes.
FIFTH = """
key: fifth
name: Fifth article
entry:
  event: Article Read
  where: profile.computed.articles_by_topic_30d[event.properties.topic] == 5
  key: event.properties.topic
  reentry: always
exit: [{event: Left}]
steps: [{id: rest, delay: 30d}]
"""


@dataclass(frozen=True)
class Deployment:
    """API processes, and the rest of the deployment of their database."""

    urls: list[str]
    harness: Harness

    async def report(self, *tell: Callable[[Client], object]) -> None:
        """Have each tell by a client of its own, at once, each of another process."""
        await asyncio.gather(
            *(asyncio.to_thread(_tell, self.urls[number % len(self.urls)], one) for number, one in enumerate(tell))
        )


def _tell(url: str, tell: Callable[[Client], object]) -> None:
    failures: list[Exception] = []
    client = Client(WRITE_KEY, host=url, upload_size=7, on_error=lambda error, _: failures.append(error))
    tell(client)
    client.flush()
    client.join()
    assert not failures


@pytest.fixture
async def deployment(postgres: PostgresServer, migrated: str, temporal: TemporalServer) -> AsyncIterator[Deployment]:
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(database_of(postgres, migrated))
        harness = await stack.enter_async_context(open_harness(url, temporal))
        receiver = await Receiver.start(harness.settings.webhook_signing_secrets[0])
        stack.push_async_callback(receiver.stop)
        example = ExampleHarness(harness, receiver)
        await example.compute()
        for name in ("topic-ebook", "pricing-visits", "no-invitation", "left-with-a-cart"):
            await example.publish(name)
        await harness.run_campaign(FIFTH)
        processes = await asyncio.gather(
            *(stack.enter_async_context(api_process(url)) for _ in range(PROCESSES)),
        )
        yield Deployment([process.url for process in processes], harness)


async def fifth_articles_count_once(deployment: Deployment) -> None:
    """Each process reports each article, in an order of its own, some of them twice."""
    draw = Random(SEED)
    articles = [
        (reader, topic, f"{reader}-{topic}-{number}")
        for reader in READERS
        for topic in TOPICS
        for number in range(draw.choice([4, 5, 7]))
    ]

    def reader(number: int) -> Callable[[Client], None]:
        order = Random(SEED + number)
        told = order.sample(articles, len(articles)) + order.sample(articles, 10)

        def tell(client: Client) -> None:
            for user, topic, id in told:
                client.track(user, "Article Read", {"topic": topic}, message_id=id)

        return tell

    await deployment.report(*(reader(number) for number in range(PROCESSES)))
    read = Counter((user, topic) for user, topic, _ in articles)
    due = sorted((user, topic) for (user, topic), count in read.items() if count >= 5)
    assert 3 < len(due) < len(read)
    entered: dict[str, dict[tuple[str, str], str]] = {"topic-ebook": {}, "fifth": {}}
    for row in await deployment.harness.journeys.all():
        if row["campaign_key"] in entered:
            place = (row["user_id"], row["entry"]["properties"]["topic"])
            assert place not in entered[row["campaign_key"]]
            entered[row["campaign_key"]][place] = row["entry"]["message_id"]
    # The one that has five or more begins with the fifth.
    assert entered["topic-ebook"] == entered["fifth"]
    assert sorted(entered["fifth"]) == due


async def visits_before_and_after_a_login_are_of_one_person(deployment: Deployment) -> None:
    harness = deployment.harness

    def visits(client: Client) -> None:
        for number in range(3):
            client.page(anonymous_id="visitor", name="Pricing", message_id=f"visit-{number}")

    # Every process hears of the same visits.
    await deployment.report(*[visits] * PROCESSES)
    [journey] = await harness.query("SELECT * FROM journeys WHERE campaign_key = 'pricing-visits'")
    assert journey["entry"]["anonymous_id"] == "visitor"
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT FROM outbox WHERE workflow_id = %s)", journey["workflow_id"])
    await harness.rests(harness.temporal.get_workflow_handle(journey["workflow_id"]), "address")
    await deployment.report(lambda client: client.identify("ada", {"email": "ada@example.com"}, anonymous_id="visitor"))
    await deployment.report(lambda client: client.page("ada", name="Pricing"))
    handle = await harness.journey("ada", "pricing-visits")
    assert handle.id == journey["workflow_id"]
    await harness.rests(handle, "a-while")
    await harness.skip(handle, hours=1)
    # At night the mail waits for the morning.
    await harness.until("SELECT 1 FROM decisions WHERE step = 'mail' AND outcome IN ('granted', 'deferred')")
    assert [row["user_id"] for row in await harness.journeys.all(campaign_key="pricing-visits")] == ["ada"]


# Their offices are never open at the same time: the journey still waits for one once the other has been written to.
ADMINS = {"grace": "Europe/Berlin", "alan": "Pacific/Honolulu"}


async def an_account_that_invited_nobody_in_a_week_is_shown_how(deployment: Deployment) -> None:
    harness = deployment.harness

    def founds(account: str, **members: str) -> Callable[[Client], None]:
        def tell(client: Client) -> None:
            for user, role in members.items():
                traits = {"email": f"{user}@example.com", "timezone": ADMINS.get(user, "UTC")}
                client.identify(user, traits, message_id=f"{user}-is")
                client.group(user, account, {"name": account.title(), "role": role}, message_id=f"{user}-joins")
            client.track(next(iter(members)), "Account Created", context={"groupId": account}, message_id=account)

        return tell

    def invites(client: Client) -> None:
        client.track("kay", "Invite Sent", context={"groupId": "globex"}, message_id="invitation")

    # Every process hears of both accounts; each has one journey.
    quiet, busy = founds("acme", grace="admin", alan="admin", linus="viewer"), founds("globex", ken="admin", kay="user")
    await deployment.report(*[quiet, busy] * PROCESSES)
    started = await harness.journeys.all(campaign_key="no-invitation")
    assert sorted(row["account_id"] for row in started) == ["acme", "globex"]
    await deployment.report(invites)
    assert await (await harness.journey("ken", "no-invitation")).result() == "invited"
    handle = await harness.journey("grace", "no-invitation")
    await harness.rests(handle, "invited")
    await harness.skip(handle, days=7)
    await harness.until("SELECT FROM decisions WHERE step = 'show-admins'")
    # Over a weekend, and a night.
    await harness.skip(handle, days=3, hours=15)
    assert await handle.result() == "completed"
    shown = await harness.query(
        """
        SELECT user_id, messages.state, messages.at AS at FROM messages JOIN profiles ON profiles.id = profile_id
        WHERE step = 'show-admins' ORDER BY user_id
        """
    )
    assert [(row["user_id"], row["state"]) for row in shown] == [("alan", "sent"), ("grace", "sent")]
    for row in shown:
        local = row["at"].astimezone(ZoneInfo(ADMINS[row["user_id"]]))
        assert (local.weekday() < 5, 8 <= local.hour < 18) == (True, True)


async def visits_end_with_a_cart(deployment: Deployment) -> None:
    """Every process hears of the same visits, which are over when they are reported."""
    harness = deployment.harness
    at = datetime.now(UTC) - timedelta(hours=1)

    def tell(client: Client) -> None:
        client.track("leaver", "Product Added", timestamp=at, message_id="leaver-adds")
        # The order is told first: a session may end before the rest of it arrives.
        client.track("buyer", "Order Completed", timestamp=at, message_id="buyer-orders")
        client.track("buyer", "Product Added", timestamp=at - timedelta(minutes=1), message_id="buyer-adds")

    await deployment.report(*[tell] * PROCESSES)
    handle = await harness.journey("leaver", "left-with-a-cart")
    await harness.rests(handle, "comes-back")
    await harness.skip(handle, hours=2)
    # The mail finds no address.
    assert (await harness.ended("leaver"))["campaign_key"] == "left-with-a-cart"
    # Each session ends once, the buyer's as well.
    await harness.until("SELECT 1 FROM events WHERE name = 'Session Ended' AND user_id = 'buyer'")
    ends = await harness.query("SELECT user_id FROM events WHERE name = 'Session Ended' ORDER BY user_id")
    assert [row["user_id"] for row in ends] == ["buyer", "leaver"]
    assert [row["user_id"] for row in await harness.journeys.all(campaign_key="left-with-a-cart")] == ["leaver"]


@pytest.mark.prove
async def test_examples_count_what_a_real_client_reports(deployment: Deployment) -> None:
    print(f"seed {SEED}, {PROCESSES} processes")  # noqa: T201
    await asyncio.gather(
        fifth_articles_count_once(deployment),
        visits_before_and_after_a_login_are_of_one_person(deployment),
        an_account_that_invited_nobody_in_a_week_is_shown_how(deployment),
        visits_end_with_a_cart(deployment),
    )
