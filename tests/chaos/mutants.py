"""Builds that are broken on purpose, each in one place, so that the auditor has something to find."""

import asyncio
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from msgspec.structs import replace

from application import inbox as inboxes
from application import page_reactions, reports, send
from application.send import Sender
from channels import http_call
from channels.email import postmark_reports
from domain.people.identity import Identity, Known
from domain.sending import policy, routes
from domain.sending.claim import Proceed
from domain.sending.delivery import Unavailable
from domain.sending.inbox import GiveResult, WaitingMessage
from runtime import relay
from runtime.relay import Relay, TemporalAwayError
from store import identity_locks, inbox, message_marks, messages, outbox, step_facts
from store.database import Connection
from store.message_claims import Claimed

# Whose inbox is forgotten.
FORGOTTEN = "forgotten"


def claim_skipped() -> None:
    """An attempt hands a webhook over without asking the ledger and the journey, and without saying so."""
    ask, mark = Sender._claim, messages.mark_sending

    def claim(self: Sender, claimed: Claimed, *more: Any, **other: Any) -> Any:
        return Proceed() if claimed.channel == "webhook" else ask(self, claimed, *more, **other)

    async def mark_sending(
        connection: Connection, message_id: UUID, at: datetime, provider: str, address: str | None
    ) -> None:
        if provider != "http":
            await mark(connection, message_id, at, provider, address)
            return
        # The attempts have one date all the same: a provider refuses a key with another content.
        await connection.execute(
            "UPDATE messages SET first_claimed_at = COALESCE(first_claimed_at, %s) WHERE id = %s", (at, message_id)
        )

    Sender._claim = claim  # type: ignore[method-assign]
    messages.mark_sending = mark_sending


def cap_without_lock() -> None:
    """The gate reads the recipient's ledger without holding it."""
    lock = " FOR NO KEY UPDATE OF profiles"
    if lock not in step_facts._LOCK_PERSON:
        raise ValueError("the gate locks its recipient in another way: break that one")
    step_facts._LOCK_PERSON = step_facts._LOCK_PERSON.replace(lock, "")


def relay_forgets_first() -> None:
    """The relay removes from the outbox what it takes, and then tells Temporal."""

    async def deliver_due(self: Relay) -> int:
        async with self._database.transaction() as connection:
            rows = await outbox.take(connection, relay.BATCH, relay.BULK_BATCH)
            versions = await self._load_versions(connection, rows)
            await outbox.remove(connection, [row.id for row in rows])
        results = await asyncio.gather(*(self._deliver(row, versions) for row in rows))
        if any(failure is not None and failure.is_away for failure in results):
            raise TemporalAwayError("Temporal does not answer")
        return len(rows)

    Relay.deliver_due = deliver_due  # type: ignore[method-assign]


def anonymous_before_the_wait() -> None:
    """A batch works out who is anonymous in the statement that waits for the lock, and no constraint forbids it."""
    share = "FOR SHARE OF identity"
    if share not in identity_locks._FIND:
        raise ValueError("identities are looked up in another way: break that one")
    known = identity_locks._FIND.replace(share, "FOR UPDATE OF identity")

    async def lock_identities(connection: Connection, identities: Collection[Identity]) -> dict[Identity, Known]:
        cursor = await connection.execute(known, identity_locks._pairs(identities))
        return {
            Identity(row["kind"], row["value"]): Known(row["profile_id"], row["is_anonymous"])
            for row in await cursor.fetchall()
        }

    identity_locks.lock_identities = lock_identities
    with psycopg.connect(os.environ["SOJOURN_DATABASE_URL"]) as connection:
        connection.execute("DROP INDEX IF EXISTS identities_one_user")


def lost_answer_is_no_hand_over() -> None:
    """An answer that is lost counts as a call that never reached the provider."""

    def read_failure(error: Exception, *, is_handed_over: bool) -> Unavailable:
        return Unavailable("connection", type(error).__name__)

    http_call._read_failure = read_failure


