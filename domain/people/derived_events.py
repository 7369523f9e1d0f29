"""Events that Sojourn derives from the changes of a profile.

They are made only for campaigns that listen for them. Their ids depend on their cause alone, so a repeated attempt
makes the same events.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID, uuid5

from msgspec import Struct

from domain.people.account_view import account_of
from domain.people.profile_state import Part, PartChange, Source
from domain.people.topics.deployed import NO_TOPICS, DeployedTopics
from domain.people.topics.subscription import SubscriptionRef, read_register
from domain.tracking.event import OUR_CONTEXT, SOJOURN_SOURCE, Event, Trigger, Trust

STAGE: Final = Trigger("changed", "profile.stage")
TRAIT_PREFIX: Final = "profile.traits."

COMPUTED_PREFIX: Final = "profile.computed."


def trait_trigger(name: str) -> Trigger:
    """Return the trigger of a changed trait."""
    return Trigger("changed", f"{TRAIT_PREFIX}{name}")


def computed_trigger(key: str) -> Trigger:
    """Return the trigger of a changed computed trait."""
    return Trigger("changed", f"{COMPUTED_PREFIX}{key}")


class ValueChange(Struct, frozen=True):
    """A changed value of a profile, as the rules of campaigns name it.

    It `is_unverified` if a browser may have stated one of both values without a user token.
    """

    trigger: Trigger
    before: Any
    after: Any
    source: Source
    is_unverified: bool = False


class Cause(Struct, frozen=True):
    """The event, step or operator's action that changed a profile.

    `context` is OUR_CONTEXT of its events; with an impossible clock, `reported_timestamp` is set as in the event.
    `group_id` is the account that it names. `listener` is the profile if several hear of the same cause.
    """

    id: UUID
    user_id: str | None
    anonymous_id: str | None
    timestamp: datetime
    reported_timestamp: datetime | None = None
    is_history: bool = False
    context: Mapping[str, Any] = {}
    trust: Trust = Trust.VERIFIED
    group_id: str | None = None
    listener: UUID | None = None


# The changed profile, and the change.
ChangeOfProfile = tuple[UUID, ValueChange]
# A change of a profile, with its cause.
CausedChange = tuple[UUID, ValueChange, Cause]


def trigger_of_part(part: Part, name: str) -> Trigger | None:
    """Return the trigger of a change in a part of a profile; None if no rule names it."""
    match part:
        case "traits":
            return trait_trigger(name)
        case "consent" | "suppressed":
            return Trigger("consent", name)
        case "stage":
            return STAGE
        case "preferences" if (found := read_register(name)) is not None:
            subscription, is_confirmation = found
            return None if is_confirmation else Trigger("consent", subscription.name)
        case "context" | "claims" | "preferences":
            return None


class ConsentingPerson(Protocol):
    """The consents of a person before a change."""

    @property
    def consent_given(self) -> Mapping[str, bool]: ...

    @property
    def suppressed(self) -> Mapping[str, str | None]: ...

    @property
    def preferences(self) -> Mapping[str, Any]: ...


def value_changes(
    person: ConsentingPerson, changes: Iterable[PartChange], topics: DeployedTopics = NO_TOPICS
) -> Iterator[ValueChange]:
    """Iterate over the changes of a person as rules name them.

    A suppression is a refusal: the answer of a channel is true (given), false (refused or suppressed), or null. The
    answer of a topic on a channel is the state of the subscription.
    """
    given: dict[str, bool | None] = dict(person.consent_given)
    refused = dict(person.suppressed)
    changes = list(changes)
    yield from _subscription_changes(person.preferences, changes, topics)

    def answer(channel: str) -> bool | None:
        return False if refused.get(channel) is not None else given.get(channel)

    for change in changes:
        trigger = trigger_of_part(change.part, change.name)
        if trigger is None or change.part == "preferences":
            continue
        before, after = change.before, change.after
        if trigger.kind == "consent":
            before = answer(change.name)
            if change.part == "consent":
                given[change.name] = change.after
            else:
                refused[change.name] = change.after
            after = answer(change.name)
            if before is after:
                continue
        yield ValueChange(trigger, before, after, change.source, change.is_unverified)


def _subscription_changes(
    preferences: Mapping[str, Any], changes: Iterable[PartChange], topics: DeployedTopics
) -> Iterator[ValueChange]:
    """Iterate over the changed subscriptions: a source changes two registers of each."""
    now = dict(preferences)
    grouped: dict[tuple[SubscriptionRef, str], list[PartChange]] = {}
    for change in changes:
        if change.part == "preferences" and (found := read_register(change.name)) is not None:
            grouped.setdefault((found[0], change.source.id), []).append(change)
    for (ref, _), of_source in grouped.items():
        before = topics.state_of(now, ref)
        now |= {change.name: change.after for change in of_source}
        if (after := topics.state_of(now, ref)) != before:
            is_unverified = any(change.is_unverified for change in of_source)
            yield ValueChange(Trigger("consent", ref.name), before, after, of_source[0].source, is_unverified)


def derived_event(change: ValueChange, cause: Cause) -> Event:
    """Build the event of a change. It happened when its cause did."""
    # One event may change a value twice: by merging a profile, and by what it says itself.
    of_merge = "merge " if change.source.kind == "merge" else ""
    id = uuid5(cause.id, f"{of_merge}{change.trigger.kind} {change.trigger.name}")
    if cause.listener is not None:
        id = uuid5(id, str(cause.listener))
    return Event(
        id=id,
        source=SOJOURN_SOURCE,
        message_id=str(id),
        type=change.trigger.kind,
        name=change.trigger.name,
        user_id=cause.user_id,
        anonymous_id=cause.anonymous_id,
        group_id=cause.group_id,
        properties=properties_of(change),
        context={OUR_CONTEXT: {**cause.context, "caused_by": str(cause.id)}},
        timestamp=cause.timestamp,
        reported_timestamp=cause.reported_timestamp,
        is_history=cause.is_history,
        trust=trust_of_change(change, cause.trust),
    )


def properties_of(change: ValueChange) -> dict[str, Any]:
    """Return the properties of a change's event; an arrival has those of its place.

    A subscription also has its topic and channel.
    """
    kind, name = change.trigger
    if kind == "arrives":
        return dict(change.after or {})
    found = read_register(name or "") if kind == "consent" else None
    about = {} if found is None else {"topic": found[0].topic, "channel": found[0].channel}
    return {**about, "before": change.before, "after": change.after}


def trust_of_change(change: ValueChange, cause: Trust) -> Trust:
    """Return the trust of a change's event.

    The cause may be another's call, which reveals the values.
    """
    return Trust.ANONYMOUS if change.is_unverified and cause is Trust.VERIFIED else cause


def cause_of(event: Event) -> Cause:
    """Return an event as the cause of others; a chain of journeys goes on."""
    ours = event.context.get(OUR_CONTEXT)
    return Cause(
        id=event.id,
        user_id=event.user_id,
        anonymous_id=event.anonymous_id,
        timestamp=event.timestamp,
        reported_timestamp=event.reported_timestamp,
        is_history=event.is_history,
        context=ours if isinstance(ours, dict) else {},
        trust=event.trust,
        group_id=account_of(event),
    )
