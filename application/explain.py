"""Explanations of a user's timeline."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import convert
from msgspec.structs import replace

from application import turns
from application.catalogue import Catalogue
from application.data_plan import read_declared
from application.people import unknown_person
from application.refusals import evaluate_refusals, look_up
from application.whereabouts import Whereabouts, link, whereabouts
from domain.access import Actor
from domain.campaign.durations import format_duration
from domain.data_plan.declared import DeclaredEvents
from domain.errors import InvalidCursorError
from domain.people.identity import PersonRef
from domain.people.segments.causes import describe_change
from domain.sending.deliverability import describe_rate
from domain.tracking.event import AUDIENCE, EventType
from store import audit, profiles, timeline
from store.database import Database
from store.timeline import Recorded

NO_REFUSALS: Mapping[str, Sequence[Recorded]] = {}
NO_DATA: Mapping[str, Any] = {}
# Characters of a value in a line of the timeline; its data has all of it.
MAX_VALUE_CHARACTERS = 80
# The undo of a merge may give back that nothing was said.
# The event that gave a granted message back, by the reason.
_POSTPONED = {
    "send_window": "quiet hours began",
    "on_hold": "a hold began",
    "provider_unavailable": "its provider became unavailable",
    "provider_paused": "the marketing of its provider was paused",
}
_CONSENTS = {True: "yes", False: "no", None: "not said"}


@dataclass(frozen=True, slots=True)
class PersonChange:
    """A change in one part of a profile, in words and as data.

    `part` is traits, consent, preferences, suppressed, addresses, accounts, context (zone and language of the device),
    stage, identity, or claims (what a browser said without a user token); `source` is an event, a link, an operator, a
    step or a merge. `changes` has the values before and after by name, or what was linked or merged.
    """

    part: str
    source: str
    summary: str
    changes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TimelineItem:
    """One line of a timeline. `url` leads to the journey in the Temporal UI.

    `outcome` is entered, requested, granted, deferred, held, refused, left_out, sent, failed, cancelled, unknown,
    exited, converted, skipped, moved, stayed, joined, left, the outcome of a journey, the case of a branch, the arm of
    a split, or the result of an action or a delay; None for an event. A goal's `step` is that of the last message
    before it. `changes` are those of the person.
    """

    at: datetime
    kind: str
    summary: str
    outcome: str | None
    campaign: str | None
    journey_id: str | None
    step: str | None
    reason: str | None
    data: dict[str, Any]
    url: str | None
    changes: list[PersonChange] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Timeline:
    """The lines, oldest first, with the `next` page; `now` is on the latest page only."""

    user_id: str
    items: list[TimelineItem]
    now: list[Whereabouts]
    next: str | None


class Explain:
    """Explains timelines, with links to the Temporal UI.

    `journey_url` contains {workflow_id}. `timezone` is the deployment's, for people without a zone of their own or
    their campaign's.
    """

    def __init__(self, database: Database, catalogue: Catalogue, journey_url: str, timezone: str) -> None:
        self._database = database
        self._catalogue = catalogue
        self._journey_url = journey_url
        self._timezone = timezone

    async def timeline(self, person: PersonRef, *, limit: int, before: str | None, by: Actor) -> Timeline:
        """Return the latest `limit` lines before a place; the audit log says who looked.

        Raises NotFoundError.
        """
        place = place_of(before)
        async with self._database.transaction() as connection:
            profile_id = await profiles.find(connection, person)
            called = person.id if profile_id is None else None
            await audit.record_once_a_day(connection, by, "user.read", person.id)
            people = [] if profile_id is None else [profile_id]
            recorded = await timeline.latest(connection, people, limit + 1, place, called=called)
            declared = await read_declared(connection)
            unjudged = await look_up(connection, self._catalogue, profile_id, recorded[:limit]) if profile_id else None
            now = (
                []
                if place or profile_id is None
                else await whereabouts(
                    connection, profile_id, self._timezone, connection.clock.now(), self._journey_url
                )
            )
        if profile_id is None and not recorded:
            raise unknown_person(person)
        refusals = await turns.run(evaluate_refusals(unjudged)) if unjudged else {}
        marked = [mark_violations(declared, entry) for entry in recorded]
        items, next = timeline_items(marked, limit, self._journey_url, refusals)
        return Timeline(person.id, items, now, next)


def place_of(before: str | None) -> tuple[datetime, str] | None:
    """Return the place that a `next` names. Raises InvalidCursorError."""
    if before is None:
        return None
    instant, separator, key = before.partition("~")
    try:
        at = datetime.fromisoformat(instant)
    except ValueError as error:
        raise InvalidCursorError("`before` must be the `next` of an earlier answer") from error
    if not separator or at.tzinfo is None:
        raise InvalidCursorError("`before` must be the `next` of an earlier answer")
    return at, key


def timeline_items(
    recorded: Sequence[Recorded],
    limit: int,
    journey_url: str,
    refusals: Mapping[str, Sequence[Recorded]] = NO_REFUSALS,
) -> tuple[list[TimelineItem], str | None]:
    """Describe the newest `limit` records, given newest first, oldest first.

    Also returns the `next` if there are more. The refusals of an event, by its key, follow it and do not count.
    """
    shown = recorded[:limit]
    next = f"{shown[-1].recorded_at.isoformat()}~{shown[-1].key}" if len(recorded) > limit else None
    lines = [
        line
        for entry in reversed(shown)
        for line in (entry, *(refusals.get(entry.key, ()) if entry.kind == "event" else ()))
    ]
    return [_item(entry, journey_url) for entry in lines], next


def mark_violations(declared: DeclaredEvents, entry: Recorded) -> Recorded:
    """Add to an event how it departs from what is declared now."""
    if entry.kind != "event" or declared.is_empty:
        return entry
    type: EventType = convert(entry.outcome, EventType)
    found = declared.find_violations(entry.data["source"], type, entry.name, entry.data["properties"])
    if not found:
        return entry
    return replace(entry, data={**entry.data, "violations": [one.text for one in found]})


def _item(entry: Recorded, journey_url: str) -> TimelineItem:
    return TimelineItem(
        at=entry.at,
        kind=entry.kind,
        summary=_summary(entry),
        outcome=None if entry.kind in ("event", "change") else entry.outcome,
        campaign=entry.campaign,
        journey_id=str(entry.journey_id) if entry.journey_id else None,
        step=entry.step,
        reason=entry.reason,
        data=entry.data,
        url=link(journey_url, entry.workflow_id) if entry.workflow_id else None,
        changes=[PersonChange(**one, summary=change_text(one["part"], one["changes"])) for one in entry.changes],
    )


def _summary(entry: Recorded) -> str:
    data = entry.data
    match entry.kind, entry.outcome:
        case "event", "identify" if "import" in data:
            return f"imported by {data['by']}"
        case "event", "identify" if "by" in data:
            return f"changed by {data['by']}"
        case "event", "track":
            return f"{entry.name}{_history(data)}{_impossible_clock(data)}{_violations(data)}"
        case "event", "arrives":
            # Rules name many places by a tag.
            place = data["properties"]["place"]
            return f"arrives {entry.name}" + ("" if place == entry.name else f" ({place})")
        case "event", outcome:
            name = f"{outcome}" if entry.name == outcome else f"{outcome} {entry.name}"
            return f"{name}{_history(data)}{_impossible_clock(data)}{_violations(data)}"
        case "reject", "refused":
            return f"call refused: {data['error']}"
        case "reject", _:
            return f"left out: {data['error']}"
        case "change", _:
            return f"by {data['by']}"
        case "entry", "entered" if data.get("by") == AUDIENCE:
            return f"entered {entry.campaign} with its audience"
        case "entry", "entered":
            return f"entered {entry.campaign}"
        case "entry", _:
            return f"not let into {entry.campaign}: {_because(entry.reason, data)}"
        case "request", _:
            return f"{entry.campaign} requested by {data['by']}"
        case "send", "granted":
            by = f", by {data['provider']}" if "provider" in data else ""
            return f"{entry.step}: granted{_member(data)}{by}{_retry(data)}"
        case "send", "deferred":
            until = _clock(data["until"], data)
            return f"{entry.step}: deferred{_member(data)}{_retry(data)} to {until}: {_because(entry.reason, data)}"
        case "send", outcome:
            return f"{entry.step}: {outcome}{_member(data)}{_retry(data)}: {_because(entry.reason, data)}"
        case "branch" | "split" | "repeat", outcome:
            return f"{entry.step}: {outcome}" + (f", as {data['when']}" if "when" in data else "")
        case "delay", _:
            return f"{entry.step}: {_delay_text(entry)}"
        case "skip", _:
            return f"{entry.step}: wait skipped by {data['by']}"
        case "migrate", "moved":
            return f"{entry.campaign}: moved from version {data['from']} to {data['to']}"
        case "migrate", _:
            stays = f"stays on version {data['from']}, and does not move to {data['to']}"
            return f"{entry.campaign}: {stays}: {data['detail']}"
        case "exit", _ if entry.reason == "manual":
            return f"left {entry.campaign}: ended by {data['by']}"
        case "exit", _ if entry.reason == "campaign_stopped":
            return f"left {entry.campaign}: stopped by {data['by']}"
        case "exit", _ if entry.reason == "goal":
            return f"left {entry.campaign}: {data['event']} is its goal"
        case "exit", _:
            return f"left {entry.campaign}: ended by {data.get('event', data.get('event_id'))}"
        case "message", "cancelled" if entry.reason in _POSTPONED:
            postponed = f"postponed: {_POSTPONED[entry.reason]} before it had gone"
            return f"{entry.step}: {data['channel']} {entry.name}{_member(data)} {postponed}"
        case "message", outcome:
            why = f": {entry.reason}" if entry.reason else ""
            why += f": {data['detail']}" if "detail" in data else ""
            reported = f" ({', '.join(data['reports'])})" if "reports" in data else ""
            why += f" (retried by operation {data['retried_by']})" if "retried_by" in data else ""
            return f"{entry.step}: {data['channel']} {entry.name}{_member(data)} {outcome}{reported}{why}"
        case "goal", _:
            after = f", after {entry.step}" if entry.step else ""
            arms = ", ".join(f"{step} {arm}" for step, arm in data["arms"].items())
            return f"reached the goal of {entry.campaign}: {entry.name}{after}" + (f" ({arms})" if arms else "")
        case "segment", outcome:
            return describe_change(str(entry.name), outcome == "joined", data)
        case "end", outcome:
            return f"{entry.campaign} is over: {outcome}"
        case _ if entry.step is not None:
            return f"{entry.step}: {_describe_action(data)}"
        case _:
            raise ValueError(f"a timeline has no {entry.kind}")


def _member(data: dict[str, Any]) -> str:
    """Name the member in a line of their account's journey."""
    return f" for {data['member']}" if "member" in data else ""


