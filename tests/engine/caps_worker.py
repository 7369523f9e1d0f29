"""Journeys without their workflows: they ask the gate, send and try again, as fast as they can, at virtual instants.

Run as a module it is many processes that do so on one database; see test_caps_concurrency.
"""

import asyncio
import heapq
import itertools
import json
import multiprocessing
import os
import random
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, TypeVar
from uuid import UUID, uuid5

import psycopg
from msgspec import to_builtins

from application.catalogue import Catalogue
from application.ingest import Ingest
from application.send import Sender
from application.step_decisions import StepDecisions
from domain.errors import UnavailableError
from domain.journey.requests import AuthorizeRequest
from domain.sending.delivery import (
    Accepted,
    Ambiguous,
    Delivery,
    Keyed,
    Never,
    Outbound,
    Rejected,
    Repeats,
    Unavailable,
)
from domain.sending.policy import Answer, Deferred, Granted
from store.database import Database
from tests.engine.caps_campaigns import DEPLOYMENT_ZONE, WEIGHTS, ZONES, Journey, identify, journeys_of
from tests.engine.positions import UNRECORDED

# Clocks turn in New York, a month ends and a week ends in the days that follow.
BEGINNING = datetime(2026, 10, 30, 12, tzinfo=UTC)
VIRTUAL_HOURS_A_SECOND = 24.0
LEAST_STEPS = 100


@dataclass
class Provider:
    """A provider whose answers are rolled: most messages are taken, others refused, put off, or answered by nobody."""

    name: str
    repeats: Repeats
    rolls: random.Random
    accepted: list[str] = field(default_factory=list)

    def account(self, message: Outbound) -> str:
        return self.name

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        await asyncio.sleep(self.rolls.uniform(0, 0.004))
        match self.rolls.choices(("accepted", "rejected", "unavailable", "ambiguous"), (70, 10, 12, 8))[0]:
            case "accepted":
                self.accepted.append(message.message_id)
                return Accepted(None)
            case "rejected":
                return Rejected("bad_address", "no such mailbox")
            case "unavailable":
                return Unavailable("connection", "refused")
            case _:
                return Ambiguous("connection reset")


Made = TypeVar("Made")


async def patiently(call: Callable[[], Awaitable[Made]]) -> Made:
    """What a call comes to once the database has time for it: until then it is repeated, as activities are."""
    while True:
        try:
            return await call()
        except psycopg.OperationalError:
            await asyncio.sleep(0.1)


@dataclass(order=True)
class Walk:
    """One visit of a send step: the question due, or the granted message."""

    due: datetime
    order: int
    journey_id: UUID = field(compare=False)
    visit: int = field(compare=False)
    reached_at: datetime = field(compare=False)
    attempt: int = field(default=1, compare=False)
    message_id: UUID | None = field(default=None, compare=False)
    attempts: int = field(default=0, compare=False)


