"""What events mean for journeys: who enters, whose journey ends, who hears what they waited for.

`route` touches nothing but its arguments. It takes the events of a batch in their order, so that a cart abandoned and
then ordered in one batch is entered and ended, and the other way round it is not.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from msgspec import Struct, field

from domain.campaign.rules import EntryRule, Rules
from domain.conditions.expressions import Outcome, Place, compile_condition, compile_key
from domain.journey.records import Ending, Journey, user_reference, workflow_id
from domain.journey.state import EXITED
from domain.tracking.event import Event

# Of one person in one campaign at once, for all entry keys together. Each event of theirs is held against each of
# them: without a bound, one batch of some thousand carts and orders kept a process busy for 40 s.
MAX_ACTIVE = 100


class Person(Protocol):
    """What conditions see of a profile."""

    @property
    def user_id(self) -> str | None: ...
    @property
    def traits(self) -> Mapping[str, Any]: ...


class Happening(Struct, frozen=True):
    """An event and the profile it is about."""

    profile_id: UUID
    event: Event


class CampaignVersion(Struct, frozen=True):
    """One published version of a campaign, as routing needs it."""

    key: str
    version: int
    rules: Rules


class Listeners:
    """Which campaigns listen for which events: running versions for entries, all versions in use for the rest."""

    def __init__(self, running: Iterable[CampaignVersion], in_use: Iterable[CampaignVersion]) -> None:
        self._rules = {(version.key, version.version): version.rules for version in in_use}
        self._entries: dict[str, list[CampaignVersion]] = {}
        for version in running:
            self._rules[version.key, version.version] = version.rules
            self._entries.setdefault(version.rules.entry.event, []).append(version)
        self._listening: dict[str, set[str]] = {}
        for (key, _), rules in self._rules.items():
            for name in (*(exit.event for exit in rules.exits), *(s.event for s in rules.subscriptions.values())):
                self._listening.setdefault(name, set()).add(key)

    def hears(self, event: Event) -> bool:
        """Whether any campaign may care. An event for which this is False costs nothing more."""
        return event.type == "track" and (event.name in self._entries or event.name in self._listening)

    def entries(self, event: Event) -> Sequence[CampaignVersion]:
        """The running campaigns that this event may let somebody into."""
        return self._entries.get(event.name or "", ())

    def campaigns_concerned(self, events: Iterable[Event]) -> set[str]:
        """The campaigns whose journeys these events may end, move, or collide with."""
        concerned: set[str] = set()
        for event in events:
            concerned |= self._listening.get(event.name or "", set())
            concerned |= {version.key for version in self.entries(event)}
        return concerned

    def exit_events(self, versions: Iterable[CampaignVersion]) -> set[str]:
        """The names of the events that end journeys of these versions."""
        return {exit.event for version in versions for exit in version.rules.exits}

    def rules(self, journey: Journey) -> Rules:
        """The rules of the version that a journey runs on."""
        return self._rules[journey.campaign_key, journey.campaign_version]


class EntryDecision(Struct, frozen=True):
    """Whether an event let somebody in, and if not, why. `reason` is None for an entry."""

    happening: Happening
    campaign_key: str
    journey: Journey | None
    reason: str | None
    data: dict[str, Any]


class Heard(Struct, frozen=True):
    """An event that matched a subscription of a journey."""

    journey: Journey
    subscription: str
    event_id: str


class Routed(Struct):
    """What a batch of events comes to. A journey of `entered` may be in `endings` as well."""

    entered: list[Journey] = field(default_factory=list)
    endings: dict[UUID, Ending] = field(default_factory=dict)
    ended: dict[UUID, Journey] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)
    decisions: list[EntryDecision] = field(default_factory=list)


class Surroundings(Struct, frozen=True):
    """What the database held when the batch came: everything under lock, so that it still holds at the commit.

    `active` are the active journeys concerned, `last_entries` when each (campaign, profile, key) was last entered,
    `exits_since` the exit events already stored that may have happened after an entry of this batch. Those of the batch
    itself may be among them.
    """

    people: Mapping[UUID, Person]
    active: Sequence[Journey]
    last_entries: Mapping[tuple[str, UUID, str], datetime]
    exits_since: Sequence[Happening]


def route(
    happenings: Iterable[Happening],
    listeners: Listeners,
    surroundings: Surroundings,
    *,
    received_at: datetime,
    new_ids: Iterable[UUID],
) -> Routed:
    """Route events in their order. `new_ids` gives ids to the journeys that begin."""
    batch = list(happenings)
    router = _Router(listeners, surroundings, batch, received_at, new_ids)
    for happening in batch:
        router.end_and_tell(happening)
        for version in listeners.entries(happening.event):
            router.consider(happening, version)
    return router.routed


class _Router:
    def __init__(
        self,
        listeners: Listeners,
        surroundings: Surroundings,
        batch: Sequence[Happening],
        received_at: datetime,
        new_ids: Iterable[UUID],
    ) -> None:
        self._listeners = listeners
        self._around = surroundings
        self._received_at = received_at
        self._new_ids = iter(new_ids)
        self._active: dict[UUID, list[Journey]] = {}
        for journey in surroundings.active:
            self._active.setdefault(journey.profile_id, []).append(journey)
        self._last_entries = dict(surroundings.last_entries)
        # What was received before, by person and name. An event of the batch is, once its turn has passed.
        self._received: dict[tuple[UUID, str | None], list[Happening]] = {}
        own = {happening.event.message_id for happening in batch}
        for happening in surroundings.exits_since:
            if happening.event.message_id not in own:
                self._receive(happening)
        self.routed = Routed()

    def _receive(self, happening: Happening) -> None:
        self._received.setdefault((happening.profile_id, happening.event.name), []).append(happening)

    def end_and_tell(self, happening: Happening) -> None:
        """End the journeys of this person that the event ends; tell the others what they listen for."""
        going_on = []
        for journey in self._active.get(happening.profile_id, ()):
            rules = self._listeners.rules(journey)
            if self._is_ended(journey, rules, happening):
                self.routed.ended[journey.id] = journey
                self.routed.endings[journey.id] = Ending(
                    journey.id, EXITED, EXITED, happening.event.message_id, self._received_at
                )
                continue
            going_on.append(journey)
            self.routed.heard += [
                Heard(journey, id, happening.event.message_id)
                for id, subscription in rules.subscriptions.items()
                if subscription.event == happening.event.name
                and self._holds(subscription.where, Place.WAIT_WHERE, happening, journey.entry).holds
            ]
        self._active[happening.profile_id] = going_on
        self._receive(happening)

    def consider(self, happening: Happening, version: CampaignVersion) -> None:
        """Let the person into the campaign, or record why not."""
        key, reason, data = self._admission(happening, version)
        journey = None
        if reason is None:
            journey = self._enter(happening, version, key)
        self.routed.decisions.append(EntryDecision(happening, version.key, journey, reason, data))

    def _admission(self, happening: Happening, version: CampaignVersion) -> tuple[str, str | None, dict[str, Any]]:
        entry = version.rules.entry
        schedule = version.rules.schedule
        if schedule.starts_at is not None and self._received_at < schedule.starts_at:
            return "", "before_schedule", {"starts_at": schedule.starts_at}
        if schedule.ends_at is not None and self._received_at >= schedule.ends_at:
            return "", "after_schedule", {"ends_at": schedule.ends_at}
        outcome = self._holds(entry.where, Place.ENTRY_WHERE, happening, None)
        if not outcome.holds:
            return "", "condition", {"where": entry.where, **({"error": outcome.error} if outcome.error else {})}
        key = ""
        if entry.key is not None:
            found = compile_key(entry.key).evaluate(event=happening.event, profile=self._person(happening))
            if found.value is None:
                return "", "no_key", {"key": entry.key, "error": found.error}
            key = found.value
        return key, *self._collision(happening, version, entry, key)

    def _collision(
        self, happening: Happening, version: CampaignVersion, entry: EntryRule, key: str
    ) -> tuple[str | None, dict[str, Any]]:
        mine = [
            journey for journey in self._active.get(happening.profile_id, ()) if journey.campaign_key == version.key
        ]
        for journey in mine:
            if journey.entry_key == key:
                return "already_in", {"journey_id": journey.id}
        if len(mine) >= MAX_ACTIVE:
            return "too_many_journeys", {"limit": MAX_ACTIVE}
        last = self._last_entries.get((version.key, happening.profile_id, key))
        if last is not None and entry.reentry == "never":
            return "reentry_never", {"last_entered_at": last}
        if last is not None and isinstance(entry.reentry, int):
            again_at = last + timedelta(seconds=entry.reentry)
            if self._received_at < again_at:
                return "reentry_after", {"last_entered_at": last, "again_at": again_at}
        if (came_first := self._exit_before(happening, version)) is not None:
            return "exit_event_came_first", {"exit_event_id": came_first.event.message_id}
        return None, {}

    def _exit_before(self, happening: Happening, version: CampaignVersion) -> Happening | None:
        """An exit event that was received before, but happened after: the moment has passed already."""
        exits = [
            earlier
            for exit in version.rules.exits
            for earlier in self._received.get((happening.profile_id, exit.event), ())
            if earlier.event.timestamp > happening.event.timestamp
            and self._ends(earlier, exit.event, exit.where, happening.event)
        ]
        return min(exits, key=lambda earlier: (earlier.event.timestamp, earlier.event.message_id), default=None)

    def _enter(self, happening: Happening, version: CampaignVersion, key: str) -> Journey:
        event = happening.event
        id = next(self._new_ids)
        person = self._person(happening)
        reference = user_reference(event.user_id or person.user_id, event.anonymous_id, happening.profile_id)
        journey = Journey(
            id=id,
            campaign_key=version.key,
            campaign_version=version.version,
            profile_id=happening.profile_id,
            entry_key=key,
            workflow_id=workflow_id(version.key, reference, id),
            entry=event,
            entered_at=self._received_at,
        )
        self.routed.entered.append(journey)
        self._active.setdefault(happening.profile_id, []).append(journey)
        self._last_entries[version.key, happening.profile_id, key] = self._received_at
        return journey

    def _is_ended(self, journey: Journey, rules: Rules, happening: Happening) -> bool:
        """Whether the event ends the journey. One of the kind that starts journeys ends only what began before it."""
        event = happening.event
        if event.name == rules.entry.event and event.timestamp < journey.entry.timestamp:
            return False
        return any(self._ends(happening, exit.event, exit.where, journey.entry) for exit in rules.exits)

    def _ends(self, happening: Happening, event: str, where: str | None, entry: Event) -> bool:
        return event == happening.event.name and self._holds(where, Place.EXIT_WHERE, happening, entry).holds

    def _holds(self, where: str | None, place: Place, happening: Happening, entry: Event | None) -> Outcome:
        if where is None:
            return Outcome(True)
        roots = {"event": happening.event, "profile": self._person(happening), "entry": entry}
        return compile_condition(where, place).evaluate(**roots)

    def _person(self, happening: Happening) -> Person:
        return self._around.people[happening.profile_id]
