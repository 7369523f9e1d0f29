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
from ctypes import c_uint64
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
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
from domain.sending.gate_answers import Answer, Deferred, Granted
from store.database import Database
from tests.engine.caps_campaigns import DEPLOYMENT_ZONE, WEIGHTS, ZONES, Journey, identify, journeys_of
from tests.engine.fixed_providers import FixedProviders, link_tracker
from tests.engine.positions import UNRECORDED

# Clocks turn in New York, a month ends and a week ends in the days that follow.
BEGINNING = datetime(2026, 10, 30, 12, tzinfo=UTC)
# So much virtual time passes with each step, and so often there is another question that all ask.
TIME_PER_STEP, TIME_PER_QUESTION = timedelta(minutes=30), timedelta(hours=6)


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
        self._sender = Sender(
            database,
            catalogue,
            FixedProviders(channels),
            lambda *_: "https://example.com/u",
            link_tracker(database),
            DEPLOYMENT_ZONE,
        )
        self._ingest = Ingest(database, catalogue)
        self._journeys = journeys
        self._users = sorted({journey.user for journey in journeys})
        self._weights = list(itertools.accumulate(WEIGHTS[journey.campaign] for journey in journeys))
        self._visits = itertools.count(index * 1_000_000 + 1)
        self._order = itertools.count()
        self._waiting: list[Walk] = []
        self.asked: list[tuple[AuthorizeRequest, Answer]] = []
        self.different: list[str] = []

    async def run(self, clock: "Clock", is_over: Callable[[], bool], tasks: int) -> None:
        """Go on until it is over. Every load begins with the same question, so that several ask one."""
        await self._ask_what_others_ask(0)

        async def work() -> None:
            while not is_over():
                clock.advance()
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
            await self._ask_what_others_ask((clock.now() - BEGINNING) // TIME_PER_QUESTION)
        elif self._waiting and self._waiting[0].due <= clock.now():
            await self._go_on(heapq.heappop(self._waiting))
        else:
            reached_at = clock.now() + timedelta(hours=self.rolls.uniform(-3, 3))
            # After 11 hours, what expires after 12 has often no open hour left; after 13 it has expired.
            late = timedelta(hours=self.rolls.choice((0, 0, 0, 1, 11, 13)))
            walk = Walk(reached_at + late, next(self._order), self._draw(self.rolls), next(self._visits), reached_at)
            await self._go_on(walk)

    def _draw(self, rolls: random.Random) -> UUID:
        return rolls.choices(self._journeys, cum_weights=self._weights)[0].id

    async def _ask_what_others_ask(self, number: int) -> None:
        """The question of a moment, the same in every process; and all of them send what is granted."""
        rolls = random.Random(f"{self._seed}/all/{number}")
        at = BEGINNING + number * TIME_PER_QUESTION
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
                if self.rolls.random() < 0.5:
                    self._later(walk, hours=self.rolls.uniform(0, 24))
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
                await self._sender.send(walk.message_id, at=walk.due, ends_with=None, next_positions=UNRECORDED)
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
    """Virtual time. Steps move it, also those of forks: what happens in it is the same on a slow machine."""

    def __init__(self) -> None:
        self._steps = FORK.Value(c_uint64, 0)

    def advance(self) -> None:
        with self._steps.get_lock():
            self._steps.value += 1

    def steps(self) -> int:
        return self._steps.value

    def now(self) -> datetime:
        return BEGINNING + self.steps() * TIME_PER_STEP


# What the processes share.
FORK = multiprocessing.get_context("fork")
CLOCK, OVER = Clock(), FORK.Event()
BARRIER = 7


async def work(url: str, seed: str, index: int) -> dict[str, Any]:
    """Wait until all are ready, and work; what was answered and what providers took."""
    async with Database(url, pool_size=1) as database:
        load = Load(database, await patiently(lambda: journeys_of(database)), seed=seed, index=index)
        async with database.transaction() as connection:
            # The others may take longer to come than a lock is waited for otherwise.
            await connection.execute("SET LOCAL lock_timeout = 0")
            await connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", (BARRIER,))
        await load.run(CLOCK, OVER.is_set, tasks=1)
    return load.report()


def run(*task: Any) -> dict[str, Any]:
    """The life of one process."""
    return asyncio.run(work(*task))


def main(url: str, seed: str, processes: int) -> None:
    """Have so many processes work until the input ends, and print their reports.

    They are forks: what all import is imported once.
    """
    # They are to leave time to whatever else is tested at the same time.
    os.nice(10)
    with FORK.Pool(processes) as pool:
        # At the barrier each waits for all, so that each has one task.
        reports = pool.starmap_async(run, [(url, seed, index) for index in range(processes)], chunksize=1)
        sys.stdin.read()
        OVER.set()
        print(json.dumps(reports.get()))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
