"""Route events to journeys: entries, exits, goals, and matches of waits.

`route` touches nothing but its arguments. It takes the events of a batch in their order: a cart that is abandoned and
then ordered in one batch is entered and ended; in the other order, it is not entered.
"""

from bisect import bisect_right, insort
from collections.abc import Generator, Iterable, Iterator, Sequence, Set
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from domain.campaign.rules import EntryRule, EventRule, GoalRule
from domain.conditions.expressions import ExpressionScope
from domain.journey.active import ByKey, JourneyIndex, VersionRef
from domain.journey.listeners import CampaignVersion, Listeners, Moves, list_exits
from domain.journey.matching import JourneyEntry, Matcher, ProfileEvent
from domain.journey.records import Ending, Journey, Owner, account_reference, user_reference, workflow_id
from domain.journey.routing_result import (
    EntryDecision,
    EntryRefusal,
    JourneyExit,
    ReachedGoal,
    RoutingContext,
    RoutingResult,
    SubscriptionMatch,
)
from domain.journey.state import EXITED
from domain.people.account_view import NO_ACCOUNT, account_of
from domain.people.segments.causes import JOINS, LEAVES
from domain.tracking.chain import MAX_CHAIN, count_chain
from domain.tracking.event import ANY, AUDIENCE, Event, Trigger, Trust

# Active journeys of one person or account in one campaign, under all entry keys. Each event is compared with each of
# them: without a bound, one batch of some thousand carts and orders kept a process busy for 40 s.
MAX_ACTIVE = 100

_Versions = list[tuple[VersionRef, ByKey]]


def route(
    profile_events: Iterable[ProfileEvent],
    listeners: Listeners,
    context: RoutingContext,
    *,
    received_at: datetime,
    new_ids: Iterable[UUID],
) -> RoutingResult:
    """Route events in their order. `new_ids` are the ids of new journeys."""
    batch = list(profile_events)
    router = Router(listeners, context, batch, received_at, new_ids)
    for profile_event in batch:
        for _ in router.take(profile_event):
            pass
    return router.result


def enrol(
    profile_events: Iterable[ProfileEvent],
    version: CampaignVersion,
    listeners: Listeners,
    context: RoutingContext,
    *,
    received_at: datetime,
    new_ids: Iterable[UUID],
) -> RoutingResult:
    """Enter the members of a running version's audience, by the rules of events.

    Each `profile_event` stands for the entry event. People who no longer belong to the audience get no decision.
    """
    batch = list(profile_events)
    router = Router(listeners, context, batch, received_at, new_ids)
    for profile_event in batch:
        if router.belongs(profile_event, version):
            for _ in router.try_enter(profile_event, version):
                pass
    return router.result


