"""The simulator beside the real engine: the events of a test, as they arrived, simulated by what is deployed there.

Every decision about a person must be the same, in the same order and at the same time, and so must what became of their
messages and journeys. Only ids differ, and what the acting of the engine itself takes.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any
from uuid import UUID, uuid5

from msgspec import convert
from msgspec.structs import replace

from application.catalogue import Catalogue
from domain.deployment_documents import FREQUENCY_CAPS
from domain.journey.listeners import CampaignVersion, Listeners
from domain.journey.records import Journey
from domain.people.identity import Identity
from domain.people.profile import Profile
from domain.rehearsal.omissions import select_simulated
from domain.rehearsal.people import SimulatedPerson
from domain.rehearsal.records import Results
from domain.rehearsal.rulebook import Rulebook, RunningCampaign
from domain.rehearsal.simulator import Simulator
from domain.sending.routes import DEVELOPMENT_PROVIDERS
from domain.tracking.event import OUR_CONTEXT, Event
from store import campaigns, documents
from store.database import Database

# A journey's clock goes on while it acts in our own time, which is long on a busy machine.
TOLERANCE = timedelta(seconds=10)


_DECIDED = """
SELECT decisions.campaign_key, COALESCE(journeys.entry ->> 'id', decisions.event_id) AS entry, decisions.kind,
       decisions.step, decisions.outcome, decisions.reason, decisions.at, decisions.data ->> 'frees_at' AS frees_at
