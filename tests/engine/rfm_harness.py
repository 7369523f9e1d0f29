"""Buyers and their scores, with an independent calculation of these in plain Python."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple

from application.deployment_documents import DeploymentDocuments, DocumentPlan, DocumentView
from application.operations.service import OperationService
from application.person_views import show_person
from application.rfm import Rfm, RfmNumbers
from application.rfm_positions import RfmPosition
from application.rfm_scores import ScoreSchedule
from domain.access import SOJOURN
from domain.deployment_documents import RFM
from domain.operations import OperationKind
from domain.people.identity import PersonRef
from domain.tracking.event import Event
from store import operations
from store.database import Database
from tests.engine.computed_harness import CHECKS, event
from tests.engine.segment_harness import SegmentHarness

DOCUMENT = "rfm: {event: Order Completed, value: event.properties.value, within: 365d, timezone: Europe/Berlin}\n"
# The segments by scores of recency (rows, 5 first) and frequency (1 first), as they are drawn.
GRID = """
new           potential-loyalist potential-loyalist champions champions
promising     potential-loyalist potential-loyalist loyal     loyal
about-to-sleep about-to-sleep    need-attention     loyal     loyal
hibernating   hibernating        at-risk            at-risk   cannot-lose
hibernating   hibernating        at-risk            at-risk   cannot-lose
"""
NAMES = {
    (5 - row, column + 1): name
    for row, line in enumerate(GRID.strip().splitlines())
    for column, name in enumerate(line.split())
}
WINDOW = timedelta(days=365)
# More than a day of 25 hours.
NIGHT = timedelta(hours=26)

Orders = Mapping[str, Sequence[tuple[datetime, float | None]]]


class Scored(NamedTuple):
    """The values and scores of a buyer."""

    days: int
    orders: int
    spent: float
    recency: int
    frequency: int
    monetary: int


def calculate(orders: Orders, at: datetime) -> dict[str, Scored]:
    """Score the buyers of the last year by their orders, value by value."""
    values: dict[str, tuple[int, int, float]] = {}
    for user, all_orders in orders.items():
        within = [(when, value) for when, value in all_orders if when + WINDOW > at]
        if within:
            days = (at - max(when for when, _ in within)) // timedelta(days=1)
            values[user] = days, len(within), sum(round(100 * value) for _, value in within if value is not None) / 100
    parts = list(zip(*values.values(), strict=True))
    points = [[_find_point(part, share) for share in (20, 40, 60, 80)] for part in parts]
    return {
        user: Scored(
            *value,
            recency=5 - sum(point < value[0] for point in points[0]),
            frequency=1 + sum(point < value[1] for point in points[1]),
            monetary=1 + sum(point < value[2] for point in points[2]),
        )
        for user, value in values.items()
    }


def _find_point(values: Sequence[float], percent: int) -> float:
    """Return the least value that so many of all are not above."""
    return min(one for one in values if 100 * sum(other <= one for other in values) >= percent * len(values))


def generate(draw: Random, at: datetime, people: int) -> Orders:
    """Return the orders of a year and more: most buyers have one, and prices and days repeat."""
    orders: dict[str, list[tuple[datetime, float | None]]] = {}
    for number in range(people):
        count = draw.choice((1, 1, 1, 1, 2, 2, 3, 5, 8, 90))
        age = draw.choice((3, 10, 30, 100, 250, 400, 600))
        orders[f"u{number}"] = [
            (
                at - timedelta(days=draw.randrange(age), seconds=draw.randrange(86_400)),
                draw.choice((9.99, 19.9, 50, 0.1, None)),
            )
            for _ in range(count)
        ]
    return orders


def as_events(orders: Orders) -> list[Event]:
    """Return the orders as events, those without a value with a text in its place."""
    return [
        event("Order Completed", user, at=when, value="free" if value is None else value)
        for user, all_orders in orders.items()
        for when, value in all_orders
    ]


@dataclass
class RfmHarness(SegmentHarness):
    async def put_rfm(self, source: str = DOCUMENT) -> DocumentView:
        """Put a document in force."""
        return await self._documents().put(RFM, source, "rfm.yaml", by=SOJOURN)

    async def apply_rfm(self, source: str = DOCUMENT) -> DocumentView:
        """Put a document in force, and do what follows from it."""
        view = await self.put_rfm(source)
        await self.operate()
        return view

    async def cancel(self, *kinds: OperationKind) -> None:
        """Cancel the open operations of some kinds."""
        for kind in kinds:
            async with self.database.transaction() as connection:
                waiting = await operations.list_open(connection, kind)
            for operation in waiting:
                await OperationService(self.database).cancel(operation.id, by=SOJOURN)

    async def plan_rfm(self, source: str = DOCUMENT) -> DocumentPlan:
        return await self._documents().plan(RFM, source, "rfm.yaml")

    async def show_rfm(self) -> DocumentView:
        return await self._documents().get(RFM)

    async def order(self, orders: Orders) -> None:
        """Report orders in batches, all of them arriving now."""
        reported = as_events(orders)
        for start in range(0, len(reported), 500):
            await self.ingest(*reported[start : start + 500])

    async def request_scores(self) -> None:
        """Begin a night."""
        await ScoreSchedule(self.database).sweep()

    async def pass_midnight(self) -> None:
        """Do what is due at midnight."""
        await self.request_scores()
        await self.operate()

    async def numbers(self) -> RfmNumbers:
        return await Rfm(self.database).numbers(7)

    async def position(self, user: str) -> RfmPosition | None:
        """The scores of a user as they are shown."""
        async with self.database.transaction() as connection:
            return (await show_person(connection, self.catalogue, PersonRef(user), "{workflow_id}")).rfm

    async def causes(self, user: str) -> list[tuple[str, bool, str]]:
        """The joins and leaves of a user in order, each with the kind of its cause."""
        return [(key, joined, cause) for one, key, joined, cause in await self.changes() if one == user]

    async def summaries(self, user: str) -> dict[str, str | None]:
        """Why a user has joined their segments, in words."""
        async with self.database.transaction() as connection:
            person = await show_person(connection, self.catalogue, PersonRef(user), "{workflow_id}")
        return {one.key: one.summary for one in person.segments}

    async def campaigns_of(self, user: str) -> dict[str, str]:
        """The state of a user's journey in each campaign."""
        async with self.database.transaction() as connection:
            cursor = await connection.execute(
                """
                SELECT campaign_key, state FROM journeys JOIN profiles ON profiles.id = profile_id
                WHERE user_id = %s ORDER BY campaign_key
                """,
                (user,),
            )
            return {row["campaign_key"]: row["state"] async for row in cursor}

    def _documents(self) -> DeploymentDocuments:
        return DeploymentDocuments(self.database, CHECKS)


@asynccontextmanager
async def rfm_harness(url: str, *, pool_size: int = 4) -> AsyncIterator[RfmHarness]:
    async with Database(url, pool_size=pool_size) as database:
        yield RfmHarness(database)
