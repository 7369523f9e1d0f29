"""Idempotent requests: the answer is committed with the effect."""

from collections.abc import Awaitable, Callable
from typing import Final

from psycopg.errors import LockNotAvailable

from domain.access import Actor
from domain.errors import (
    IdempotencyAnswerLostError,
    IdempotencyInProgressError,
    IdempotencyKeyReusedError,
    SojournError,
)
from store import idempotency
from store.database import Connection, Database
from store.idempotency import KeptAnswer, StoredResponse

# How long a repeat waits for the first request, in seconds. It holds a connection meanwhile.
CLAIM_SECONDS: Final = 1.0
# After so long a request without an answer was interrupted: its call of a provider ends within 50 s. Seconds.
INTERRUPTED_SECONDS: Final = 90.0


class _DoneBefore(Exception):
    """Ends the request at its first use of the database: it has an answer already."""


class Idempotency:
    """Carries out a request, or returns its earlier answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(
        self, by: Actor, key: str, request_hash: bytes, act: Callable[[], Awaitable[StoredResponse]]
    ) -> tuple[StoredResponse, bool]:
        """Return the answer, and whether it is an earlier one.

        `act` runs in this transaction: its use cases join it, so that an interruption leaves neither an effect nor an
        answer. One that calls outside commits before: after an interruption the key has no answer, and the call is not
        repeated. Errors pass through and are not stored.

        Raises IdempotencyInProgressError while another request uses the key, IdempotencyAnswerLostError if that one was
        interrupted after its call, IdempotencyKeyReusedError if the key was used for a different request.
        """

        async def begin(connection: Connection) -> None:
            try:
                is_new = await idempotency.claim(connection, by.id, key, request_hash, wait_seconds=CLAIM_SECONDS)
            except LockNotAvailable as error:
                raise IdempotencyInProgressError(
                    "a request under this Idempotency-Key is being carried out", retry_after=1
                ) from error
            if not is_new:
                raise _DoneBefore

        try:
            async with self._database.unit_of_work(begin) as work:
                answer = await act()
                # A request that does not use the database has not claimed its key yet.
                await idempotency.keep(await work.connection(), by.id, key, answer)
                return answer, False
        except _DoneBefore:
            kept = await self._find(by, key)
        except SojournError:
            # A repeat may fail before it claims its key, because of the first request's change: applying a plan makes
            # the plan outdated. The change and its answer were committed together, so the answer exists by now.
            if (kept := await self._find(by, key)) is None or not kept.is_given:
                raise
        if kept is None:
            # It expired between the two statements.
            raise IdempotencyInProgressError("this Idempotency-Key is just being forgotten", retry_after=1)
        if kept.request_hash != request_hash:
            raise IdempotencyKeyReusedError("this Idempotency-Key was used for another request; make a new one")
        if kept.is_given:
            return kept, True
        if kept.age < INTERRUPTED_SECONDS:
            raise IdempotencyInProgressError("a request under this Idempotency-Key is being carried out", retry_after=1)
        raise IdempotencyAnswerLostError("a request under this Idempotency-Key was interrupted; its outcome is unknown")

    async def _find(self, by: Actor, key: str) -> KeptAnswer | None:
        async with self._database.transaction() as connection:
            return await idempotency.find(connection, by.id, key)
