"""The recorded history of people, read for simulations of the past."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct, convert
from psycopg.rows import DictRow

from domain.channels.kinds import normalized_addresses
from domain.journey.records import Journey
from domain.people.address_statements import Address
from domain.people.device_addresses import DeviceAddress
from domain.people.identity import Identity
from domain.people.profile import Profile
from domain.people.profile_state import Source
from domain.people.registers import Registers, unpack
from domain.rehearsal.fidelity import PastDecision
from domain.rehearsal.history import (
    PastChange,
    PastDevice,
    PastEvent,
    PastJourney,
    PastMerge,
    PersonHistory,
)
from domain.rehearsal.messages import SimulatedMessage
from domain.sending.ledger_marks import LedgerMarks
from domain.sending.policy import Reservation
from domain.tracking.event import Event, Trust, stored_event
from domain.tracking.external_ids import read_external_ids
from domain.tracking.identifiers import STANDARD_PLACEHOLDERS
from store.database import Connection

_EVENT = """
events.id, events.profile_id, events.source, message_id, type, name, user_id, anonymous_id, previous_id, group_id,
properties, context, timestamp, reported_timestamp, integrations, is_history, trust, received_at
"""


class HistoryRange(Struct, frozen=True):
    """The history that a simulation reads.

    Messages are read from `ledger_since` on. Events before `since` are those of some `names`, or all if that is None,
    and all from `late_since` on, since they may yet overtake others. Journeys are those of some `campaigns`.
    """

    since: datetime
    until: datetime
    ledger_since: datetime
    late_since: datetime
    names: Sequence[str] | None
    campaigns: Sequence[str]


async def list_people(
    connection: Connection, share: float, segment_id: int | None, among: Collection[UUID] | None = None
) -> list[UUID]:
    """Return the profiles of a simulation in the order of their ids.

    A share is drawn by hash, the same each time. With a segment they are its members now, and
    with some ids those `among` them.
    """
    cursor = await connection.execute(
        """
        SELECT id FROM profiles
        WHERE (uuid_hash(id) & 65535) < %(share)s * 65536
          AND (%(segment)s::int IS NULL
               OR id IN (SELECT profile_id FROM segment_members WHERE segment_id = %(segment)s))
          AND (%(among)s::uuid[] IS NULL OR id = ANY(%(among)s))
        ORDER BY id
        """,
        {"share": share, "segment": segment_id, "among": None if among is None else list(among)},
    )
    return [row["id"] async for row in cursor]


async def find_users(connection: Connection, user_ids: Sequence[str]) -> dict[str, UUID]:
    """Return the profiles of users who are known."""
    cursor = await connection.execute(
        "SELECT value, profile_id FROM identities WHERE kind = 'user' AND value = ANY(%s)", (list(user_ids),)
    )
    return {row["value"]: row["profile_id"] async for row in cursor}


async def find_first_kept(connection: Connection) -> datetime | None:
    """Return the instant from which all events are kept.

    It is the start of the month of the first one: retention drops whole partitions, and they are months of UTC.
    """
    cursor = await connection.execute("SELECT date_trunc('month', min(received_at), 'UTC') AS at FROM events")
    [row] = await cursor.fetchall()
    at: datetime | None = row["at"]
    return at


async def count_cut(connection: Connection, ids: Collection[UUID], first: datetime) -> int:
    """Count the people who came before the first instant whose events are kept."""
    cursor = await connection.execute(
        "SELECT count(*) AS number FROM profiles WHERE id = ANY(%s) AND created_at < %s", (list(ids), first)
    )
    [row] = await cursor.fetchall()
    return int(row["number"])


async def count_erased(connection: Connection, since: datetime) -> int:
    """Count the people who were erased since an instant."""
    cursor = await connection.execute(
        "SELECT count(DISTINCT operation_id) AS number FROM erased_ids WHERE erased_at >= %s", (since,)
    )
    [row] = await cursor.fetchall()
    return int(row["number"])


async def read_histories(connection: Connection, ids: Sequence[UUID], wanted: HistoryRange) -> list[PersonHistory]:
    """Return the histories of people, in the order of their ids."""
    of = {"ids": list(ids), "since": wanted.since, "until": wanted.until}
    profiles = await _select(connection, _PROFILES, of)
    identities = _group(await _select(connection, _IDENTITIES, of))
    later = await _select(connection, _CHANGES, of)
    touched = sorted({row["profile_id"] for row in later})
    changes = _group([*await _select(connection, _EARLIER_CHANGES, {**of, "ids": touched}), *later])
    merges = _group(await _select(connection, _MERGES, of))
    sources = await _read_sources(connection, touched, changes, merges)
    known = _select_addresses(profiles, changes)
    refusals = {
        (row["channel"], row["value"]): Registers(row["refusals"], unpack(row["said"]))
        for row in await _select(
            connection, _REFUSALS, {"values": sorted({value for one in known.values() for _, value in one})}
        )
    }
    events = _group(await _select(connection, _EVENTS, of))
    before = _group(await _select(connection, _BEFORE, {**of, "names": wanted.names, "late_since": wanted.late_since}))
    ledger = {**of, "ledger_since": wanted.ledger_since}
    messages = _group(await _select(connection, _MESSAGES, ledger))
    journeys = _group(await _select(connection, _JOURNEYS, {**of, "campaigns": list(wanted.campaigns)}))
    devices = _group(await _select(connection, _DEVICES, of))
    return [
        _build(
            row,
            identities[row["id"]],
            [_read_change(one, sources) for one in changes[row["id"]]],
            {address: refusals[address] for address in sorted(known[row["id"]]) if address in refusals},
            before=[_read_event(one) for one in before[row["id"]]],
            events=[_read_event(one) for one in events[row["id"]]],
            messages=[_read_message(one) for one in messages[row["id"]]],
            journeys=[_read_journey(one) for one in journeys[row["id"]]],
            devices=[_read_device(one) for one in devices[row["id"]]],
            merges=[PastMerge(one["source_id"], one["at"], sources.get(one["merged_by"])) for one in merges[row["id"]]],
        )
        for row in profiles
    ]


async def read_decisions(connection: Connection, ids: Sequence[UUID], wanted: HistoryRange) -> list[PastDecision]:
    """Return the decisions of a period, except about journeys that began before."""
    parameters = {"ids": list(ids), "since": wanted.since, "until": wanted.until, "campaigns": list(wanted.campaigns)}
    return [PastDecision(**row) for row in await _select(connection, _DECISIONS, parameters)]


_PROFILES = """
SELECT id, COALESCE(bucket, id) AS bucket, user_id, traits, consent AS consent_given, suppressed,
       stage AS stated_stage, created_at, context, preferences, said, claims
