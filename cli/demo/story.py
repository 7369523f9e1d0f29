"""What became of a user, read from the timeline that the API gives. Touches nothing but its arguments."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote

from domain.durations import format_duration

Item = Mapping[str, Any]
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that became of a user's events.

    `after` is the time since the journey was entered, by its own clock; None where nobody was let in. `is_good` says
    that something reached the user. The text of a verdict, such as `abandoned-cart/nudge refused: capped`, is what
    expectations are written in.
    """

    place: str
    outcome: str
    reason: str | None
    after: timedelta | None
    told: str
    is_good: bool = False

    def __str__(self) -> str:
        return f"{self.place} {self.outcome}" + (f": {self.reason}" if self.reason else "")


def verdicts(items: Sequence[Item], received: Mapping[str, str]) -> list[Verdict]:
    """The verdicts of a timeline, in its order.

    `received` says what has really arrived, by message id. Events are no verdicts, and a granted message is none yet.
    """
    events = {item["data"]["message_id"]: item for item in items if item["kind"] == "event"}
    begun = {item["journey_id"]: _at(item) for item in items if item["kind"] == "entry" and item["journey_id"]}
    granted = {
        (item["journey_id"], item["step"]): _at(item)
        for item in items
        if item["kind"] == "send" and outcome_of(item) == "granted"
    }
    found = []
    for item in items:
        outcome = outcome_of(item)
        if item["kind"] == "event" or outcome == "granted":
            continue
        start = begun.get(item["journey_id"])
        # A message is settled at a time of our clock, and an exit received at one; when they were due and when they
        # happened is what the journey's own clock says.
        cause = events.get(item["data"].get("event_id")) if item["kind"] == "exit" else None
        at = granted.get((item["journey_id"], item["step"])) if item["kind"] == "message" else _at(cause or item)
        found.append(
            Verdict(
                place=item["campaign"] + (f"/{item['step']}" if item["step"] else ""),
                outcome=outcome,
                reason=item["reason"],
                after=None if start is None or at is None else at - start,
                told=_told(item, outcome, cause, received, lambda text: clock(datetime.fromisoformat(text), start)),
                is_good=item["kind"] == "message" and item["data"]["message_id"] in received,
            )
        )
    return found


def outcome_of(item: Item) -> str:
    """What an item says has come out: entered, refused, granted, deferred, sent, failed, exited, completed …"""
    reason, summary = item["reason"], str(item["summary"])
    match item["kind"]:
        case "entry":
            return "entered" if reason is None else "refused"
        case "send" if reason is None:
            return "granted"
        case "send":
            return "deferred" if "until" in item["data"] else "refused"
        case "message":
            return summary.removesuffix(f": {reason}").rpartition(" ")[2]
        case "exit":
            return "exited"
        case "end":
            return summary.rpartition(": ")[2]
        case _:
            return ""


def active_journeys(items: Sequence[Item]) -> list[str]:
    """The workflow ids of the journeys that were entered and are not over."""
    over = {item["journey_id"] for item in items if item["kind"] in ("exit", "end")}
    return [
        unquote(item["url"].rpartition("/workflows/")[2])
        for item in items
        if item["kind"] == "entry" and item["journey_id"] is not None and item["journey_id"] not in over
    ]


def clock(at: datetime, start: datetime | None) -> str:
    """An instant as the time since the journey began."""
    return f"{at:%Y-%m-%d %H:%M}" if start is None else elapsed(at - start)


def elapsed(duration: timedelta) -> str:
    """To the minute, as the demo's own running takes some seconds in between: `+30m`, `+20h30m`, `at once`."""
    minutes = round(duration / MINUTE)
    return f"+{format_duration(60 * minutes)}" if minutes > 0 else "at once"


def _told(
    item: Item, outcome: str, cause: Item | None, received: Mapping[str, str], when: Callable[[str], str]
) -> str:
    """A verdict in words. What is not worded here stands as the API tells it."""
    data, step = item["data"], item["step"]
    match item["kind"], outcome, item["reason"]:
        case "entry", "entered", _:
            return f"entered {item['campaign']}"
        case "message", "sent", _:
            return received.get(data["message_id"]) or f"{step} was sent, and did not arrive"
        case "message", "reserved", _:
            return f"{step} could not be sent yet: {data.get('detail', 'in the queue')}"
        case "message", "cancelled", "journey_ended":
            return f"{step} taken back: the journey was over before the mail had gone"
        case "message", "failed", reason:
            return f"no {step}: {str(reason).replace('_', ' ')}, {data.get('detail', '')}"
        case "send", "refused", "capped":
            return f"no {step}: {_capped(data)}, frees at {when(data['frees_at'])}"
        case "send", "deferred", "capped":
            return f"{step} waits until {when(data['until'])}: {_capped(data)}"
        case "send", "refused", "unreachable" | "no_consent" | "suppressed" as reason:
            return f"no {step}: {reason.replace('_', ' ')}, {data['detail']}"
        case "exit", _, _ if cause is not None:
            return f"journey ended by {cause['summary']}"
        case "end", _, _:
            return f"journey over: {outcome}"
        case _:
            return str(item["summary"])


def _capped(data: Mapping[str, Any]) -> str:
    return f"capped, {data['count']} of {data['limit']} in {format_duration(int(data['window_seconds']))} ({data['rule']})"


def _at(item: Item) -> datetime:
    return datetime.fromisoformat(item["at"])
