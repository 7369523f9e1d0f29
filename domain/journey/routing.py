"""What events mean for journeys: who enters, whose journey ends or reaches its goal, who hears what they waited for.

`route` touches nothing but its arguments. It takes the events of a batch in their order, so that a cart abandoned and
then ordered in one batch is entered and ended, and the other way round it is not.
"""

from bisect import bisect_right, insort
from collections.abc import Generator, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from domain.campaign.rules import EntryRule, EventRule, GoalRule
from domain.conditions.expressions import ExpressionScope
from domain.journey.active import JourneyIndex
from domain.journey.listeners import CampaignVersion, Listeners, Moves, exits_of
from domain.journey.matching import JourneyEntry, Matcher, ProfileEvent
from domain.journey.records import Ending, Journey, user_reference, workflow_id
from domain.journey.routing_result import (
    Conversion,
    EntryDecision,
    JourneyExit,
    RoutingContext,
    RoutingResult,
    SubscriptionMatch,
)
from domain.journey.state import EXITED
from domain.tracking.event import AUDIENCE, Event

# Of one person in one campaign at once, for all entry keys together. Each event of theirs is held against each of
# them: without a bound, one batch of some thousand carts and orders kept a process busy for 40 s.
MAX_ACTIVE = 100


def route(
    happenings: Iterable[ProfileEvent],
    listeners: Listeners,
    surroundings: RoutingContext,
    *,
    received_at: datetime,
    new_ids: Iterable[UUID],
) -> RoutingResult:
    """Route events in their order. `new_ids` gives ids to the journeys that begin."""
    batch = list(happenings)
    router = Router(listeners, surroundings, batch, received_at, new_ids)
    for happening in batch:
        for _ in router.take(happening):
            pass
    return router.routed


def enrol(
    happenings: Iterable[ProfileEvent],
    version: CampaignVersion,
    listeners: Listeners,
    surroundings: RoutingContext,
    *,
    received_at: datetime,
    new_ids: Iterable[UUID],
) -> RoutingResult:
    """Let those in who belong to the audience of a running version, by the rules that hold for events.

    Each happening stands for the event that would. There is no decision about who does not belong to it any more.
    """
    batch = list(happenings)
    router = Router(listeners, surroundings, batch, received_at, new_ids)
    for happening in batch:
        if router.belongs(happening, version):
            for _ in router.consider(happening, version):
                pass
    return router.routed


