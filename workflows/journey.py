"""The story of one user in one campaign."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import assert_never
from uuid import UUID

from msgspec import Struct
from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from workflows.asking import Asking
from workflows.search_attributes import JOURNEY_STATE, JOURNEY_STEP

with workflow.unsafe.imports_passed_through():
    from domain.campaign.plan import Plan
    from domain.journey import machine
    from domain.journey.details import describe
    from domain.journey.moves import is_at_rest
    from domain.journey.position import Outlook, Told, outlook, position, told_by_answer, told_by_journey
    from domain.journey.protocol import (
        Answered,
        Authorise,
        AwaitMatch,
        AwaitResume,
        Command,
        Dispatch,
        Evaluate,
        Evaluated,
        Exited,
        Fact,
        Finish,
        LookedUp,
        LookUp,
        Matched,
        Perform,
        Performed,
        Resumed,
        Settled,
        Skipped,
        SleepUntil,
        Woke,
    )
    from domain.journey.records import seed_of
    from domain.journey.state import CANCELLED, JourneyState


class JourneyInput(Struct, frozen=True, omit_defaults=True):
    """What a journey is started with, and continued with: ids and the plan, nothing about the person.

    `shown` is the step and state that the search attributes say, `told` what the journey's row does; None in a journey
    that an earlier release has started, whose row does not follow.
    """

    journey_id: UUID
    campaign: str
    plan: Plan
    shown: tuple[str, str]
    state: JourneyState | None = None
    told: Told | None = None


@workflow.defn(name="Journey")
class JourneyWorkflow:
    """Asks the machine for the next command, carries it out, and tells the machine what happened."""

    @workflow.init
    def __init__(self, journey: JourneyInput) -> None:
        self._journey = journey
        self._plan = journey.plan
        self._shown = journey.shown
        self._told = journey.told
        self._asking = Asking(journey.journey_id, journey.campaign)
        seed = seed_of(workflow.info().workflow_id, journey.campaign)
        self._state = journey.state or machine.begin(journey.plan, workflow.now(), seed)

    @workflow.run
    async def run(self, journey: JourneyInput) -> str:
        """Until the journey is over; its outcome. One that is cancelled in Temporal is over, too."""
        try:
            command = await self._walk()
        except (asyncio.CancelledError, ActivityError) as error:
            # An activity under way hands the cancellation on as its own failure.
            if is_cancelled_exception(error):
                await self._asking.finish(CANCELLED)
            raise
        workflow.set_current_details(describe(self._plan, self._state))
        if not command.recorded:
            await self._asking.finish(command.outcome)
        return command.outcome

    async def _walk(self) -> Finish:
        while not isinstance(command := machine.next_command(self._plan, self._state), Finish):
            if workflow.info().is_continue_as_new_suggested():
                self._continue_as_new()
            self._show()
            asked, at = self._state, workflow.now()
            with self._group().scope():
                fact = await self._carry_out(command)
            if fact is not None and not isinstance(fact, Woke) and self._told is not None:
                self._told = told_by_answer(self._plan, asked, fact, at, self._told)
            if fact is not None:
                self._tell(fact)
        return command

    @workflow.signal
    def matched(self, subscription: str, event_id: str) -> None:
        """An event came that this journey listens for."""
        self._tell(Matched(subscription, event_id))

    @workflow.signal
    def exit(self, by: str) -> None:
        """The journey was ended by an event or by hand. The database knows already."""
        self._tell(Exited(by))

    @workflow.signal
    def resume(self) -> None:
        """The campaign runs again."""
        self._tell(Resumed())

    @workflow.signal
    def skip(self, step: str) -> None:
        """Somebody wants the journey to wait no longer at this step."""
        self._tell(Skipped(step))

    def _tell(self, fact: Fact) -> None:
        self._state = machine.after(self._plan, self._state, fact, workflow.now())

    async def _carry_out(self, command: Command) -> Fact | None:
        """What came of it; None if the rest was broken off, or if a signal has told the machine already."""
        match command:
            case SleepUntil(until=until, why=why):
                return await self._rest(command, why, until)
            case AwaitMatch(until=until):
                return await self._rest(command, f"event for {self._state.step}", until, self._has_matched)
            case AwaitResume(until=until):
                return await self._rest(command, f"held {self._state.step}: campaign paused", until)
            case Authorise():
                return Answered(await self._asking.authorise(command, self._outlook(command)))
            case Dispatch():
                outcome = await self._asking.send(command, self._state.step, self._outlook(command))
                return Settled(outcome.state, outcome.journey_ended)
            case Evaluate(step=step):
                return Evaluated(await self._asking.evaluate(step, self._state.visits, self._outlook(command)))
            case LookUp():
                return LookedUp(await self._asking.look_up(command, self._outlook(command)))
            case Perform():
                return Performed(await self._asking.perform(command, self._state.visits, self._outlook(command)))
            case Finish():
                raise ValueError("a journey that is over has nothing to carry out")
            case _:
                assert_never(command)

    async def _rest(
        self, command: Command, why: str, until: datetime | None, is_over: Callable[[], bool] = lambda: False
    ) -> Woke | None:
        """Rest until the instant or until it is over. None if a signal moved the journey on, or its history is long."""

        def is_broken_off() -> bool:
            return (
                machine.next_command(self._plan, self._state) != command
                or self._is_elsewhere()
                or workflow.info().is_continue_as_new_suggested()
            )

        if not is_over():
            await self._record_position()
        timeout = None if until is None else until - workflow.now()
        try:
            if not is_over() and not is_broken_off():
                await workflow.wait_condition(
                    lambda: is_over() or is_broken_off(), timeout=timeout, timeout_summary=why
                )
        except TimeoutError:
            return Woke()
        return Woke() if is_over() else None

    def _has_matched(self) -> bool:
        return machine.matching(self._plan, self._state) is not None

    def _is_elsewhere(self) -> bool:
        """Whether the journey's row says that it is elsewhere, or rests there another time."""
        return self._told is not None and told_by_journey(self._plan, self._state, self._told) != self._told

    async def _record_position(self) -> None:
        """Tell the journey's row of a rest that no activity has told it of."""
        if self._told is None or not self._is_elsewhere():
            return
        self._told = told_by_journey(self._plan, self._state, self._told)
        here = position(self._plan, self._state, workflow.now())
        if here is None or not workflow.patched("position"):
            return
        await self._asking.record_position(here, self._told.move)

    def _outlook(self, command: Command) -> Outlook | None:
        """Where the answers to a question lead that is asked now, for the activity to tell the journey's row."""
        if self._told is None:
            return None
        return outlook(self._plan, self._state, command, workflow.now(), self._told.move + 1)

    def _group(self) -> workflow.EventGroup:
        """The events of one visit of a step, together in the UI's timeline."""
        step = self._state.step or "end"
        visit = self._state.visits.get(step, 1)
        return workflow.create_event_group(f"{step}/{visit}", label=step if visit == 1 else f"{step} ({visit})")

    def _show(self) -> None:
        """Say where the journey is. Details cost nothing; a search attribute is written when the rest is another."""
        workflow.set_current_details(describe(self._plan, self._state))
        step, state = standing = machine.standing(self._plan, self._state)
        if is_at_rest(self._plan, self._state) and standing != self._shown:
            self._shown = standing
            workflow.upsert_search_attributes([JOURNEY_STEP.value_set(step), JOURNEY_STATE.value_set(state)])

    def _continue_as_new(self) -> None:
        workflow.continue_as_new(
            JourneyInput(
                journey_id=self._journey.journey_id,
                campaign=self._journey.campaign,
                plan=self._plan,
                shown=self._shown,
                state=self._state,
                told=self._told,
            )
        )
