"""What became of a user, read from the timeline that the API gives. Touches nothing but its arguments."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote

from domain.campaign.durations import format_duration

StoryItem = Mapping[str, Any]
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Arrival:
    """Something that has really arrived: a mail in the inbox by its subject, a webhook by its action."""

    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class StoryVerdict:
    """One thing that became of a user's events.

    `at` is when it was by the journey's own clock, `after` the time since the journey was entered; both are None where
    nobody was let in. The text of a verdict, such as `abandoned-cart/nudge refused: capped`, is what expectations are
    written in.
    """

    place: str
    outcome: str
    reason: str | None
    at: datetime | None
    after: timedelta | None
    told: str
    arrival: Arrival | None

    def __str__(self) -> str:
        return f"{self.place} {self.outcome}" + (f": {self.reason}" if self.reason else "")


def verdicts(
    items: Sequence[StoryItem],
    arrivals: Mapping[str, Arrival],
    by_their_clock: Callable[[datetime], datetime] = lambda at: at,
) -> list[StoryVerdict]:
    """The verdicts of a timeline, in its order. `arrivals` are by message id.

    Events and rests are no verdicts, and a message that was granted is none yet.
    """
    reader = _Reader(items, arrivals, by_their_clock)
    return [
        reader.verdict(item, item["outcome"])
        for item in items
        if item["kind"] not in ("event", "delay") and item["outcome"] != "granted"
    ]


def active_journeys(items: Sequence[StoryItem]) -> list[str]:
    """The workflow ids of the journeys that were entered and are not over."""
    over = {item["journey_id"] for item in items if item["kind"] in ("exit", "end")}
    return [
        unquote(item["url"].rpartition("/workflows/")[2])
        for item in items
        if item["kind"] == "entry" and item["journey_id"] is not None and item["journey_id"] not in over
    ]


def elapsed_time(duration: timedelta) -> str:
    """To the minute, as the demo's own running takes some seconds in between: `+30m`, `+20h30m`, `at once`."""
    minutes = round(duration / MINUTE)
    return f"+{format_duration(60 * minutes)}" if minutes > 0 else "at once"


class _Reader:
    """Tells each item in the light of the others."""

    def __init__(
        self,
        items: Sequence[StoryItem],
        arrivals: Mapping[str, Arrival],
        by_their_clock: Callable[[datetime], datetime],
    ) -> None:
        self._arrivals = arrivals
        self._by_their_clock = by_their_clock
        self._events = {item["data"]["event_id"]: item for item in items if item["kind"] == "event"}
        self._begun = {item["journey_id"]: _at(item) for item in items if item["kind"] == "entry"}
        self._granted = {
            (item["journey_id"], item["step"]): _at(item)
            for item in items
            if item["kind"] == "send" and item["outcome"] == "granted"
        }
        self._clocks: dict[str, datetime] = {}

    def verdict(self, item: StoryItem, outcome: str) -> StoryVerdict:
        journey = item["journey_id"]
        at = None if journey is None else self._time(item, journey)
        return StoryVerdict(
            place=item["campaign"] + (f"/{item['step']}" if item["step"] else ""),
            outcome=outcome,
            reason=item["reason"],
            at=at,
            after=None if at is None else at - self._begun[journey],
            told=self._describe(item, outcome),
            arrival=self._arrivals.get(item["data"]["message_id"]) if item["kind"] == "message" else None,
        )

    def _time(self, item: StoryItem, journey: str) -> datetime:
        """When it was by the journey's own clock, which never goes back.

        The timeline says when a message was settled and an exit received, both by our clock: instead stand when the
        message was granted, and when the event happened that ended the journey.
        """
        at = _at(item)
        match item["kind"]:
            case "message":
                at = self._granted[journey, item["step"]]
            case "exit" if (cause := self._cause(item)) is not None:
                at = self._by_their_clock(_at(cause))
        self._clocks[journey] = max(at, self._clocks.get(journey, at))
        return self._clocks[journey]

    def _describe(self, item: StoryItem, outcome: str) -> str:
        """A verdict in words. What is not worded here stands as the API tells it."""
        data, step = item["data"], item["step"]
        match item["kind"], outcome, item["reason"]:
            case "entry", "entered", _:
                return f"entered {item['campaign']}"
            case "entry", _, "exit_event_came_first":
                return "not let in: an event that ends it happened later"
            case "entry", _, "condition" if "error" not in data:
                return f"not let in: {data['where']} does not hold"
            case "entry", _, "reentry_after":
                pause = datetime.fromisoformat(data["again_at"]) - datetime.fromisoformat(data["last_entered_at"])
                length = format_duration(int(pause.total_seconds()))
                return f"not let in: was in it before, may again after {length}"
            case "message", "sent", _:
                return self._told_of_sent(item)
            case "message", "reserved", _:
                return f"{step} could not be sent yet: {data.get('detail', 'in the queue')}"
            case "message", "cancelled", "journey_ended":
                return f"{step} taken back before the mail had gone"
            case "message", "failed", reason:
                return f"no {step}: {_words(reason)}, {data.get('detail', '')}"
            case "send", "refused", "capped":
                return f"no {step}: {_cap_text(data)}, frees at {self._clock(data['frees_at'], item)}"
            case "send", "deferred", "send_window":
                return f"{step} waits for {datetime.fromisoformat(data['until']):%H:%M} in {data['timezone']}"
            case "send", "deferred", "capped":
                return f"{step} waits until {self._clock(data['until'], item)}: {_cap_text(data)}"
            case "send", "refused", "unreachable" | "no_consent" | "suppressed" as reason:
                return f"no {step}: {_words(reason)}, {data['detail']}"
            case "exit", _, _ if (cause := self._cause(item)) is not None:
                return f"ended by {cause['summary']}"
            case "goal", _, _:
                return "goal reached" + (f", after {step}" if step else "")
            case "end", _, _:
                return f"over: {outcome}"
            case _:
                return str(item["summary"])

    def _told_of_sent(self, item: StoryItem) -> str:
        arrival = self._arrivals.get(item["data"]["message_id"])
        if arrival is None:
            return f"{item['step']} was sent, and did not arrive"
        attempts = item["data"].get("attempts", 1)
        return f"{arrival.kind} “{arrival.title}”" + (f", at attempt {attempts}" if attempts > 1 else "")

    def _cause(self, item: StoryItem) -> StoryItem | None:
        """The event that an exit is due to."""
        return self._events.get(item["data"].get("event_id"))

    def _clock(self, instant: str, item: StoryItem) -> str:
        return elapsed_time(datetime.fromisoformat(instant) - self._begun[item["journey_id"]])


def _cap_text(data: Mapping[str, Any]) -> str:
    window = format_duration(int(data["window_seconds"]))
    return f"capped, {data['count']} of {data['limit']} in {window} ({data['rule']})"


def _words(reason: str | None) -> str:
    return (reason or "").replace("_", " ")


def _at(item: StoryItem) -> datetime:
    return datetime.fromisoformat(item["at"])
