"""The story of a user, derived purely from the API's timeline."""

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
    """A received message: a mail by its subject, a webhook by its action."""

    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class StoryVerdict:
    """One result of a user's events.

    `at` is by the journey's own clock, `after` the time since the journey was entered; both are None without an entry.
    `reports` says what came of a message. Expectations use the text of a verdict, such as
    `abandoned-cart/nudge refused: capped` or `abandoned-cart/nudge sent, opened, clicked`.
    """

    place: str
    outcome: str
    reason: str | None
    at: datetime | None
    after: timedelta | None
    told: str
    arrival: Arrival | None
    reports: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ", ".join((f"{self.place} {self.outcome}" + (f": {self.reason}" if self.reason else ""), *self.reports))


def verdicts(
    items: Sequence[StoryItem],
    arrivals: Mapping[str, Arrival],
    by_their_clock: Callable[[datetime], datetime] = lambda at: at,
) -> list[StoryVerdict]:
    """List the verdicts of a timeline. `arrivals` are by message id."""
    reader = _Reader(items, arrivals, by_their_clock)
    return [
        reader.verdict(item, item["outcome"])
        for item in items
        if item["kind"] not in ("event", "delay", "segment") and item["outcome"] != "granted"
    ]


def active_journeys(items: Sequence[StoryItem]) -> list[str]:
    """List the workflow ids of journeys entered and not over."""
    over = {item["journey_id"] for item in items if item["kind"] in ("exit", "end")}
    return [
        unquote(item["url"].rpartition("/workflows/")[2])
        for item in items
        if item["kind"] == "entry" and item["journey_id"] is not None and item["journey_id"] not in over
    ]


def elapsed_time(duration: timedelta) -> str:
    """Format an elapsed time to the minute: `+30m`, `+20h30m`, `at once`."""
    minutes = round(duration / MINUTE)
    return f"+{format_duration(60 * minutes)}" if minutes > 0 else "at once"


class _Reader:
    """Reads each item in the context of the others."""

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
            reports=tuple(item["data"].get("reports", ())),
        )

    def _time(self, item: StoryItem, journey: str) -> datetime:
        """Return an item's time by the journey's own clock, which never goes back.

        The timeline has the settlement of a message and the receipt of an exit by our clock: the grant of the message
        and the time of the event replace them.
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
        """Describe a verdict; an unknown one as the API does."""
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
                return self._describe_sent(item)
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

    def _describe_sent(self, item: StoryItem) -> str:
        arrival = self._arrivals.get(item["data"]["message_id"])
        if arrival is None:
            return f"{item['step']} was sent, and did not arrive"
        attempts = item["data"].get("attempts", 1)
        attempt = [f"at attempt {attempts}"] if attempts > 1 else []
        return ", ".join((f"{arrival.kind} “{arrival.title}”", *attempt, *item["data"].get("reports", ())))

    def _cause(self, item: StoryItem) -> StoryItem | None:
        """Return the event that caused an exit."""
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
