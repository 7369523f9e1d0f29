"""Records of a timeline in words, one line each."""

from typing import Any, Final

from application.decision_reasons import describe_reason, format_clock
from domain.people.segments.causes import describe_change
from domain.sending.choice_texts import describe_choice, describe_haste, describe_tries
from domain.sending.claim import NEXT_CHANNEL
from domain.sending.inbox_texts import describe_inbox, name_reports
from domain.tracking.event import AUDIENCE
from store.timeline import Recorded

# The event that gave a granted message back, by the reason.
_POSTPONED: Final = {
    "send_window": "quiet hours began",
    "legal_hours": "the legal hours ended",
    "on_hold": "a hold began",
    "provider_unavailable": "its provider became unavailable",
    "provider_paused": "the marketing of its provider was paused",
}


def describe_record(entry: Recorded) -> str:
    """Describe what happened in one line."""
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
            return f"not let into {entry.campaign}: {describe_reason(entry.reason, data)}"
        case "request", _:
            return f"{entry.campaign} requested by {data['by']}"
        case "send", "granted":
            by = f", by {data['provider']}" if "provider" in data else ""
            circuits = data.get("open_circuits", {}).items()
            failed = "".join(f", as the circuit of {name} is open since {since}" for name, since in circuits)
            return f"{entry.step}: granted{_member(data)}{by}{failed}{describe_choice(data)}{_retry(data)}"
        case "send", "deferred":
            until = format_clock(data["until"], data)
            return (
                f"{entry.step}: deferred{_member(data)}{_retry(data)} to {until}: {describe_reason(entry.reason, data)}"
            )
        case "send", outcome:
            because = f"{describe_reason(entry.reason, data)}{describe_choice(data)}{describe_haste(data)}"
            return f"{entry.step}: {outcome}{_member(data)}{_retry(data)}: {because}"
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
        case "message", "cancelled" if entry.reason == NEXT_CHANNEL:
            return f"{entry.step}: {data['channel']} {entry.name} did not get through: {data.get('detail', 'refused')}"
        case "message", outcome:
            why = f": {entry.reason}" if entry.reason else ""
            why += f": {data['detail']}" if "detail" in data else ""
            reported = f" ({', '.join(name_reports(data))})" if "reports" in data else ""
            why += describe_tries(data)
            why += f", for {data['cost']}" if "cost" in data and outcome != "failed" else ""
            why += f" (retried by operation {data['retried_by']})" if "retried_by" in data else ""
            why += describe_inbox(data, format_clock)
            return f"{entry.step}: {data['channel']} {entry.name}{_member(data)} {outcome}{reported}{why}"
        case "goal", _:
            after = f", after {entry.step}" if entry.step else ""
            arms = ", ".join(f"{step} {arm}" for step, arm in data["arms"].items())
            return f"reached the goal of {entry.campaign}: {entry.name}{after}" + (f" ({arms})" if arms else "")
        case "segment", outcome:
            return describe_change(str(entry.name), outcome == "joined", data)
        case "end", outcome:
            return f"{entry.campaign} is over: {outcome}"
        case "audience", "refused":
            return f"{entry.step}: not {_audience_text(data)}: {describe_reason(entry.reason, data)}"
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


def _delay_text(entry: Recorded) -> str:
    """Describe the look-up of a delay's end."""
    match entry.outcome, entry.data:
        case "unreadable", {"error": error}:
            return f"unreadable date: {error}"
        case _, {"error": error}:
            return f"no such date: {error}"
        case "past", {"until": until}:
            return f"past already, at {format_clock(until, entry.data)}"
        case "waiting", {"until": until}:
            return f"waits until {format_clock(until, entry.data)}"
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
    if "audience" in data:
        done.append(_audience_text(data))
    if "limit" in data:
        done.append(f"{data['event']} not reported: {data['limit']} journeys, one after the other, led to it")
    elif "event" in data:
        done.append(f"reported {data['event']}")
    return "; ".join(done) or "done"


def _audience_text(data: dict[str, Any]) -> str:
    return f"{'into' if data['is_wanted'] else 'out of'} the audience {data['audience']}"
