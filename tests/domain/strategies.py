"""Random campaigns and facts for the machine.

Every choice is read off a tape of bytes, which hypothesis draws and shrinks as a whole: to draw each of the hundreds of
choices of a journey by itself takes it ten times as long.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, assert_never

from hypothesis import strategies as st

from domain.campaign.definition import CampaignDocument
from domain.campaign.plan import Branch, Node, Plan, Repeat, Send, Split, WaitFor
from domain.journey import machine
from domain.journey.protocol import (
    Answered,
    Authorize,
    AuthorizeMembers,
    AwaitMatch,
    AwaitResume,
    Dispatch,
    DispatchMembers,
    Evaluate,
    Evaluated,
    Exited,
    Fact,
    Finish,
    LookedUp,
    LookUp,
    Matched,
    MembersAnswered,
    MembersSettled,
    Perform,
    Performed,
    Resumed,
    Settled,
    Skipped,
    SleepUntil,
    Unreadable,
    Woke,
)
from domain.journey.state import JourneyState
from domain.sending.claim import POSTPONED, AttemptState
from domain.sending.gate_answers import Answer, Deferred, Granted, Held, MembersAnswer, MembersPage, Refused

T = TypeVar("T")

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)

# Few of each, so that the same names, events and instants meet.
_DURATIONS = ["1s", "5m", "1h", "2h"]
_EVENTS = ["Seen", "Bought"]
_EVENT_IDS = ["e1", "e2", "e3", "e4"]
_OUTCOMES: list[AttemptState] = ["sent", "sent", "failed", "cancelled", "unknown", POSTPONED]


class Tape:
    """Choices, one after the other; the first option once the bytes have run out."""

    def __init__(self, data: bytes) -> None:
        self._bytes = iter(data)

    def choose(self, options: Sequence[T]) -> T:
        return options[next(self._bytes, 0) % len(options)]

    def below(self, count: int) -> int:
        return self.choose(range(count))


def tapes(size: int = 800) -> st.SearchStrategy[Tape]:
    """A tape that is as good as endless for a journey of some hundred choices."""
    return st.binary(min_size=size, max_size=size).map(Tape)


def plan_of(*nodes: Node, loops: dict[str, str] | None = None, ends_at: datetime | None = None) -> Plan:
    """A plan that starts at the first of its nodes."""
    start = nodes[0].id if nodes else None
    return Plan(start=start, nodes={node.id: node for node in nodes}, loops=loops or {}, ends_at=ends_at)


def campaign(tape: Tape) -> CampaignDocument:
    """A campaign of steps of all kinds; the journeys of every third end with its schedule."""
    schedule = {}
    if tape.below(3) == 2:
        schedule = {"ends_at": (NOON + timedelta(minutes=2 * tape.below(200))).isoformat(), "at_end": "exit"}
    return CampaignDocument.model_validate(
        {
            "key": "random",
            "name": "Random",
            "schedule": schedule,
            "on_resume": tape.choose(["send", "retime"]),
            "entry": {"event": "Started"},
            "steps": _Writer(tape).block(depth=3, least=2),
        }
    )


class _Writer:
    """Writes steps as authors do, each with an id of its own."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._count = 0

    def block(self, depth: int, least: int = 0) -> list[Any]:
        steps: list[Any] = []
        for _ in range(max(least, self._tape.below(4))):
            steps.append(self._step(depth))
            if "exit" in steps[-1]:
                break
        return steps

    def _step(self, depth: int) -> dict[str, Any]:
        self._count += 1
        id = f"s{self._count}"
        kinds = ["send", "send", "send", "send", "delay", "delay", "delay", "act", "act", "exit"]
        kinds += ["wait_for", "wait_for", "wait_for", "branch", "split", *["repeat"] * 5] if depth else []
        match self._tape.choose(kinds):
            case "send":
                choices: list[dict[str, Any]] = [{"on_capped": choice} for choice in ("skip", "wait", "exit")]
                several = {"channel": ["webhook", "email"]}
                choices += [{**several, "fallback": {"after": "5m", "unless": "opened"}}, several]
                how = self._tape.choose([*choices, {"to": {"role": "admin"}}])
                return {"id": id, "send": {"channel": "email", "template": "hello", **how}}
            case "delay":
                return {"id": id, "delay": self._delay()}
            case "act":
                kind = self._tape.choose(["update_profile", "set_stage", "emit_event"])
                deeds = {"update_profile": {"seen": True}, "set_stage": "new", "emit_event": {"event": "Went"}}
                return {"id": id, kind: deeds[kind]}
            case "exit":
                return {"exit": self._tape.choose(["done", "lost"])}
            case "wait_for":
                return {"id": id, **self._wait(depth)}
            case "branch":
                cases = [{"when": "true", "do": self.block(depth - 1)} for _ in range(1 + self._tape.below(2))]
                return {"id": id, "branch": cases, "otherwise": self.block(depth - 1)}
            case "split":
                arms = {arm: self.block(depth - 1) for arm in ("left", "right")}
                return {"id": id, "split": {"arms": dict.fromkeys(arms, 1)}, **arms}
            case _:
                return {"id": id, "repeat": self._repeat(), "do": self.block(depth - 1, least=1)}

    def _delay(self) -> Any:
        ways = [(then, unread) for then in ("go_on", "skip_next") for unread in ("go_on", "skip_next")]
        dates = [{"date": "profile.traits.due", "if_past": then, "if_unreadable": unread} for then, unread in ways]
        return self._tape.choose([*_DURATIONS, {"for": "1s..2h"}, {"until": "09:00"}, *dates])

    def _wait(self, depth: int) -> dict[str, Any]:
        timeout, on_timeout = self._tape.choose(_DURATIONS), self.block(depth - 1)
        if self._tape.below(2):
            awaited = {"event": self._tape.choose(_EVENTS), "timeout": timeout}
            return {"wait_for": awaited, "on_event": self.block(depth - 1), "on_timeout": on_timeout}
        several = [{"event": self._tape.choose(_EVENTS), "do": self.block(depth - 1)} for _ in range(2)]
        return {"wait_for": {"events": several, "timeout": timeout}, "on_timeout": on_timeout}

    def _repeat(self) -> dict[str, Any]:
        spec: dict[str, Any] = {"every": self._tape.choose(_DURATIONS)}
        if self._tape.below(2):
            spec["times"] = 2 + self._tape.below(2)
        until = self._tape.choose(["event", "event", "event", "when", "nothing"])
        if until != "nothing":
            spec["until"] = {"when": "true"} if until == "when" else {"event": self._tape.choose(_EVENTS)}
        return spec


