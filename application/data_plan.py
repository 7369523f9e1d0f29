"""The data plan: which events and properties are reported, and which are declared."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from msgspec.structs import replace

from application.confirmations import CONFIRMED_EVENT
from application.page_triggers import list_events
from domain.campaign.rules import Rules
from domain.channels.kinds import CHANNELS
from domain.data_plan.declared import DeclaredEvents, Violation
from domain.data_plan.never_seen import ReportedName, iter_named, never_seen_traits, never_seen_warnings
from domain.data_plan.seen import MAX_NAMES, SeenEvent, SeenKey, add_event, key_of, rest_of
from domain.deployment_documents import DECLARED_EVENTS
from domain.document.yaml_source import Path, YamlSource, read
from domain.errors import Problem
from domain.people.computed_document import NamedTrait
from domain.people.derived_events import TRAIT_PREFIX
from domain.people.segment_document import CheckedSegment
from domain.people.segments.references import list_traits
from domain.sending.bookings import EVENTS as BOOKING_EVENTS
from domain.stream import StreamKind
from store import campaigns, documents, seen, violations
from store.database import Connection, Database
from store.seen import StoredSeen
from store.stream import StreamedEvent, StreamRow
from store.violations import StoredViolation

# As warnings count them, today included.
RECENT_DAYS: Final = 7
# Reported by Sojourn itself, once there is something to report.
_OWN_EVENTS: Final = frozenset(
    {
        CONFIRMED_EVENT,
        *BOOKING_EVENTS.values(),
        *(name for channel in CHANNELS.values() for _, name in channel.list_events()),
    }
)
_EVENTS: Final[tuple[StreamKind, ...]] = ("event",)


class DataPlanConsumer:
    """Counts events and properties, and violations of the plan, behind ingest.

    An event is judged by the document in force when it is counted.
    """

    name = "data-plan"
    kinds: Collection[StreamKind] = _EVENTS

    def __init__(self) -> None:
        self._declared = (0, DeclaredEvents([]))

    async def consume(self, connection: Connection, rows: Sequence[StreamRow]) -> None:
        """Count the events of a page. One transaction at a time does this."""
        reported = [row for row in rows if isinstance(row, StreamedEvent)]
        await _count(connection, reported)
        if found := _find_violations(await self._declared_at(connection), reported):
            await violations.add(connection, list(found.values()))

    async def _declared_at(self, connection: Connection) -> DeclaredEvents:
        """Return what is declared now; compiled once for each version."""
        version, declared = self._declared
        if await documents.latest_version(connection, DECLARED_EVENTS) != version:
            document = await documents.latest(connection, DECLARED_EVENTS)
            declared = DeclaredEvents(document.rules)
            self._declared = document.version, declared
        return declared


class DataPlan:
    """Reads the data plan."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_seen(
        self,
        *,
        limit: int,
        after: SeenKey | None = None,
        source: str | None = None,
        type: str | None = None,
        name: str | None = None,
    ) -> list[StoredSeen]:
        """Return events with their properties, by source, type and name."""
        async with self._database.transaction() as connection:
            return await seen.page(connection, limit=limit, after=after, source=source, type=type, name=name)

    async def list_violations(
        self, *, limit: int, source: str | None = None, name: str | None = None
    ) -> list[StoredViolation]:
        """Return the kinds of violations that occurred last, the newest first."""
        async with self._database.transaction() as connection:
            return await violations.latest(connection, source=source, name=name, limit=limit)


async def read_declared(connection: Connection) -> DeclaredEvents:
    """Return what is declared now."""
    return DeclaredEvents((await documents.latest(connection, DECLARED_EVENTS)).rules)


async def find_never_seen(connection: Connection, source: YamlSource, together: Iterable[Rules]) -> list[Problem]:
    """Warn about names in a campaign that were never reported.

    Steps of the campaigns in `together` report names as well.
    """
    return await _warn_of_unseen(connection, source, iter_named(source.data), together)


async def find_unseen_of_traits(
    connection: Connection, traits: Sequence[NamedTrait], text: str, file: str
) -> list[Problem]:
    """Warn about names in a document of computed traits that were never reported."""
    named: list[tuple[Path, ReportedName]] = [
        (("computed", trait.key, trait.rule.function), (selector.type, selector.name))
        for trait in traits
        for selector in trait.rule.events
        if selector.type is not None and selector.name is not None
    ]
    together = (await campaigns.latest_rules(connection)).values()
    return await _warn_of_unseen(connection, read(text, file), named, together)


async def _warn_of_unseen(
    connection: Connection,
    source: YamlSource,
    named: Iterable[tuple[Path, ReportedName]],
    together: Iterable[Rules],
) -> list[Problem]:
    since = connection.clock.now() - timedelta(days=RECENT_DAYS - 1)
    reported = await seen.count_recent(connection, since)
    if not reported:
        return []
    declared = (await documents.latest(connection, DECLARED_EVENTS)).rules
    known: set[ReportedName] = {(rule.type, rule.event) for rule in declared if rule.event is not None}
    known |= {("track", name) for name in _OWN_EVENTS | await list_events(connection)}
    known |= {
        (event.kind, event.name)
        for rules in together
        for action in rules.actions.values()
        for event in action.causes
        if event.name is not None
    }
    crowded = await seen.find_crowded(connection)
    return never_seen_warnings(source, named, reported, known, crowded, RECENT_DAYS)


async def find_unknown_traits(connection: Connection, checked: Sequence[CheckedSegment]) -> list[Problem]:
    """Warn about traits in segments that no call or step states."""
    identified = await seen.list_type(connection, "identify")
    if any(one.seen.more_properties for one in identified) or any(one.key.is_rest for one in identified):
        return []
    known = {name for one in identified for name in one.seen.properties}
    if known:
        rules = (await campaigns.latest_rules(connection)).values()
        causes = (event for one in rules for action in one.actions.values() for event in action.causes)
        known |= {event.name.removeprefix(TRAIT_PREFIX) for event in causes if event.name}
    return [
        warning
        for one in checked
        for warning in never_seen_traits(one.source, ("where",), list_traits(one.rule), known)
    ]


async def _count(connection: Connection, reported: Sequence[StreamedEvent]) -> None:
    keys = [key_of(row.event) for row in reported]
    known = await seen.load(connection, {*keys, *map(rest_of, keys)})
    names = await seen.count_names(connection) if set(keys) - known.keys() else {}
    changed: dict[SeenKey, SeenEvent] = {}
    for found, row in zip(keys, reported, strict=True):
        key = found
        if key not in known and not key.is_rest:
            place = (key.source, key.type)
            if names.get(place, 0) < MAX_NAMES:
                names[place] = names.get(place, 0) + 1
            else:
                key = rest_of(key)
        known[key] = changed[key] = add_event(
            known.get(key), row.event, row.profile_id, row.received_at, is_rest=key.is_rest
        )
    await seen.write(connection, changed)


def _find_violations(
    declared: DeclaredEvents, reported: Sequence[StreamedEvent]
) -> Mapping[Violation, StoredViolation]:
    found: dict[Violation, StoredViolation] = {}
    if declared.is_empty:
        return found
    for row in reported:
        event, at = row.event, row.received_at
        for one in declared.find_violations(event.source, event.type, event.name, event.properties):
            before = found.get(one)
            found[one] = (
                StoredViolation(one, 1, at, at, event.id)
                if before is None
                else replace(
                    before,
                    count=before.count + 1,
                    first_at=min(before.first_at, at),
                    last_at=max(before.last_at, at),
                    last_event_id=event.id,
                )
            )
    return found