FROM profiles WHERE id = ANY(%(ids)s) ORDER BY id
"""
_IDENTITIES = "SELECT profile_id, kind, value FROM identities WHERE profile_id = ANY(%(ids)s) ORDER BY kind, value"
_CHANGE = """
SELECT id, profile_id, part, changes, source, source_id, source_name, at, recorded_at FROM profile_changes
WHERE profile_id = ANY(%(ids)s)
"""
# A row is recorded by the server's clock, which the deployment's may be ahead of.
_CHANGES = f"{_CHANGE} AND recorded_at >= %(since)s - clock_ahead() ORDER BY profile_id, recorded_at, id"
_EARLIER_CHANGES = f"{_CHANGE} AND recorded_at < %(since)s - clock_ahead() ORDER BY profile_id, recorded_at, id"
_MERGES = """
SELECT profile_id, source_id, merged_by, at FROM profile_merges
WHERE profile_id = ANY(%(ids)s) AND at >= %(since)s - clock_ahead() ORDER BY at, source_id
"""
_SOURCES = f"""
SELECT {_EVENT} FROM events WHERE profile_id = ANY(%(ids)s) AND events.id = ANY(%(sources)s::uuid[])
"""  # noqa: S608 -- constants of this module
_REFUSALS = """
SELECT channel, value, refusals, said FROM addresses
WHERE app = '' AND value = ANY(%(values)s) AND refusals <> '{}'
"""
_EVENTS = f"""
SELECT {_EVENT} FROM events
WHERE profile_id = ANY(%(ids)s) AND recorded_at >= %(since)s - clock_ahead()
  AND received_at >= %(since)s AND received_at < %(until)s ORDER BY received_at, id
"""  # noqa: S608 -- constants of this module
_BEFORE = f"""
SELECT {_EVENT} FROM events
WHERE profile_id = ANY(%(ids)s) AND received_at < %(since)s AND trust <> 'unverified'
  AND (%(names)s::text[] IS NULL OR name = ANY(%(names)s) OR received_at >= %(late_since)s)
ORDER BY received_at, id
"""  # noqa: S608 -- constants of this module
_MESSAGES = """
SELECT messages.*, COALESCE(retry_version, campaign_version) AS version
FROM messages JOIN journeys ON journeys.id = journey_id
WHERE messages.profile_id = ANY(%(ids)s) AND messages.at >= %(ledger_since)s AND messages.at < %(until)s
ORDER BY messages.at, messages.id
"""
_JOURNEYS = """
SELECT id, campaign_key, campaign_version, profile_id, entry_key, workflow_id, entry, entered_at, ended_at FROM journeys
WHERE profile_id = ANY(%(ids)s) AND campaign_key = ANY(%(campaigns)s) AND account_id IS NULL AND entered_at < %(since)s
ORDER BY entered_at, id
"""
_DECISIONS = """
SELECT decisions.profile_id, decisions.campaign_key AS campaign, journey_id,
       COALESCE(journeys.entry ->> 'id', event_id) AS entry, journeys.entry ->> 'type' AS entry_type,
       campaign_version AS version, kind, decisions.step, decisions.outcome, reason, at