def _retry(data: dict[str, Any]) -> str:
    """Name the operation in a line about the retry of a failed message."""
    return f", retried by operation {data['operation']}" if "retry_of" in data else ""


def _history(data: dict[str, Any]) -> str:
    """Describe why an event starts nothing: it is past, or unverified."""
    if data.get("trust") == "unverified":
        return " (unverified)"
    return " (history)" if data.get("is_history") else ""


def _impossible_clock(data: dict[str, Any]) -> str:
    """Describe a client's impossible time, which is ignored."""
    if "reported_timestamp" not in data:
        return ""
    return f" (its clock said {data['reported_timestamp']}, so its arrival counts)"


def _violations(data: dict[str, Any]) -> str:
    """Describe how an event departs from what is declared."""
    return f" (not as declared: {'; '.join(data['violations'])})" if "violations" in data else ""


def change_text(part: str, changes: Mapping[str, Any]) -> str:
    """Describe a change in one part of a profile: the values before and after."""
    match part:
        case "identity":
            linked = [f"{one['kind']} id {one['value']}" for one in changes.get("linked", ())]
            merged = [f"profile {id} was merged into this one" for id in changes.get("merged", ())]
            separated = [f"profile {id} was separated again" for id in changes.get("separated", ())]
            return f"identity: {', '.join([*linked, *merged, *separated])}"
        case "traits" | "claims":
            said = [f"{name} {_before_and_after(one, _value_text)}" for name, one in changes.items()]
            return f"{part}: {', '.join(said)}"
        case "consent":
            said = [f"{channel} {_before_and_after(one, _CONSENTS.__getitem__)}" for channel, one in changes.items()]
            return f"consent: {', '.join(said)}"
        case "preferences":
            said = [f"{name} {_before_and_after(one, _preference_text)}" for name, one in changes.items()]
            return f"preferences: {', '.join(said)}"
        case "suppressed":
            said = [f"{channel} {_suppression_text(one['after'])}" for channel, one in changes.items()]
            return f"suppression: {', '.join(said)}"
        case "addresses":
            said = [
                f"{address} {kind.replace('_', '-')} {_suppression_text(why)}"
                for address, one in changes.items()
                for kind, why in one["after"].items()
            ]
            return f"address: {', '.join(said)}"
        case "accounts":
            return f"accounts: {', '.join(_member_text(account, one['after']) for account, one in changes.items())}"
        case _:
            return f"{part}: {', '.join(_before_and_after(one, _value_text) for one in changes.values())}"