class Router:
    """Routes a batch event by event, with pauses: what a batch costs is known only from people's journeys."""

    def __init__(
        self,
        listeners: Listeners,
        surroundings: RoutingContext,
        batch: Sequence[ProfileEvent],
        received_at: datetime,
        new_ids: Iterable[UUID],
    ) -> None:
        self._listeners = listeners
        self._matcher = Matcher(surroundings.people)
        self._people = surroundings.people
        self._received_at = received_at
        self._new_ids = iter(new_ids)
        self._active = JourneyIndex(surroundings.active)
        # Journeys that have a goal and have not reached it in this batch, whether they go on or not.
        self._hopeful = JourneyIndex()
        for journey in (*surroundings.active, *surroundings.past):
            self._hope(journey)
        self._last_entries = dict(surroundings.last_entries)
        # What was received before, by person and name, the earliest first. An event of the batch is, once its turn has
        # passed.
        self._received: dict[tuple[UUID, str | None], list[ProfileEvent]] = {}
        own = {happening.event.id for happening in batch}
        for happening in sorted(surroundings.received, key=_instant):
            if happening.event.id not in own:
                self._receive(happening)
        self.routed = RoutingResult()

    @property
    def evaluations(self) -> int:
        """How many expressions have been evaluated."""
        return self._matcher.evaluations

    @property
    def work(self) -> int:
        """The evaluations, where one that may take as long as many counts as so many."""
        return self._matcher.work

    def take(self, happening: ProfileEvent) -> Iterator[None]:
        """Route one event. Each step between two values evaluates a few conditions of one rule at most."""
        yield from self._reach_goals(happening)
        yield from self._end_and_tell(happening)
        for version in self._listeners.entries(happening.event):
            yield
            yield from self.consider(happening, version)

    def _hope(self, journey: Journey) -> None:
        if self._listeners.rules(journey).goal is not None:
            self._hopeful.add(journey)

    def _receive(self, happening: ProfileEvent) -> None:
        insort(self._received.setdefault((happening.profile_id, happening.event.name), []), happening, key=_instant)

    def _reach_goals(self, happening: ProfileEvent) -> Iterator[None]:
        """Note the journeys of this person, also those that are over, whose goal the event is."""
        if happening.event.is_history:
            return
        goals = self._listeners.goals(happening.event)
        for place, journeys in self._hopeful.versions(happening.profile_id, goals.keys()):
            yield
            goal, rules = goals[place], self._listeners.rules_of(place)
            for journey in self._matcher.candidates(happening, rules, [goal], ExpressionScope.EXIT_WHERE, journeys):
                yield
                if self._reaches(happening, goal, self._beginning(journey)):
                    self.routed.conversions.append(Conversion(journey, happening.event))
                    self._hopeful.remove(journey)

    def _end_and_tell(self, happening: ProfileEvent) -> Iterator[None]:
        """End the journeys of this person that the event ends; tell the others what they listen for.

        History ends journeys, and none hears of it.
        """
        moved = self._listeners.moves(happening.event)
        for place, journeys in self._active.versions(happening.profile_id, moved.keys()):
            yield
            moves, rules = moved[place], self._listeners.rules_of(place)
            subscribed = [] if happening.event.is_history else [rule for _, rule in moves.subscriptions]
            concerned = {
                journey.id: journey
                for moving, where in (
                    (moves.exits, ExpressionScope.EXIT_WHERE),
                    (subscribed, ExpressionScope.WAIT_WHERE),
                )
                for journey in self._matcher.candidates(happening, rules, moving, where, journeys)
            }
            for journey in concerned.values():
                yield
                yield from self._end_or_tell(happening, journey, moves)
        self._receive(happening)

    def _end_or_tell(self, happening: ProfileEvent, journey: Journey, moves: Moves) -> Iterator[None]:
        beginning = self._beginning(journey)
        ending: list[EventRule | GoalRule] = []
        for exit in () if _starts_late(happening, beginning) else moves.exits:
            if self._matcher.concerns(happening, exit, ExpressionScope.EXIT_WHERE, beginning):
                ending.append(exit)
            yield
        if ending:
            is_goal = beginning.rules.goal in ending and not happening.event.is_history
            self._leave(journey, happening.event, "goal" if is_goal else "exit_event")
            self._active.remove(journey)
            return
        for id, subscription in () if happening.event.is_history else moves.subscriptions:
            if self._matcher.concerns(happening, subscription, ExpressionScope.WAIT_WHERE, beginning):
                self.routed.heard.append(SubscriptionMatch(journey, id, happening.event.id))
            yield

    def belongs(self, happening: ProfileEvent, version: CampaignVersion) -> bool:
        """Whether the person is of the version's audience."""
        audience = version.rules.entry.audience
        return audience is not None and self._matcher.belongs(audience.where, self._people[happening.profile_id]).holds

    def consider(self, happening: ProfileEvent, version: CampaignVersion) -> Iterator[None]:
        """Let the person into the campaign, or record why not.

        That a condition is false is not recorded: it can be worked out again, and most campaigns want few of the events
        of their name.
        """
        key, reason, data = yield from self._admission(happening, version)
        if reason == "condition" and "error" not in data:
            return
        journey = None
        if reason is None:
            journey = yield from self._enter(happening, version, key)
        self.routed.decisions.append(EntryDecision(happening, version.key, journey, reason, data))

    def _admission(
        self, happening: ProfileEvent, version: CampaignVersion
    ) -> Generator[None, None, tuple[str, str | None, dict[str, Any]]]:
        entry = version.rules.entry
        schedule = version.rules.schedule
        if schedule.starts_at is not None and self._received_at < schedule.starts_at:
            return "", "before_schedule", {"starts_at": schedule.starts_at}
        if schedule.ends_at is not None and self._received_at >= schedule.ends_at:
            return "", "after_schedule", {"ends_at": schedule.ends_at}
        if happening.event.type == AUDIENCE:
            reason, data = yield from self._collision(happening, version, entry, "")
            return "", reason, {"by": AUDIENCE, **data}
        outcome = self._matcher.condition(entry.where, ExpressionScope.ENTRY_WHERE, happening, None)
        if not outcome.holds:
            details = {"error": outcome.error, "missing": outcome.missing}
            return "", "condition", {"where": entry.where, **{key: said for key, said in details.items() if said}}
        event = happening.event
        if event.is_history:
            return "", "history", {}
        if self._received_at - event.timestamp > timedelta(seconds=entry.max_age):
            return "", "too_old", {"timestamp": event.timestamp, "max_age_seconds": entry.max_age}
        key = ""
        if entry.key is not None:
            found = self._matcher.key(entry.key, happening)
            if found.value is None:
                return "", "no_key", {"key": entry.key, "error": found.error}
            key = found.value
        reason, data = yield from self._collision(happening, version, entry, key)
        return key, reason, data

    def _collision(
        self, happening: ProfileEvent, version: CampaignVersion, entry: EntryRule, key: str
    ) -> Generator[None, None, tuple[str | None, dict[str, Any]]]:
        if (journey := self._active.under(happening.profile_id, version.key, key)) is not None:
            return "already_in", {"journey_id": journey.id}
        if self._active.count(happening.profile_id, version.key) >= MAX_ACTIVE:
            return "too_many_journeys", {"limit": MAX_ACTIVE}
        last = self._last_entries.get((version.key, happening.profile_id, key))
        if last is not None and entry.reentry == "never":
            return "reentry_never", {"last_entered_at": last}
        if last is not None and isinstance(entry.reentry, int):
            again_at = last + timedelta(seconds=entry.reentry)
            if self._received_at < again_at:
                return "reentry_after", {"last_entered_at": last, "again_at": again_at}
        came_first = yield from self._exit_before(happening, JourneyEntry(version.rules, happening.event, key))
        return ("exit_event_came_first", {"exit_event_id": came_first.event.id}) if came_first else (None, {})

    def _exit_before(
        self, happening: ProfileEvent, beginning: JourneyEntry
    ) -> Generator[None, None, ProfileEvent | None]:
        """An exit event that was received before, but happened after: the moment has passed already."""
        earliest: list[ProfileEvent] = []
        for exit in exits_of(beginning.rules):
            for earlier in self._overtaking(happening, exit.event):
                yield
                if self._matcher.concerns(earlier, exit, ExpressionScope.EXIT_WHERE, beginning):
                    earliest.append(earlier)
                    break
        return min(earliest, key=_instant, default=None)

    def _goal_before(
        self, happening: ProfileEvent, beginning: JourneyEntry
    ) -> Generator[None, None, ProfileEvent | None]:
        """The goal of a journey that begins, where it was received before, but happened after."""
        goal = beginning.rules.goal
        if goal is None:
            return None
        for earlier in self._overtaking(happening, goal.event):
            yield
            if not earlier.event.is_history and self._reaches(earlier, goal, beginning):
                return earlier
        return None

    def _overtaking(self, happening: ProfileEvent, name: str) -> Iterator[ProfileEvent]:
        """The person's events of a name that were received before this one and happened after it, the earliest first.

        When an event happened whose clock was impossible is not known: it overtakes none.
        """
        received = self._received.get((happening.profile_id, name), [])
        first = bisect_right(received, happening.event.timestamp, key=lambda earlier: earlier.event.timestamp)
        for earlier in received[first:]:
            if earlier.event.reported_timestamp is None:
                yield earlier

    def _enter(self, happening: ProfileEvent, version: CampaignVersion, key: str) -> Generator[None, None, Journey]:
        event = happening.event
        id = next(self._new_ids)
        person = self._people[happening.profile_id]
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
        self._active.add(journey)
        self._last_entries[version.key, happening.profile_id, key] = self._received_at
        if (goal := (yield from self._goal_before(happening, JourneyEntry(version.rules, event, key)))) is not None:
            self.routed.conversions.append(Conversion(journey, goal.event))
        else:
            self._hope(journey)
        return journey

    def _leave(self, journey: Journey, event: Event, reason: Literal["exit_event", "goal"]) -> None:
        ending = Ending(journey.id, EXITED, EXITED, str(event.id), self._received_at)
        self.routed.left[journey.id] = JourneyExit(journey, ending, event, reason)

    def _reaches(self, happening: ProfileEvent, goal: GoalRule, beginning: JourneyEntry) -> bool:
        passed = happening.event.timestamp - beginning.entry.timestamp
        return timedelta(0) <= passed <= timedelta(seconds=goal.within) and self._matcher.concerns(
            happening, goal, ExpressionScope.EXIT_WHERE, beginning
        )

    def _beginning(self, journey: Journey) -> JourneyEntry:
        return JourneyEntry(self._listeners.rules(journey), journey.entry, journey.entry_key)


def _starts_late(happening: ProfileEvent, beginning: JourneyEntry) -> bool:
    """Whether the event could have started a journey that this one's entry would have ended: then it ends nothing."""
    event = happening.event
    return event.name == beginning.rules.entry.event and event.timestamp < beginning.entry.timestamp


def _instant(happening: ProfileEvent) -> tuple[datetime, UUID]:
    return happening.event.timestamp, happening.event.id