FROM decisions LEFT JOIN journeys ON journeys.id = journey_id
WHERE decisions.profile_id = %s AND decisions.campaign_key = ANY(%s)
ORDER BY decisions.at, decisions.recorded_at
"""
_SENT = """
SELECT messages.campaign_key, entry ->> 'id' AS entry, messages.step, channel, messages.state, messages.at
FROM messages JOIN journeys ON journeys.id = journey_id
WHERE messages.profile_id = %s AND messages.campaign_key = ANY(%s) ORDER BY messages.at
"""
_ENDED = """
SELECT campaign_key, entry ->> 'id' AS entry, state, outcome, ended_at FROM journeys
WHERE profile_id = %s AND campaign_key = ANY(%s) AND state <> 'active' ORDER BY ended_at
"""
_REACHED = """
SELECT conversions.campaign_key, entry ->> 'id' AS entry, conversions.at
FROM conversions JOIN journeys ON journeys.id = journey_id
WHERE conversions.profile_id = %s AND conversions.campaign_key = ANY(%s) ORDER BY conversions.at
"""
_MESSAGES = """
SELECT messages.id, messages.campaign_key, entry ->> 'id' AS entry, messages.step, visit
FROM messages JOIN journeys ON journeys.id = journey_id WHERE messages.profile_id = %s
"""
# The ids of events are made as they arrive, in order.
_EVENTS = "SELECT * FROM events WHERE profile_id = %s ORDER BY received_at, id"


@dataclass(frozen=True)
class Happened:
    """One thing that the engine and the simulator must agree on. `of` is the campaign and the entry event."""

    of: tuple[str, str]
    what: str
    at: datetime
    frees_at: datetime | None = None


# Two things that are due at one instant happen in no certain order, and the engine takes a part of a second for each.
AT_ONCE = timedelta(seconds=1)


@dataclass
class Comparison:
    """What the engine has decided and done, what the simulator does otherwise, and how far their times are apart.

    `ties` are the people for whom the order of what was due at one instant decided something, and what followed.
    """

    happened: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    ties: set[str] = field(default_factory=set)
    furthest: timedelta = timedelta(0)


async def compare_with_engine(database: Database, timezone: str, rulebook: Rulebook | None = None) -> Comparison:
    """Compare the simulator with the engine for every person; by other rules, for planted faults."""
    rulebook = rulebook or await read_rulebook(database, timezone)
    people = await _query(database, "SELECT id, user_id FROM profiles ORDER BY id")
    keys = {key for key, _ in rulebook.campaigns}
    found = Comparison()
    for person in people:
        real = await _read_real(database, person["id"], keys)
        if real:
            simulated = await _simulate(database, rulebook, person["id"], max(one.at for one in real))
            _compare(real, simulated, person["user_id"], found)
    return found


async def read_rulebook(database: Database, timezone: str) -> Rulebook:
    """What is deployed, without the campaigns that are not simulated."""
    catalogue = Catalogue(timezone, DEVELOPMENT_PROVIDERS)
    async with database.transaction() as connection:
        segments = await catalogue.load_segments(connection)
        providers = await catalogue.load_providers(connection)
        caps = (await documents.latest(connection, FREQUENCY_CAPS)).rules
        known = [
            await catalogue.version(connection, one.key, one.running_version)
            for one in await campaigns.all_campaigns(connection)
            if one.running_version is not None
        ]
    kept, _ = select_simulated([RunningCampaign(one.key, one.version, one.plan, one.rules) for one in known], caps)
    listeners = Listeners([CampaignVersion(one.key, one.version, one.rules) for one in kept], ())
    return Rulebook({(one.key, one.version): one for one in kept}, listeners, segments, providers, caps, timezone)


def _compare(real: Sequence[Happened], simulated: Sequence[Happened], user: str, found: Comparison) -> None:
    """Compare two lists, journey by journey, until an order decides that is not certain."""
    ours, theirs = _group(real), _group(simulated)
    differing: list[tuple[datetime, str]] = []
    for of in sorted({*ours, *theirs}):
        engine, simulator = ours.get(of, []), theirs.get(of, [])
        found.happened.update(" ".join(one.what.split()[:1]) for one in engine)
        if [one.what for one in engine] != [one.what for one in simulator]:
            said = f"{of[0]}: the engine has {_say(engine)}, the simulator {_say(simulator)}"
            differing.append((_find_first(engine, simulator), said))
            continue
        apart = [abs(one.at - other.at) for one, other in zip(engine, simulator, strict=True)]
        found.furthest = max(found.furthest, *apart)
        if max(apart) > TOLERANCE:
            differing.append((engine[0].at, f"{of[0]}: {max(apart)} apart: {_say(engine)}, {_say(simulator)}"))
    for at, said in sorted(differing):
        if user in found.ties or _is_tie(at, real):
            found.ties.add(user)
        else:
            found.differences.append(f"{user}: {said}")


def _find_first(engine: Sequence[Happened], simulator: Sequence[Happened]) -> datetime:
    pairs = zip_longest(sorted(engine, key=_instant), sorted(simulator, key=_instant))
    return next((one or other).at for one, other in pairs if one is None or other is None or one.what != other.what)


def _is_tie(at: datetime, real: Sequence[Happened]) -> bool:
    """Whether two messages were asked about at this instant, or one just before a cap was free."""
    asked = [one for one in real if one.what.startswith("send ") and abs(one.at - at) < AT_ONCE]
    is_early = any(one.frees_at is not None and one.frees_at - one.at < AT_ONCE for one in asked)
    return len({one.of for one in asked}) > 1 or is_early


def _instant(one: Happened) -> datetime:
    return one.at


def _say(happened: Sequence[Happened]) -> str:
    return "; ".join(f"{one.at:%d %H:%M:%S} {one.what}" for one in happened) or "nothing"


def _group(happened: Iterable[Happened]) -> dict[tuple[str, str], list[Happened]]:
    grouped: dict[tuple[str, str], list[Happened]] = defaultdict(list)
    for one in happened:
        grouped[one.of].append(one)
    return grouped


def _decision(kind: str, step: str | None, outcome: str, reason: str | None) -> str:
    return " ".join(filter(None, (kind, step, outcome, reason)))


async def _read_real(database: Database, profile_id: UUID, keys: Iterable[str]) -> list[Happened]:
    """What the engine has decided and done about a person."""
    wanted = list(keys)
    decided, sent, ended, reached = [
        await _query(database, sql, profile_id, wanted) for sql in (_DECIDED, _SENT, _ENDED, _REACHED)
    ]
    return [
        *(
            Happened(
                _of(row),
                _decision(row["kind"], row["step"], row["outcome"], row["reason"]),
                row["at"],
                row["frees_at"] and datetime.fromisoformat(row["frees_at"]),
            )
            for row in decided
        ),
        *(Happened(_of(row), f"message {row['step']} by {row['channel']} {row['state']}", row["at"]) for row in sent),
        *(Happened(_of(row), f"{row['state']}: {row['outcome']}", row["ended_at"]) for row in ended),
        *(Happened(_of(row), "goal", row["at"]) for row in reached),
    ]


async def _query(database: Database, sql: str, *parameters: Any) -> list[dict[str, Any]]:
    async with database.transaction() as connection:
        cursor = await connection.execute(sql, parameters)
        rows: list[dict[str, Any]] = await cursor.fetchall()
        return rows


def _of(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["campaign_key"], row["entry"]


async def _simulate(database: Database, rulebook: Rulebook, profile_id: UUID, until: datetime) -> list[Happened]:
    """What the simulator decides about the same person, by the events that arrived."""
    events = await _query(database, _EVENTS, profile_id)
    known = await _query(database, "SELECT kind, value FROM identities WHERE profile_id = %s", profile_id)
    results = Results()
    simulator = Simulator(rulebook, results.add)
    [row] = await _query(database, "SELECT user_id, created_at FROM profiles WHERE id = %s", profile_id)
    anonymous = next((one["value"] for one in known if one["kind"] == "anonymous"), None)
    profile = Profile(profile_id, row["user_id"], {}, {}, {}, None, row["created_at"])
    person = SimulatedPerson(profile, profile_id, anonymous_id=anonymous)
    simulator.people.add(person, [Identity(one["kind"], one["value"]) for one in known])
    messages = await _query(database, _MESSAGES, profile_id)
    real = {str(one["id"]): (one["campaign_key"], one["entry"], one["step"], one["visit"]) for one in messages}
    for row in events:
        event = _event(row)
        if not _is_made_by_us(event):
            simulator.pass_time(row["received_at"])
            simulator.take(_renamed(event, real, results), row["received_at"])
    simulator.pass_time(until + TOLERANCE)
    return [one for one in _list_simulated(results) if one.at <= until + TOLERANCE]


def _event(row: Mapping[str, Any]) -> Event:
    names = Event.__struct_fields__
    return convert({name: row[name] for name in names if name in row}, Event)


def _is_made_by_us(event: Event) -> bool:
    """Whether a rule has made the event: the simulator makes it as well."""
    ours = event.context.get(OUR_CONTEXT)
    return isinstance(ours, dict) and ("caused_by" in ours or "chain" in ours)


def _renamed(event: Event, real: Mapping[str, tuple[str, str, str, int]], results: Results) -> Event:
    """The event with the simulator's id of the message that it names."""
    named = str(event.properties.get("message_id"))
    if named not in real:
        return event
    campaign, entry, step, visit = real[named]
    journeys = [one.message.granted for one in results.messages if one.message.granted.campaign_key == campaign]
    begun = {decision.event_id: decision.journey_id for decision in results.decisions if decision.kind == "entry"}
    journey_id = begun.get(UUID(entry))
    if journey_id is None or not journeys:
        return event
    return replace(event, properties={**event.properties, "message_id": str(uuid5(journey_id, f"{step}/{visit}"))})


def _list_simulated(results: Results) -> list[Happened]:
    entered = {one.journey_id: str(one.event_id) for one in results.decisions if one.kind == "entry"}

    def of(journey: Journey) -> tuple[str, str]:
        return journey.campaign_key, str(journey.entry.id)

    decided = [
        Happened(
            (one.campaign_key, entered.get(one.journey_id, str(one.event_id)) if one.journey_id else str(one.event_id)),
            _decision(one.kind, one.step, one.outcome, one.reason),
            one.at,
        )
        for one in results.decisions
    ]
    sent = [
        Happened(
            (one.message.granted.campaign_key, entered[one.message.granted.journey_id]),
            f"message {one.message.granted.step} by {one.message.granted.channel} {one.message.state}",
            one.at,
        )
        for one in results.messages
    ]
    ended = [
        Happened(of(one.journey), f"{one.ending.state}: {one.ending.outcome}", one.ending.ended_at)
        for one in results.ends
    ]
    reached = [Happened(of(one.journey), "goal", one.event.timestamp) for one in results.goals]
    return [*decided, *sent, *ended, *reached]