class Load:
    """One process's share of the journeys. `clock` is the virtual time; `asked` holds what was answered to what."""

    def __init__(self, database: Database, journeys: list[Journey], *, seed: str, index: int) -> None:
        self.rolls = random.Random(f"{seed}/{index}")
        self._seed = seed
        catalogue = Catalogue()
        self._gate = StepDecisions(database, catalogue, DEPLOYMENT_ZONE)
        self.providers = [
            Provider("email", Never(), self.rolls),
            Provider("webhook", Keyed(), self.rolls),
        ]
        channels = {provider.name: provider for provider in self.providers}
        self._sender = Sender(database, catalogue, channels, lambda *_: "https://example.com/u", DEPLOYMENT_ZONE)
        self._ingest = Ingest(database, catalogue)
        self._journeys = journeys
        self._users = sorted({journey.user for journey in journeys})
        self._weights = list(itertools.accumulate(WEIGHTS[journey.campaign] for journey in journeys))
        self._visits = itertools.count(index * 1_000_000 + 1)
        self._order = itertools.count()
        self._waiting: list[Walk] = []
        self.asked: list[tuple[AuthorizeRequest, Answer]] = []
        self.different: list[str] = []

    async def run(self, clock: "Clock", seconds: float, tasks: int) -> None:
        """Until the time is over, and something has been done in it on however slow a machine."""
        steps = itertools.count()

        async def work() -> None:
            while next(steps) < LEAST_STEPS or clock.elapsed() < seconds:
                await self._step(clock)

        await asyncio.gather(*(work() for _ in range(tasks)))

    def report(self) -> dict[str, Any]:
        return {
            "asked": [
                [str(uuid5(question.journey_id, f"note/{question.visit}/{question.attempt}")), to_builtins(answer)]
                for question, answer in self.asked
            ],
            "different": self.different,
            "accepted": [(provider.name, id) for provider in self.providers for id in provider.accepted],
        }

    async def _step(self, clock: "Clock") -> None:
        roll = self.rolls.random()
        if roll < 0.03:
            moved = identify(self.rolls.choice(self._users), {"timezone": self.rolls.choice(ZONES)})
            await patiently(lambda: self._ingest([moved], received_at=datetime.now(UTC)))
        elif roll < 0.13 and self.asked:
            question, answer = self.rolls.choice(self.asked)
            await self._ask(question, expected=answer)
        elif roll < 0.2:
            await self._ask_what_others_ask(clock)
        elif self._waiting and self._waiting[0].due <= clock.now():
            await self._go_on(heapq.heappop(self._waiting))
        else:
            reached_at = clock.now() + timedelta(hours=self.rolls.uniform(-3, 3))
            late = timedelta(hours=self.rolls.choice((0, 0, 0, 1, 13)))
            walk = Walk(reached_at + late, next(self._order), self._draw(self.rolls), next(self._visits), reached_at)
            await self._go_on(walk)

    def _draw(self, rolls: random.Random) -> UUID:
        return rolls.choices(self._journeys, cum_weights=self._weights)[0].id

    async def _ask_what_others_ask(self, clock: "Clock") -> None:
        """The question of this moment, the same in every process; and all of them send what is granted."""
        number = int(clock.elapsed() * 10)
        rolls = random.Random(f"{self._seed}/all/{number}")
        at = BEGINNING + timedelta(hours=number * VIRTUAL_HOURS_A_SECOND / 10)
        walk = Walk(at, next(self._order), self._draw(rolls), 1_000_000_000 + number, at)
        answer = await self._ask(_question(walk))
        if isinstance(answer, Granted):
            walk.message_id = UUID(answer.message_id)
            await self._attempt(walk)

    async def _go_on(self, walk: Walk) -> None:
        if walk.message_id is not None:
            await self._send(walk)
            return
        answer = await self._ask(_question(walk))
        match answer:
            case Granted(message_id=message_id):
                walk.message_id = UUID(message_id)
                if self.rolls.random() < 0.2:
                    self._later(walk, hours=self.rolls.uniform(0, 14))
                else:
                    await self._send(walk)
            case Deferred(until=until):
                walk.attempt += 1
                walk.due = until
                heapq.heappush(self._waiting, walk)
            case _:
                pass

    async def _send(self, walk: Walk) -> None:
        state = await self._attempt(walk)
        walk.attempts += 1
        if state == "postponed":
            walk.attempt += 1
            walk.message_id = None
            self._later(walk, hours=0)
        elif state is None and walk.attempts < 6:
            self._later(walk, hours=self.rolls.uniform(0, 8))

    async def _attempt(self, walk: Walk) -> str | None:
        if walk.message_id is None:
            raise ValueError("nothing was granted")
        try:
            return (
                await self._sender.send(
                    walk.message_id, at=walk.due, dated=walk.due, ends_with=None, next_positions=UNRECORDED
                )
            ).state
        except (UnavailableError, psycopg.OperationalError):
            return None

    def _later(self, walk: Walk, *, hours: float) -> None:
        walk.due += timedelta(hours=hours)
        heapq.heappush(self._waiting, walk)

    async def _ask(self, question: AuthorizeRequest, expected: Answer | None = None) -> Answer:
        answer = await patiently(lambda: self._gate.authorize(question))
        if expected is None:
            self.asked.append((question, answer))
        elif answer != expected:
            self.different.append(f"{question}: {answer} after {expected}")
        return answer


def _question(walk: Walk) -> AuthorizeRequest:
    return AuthorizeRequest(
        walk.journey_id, "note", walk.visit, walk.attempt, walk.reached_at, walk.due, None, UNRECORDED
    )


class Clock:
    """Virtual time, which begins when this is made."""

    def __init__(self) -> None:
        self._begun = monotonic()

    def elapsed(self) -> float:
        return monotonic() - self._begun

    def now(self) -> datetime:
        return BEGINNING + timedelta(hours=self.elapsed() * VIRTUAL_HOURS_A_SECOND)


BARRIER = 7


async def work(url: str, seed: str, index: int, seconds: float) -> dict[str, Any]:
    """Wait until all are ready, and work; what was answered and what providers took."""
    async with Database(url, pool_size=1) as database:
        load = Load(database, await patiently(lambda: journeys_of(database)), seed=seed, index=index)
        async with database.transaction() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", (BARRIER,))
        await load.run(Clock(), seconds, tasks=1)
    return load.report()


def run(*task: Any) -> dict[str, Any]:
    """The life of one process."""
    return asyncio.run(work(*task))


def main(url: str, seed: str, processes: int, seconds: float) -> None:
    """Have so many processes work, and print their reports. They are forks: what all import is imported once."""
    # They are to leave time to whatever else is tested at the same time.
    os.nice(10)
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        # At the barrier each waits for all, so that each has one task.
        reports = pool.starmap(run, [(url, seed, index, seconds) for index in range(processes)], chunksize=1)
    print(json.dumps(reports))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