def answer(tape: Tape, at: datetime) -> Answer:
    """Anything that the gate may answer, a grant more often than not."""
    match tape.below(24):
        case 0:
            return Refused("journey_ended", journey_ended=True)
        case 1:
            return Refused("capped")
        case 2 | 3:
            return Refused("expired")
        case 4 | 5:
            return Held("campaign_paused")
        case 6:
            return Held("on_hold", at + timedelta(minutes=tape.below(120)))
        case 7 | 8 | 9:
            return Deferred(at + timedelta(minutes=tape.below(120)), "capped")
        case _:
            return Granted("m")


def gate_answer(tape: Tape, node: Node | None, at: datetime) -> Answer:
    """Anything that the gate may answer about a step: a message may have a fallback, if its step has."""
    given = answer(tape, at)
    if not isinstance(given, Granted) or not isinstance(node, Send) or not node.others:
        return given
    has_fallback = node.fallback is not None and tape.below(4) > 0
    return Granted("m", channel=tape.choose(node.channels), has_fallback=has_fallback)


def members_answer(tape: Tape, at: datetime, after: str | None = None) -> MembersAnswer:
    """Anything that the gate may answer about the members after one, a page more often than not."""
    match tape.below(24):
        case 0:
            return Refused("journey_ended", journey_ended=True)
        case 1 | 2:
            return Refused("expired")
        case 3 | 4 | 5:
            return Held("campaign_paused")
        case _:
            ids = tuple(f"m{number}" for number in range(tape.below(3)))
            page = f"{after or 'p'}+" if tape.below(2) else None
            until = at + timedelta(minutes=tape.below(120)) if tape.below(4) == 3 else None
            return MembersPage(ids, page, until, until is not None and tape.below(2) == 1)