FROM decisions LEFT JOIN journeys ON journeys.id = journey_id
WHERE decisions.profile_id = ANY(%(ids)s) AND decisions.campaign_key = ANY(%(campaigns)s)
  AND decisions.recorded_at >= %(since)s - clock_ahead() AND at >= %(since)s AND at < %(until)s
  AND (entered_at IS NULL OR entered_at >= %(since)s)
ORDER BY decisions.profile_id, at, decisions.recorded_at
"""
_DEVICES = """
SELECT profile_id, value, kind, app, device_id, environment, keys, seen_at, registered_at, removed_at
FROM device_addresses WHERE profile_id = ANY(%(ids)s) ORDER BY seen_at, value
"""


async def _select(connection: Connection, sql: str, parameters: Mapping[str, Any]) -> list[DictRow]:
    cursor = await connection.execute(sql, parameters)
    return await cursor.fetchall()


def _group(rows: Iterable[DictRow]) -> Mapping[UUID, list[DictRow]]:
    grouped: dict[UUID, list[DictRow]] = defaultdict(list)
    for row in rows:
        grouped[row["profile_id"]].append(row)
    return grouped


async def _read_sources(
    connection: Connection,
    ids: Sequence[UUID],
    changes: Mapping[UUID, Sequence[DictRow]],
    merges: Mapping[UUID, Sequence[DictRow]],
) -> dict[str, PastEvent]:
    """Return the events that made changes and merges, by the ids that these name."""
    named = {row["source_id"] for rows in changes.values() for row in rows}
    named |= {row["merged_by"] for rows in merges.values() for row in rows}
    sources = [id for one in named if (id := _read_id(one)) is not None]
    rows = await _select(connection, _SOURCES, {"ids": list(ids), "sources": sources}) if sources else []
    return {str(row["id"]): _read_event(row) for row in rows}


def _read_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _select_addresses(
    profiles: Iterable[DictRow], changes: Mapping[UUID, Sequence[DictRow]]
) -> dict[UUID, set[Address]]:
    """Return the addresses that people have, and those that they had before a change."""
    known: dict[UUID, set[Address]] = {}
    for row in profiles:
        before = (one["changes"] for one in changes[row["id"]] if one["part"] == "traits")
        replaced = ({name: values["before"] for name, values in one.items()} for one in before)
        states = [row["traits"], *({**row["traits"], **one} for one in replaced)]
        known[row["id"]] = {address for traits in states for address in normalized_addresses(traits).items()}
    return known


def _build(
    row: DictRow,
    identities: Iterable[DictRow],
    changes: Sequence[PastChange],
    refusals: Mapping[Address, Registers],
    **recorded: Any,
) -> PersonHistory:
    bucket = row.pop("bucket")
    names = [Identity(one["kind"], one["value"]) for one in identities]
    return PersonHistory(Profile(**row), bucket, names, refusals, changes, **recorded)


def _read_change(row: DictRow, sources: Mapping[str, PastEvent]) -> PastChange:
    source = Source(row["source"], row["source_id"], row["at"], row["source_name"] or "")
    return PastChange(row["id"], row["part"], row["changes"], source, row["recorded_at"], sources.get(row["source_id"]))


def _read_event(row: DictRow) -> PastEvent:
    _, received_at, trust = row.pop("profile_id"), row.pop("received_at"), Trust(row.pop("trust"))
    external_ids, _ = read_external_ids(row["context"], STANDARD_PLACEHOLDERS)
    return PastEvent(received_at, Event(**row, trust=trust, external_ids=external_ids))


def _read_message(row: DictRow) -> SimulatedMessage:
    granted = convert({name: row[name] for name in Reservation.__struct_fields__}, Reservation)
    marks = LedgerMarks(**{name: row[name] for name in _MARKS}, id=row["id"])
    return SimulatedMessage(granted, (row["campaign_key"], row["version"]), row["state"], marks, row["reason"])


_MARKS = ("delivered_at", "opened_at", "clicked_at", "clicked_link", "replied_at")


def _read_journey(row: DictRow) -> PastJourney:
    ended_at = row.pop("ended_at")
    return PastJourney(Journey(**{**row, "entry": stored_event(row["entry"])}), ended_at)


def _read_device(row: DictRow) -> PastDevice:
    address = convert({name: row[name] for name in DeviceAddress.__struct_fields__}, DeviceAddress)
    return PastDevice(address, row["registered_at"], row["removed_at"])