def report_unverified() -> None:
    """Whoever knows the URL reports."""

    def verify(*_: Any) -> None:
        return None

    postmark_reports.verify_shared_secret = verify  # type: ignore[assignment, attr-defined]


def refusal_ignored() -> None:
    """A bounce is an event like others, and the address stays as it was."""

    def find(*_: Any, **__: Any) -> None:
        return None

    reports.find_address_refusal = find  # type: ignore[attr-defined]


def pause_ignored() -> None:
    """The marketing of a provider goes on, whatever people say of it."""

    def find(*_: Any) -> None:
        return None

    def list_none(*_: Any) -> frozenset[str]:
        return frozenset()

    routes.find_pause = send.find_pause = find  # type: ignore[attr-defined, assignment]
    routes.list_paused = list_none  # type: ignore[attr-defined, assignment]


def unknown_stays_unknown() -> None:
    """A report proves nothing about a message that was given up."""
    proved = "state IN ('sending', 'unknown')"
    if proved not in message_marks._MARK:
        raise ValueError("a report proves a message in another way: break that one")
    message_marks._MARK = message_marks._MARK.replace(proved, "state IN ('sending')")


def withdrawal_ignored() -> None:
    """Pages are given what is in the inbox, whatever has become of its journey and its campaign."""
    kept = f"({inbox.WITHDRAWN}) IS NULL"
    for name in ("_READ", "_READ_LOCKED"):
        statement = getattr(inbox, name)
        if kept not in statement:
            raise ValueError("messages are withdrawn in another way: break that one")
        setattr(inbox, name, statement.replace(kept, "true"))


def caps_not_asked() -> None:
    """Pages are given all at once."""

    def choose(waiting: Sequence[WaitingMessage], *_: Any) -> GiveResult:
        return GiveResult(tuple(one.id for one in waiting))

    inboxes.choose_given = choose  # type: ignore[attr-defined, assignment]


def inbox_forgotten() -> None:
    """A message is settled as sent, and is put into no inbox: that of a person whose name says so."""
    insert = inbox.insert

    async def forget(connection: Connection, message_id: UUID, rendered: Mapping[str, Any]) -> None:
        if FORGOTTEN not in str(rendered["content"]):
            await insert(connection, message_id, rendered)

    inbox.insert = forget


def reaction_counted_anew() -> None:
    """Each request of a page is another reaction."""
    build = page_reactions.build_reports  # type: ignore[attr-defined]

    def build_anew(*given: Any) -> list[Any]:
        return [replace(report, event_id=f"{report.event_id} {uuid4()}") for report in build(*given)]

    page_reactions.build_reports = build_anew  # type: ignore[attr-defined, assignment]


def shown_ignored() -> None:
    """The mail goes, although it was reported that the message was shown."""

    def find(*_: Any) -> None:
        return None

    policy.find_reaction = send.find_reaction = find  # type: ignore[attr-defined, assignment]


MUTANTS: dict[str, Callable[[], None]] = {
    "claim-skipped": claim_skipped,
    "cap-without-lock": cap_without_lock,
    "relay-forgets-first": relay_forgets_first,
    "anonymous-before-the-wait": anonymous_before_the_wait,
    "lost-answer-is-no-hand-over": lost_answer_is_no_hand_over,
    "report-unverified": report_unverified,
    "refusal-ignored": refusal_ignored,
    "pause-ignored": pause_ignored,
    "unknown-stays-unknown": unknown_stays_unknown,
    "withdrawal-ignored": withdrawal_ignored,
    "caps-not-asked": caps_not_asked,
    "inbox-forgotten": inbox_forgotten,
    "reaction-counted-anew": reaction_counted_anew,
    "shown-ignored": shown_ignored,
}


def break_on_purpose(names: str) -> None:
    """Break this process before it begins, in each of the places that commas part."""
    for name in names.split(","):
        MUTANTS[name]()