def members_settled(tape: Tape, *, journey_ended: bool = False) -> MembersSettled:
    """Anything that may become of a page of messages."""
    return MembersSettled(tuple(tape.choose(_OUTCOMES) for _ in range(1 + tape.below(2))), journey_ended)


def moment(tape: Tape, at: datetime) -> datetime | Unreadable | None:
    """Anything that a look-up may find."""
    later: datetime | Unreadable | None = at + timedelta(minutes=tape.below(120))
    return tape.choose([None, Unreadable(), at, at - timedelta(hours=1), later, later, later])


def way(tape: Tape, node: Node | None) -> int | None:
    """Any way that there is at a fork: a branch has `otherwise` as well, a repetition goes on or is over."""
    match node:
        case Branch(cases=cases):
            ways: list[int | None] = [None, *range(len(cases))]
            return tape.choose(ways)
        case Split(arms=arms):
            return tape.below(len(arms))
        case Repeat():
            return tape.choose([None, None, 0])
        case _:
            return None


def event(tape: Tape, plan: Plan) -> Matched:
    """Any event for any subscription, also for one that the plan does not have."""
    subscriptions = [
        *(one.id for node in plan.nodes.values() if isinstance(node, WaitFor) for one in node.subscriptions),
        *(node.until for node in plan.nodes.values() if isinstance(node, Repeat) and node.until is not None),
        "gone/0",
    ]
    return Matched(tape.choose(subscriptions), tape.choose(_EVENT_IDS))


def noise(tape: Tape, plan: Plan, step: str | None, at: datetime) -> Fact:
    """Anything that the workflow may report while the journey is at a step, whether it fits or not."""
    match tape.below(32):
        case 0:
            return Exited("e9")
        case 1 | 2 | 3 | 4:
            return Resumed()
        case 5 | 6 | 7 | 8:
            return Woke()
        case 9 | 10 | 11:
            return Answered(gate_answer(tape, plan.nodes.get(step or ""), at))
        case 12 | 13 | 14:
            return Settled(tape.choose(_OUTCOMES), journey_ended=tape.below(8) == 7)
        case 15 | 16:
            return Evaluated(way(tape, plan.nodes.get(step or "")))
        case 17 | 18:
            return LookedUp(moment(tape, at))
        case 19 | 20:
            return Performed(journey_ended=tape.below(8) == 7)
        case 21:
            return MembersAnswered(members_answer(tape, at))
        case 22:
            return members_settled(tape, journey_ended=tape.below(8) == 7)
        case 23 | 24:
            return Skipped(tape.choose([step or "gone", step or "gone", *plan.nodes]))
        case _:
            return event(tape, plan)


def fitting(tape: Tape, plan: Plan, state: JourneyState, at: datetime) -> tuple[Fact, datetime]:
    """What a workflow might report of the present command, and when."""
    command = machine.next_command(plan, state)
    match command:
        case SleepUntil(until=until) | AwaitMatch(until=until):
            return Woke(), max(at, until)
        case AwaitResume(until=until):
            return (Resumed(), at) if tape.below(4) or until is None else (Woke(), max(at, until))
        case Authorize():
            return Answered(gate_answer(tape, plan.nodes.get(state.step or ""), at)), at
        case Dispatch():
            return Settled(tape.choose(_OUTCOMES), journey_ended=False), at
        case AuthorizeMembers(after=after):
            return MembersAnswered(members_answer(tape, at, after)), at
        case DispatchMembers():
            return members_settled(tape), at
        case Evaluate(step=step):
            return Evaluated(way(tape, plan.nodes[step])), at
        case LookUp():
            return LookedUp(moment(tape, at)), at
        case Perform():
            return Performed(journey_ended=False), at
        case Finish():
            return Woke(), at
        case _:
            assert_never(command)
