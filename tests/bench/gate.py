"""authorize_send, beside the statements of its transactions with their parameters and no Python in between."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from uuid import UUID

import psycopg

from application.catalogue import Catalogue
from application.step_decisions import StepDecisions
from domain.campaign.plan import Plan
from domain.journey import machine
from domain.journey.position import next_positions
from domain.journey.protocol import Authorize
from domain.journey.requests import AuthorizeRequest
from store import campaigns
from store.database import Database, configure
from tests.bench.measure import Measure, Result, beside, in_turns
from tests.bench.people import CAPS, PLAIN, entry, put_caps, run_campaign, settle_in
from tests.bench.stack import Stack

CALLS, ROUNDS = 300, 5
CALLERS = 4
# Of the statements of a transaction, the last one whose answer is waited for.
LAST_READ = "FROM documents"

Statement = tuple[Any, Any]


async def measure(stack: Stack) -> list[Result]:
    calls, rounds = stack.count(CALLS, 4), stack.count(ROUNDS)
    template = await _template(stack, calls * (rounds + 1))
    urls = [await stack.database(template) for _ in range(3)]
    many, hot = await _questions(urls[0], "user-%"), await _questions(urls[0], "hot")
    scripts = await _scripts(urls[0], [*many, *hot])
    async with Database(urls[1], pool_size=CALLERS) as database:
        gate = StepDecisions(database, Catalogue(), "UTC")
        connections = [await psycopg.AsyncConnection.connect(urls[2], autocommit=True) for _ in range(CALLERS)]
        for connection in connections:
            await configure(connection)
        found = await in_turns(
            [
                _replayed(connections, scripts, many, calls),
                _asked(gate, many, calls),
                _replayed(connections, scripts, hot, calls),
                _asked(gate, hot, calls),
            ],
            rounds,
        )
        for connection in connections:
            await connection.close()
    note = f"{CALLERS} callers at once, caps of three a week"
    return [
        beside("gate", [(figure, floor) for floor, figure, _, _ in found], note),
        beside("gate_hot", [(figure, floor) for _, _, floor, figure in found], note),
    ]


async def _template(stack: Stack, journeys: int) -> str:
    """A database where so many people are about to be sent something, and one person as often; its name."""
    url = await stack.database()
    await settle_in(url, journeys)
    async with stack.api(stack.settings(url)) as api:
        await run_campaign(api, PLAIN)
        await put_caps(api, CAPS)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(
            """
            WITH hot AS (INSERT INTO profiles (id, user_id) VALUES (uuidv7(), 'hot') RETURNING id, user_id),
            entrant AS (
              SELECT id, user_id, '' AS entry_key FROM profiles
              UNION ALL SELECT id, user_id, number::text FROM hot, generate_series(1, %s) AS number
            )
            INSERT INTO journeys (id, campaign_key, campaign_version, profile_id, entry_key, workflow_id, entry,
                                  entered_at, step, status)
            SELECT uuidv7(), 'plain', 1, id, entry_key, 'plain/' || user_id || '/' || entry_key, %s, now(), 'nudge',
                   'acting'
            FROM entrant
            """,
            (journeys, entry()),
        )
        await connection.execute("VACUUM ANALYZE")
    return url.rpartition("/")[2]


async def _questions(url: str, user: str) -> list[AuthorizeRequest]:
    """What the journeys of these people ask, as their workflows would."""
    async with Database(url, pool_size=1) as database, database.transaction() as connection:
        stored = await campaigns.version(connection, "plain", 1)
        assert stored is not None
        cursor = await connection.execute(
            """
            SELECT journeys.id FROM journeys JOIN profiles ON profiles.id = profile_id
            WHERE user_id LIKE %s ORDER BY journeys.id
            """,
            (user,),
        )
        return [_question(row["id"], stored.plan) for row in await cursor.fetchall()]


def _question(journey_id: UUID, plan: Plan) -> AuthorizeRequest:
    at = datetime.now(UTC)
    state = machine.begin(plan, at)
    command = machine.next_command(plan, state)
    assert isinstance(command, Authorize)
    return AuthorizeRequest(
        journey_id=journey_id,
        step=command.step,
        visit=command.visit,
        attempt=command.attempt,
        reached_at=command.reached_at,
        at=at,
        ends_with=command.ends_with,
        next_positions=next_positions(plan, state, command, at, 1),
    )


async def _scripts(url: str, questions: Sequence[AuthorizeRequest]) -> dict[UUID, list[Statement]]:
    """The statements of the transaction of each journey, written down while they are carried out in turn."""
    scripts = {}
    async with Database(url, pool_size=1) as database:
        gate = StepDecisions(database, Catalogue(), "UTC")
        # The first one of a process loads the campaign.
        await gate.authorize(questions[0])
        for question in questions:
            with _written_down() as script:
                await gate.authorize(question)
            scripts[question.journey_id] = [each for each in script if each[0] not in ("BEGIN", "COMMIT")]
    scripts[questions[0].journey_id] = []
    return scripts


@contextmanager
def _written_down() -> Iterator[list[Statement]]:
    script: list[Statement] = []
    execute = psycopg.AsyncConnection.execute

    async def noted(self: Any, query: Any, params: Any = None, **options: Any) -> Any:
        script.append((query, params))
        return await execute(self, query, params, **options)

    with patch.object(psycopg.AsyncConnection, "execute", noted):
        yield script


def _asked(gate: StepDecisions, questions: Sequence[AuthorizeRequest], calls: int) -> Measure:
    """Calls a second."""

    async def once(number: int) -> float:
        waiting = iter(questions[number * calls : (number + 1) * calls])

        async def caller() -> None:
            for question in waiting:
                await gate.authorize(question)

        return calls / await _timed(caller() for _ in range(CALLERS))

    return once


def _replayed(
    connections: Sequence[psycopg.AsyncConnection[Any]],
    scripts: dict[UUID, list[Statement]],
    questions: Sequence[AuthorizeRequest],
    calls: int,
) -> Measure:
    """Transactions a second. Each has two round trips: what is decided from is waited for, and the commit."""

    async def once(number: int) -> float:
        waiting = iter([scripts[each.journey_id] for each in questions[number * calls : (number + 1) * calls]])

        async def caller(connection: psycopg.AsyncConnection[Any]) -> None:
            for script in waiting:
                async with connection.pipeline():
                    await connection.execute("BEGIN")
                    for query, params in script:
                        cursor = await connection.execute(query, params)
                        if LAST_READ in query:
                            await cursor.fetchone()
                    await connection.execute("COMMIT")

        return calls / await _timed(caller(connection) for connection in connections)

    return once


async def _timed(callers: Any) -> float:
    began = time.perf_counter()
    await asyncio.gather(*callers)
    return time.perf_counter() - began
