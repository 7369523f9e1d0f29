"""A second reading of the language: walks the nested document as it stands, step within step, without a plan.

It is slow, keeps its place on Python's stack and so cannot be stored: what it asks for at each point is what the
machine, which can, must command.
"""

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from domain.campaign.definition import CampaignDocument
from domain.campaign.delays.date import DateDelay
from domain.campaign.delays.random_time import RandomDelay
from domain.campaign.steps.branch import BranchStep
from domain.campaign.steps.delay import DelayStep
from domain.campaign.steps.exit import ExitStep
from domain.campaign.steps.kinds import Step
from domain.campaign.steps.repeat import RepeatStep
from domain.campaign.steps.send import SendStep
from domain.campaign.steps.split import SplitStep
from domain.campaign.steps.wait_for import WaitStep
from domain.channels.kinds import CHANNELS
from domain.journey import bucketing
from domain.journey.protocol import (
    Answered,
    Authorize,
    AuthorizeMembers,
    AwaitMatch,
    AwaitResume,
    Command,
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
from domain.sending.gate_answers import Deferred, Granted, Held, MembersPage, Refused

T = TypeVar("T")
# How many events tell of each reaction, by all channels.
REPORTS = {
    reaction: len({name for kind in CHANNELS.values() for one, name in kind.list_events() if one in kinds})
    for reaction, kinds in {
        "delivered": ("delivered", "opened", "clicked", "replied"),
        "opened": ("opened", "clicked", "replied"),
        "clicked": ("clicked",),
    }.items()
}
# Yields what it asks for, is sent what has happened and when, and returns what came of it.
Walk = Generator[Command, tuple[Fact, datetime], T]
Ends = Callable[[], str | None]


class _Over(Exception):
    """The journey is over. `reached` says that it has come to its end, and was not ended."""

    def __init__(self, outcome: str, *, recorded: bool, reached: bool = False) -> None:
        self.outcome, self.recorded, self.reached = outcome, recorded, reached


@dataclass(eq=False)
class _Loop:
    step: RepeatStep
    since: datetime
    heard: str | None


class _Stopped(Exception):
    def __init__(self, loop: _Loop) -> None:
        self.loop = loop


class Interpreter:
    """Walks a campaign for one user. `command` is what it asks for now."""

    def __init__(self, campaign: CampaignDocument, at: datetime, seed: str) -> None:
        self._steps = campaign.steps
        schedule = campaign.schedule
        self._ends_at = schedule.ends_at if schedule.at_end == "exit" else None
        self._retimes = campaign.on_resume == "retime"
        self._seed = seed
        self._at = at
        self._visits: Counter[str | None] = Counter()
        self._loops: list[_Loop] = []
        self._waiting: Sequence[str] | None = None
        self._last: dict[str, tuple[str, datetime]] = {}
        self._hears_from = at
        self._heard: str | None = None
        self._is_resumed = False
        self._is_recorded = False
        self._walk = self._whole()
        self.command = next(self._walk)

    def tell(self, fact: Fact, at: datetime) -> None:
        self.command = self._walk.send((fact, at))

    def _whole(self) -> Walk[None]:
        try:
            yield from self._list(self._steps, lambda: "completed")
            over = _Over("completed", recorded=self._is_recorded, reached=True)
        except _Over as raised:
            over = raised
        while True:
            fact, _ = yield Finish(over.outcome, over.recorded)
            if over.reached and isinstance(fact, Exited):
                over = _Over("exited", recorded=True)

    # Time and questions

    def _question(self, command: Command, kind: type[T]) -> Walk[T]:
        while True:
            fact, at = yield command
            self._take(fact, at)
            if isinstance(fact, kind):
                return fact

    def _ask(self, command: Command, kind: type[T]) -> Walk[T]:
        self._stop()
        self._end()
        return (yield from self._question(command, kind))

    def _rest(
        self,
        until: datetime | None,
        command: Callable[[datetime], Command],
        is_over: Callable[[], bool] = bool,
        skipped_as: str | None = None,
    ) -> Walk[bool]:
        """Whether the rest was skipped."""
        self._stop()
        self._end()
        end = min((one for one in (until, self._ends_at) if one is not None), default=None)
        while True:
            fact, at = yield command(end) if end else AwaitResume()
            self._take(fact, at)
            try:
                self._stop()
            except _Stopped:
                self._hears_from = at
                raise
            is_awake = isinstance(fact, Woke) and (is_over() or (until is not None and at >= until))
            is_skipped = isinstance(fact, Skipped) and fact.step == skipped_as and not is_over()
            if is_awake or is_skipped or (command is AwaitResume and isinstance(fact, Resumed)):
                self._hears_from = at
                return is_skipped
            self._end()

    def _sleep(self, until: datetime, why: str, skipped_as: str | None = None) -> Walk[bool]:
        return (yield from self._rest(until, lambda end: SleepUntil(end, why), skipped_as=skipped_as))

    def _take(self, fact: Fact, at: datetime) -> None:
        self._at = at
        match fact:
            case Exited():
                raise _Over("exited", recorded=True)
            case Resumed():
                self._is_resumed = True
            case Matched(subscription=subscription, event_id=event_id):
                mine = self._waiting is not None and subscription in self._waiting
                is_known = self._last.get(subscription, ("",))[0] == event_id
                if not is_known and not (mine and self._first() is not None):
                    self._last[subscription] = event_id, at

    def _first(self) -> int | None:
        """Which of the events waited for has come first."""
        assert self._waiting is not None
        came = [
            (at, index)
            for index, one in enumerate(self._waiting)
            for event, at in [self._last.get(one, ("", self._at))]
            if event and at >= self._hears_from and event != self._heard
        ]
        return min(came)[1] if came else None

    def _stop(self) -> None:
        for loop in self._loops:
            event, at = self._last.get(f"{loop.step.id}/0", ("", self._at))
            if event and at >= loop.since and event != loop.heard:
                self._heard = event
                raise _Stopped(loop)

    def _end(self) -> None:
        if self._ends_at is not None and self._at >= self._ends_at:
            raise _Over("schedule-ended", recorded=False)

    # Steps

    def _list(self, steps: Sequence[Step], after: Ends) -> Walk[None]:
        place = 0
        while place < len(steps):
            step, following = steps[place], steps[place + 1 :]
            was_past = yield from self._step(step, partial(_at_once, following, after))
            place += 2 if was_past else 1

    def _step(self, step: Step, after: Ends) -> Walk[bool]:
        """Walks one step; whether the one that follows is to be skipped."""
        self._visits[step.id] += 1
        match step:
            case ExitStep(exit=outcome):
                raise _Over(outcome, recorded=self._is_recorded, reached=True)
            case DelayStep():
                return (yield from self._delay(step))
            case SendStep() if step.send.to is not None:
                yield from self._send_to_members(step)
            case SendStep():
                yield from self._send(step, after)
            case WaitStep():
                yield from self._wait(step, after)
            case BranchStep(id=id):
                case = (yield from self._ask(Evaluate(id), Evaluated)).case
                yield from self._list(step.otherwise if case is None else step.branch[case].do, after)
            case SplitStep(id=id):
                arm = (yield from self._ask(Evaluate(id), Evaluated)).case
                assert arm is not None
                yield from self._list(step.arm(list(step.split.arms)[arm]), after)
            case RepeatStep():
                loop = _Loop(step, self._hears_from, self._heard)
                self._loops.append(loop)
                try:
                    yield from self._rounds(step, after)
                except _Stopped as stopped:
                    if stopped.loop is not loop:
                        raise
                finally:
                    self._loops.remove(loop)
            case _:
                ends = after()
                performed = yield from self._ask(Perform(step.id, self._visits[step.id], ends), Performed)
                if performed.journey_ended:
                    raise _Over("exited", recorded=True)
                self._is_recorded = ends is not None
        return False

    def _rounds(self, step: RepeatStep, after: Ends) -> Walk[None]:
        spec, done = step.repeat, 0
        while True:
            if spec.until is not None and spec.until.when is not None:
                evaluated = yield from self._ask(Evaluate(step.id), Evaluated)
                if evaluated.case is not None:
                    return
            is_last = done + 1 == spec.times
            yield from self._list(step.do, after if is_last else lambda: None)
            done += 1
            if is_last:
                return
            yield from self._sleep(self._at + timedelta(seconds=spec.every), f"next round of {step.id}", step.id)

    def _delay(self, step: DelayStep) -> Walk[bool]:
        match step.delay:
            case int(seconds):
                yield from self._sleep(self._at + timedelta(seconds=seconds), f"delay {step.id}", step.id)
                return False
            case RandomDelay(ends=(least, most)):
                seconds = least + bucketing.hash_bucket(most - least + 1, self._seed, step.id)
                yield from self._sleep(self._at + timedelta(seconds=seconds), f"delay {step.id}", step.id)
                return False
        reached, ask = self._at, 1
        skips = isinstance(step.delay, DateDelay) and step.delay.if_past == "skip_next"
        skips_unreadable = isinstance(step.delay, DateDelay) and step.delay.if_unreadable == "skip_next"
        while True:
            found = yield from self._ask(LookUp(step.id, self._visits[step.id], ask, reached), LookedUp)
            if isinstance(found.until, Unreadable):
                return skips_unreadable
            if found.until is None or (ask == 1 and found.until < reached):
                return skips
            if found.until <= self._at:
                return False
            if (yield from self._sleep(found.until, f"delay {step.id}", step.id)):
                return False
            ask += 1

    def _wait(self, step: WaitStep, after: Ends) -> Walk[None]:
        first = yield from self._hear(step.id, step.wait_for.timeout, _subscriptions(step))
        ways = [one.do for one in step.wait_for.events or ()] or [step.on_event]
        if first is None:
            yield from self._list(step.on_timeout, after)
            return
        yield from self._list(ways[first], after)

    def _hear(self, id: str, timeout: int, subscriptions: Sequence[str]) -> Walk[int | None]:
        """Waits for one of the events; the one that came first."""
        until = self._at + timedelta(seconds=timeout)
        first: int | None = None

        def came() -> bool:
            nonlocal first
            first = self._first()
            return first is not None

        self._waiting = subscriptions
        try:
            yield from self._rest(until, AwaitMatch, came, id)
        finally:
            self._waiting = None
        if first is not None:
            self._heard = self._last[subscriptions[first]][0]
        return first

    def _send(self, step: SendStep, after: Ends) -> Walk[None]:
        may_follow = yield from self._message(step, step.id, after)
        while may_follow:
            assert step.send.fallback is not None
            wait, then = f"{step.id}.wait", f"{step.id}.fallback"
            self._visits[wait] += 1
            heard = [f"{wait}/{index}" for index in range(REPORTS[step.send.fallback.unless])]
            yield from self._hear(wait, step.send.fallback.after, heard)
            self._visits[then] += 1
            may_follow = yield from self._message(step, then, after)

    def _message(self, step: SendStep, id: str, after: Ends) -> Walk[bool]:
        """Whether another message may follow it."""
        visit, reached, ask = self._visits[id], self._at, 1
        ends = after()
        while True:
            self._is_resumed = False
            asked = yield from self._ask(Authorize(id, visit, ask, reached, ends), Answered)
            match asked.answer:
                case Granted() as granted:
                    self._hears_from = self._at
                    outcome = yield from self._dispatch(step, granted, ends)
                    if outcome != "postponed":
                        return granted.has_fallback and outcome in ("sent", "unknown")
                case Deferred(until=until, reason=reason):
                    yield from self._sleep(until, f"deferred {id}: {reason}")
                case Held(reason=reason, until=until):
                    if not self._is_resumed:
                        yield from self._rest(until, AwaitResume)
                    if self._retimes and reason == "campaign_paused":
                        reached = self._at
                case Refused(reason=reason, journey_ended=is_ended):
                    if is_ended:
                        raise _Over("exited", recorded=True)
                    if reason == "capped" and step.send.on_capped == "exit":
                        raise _Over("capped", recorded=True)
                    self._hears_from = self._at
                    self._is_recorded = ends is not None
                    return False
            self._hears_from = self._at
            ask += 1

    def _send_to_members(self, step: SendStep) -> Walk[None]:
        visit, reached, ask = self._visits[step.id], self._at, 1
        while True:
            is_over, ask, reached = yield from self._round_of_members(step, visit, reached, ask)
            if is_over:
                self._is_recorded = False
                return

    def _round_of_members(
        self, step: SendStep, visit: int, reached: datetime, ask: int
    ) -> Walk[tuple[bool, int, datetime]]:
        """Goes through all members once; whether none is left, else the next attempt, and when the step was reached."""
        cursor: str | None = None
        until, is_postponed, is_held = list[datetime](), False, False
        while True:
            self._is_resumed = False
            command = AuthorizeMembers(step.id, visit, ask, reached, cursor)
            answer = (yield from self._ask(command, MembersAnswered)).answer
            match answer:
                case MembersPage(message_ids=ids):
                    cursor = answer.after
                    until += [answer.until] if answer.until is not None else []
                    is_held |= answer.is_held
                    if ids:
                        self._hears_from = self._at
                        self._end()
                        spec = step.send
                        dispatch = DispatchMembers(ids, spec.channel[0], spec.category, spec.priority)
                        settled = yield from self._question(dispatch, MembersSettled)
                        if settled.journey_ended:
                            raise _Over("exited", recorded=True)
                        is_postponed |= "postponed" in settled.outcomes
                    if is_held and self._is_resumed:
                        is_held, is_postponed = False, True
                    if cursor is not None:
                        continue
                    if not is_postponed and not until:
                        return True, ask, reached
                    if not is_postponed and is_held:
                        yield from self._rest(min(until), AwaitResume)
                    elif not is_postponed:
                        yield from self._sleep(min(until), f"deferred {step.id}: send_window")
                    self._hears_from = self._at
                    return False, ask + 1, reached
                case Held():
                    if not self._is_resumed:
                        yield from self._rest(None, AwaitResume)
                    if self._retimes:
                        reached = self._at
                    self._hears_from = self._at
                    ask += 1
                case Refused(journey_ended=is_ended):
                    if is_ended:
                        raise _Over("exited", recorded=True)
                    self._hears_from = self._at
                    return True, ask, reached

    def _dispatch(self, step: SendStep, granted: Granted, ends: str | None) -> Walk[str]:
        """The outcome of the message, or that it was put off."""
        self._end()
        spec = step.send
        channel = granted.channel or spec.channel[0]
        ends = None if granted.has_fallback else ends
        dispatch = Dispatch(granted.message_id, channel, spec.category, spec.priority, ends)
        settled = yield from self._question(dispatch, Settled)
        if settled.journey_ended:
            raise _Over("exited", recorded=True)
        if settled.outcome != "postponed":
            self._is_recorded = ends is not None
        return settled.outcome


def _subscriptions(step: WaitStep) -> list[str]:
    return [f"{step.id}/{index}" for index in range(len(step.wait_for.events or (None,)))]


def _at_once(steps: Sequence[Step], after: Ends) -> str | None:
    """The outcome if what follows ends the journey without anything else being done."""
    match steps:
        case []:
            return after()
        case [ExitStep(exit=outcome), *_]:
            return outcome
        case [RepeatStep() as step, *_] if step.repeat.until is None or step.repeat.until.when is None:
            return _at_once(step.do, lambda: None)
        case _:
            return None
