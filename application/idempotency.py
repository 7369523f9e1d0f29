"""What was asked for twice is done once: the answer commits with the effect, in one transaction."""

from collections.abc import Awaitable, Callable
from typing import Final

from psycopg.errors import LockNotAvailable

from domain.access import Actor
from domain.errors import IdempotencyInProgressError, IdempotencyKeyReusedError, SojournError
from store import idempotency
from store.database import Connection, Database
from store.idempotency import KeptAnswer, StoredResponse

# How long a repeat waits for the request that it repeats, in seconds. It holds a connection meanwhile.
CLAIM_SECONDS: Final = 1.0


class _DoneBefore(Exception):
    """Ends the request at its first use of the database: its answer is there already."""


class Idempotency:
    """Carry a request out, or give the answer that it was given before."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(
        self, by: Actor, key: str, request_hash: bytes, act: Callable[[], Awaitable[StoredResponse]]
    ) -> tuple[StoredResponse, bool]:
        """The answer, and whether it was given before.

        `act` runs in this transaction: its use cases join it, so that whatever cuts it short leaves neither an effect
        nor an answer. What it raises passes through, and is not remembered.

        Raises IdempotencyInProgressError while the same key is at work elsewhere, IdempotencyKeyReusedError where it
        was another request's.
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
                # What acts without the database has not claimed its key yet.
                await idempotency.keep(await work.connection(), by.id, key, answer)
                return answer, False
        except _DoneBefore:
            kept = await self._find(by, key)
        except SojournError:
            # A repeat may be refused before it claims its key, for what the first has changed: applying a plan makes
            # the plan outdated. The change and its answer were committed together, so the answer is there by now.
            if (kept := await self._find(by, key)) is None:
                raise
        if kept is None:
            # Its day was over between the two statements.
            raise IdempotencyInProgressError("this Idempotency-Key is just being forgotten", retry_after=1)
        if kept.request_hash != request_hash:
            raise IdempotencyKeyReusedError("this Idempotency-Key was used for another request; make a new one")
        return kept, True

    async def _find(self, by: Actor, key: str) -> KeptAnswer | None:
        async with self._database.transaction() as connection:
            return await idempotency.find(connection, by.id, key)