def _before_and_after(change: Mapping[str, Any], text: Callable[[Any], str]) -> str:
    """Describe a value as `free → pro`; the first one as itself."""
    after = text(change["after"])
    return after if change["before"] is None else f"{text(change['before'])} → {after}"


def _preference_text(value: Any) -> str:
    return _CONSENTS[value] if value is None or isinstance(value, bool) else str(value)


def _value_text(value: Any) -> str:
    """Write a value in one line: a text as it is, others as JSON, a long one cut."""
    if value is None:
        return "none"
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= MAX_VALUE_CHARACTERS else f"{shown[:MAX_VALUE_CHARACTERS]}…"


def _member_text(account: str, place: Mapping[str, Any] | None) -> str:
    if place is None:
        return f"left {account}"
    return account if place["role"] is None else f"{account} as {place['role']}"


def _suppression_text(why: str | None) -> str:
    return "lifted" if why is None else f"({why})"


def _delay_text(entry: Recorded) -> str:
    """Describe the look-up of a delay's end."""
    match entry.outcome, entry.data:
        case "unreadable", {"error": error}:
            return f"unreadable date: {error}"
        case _, {"error": error}:
            return f"no such date: {error}"
        case "past", {"until": until}:
            return f"past already, at {_clock(until, entry.data)}"
        case "waiting", {"until": until}:
            return f"waits until {_clock(until, entry.data)}"
        case _:
            return "waited"