class Router:
    """Routes a batch event by event, with pauses, since its cost is not known before."""

    def __init__(
        self,
        listeners: Listeners,
        context: RoutingContext,
        batch: Sequence[ProfileEvent],
        received_at: datetime,
        new_ids: Iterable[UUID],
    ) -> None:
        self._listeners = listeners
        self._matcher = Matcher(context.people, received_at, context.as_of, context.accounts)
        self._people = context.people
        self._accounts = context.accounts
        self._received_at = received_at
        self._new_ids = iter(new_ids)
        self._active = JourneyIndex(context.active)
        # Journeys, active or over, with a goal that they have not reached in this batch.
        self._awaiting_goal = JourneyIndex()
        for journey in (*context.active, *context.past):
            self._await_goal(journey)
        self._last_entries = dict(context.last_entries)
        # Events received before, by owner and trigger, the earliest first. Those of the batch follow after their turn.
        self._received: dict[tuple[Owner, Trigger], list[ProfileEvent]] = {}
        own = {profile_event.event.id for profile_event in batch}
        for profile_event in sorted(context.received, key=_instant):
            if profile_event.event.id not in own:
                self._receive(profile_event)
        self.result = RoutingResult()

    @property
    def evaluations(self) -> int:
        """The number of expressions evaluated."""
        return self._matcher.evaluations

    @property
    def work(self) -> int:
        """The evaluations, each costly one counted as several."""
        return self._matcher.work

    def take(self, profile_event: ProfileEvent) -> Iterator[None]:
        """Route one event. It yields after a few conditions of one rule at most."""
        yield from self._reach_goals(profile_event)
        yield from self._apply_exits_and_waits(profile_event)
        for version in self._listeners.entries(profile_event.event):
            yield
            if profile_event.is_echo and version.rules.entry.account:
                continue
            yield from self.try_enter(profile_event, version)

    def _await_goal(self, journey: Journey) -> None:
        if self._listeners.rules(journey).goal is not None:
            self._awaiting_goal.add(journey)

    def _receive(self, profile_event: ProfileEvent) -> None:
        trigger = profile_event.event.trigger
        for owner in self._owners(profile_event):
            for one in {trigger, Trigger(trigger.kind, ANY)}:
                insort(self._received.setdefault((owner, one), []), profile_event, key=_instant)

    def _account_id(self, profile_event: ProfileEvent) -> str | None:
        """Return the account whose journeys an event concerns, as conditions see it."""
        if not self._accounts or not profile_event.may_concern_account:
            return None
        return self._accounts.get((profile_event.profile_id, account_of(profile_event.event)), NO_ACCOUNT).id

    def _owners(self, profile_event: ProfileEvent) -> tuple[Owner, ...]:
        """Return those whose journeys an event may concern: its person, and its account."""
        account_id = self._account_id(profile_event)
        return (profile_event.profile_id,) if account_id is None else (profile_event.profile_id, account_id)

    def _owner(self, profile_event: ProfileEvent, entry: EntryRule) -> Owner | None:
        """Return the owner of a journey that the event starts; None without an account."""
        return self._account_id(profile_event) if entry.account else profile_event.profile_id

    def _versions(self, profile_event: ProfileEvent, index: JourneyIndex, wanted: Set[VersionRef]) -> _Versions:
        return [found for owner in self._owners(profile_event) for found in index.versions(owner, wanted)]

    def _reach_goals(self, profile_event: ProfileEvent) -> Iterator[None]:
        """Record the goals that the event reaches, also of journeys that are over."""
        if profile_event.event.is_history:
            return
        goals = self._listeners.goals(profile_event.event)
        for place, journeys in self._versions(profile_event, self._awaiting_goal, goals.keys()):
            yield
            goal, rules = goals[place], self._listeners.rules_of(place)
            for journey in self._matcher.candidates(profile_event, rules, [goal], ExpressionScope.EXIT_WHERE, journeys):
                yield
                if self._reaches(profile_event, goal, self._journey_entry(journey)):
                    self.result.conversions.append(ReachedGoal(journey, profile_event.event))
                    self._awaiting_goal.remove(journey)

    def _apply_exits_and_waits(self, profile_event: ProfileEvent) -> Iterator[None]:
        """End the journeys that the event ends; record its matches for the others.

        An event of the past (backfill) ends journeys, but matches none.
        """
        moved = self._listeners.moves(profile_event.event)
        for place, journeys in self._versions(profile_event, self._active, moved.keys()):
            yield
            moves, rules = moved[place], self._listeners.rules_of(place)
            subscribed = [] if profile_event.event.is_history else [rule for _, rule in moves.subscriptions]
            concerned = {
                journey.id: journey
                for moving, where in (
                    (moves.exits, ExpressionScope.EXIT_WHERE),
                    (subscribed, ExpressionScope.WAIT_WHERE),
                )
                for journey in self._matcher.candidates(profile_event, rules, moving, where, journeys)
            }
            for journey in concerned.values():
                yield
                yield from self._apply_to_journey(profile_event, journey, moves)
        self._receive(profile_event)

    def _apply_to_journey(self, profile_event: ProfileEvent, journey: Journey, moves: Moves) -> Iterator[None]:
        journey_entry = self._journey_entry(journey)
        ending: list[EventRule | GoalRule] = []
        for exit in () if _starts_late(profile_event, journey_entry) else moves.exits:
            if self._matcher.concerns(profile_event, exit, ExpressionScope.EXIT_WHERE, journey_entry):
                ending.append(exit)
            yield
        if ending:
            is_goal = journey_entry.rules.goal in ending and not profile_event.event.is_history
            self._leave(journey, profile_event.event, "goal" if is_goal else "exit_event")
            self._active.remove(journey)
            return
        for id, subscription in () if profile_event.event.is_history else moves.subscriptions:
            if self._matcher.concerns(profile_event, subscription, ExpressionScope.WAIT_WHERE, journey_entry):
                self.result.matches.append(SubscriptionMatch(journey, id, profile_event.event.id))
            yield

    def belongs(self, profile_event: ProfileEvent, version: CampaignVersion) -> bool:
        """Whether the person belongs to the version's audience."""
        audience = version.rules.entry.audience
        person = self._people[profile_event.profile_id]
        if audience is None:
            return False
        account = self._accounts.get((profile_event.profile_id, None), NO_ACCOUNT)
        return self._matcher.belongs(audience.where, person, version.rules.timezone, account).holds

    def try_enter(self, profile_event: ProfileEvent, version: CampaignVersion) -> Iterator[None]:
        """Enter the person into the campaign, or record why not.

        A false condition is not recorded: it can be evaluated again, and most campaigns want few of the events of
        their name.
        """
        key, reason, data = yield from self._admission(profile_event, version)
        if reason == "condition" and "error" not in data:
            return
        journey = None
        if reason is None:
            journey = yield from self._enter(profile_event, version, key)
        self.result.decisions.append(EntryDecision(profile_event, version.key, journey, reason, data))

    def _admission(
        self, profile_event: ProfileEvent, version: CampaignVersion
    ) -> Generator[None, None, tuple[str, EntryRefusal | None, dict[str, Any]]]:
        entry = version.rules.entry
        schedule = version.rules.schedule
        if schedule.starts_at is not None and self._received_at < schedule.starts_at:
            return "", "before_schedule", {"starts_at": schedule.starts_at}
        if schedule.ends_at is not None and self._received_at >= schedule.ends_at:
            return "", "after_schedule", {"ends_at": schedule.ends_at}
        if profile_event.event.type == AUDIENCE:
            reason, data = yield from self._collision(profile_event, version, entry, "")
            return "", reason, {"by": AUDIENCE, **data}
        outcome = self._matcher.condition(
            entry.where, ExpressionScope.ENTRY_WHERE, profile_event, None, version.rules.timezone
        )
        if not outcome.holds:
            details = {"error": outcome.error, "missing": outcome.missing}
            return "", "condition", {"where": entry.where, **{key: said for key, said in details.items() if said}}
        event = profile_event.event
        if event.is_history:
            return "", "history", {}
        if count_chain(event) > MAX_CHAIN:
            return "", "chain_too_long", {"limit": MAX_CHAIN}
        if self._received_at - event.timestamp > timedelta(seconds=entry.max_age):
            return "", "too_old", {"timestamp": event.timestamp, "max_age_seconds": entry.max_age}
        if self._owner(profile_event, entry) is None:
            return "", "no_account", {} if event.trust is Trust.VERIFIED else {"trust": event.trust}
        key = ""
        if entry.key is not None:
            found = self._matcher.key(entry.key, profile_event, version.rules.timezone)
            if found.value is None:
                return "", "no_key", {"key": entry.key, "error": found.error}
            key = found.value
        reason, data = yield from self._collision(profile_event, version, entry, key)
        return key, reason, data

    def _collision(
        self, profile_event: ProfileEvent, version: CampaignVersion, entry: EntryRule, key: str
    ) -> Generator[None, None, tuple[EntryRefusal | None, dict[str, Any]]]:
        owner = self._owner(profile_event, entry) or profile_event.profile_id
        if (journey := self._active.find(owner, version.key, key)) is not None:
            return "already_in", {"journey_id": journey.id}
        if self._active.count(owner, version.key) >= MAX_ACTIVE:
            return "too_many_journeys", {"limit": MAX_ACTIVE}
        last = self._last_entries.get((version.key, owner, key))
        if last is not None and entry.reentry == "never":
            return "reentry_never", {"last_entered_at": last}
        if last is not None and isinstance(entry.reentry, int):
            again_at = last + timedelta(seconds=entry.reentry)
            if self._received_at < again_at:
                return "reentry_after", {"last_entered_at": last, "again_at": again_at}
        came_first = yield from self._exit_before(profile_event, JourneyEntry(version.rules, profile_event.event, key))
        return ("exit_event_came_first", {"exit_event_id": came_first.event.id}) if came_first else (None, {})

    def _exit_before(
        self, profile_event: ProfileEvent, journey_entry: JourneyEntry
    ) -> Generator[None, None, ProfileEvent | None]:
        """Return an exit event that was received before the entry, but happened after it."""
        earliest: list[ProfileEvent] = []
        for exit in list_exits(journey_entry.rules):
            for earlier in self._find_overtaking(profile_event, journey_entry.rules.entry, exit.trigger):
                yield
                if self._matcher.concerns(earlier, exit, ExpressionScope.EXIT_WHERE, journey_entry):
                    earliest.append(earlier)
                    break
        return min(earliest, key=_instant, default=None)

    def _goal_before(
        self, profile_event: ProfileEvent, journey_entry: JourneyEntry
    ) -> Generator[None, None, ProfileEvent | None]:
        """Return a goal event that was received before the entry, but happened after it."""
        goal = journey_entry.rules.goal
        if goal is None:
            return None
        for earlier in self._find_overtaking(profile_event, journey_entry.rules.entry, goal.trigger):
            yield
            if not earlier.event.is_history and self._reaches(earlier, goal, journey_entry):
                return earlier
        return None

    def _find_overtaking(
        self, profile_event: ProfileEvent, entry: EntryRule, trigger: Trigger
    ) -> Iterator[ProfileEvent]:
        """Iterate over events received before this one that happened after it, in order.

        They are those of the owner of the journey. Events with an impossible clock have no known time, and overtake
        none. Nor do the joins and leaves of one person, which come in their order, though each has the time of its
        cause.
        """
        owner = self._owner(profile_event, entry)
        received = [] if owner is None else self._received.get((owner, trigger), [])
        first = bisect_right(received, profile_event.event.timestamp, key=lambda earlier: earlier.event.timestamp)
        for earlier in received[first:]:
            if earlier.event.reported_timestamp is None and not _are_memberships(earlier, profile_event):
                yield earlier

    def _enter(self, profile_event: ProfileEvent, version: CampaignVersion, key: str) -> Generator[None, None, Journey]:
        event = profile_event.event
        id = next(self._new_ids)
        person = self._people[profile_event.profile_id]
        account_id = self._account_id(profile_event) if version.rules.entry.account else None
        if account_id is None:
            reference = user_reference(event.user_id or person.user_id, event.anonymous_id, profile_event.profile_id)
        else:
            reference = account_reference(account_id)
        journey = Journey(
            id=id,
            campaign_key=version.key,
            campaign_version=version.version,
            profile_id=profile_event.profile_id,
            entry_key=key,
            workflow_id=workflow_id(version.key, reference, id),
            entry=event,
            entered_at=self._received_at,
            account_id=account_id,
        )
        self.result.entered.append(journey)
        self._active.add(journey)
        self._last_entries[version.key, journey.owner, key] = self._received_at
        if (goal := (yield from self._goal_before(profile_event, JourneyEntry(version.rules, event, key)))) is not None:
            self.result.conversions.append(ReachedGoal(journey, goal.event))
        else:
            self._await_goal(journey)
        return journey

    def _leave(self, journey: Journey, event: Event, reason: Literal["exit_event", "goal"]) -> None:
        ending = Ending(journey.id, EXITED, EXITED, str(event.id), self._received_at)
        self.result.exits[journey.id] = JourneyExit(journey, ending, event, reason)

    def _reaches(self, profile_event: ProfileEvent, goal: GoalRule, journey_entry: JourneyEntry) -> bool:
        passed = profile_event.event.timestamp - journey_entry.entry.timestamp
        return timedelta(0) <= passed <= timedelta(seconds=goal.within) and self._matcher.concerns(
            profile_event, goal, ExpressionScope.EXIT_WHERE, journey_entry
        )

    def _journey_entry(self, journey: Journey) -> JourneyEntry:
        return JourneyEntry(self._listeners.rules(journey), journey.entry, journey.entry_key)


def _starts_late(profile_event: ProfileEvent, journey_entry: JourneyEntry) -> bool:
    """Whether an event could have started an earlier journey; then it ends nothing."""
    event, entry = profile_event.event, journey_entry.rules.entry.trigger
    return entry is not None and entry.covers(event.trigger) and event.timestamp < journey_entry.entry.timestamp


def _instant(profile_event: ProfileEvent) -> tuple[datetime, UUID]:
    return profile_event.event.timestamp, profile_event.event.id


def _are_memberships(*profile_events: ProfileEvent) -> bool:
    """Whether these are joins and leaves of segments by one person."""
    return len({one.profile_id for one in profile_events}) == 1 and all(
        one.event.type in (JOINS, LEAVES) for one in profile_events
    )
