"""Reasons of decisions in words, for the timeline."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from domain.campaign.durations import format_duration
from domain.sending.choice_texts import describe_reaction
from domain.sending.deliverability import describe_rate

NO_DATA: Final[Mapping[str, Any]] = {}


def describe_reason(reason: str | None, data: dict[str, Any]) -> str:
    """Describe the reason with its data."""
    match reason:
        case "capped":
            parts = [f"capped: {_numbers(data)} ({data['rule']})"]
            if data["frees_at"] != data.get("until"):
                parts.append(f"frees at {format_clock(data['frees_at'], data)}")
            if "opens_at" in data:
                parts.append(f"in quiet hours until {format_clock(data['opens_at'], data)}")
            if taken := data.get("taken"):
                parts.append(f"room taken by {_list_takers(taken)}")
            return ", ".join(parts)
        case "send_window" if "opens_at" in data:
            ends, expires = (format_clock(data[name], data) for name in ("opens_at", "expires_at"))
            return f"quiet hours: they end at {ends}, and it expires at {expires}"
        case "send_window":
            return "quiet hours"
        case "legal_hours" if "opens_at" in data:
            opens, expires = (format_clock(data[name], data) for name in ("opens_at", "expires_at"))
            return f"{_describe_law(data)}: they begin at {opens}, and it expires at {expires}"
        case "legal_hours":
            return _describe_law(data)
        case "warm_up" if "opens_at" in data:
            ends = format_clock(data["opens_at"], data)
            return f"warm_up: the day of {data['provider']} is full until {ends}, and it expires before"
        case "warm_up":
            return f"warm_up: the day of {data['provider']} is full"
        case "fallback":
            return "there is time to react until then"
        case "not_needed":
            return describe_reaction(data, format_clock)
        case "over_budget":
            left = f"more than {data['rule']} has left of {data['budget']} a {data['scope']}"
            return f"over_budget: {data['cost']} is {left}"
        case "no_provider":
            return f"no_provider: nothing delivers {data['channel']}"
        case "on_hold":
            return f"on hold until {format_clock(data['until'], data)} ({data['subject']}): {data['why']}"
        case "provider_paused":
            return _describe_pause(data)
        case "schedule_ended":
            return f"the schedule ended at {format_clock(data['ends_at'])}"
        case "paused":
            return f"held by a pause at {format_clock(data['held_at'])}, and skipped on resuming"
        case "expired":
            return f"expired at {format_clock(data['expires_at'])}"
        case "left_account" | "unreachable" | "address_changed" | "suppressed" | "no_consent" | "no_audience":
            return f"{reason}: {data['detail']}"
        case "journey_ended" if data["ended_by"] == "campaign stopped":
            return "the campaign was stopped"
        case "journey_ended":
            return f"the journey was ended by {data['ended_by']}"
        case "before_schedule":
            return f"its schedule starts at {format_clock(data['starts_at'])}"
        case "after_schedule":
            return f"its schedule ended at {format_clock(data['ends_at'])}"
        case "condition":
            return f"condition not met: {data['where']}" + (f" ({data['error']})" if "error" in data else "")
        case "too_old":
            allowed = format_duration(data["max_age_seconds"])
            return f"it happened at {format_clock(data['timestamp'])}, more than {allowed} before it was reported"
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
            return f"entered before, at {format_clock(data['last_entered_at'])}, and may not again"
        case "reentry_after":
            return (
                f"entered at {format_clock(data['last_entered_at'])}, and may again at {format_clock(data['again_at'])}"
            )
        case "exit_event_came_first":
            return f"the exit event {data['exit_event_id']} happened after this one"
        case _:
            return (reason or "").replace("_", " ")


def _describe_pause(data: dict[str, Any]) -> str:
    """Describe the pause of a provider's marketing, with the numbers that caused it."""
    rate = describe_rate(data["cause"], data["number"], data["messages"], data["limit"])
    return f"marketing by {data['provider']} is paused since {format_clock(data['paused_at'], data)}: {rate}"


def _describe_law(data: dict[str, Any]) -> str:
    """Name the region whose hours hold, and the zones."""
    return f"outside the legal hours of {data['region'] or 'the region'} ({', '.join(data['zones'])})"


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


def _list_takers(taken: Mapping[str, int]) -> str:
    """List the campaigns whose messages fill a cap, the most first."""
    takers = sorted(taken.items(), key=lambda taker: (-taker[1], taker[0]))
    return ", ".join(f"{campaign} ({number})" for campaign, number in takers)


def format_clock(instant: str, data: Mapping[str, Any] = NO_DATA) -> str:
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