def _describe_action(data: dict[str, Any]) -> str:
    """Describe the effects of an action (application/effects.py)."""
    done = []
    if "traits" in data:
        done.append(f"set {', '.join(data['traits'])}")
    if "stage" in data:
        done.append(f"stage {data['stage']}")
    if "stage_not_set" in data:
        done.append(f"stage not set: {data['stage_not_set']}")
    if "limit" in data:
        done.append(f"{data['event']} not reported: {data['limit']} journeys, one after the other, led to it")
    elif "event" in data:
        done.append(f"reported {data['event']}")
    return "; ".join(done) or "done"


def _because(reason: str | None, data: dict[str, Any]) -> str:
    """Describe the reason with its data."""
    match reason:
        case "capped":
            parts = [f"capped: {_numbers(data)} ({data['rule']})"]
            if data["frees_at"] != data.get("until"):
                parts.append(f"frees at {_clock(data['frees_at'], data)}")
            if "opens_at" in data:
                parts.append(f"in quiet hours until {_clock(data['opens_at'], data)}")
            return ", ".join(parts)
        case "send_window" if "opens_at" in data:
            ends, expires = (_clock(data[name], data) for name in ("opens_at", "expires_at"))
            return f"quiet hours: they end at {ends}, and it expires at {expires}"
        case "send_window":
            return "quiet hours"
        case "warm_up" if "opens_at" in data:
            ends = _clock(data["opens_at"], data)
            return f"warm_up: the day of {data['provider']} is full until {ends}, and it expires before"
        case "warm_up":
            return f"warm_up: the day of {data['provider']} is full"
        case "no_provider":
            return f"no_provider: nothing delivers {data['channel']}"
        case "on_hold":
            return f"on hold until {_clock(data['until'], data)} ({data['subject']}): {data['why']}"
        case "provider_paused":
            return _describe_pause(data)
        case "schedule_ended":
            return f"the schedule ended at {_clock(data['ends_at'])}"
        case "paused":
            return f"held by a pause at {_clock(data['held_at'])}, and skipped on resuming"
        case "expired":
            return f"expired at {_clock(data['expires_at'])}"
        case "left_account" | "unreachable" | "address_changed" | "suppressed" | "no_consent":
            return f"{reason}: {data['detail']}"
        case "journey_ended" if data["ended_by"] == "campaign stopped":
            return "the campaign was stopped"
        case "journey_ended":
            return f"the journey was ended by {data['ended_by']}"
        case "before_schedule":
            return f"its schedule starts at {_clock(data['starts_at'])}"
        case "after_schedule":
            return f"its schedule ended at {_clock(data['ends_at'])}"
        case "condition":
            return f"condition not met: {data['where']}" + (f" ({data['error']})" if "error" in data else "")
        case "too_old":
            allowed = format_duration(data["max_age_seconds"])
            return f"it happened at {_clock(data['timestamp'])}, more than {allowed} before it was reported"
        case "history":
            return "it is marked as history, which starts nothing"
        case "chain_too_long":
            return f"{data['limit']} journeys, one after the other, led to it"
        case "no_account" if "trust" in data:
            return "it is for accounts, and a browser reported the event without a user token"
        case "no_account":
            return "it is for accounts, and the event has none"
        case "no_key":
            return f"the entry key cannot be evaluated: {data['error']}"
        case "already_in":
            return f"already in it, journey {data['journey_id']}"
        case "too_many_journeys":
            return f"in it {data['limit']} times already, under other keys"
        case "reentry_never":
            return f"entered before, at {_clock(data['last_entered_at'])}, and may not again"
        case "reentry_after":
            return f"entered at {_clock(data['last_entered_at'])}, and may again at {_clock(data['again_at'])}"
        case "exit_event_came_first":
            return f"the exit event {data['exit_event_id']} happened after this one"
        case _:
            return (reason or "").replace("_", " ")


