"""Three builds that are broken on purpose, each in one place, so that the auditor has something to find."""

import asyncio
from collections.abc import Callable
from typing import Any

from application.send import Sender
from domain.sending.claim import Proceed
from runtime import relay
from runtime.relay import Relay, TemporalAwayError
from store import messages, outbox


def claim_skipped() -> None:
    """An attempt hands the message over without asking the ledger and the journey, and without saying so."""

    async def say_nothing(*_: Any) -> None:
        return None

    Sender._claim = lambda *_: Proceed()  # type: ignore[method-assign]
    messages.mark_sending = say_nothing  # type: ignore[assignment]


def cap_without_lock() -> None:
    """The gate reads the recipient's ledger without holding it."""
    lock = " FOR NO KEY UPDATE OF profiles"
    if lock not in messages._LOCK_RECIPIENT:
        raise ValueError("the gate locks its recipient in another way: break that one")
    messages._LOCK_RECIPIENT = messages._LOCK_RECIPIENT.replace(lock, "")


def relay_forgets_first() -> None:
    """The relay removes from the outbox what it takes, and then tells Temporal."""

    async def deliver_due(self: Relay) -> int:
        async with self._database.transaction() as connection:
            rows = await outbox.take(connection, relay.BATCH, relay.BATCH_OF_MANY)
            versions = await self._versions(connection, rows)
            await outbox.remove(connection, [row.id for row in rows])
        results = await asyncio.gather(*(self._deliver(row, versions) for row in rows))
        if any(failure is not None and failure.is_away for failure in results):
            raise TemporalAwayError("Temporal does not answer")
        return len(rows)

    Relay.deliver_due = deliver_due  # type: ignore[method-assign]


MUTANTS: dict[str, Callable[[], None]] = {
    "claim-skipped": claim_skipped,
    "cap-without-lock": cap_without_lock,
    "relay-forgets-first": relay_forgets_first,
}


def break_on_purpose(name: str) -> None:
    """Break this process before it begins."""
    MUTANTS[name]()