def _describe_pause(data: dict[str, Any]) -> str:
    """Describe the pause of a provider's marketing, with the numbers that caused it."""
    rate = describe_rate(data["cause"], data["number"], data["messages"], data["limit"])
    return f"marketing by {data['provider']} is paused since {_clock(data['paused_at'], data)}: {rate}"


def _numbers(data: dict[str, Any]) -> str:
    """Describe the counts of a cap."""
    count = f"{data['count']} of {data['limit']} in"
    match data:
        case {"min_gap_seconds": seconds}:
            return f"within {format_duration(seconds)} of another"
        case {"calendar": period, "timezone": timezone}:
            return f"{count} the calendar {period}, {timezone}"
        case _:
            return f"{count} {format_duration(data['window_seconds'])}"


def _clock(instant: str, data: Mapping[str, Any] = NO_DATA) -> str:
    """Format an instant in UTC, and in the recipient's zone if `data` names it.

    `2026-11-02 13:00 UTC (08:00 America/New_York)`, with seconds if it is not a whole minute, and with the recipient's
    date if it is another.
    """
    at = datetime.fromisoformat(instant).astimezone(UTC)
    time = "%H:%M:%S" if at.second or at.microsecond else "%H:%M"
    zone = ZoneInfo(data.get("timezone", "UTC"))
    local = at.astimezone(zone)
    if local.utcoffset() == at.utcoffset():
        return f"{at:%Y-%m-%d {time}} UTC"
    form = time if local.date() == at.date() else f"%Y-%m-%d {time}"
    return f"{at:%Y-%m-%d {time}} UTC ({local:{form}} {zone.key})"
