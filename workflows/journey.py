"""The story of one user in one campaign."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import assert_never
from uuid import UUID

from msgspec import Struct
from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

from workflows.activity_calls import ActivityCalls
from workflows.search_attributes import CAMPAIGN_VERSION, JOURNEY_STATE, JOURNEY_STEP

with workflow.unsafe.imports_passed_through():
    from application.migrations import MigrationRef, MoveRequest, StayRequest
    from domain.campaign.plan import Plan
    from domain.journey import machine
    from domain.journey.details import describe
    from domain.journey.migration import (
        ENDED,
        MOVED,
        SUPERSEDED,
        VERSION_CHANGED,
        CannotMigrate,
        Migration,
        MigrationOutcome,
        is_movable,
        migrate_state,
    )
    from domain.journey.moves import is_at_rest, may_be_stopped
    from domain.journey.position import (
        NextPositions,
        StoredPosition,
        after_answer,
        after_move,
        after_rest,
        next_positions,
        position,
    )
    from domain.journey.protocol import (
        Answered,
        Authorize,
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
    from domain.journey.state import CANCELLED, COMPLETED, JourneyState


class JourneyInput(Struct, frozen=True, omit_defaults=True):
    """Input of a journey's start and of each continuation: ids and the plan, nothing about the person.

    `version` is that of the plan, `status` the step and status in the search attributes, `stored_position` what the
    journey's row says. Events matched under the version before count for the `shared_subscriptions`; None if there was
    none. `shows_end` is False for journeys that began before ends were written to the search attributes: replaying them
    must not write one.
    """

    journey_id: UUID
    campaign: str
    plan: Plan
    version: int
    status: tuple[str, str]
    stored_position: StoredPosition
    state: JourneyState | None = None
    shared_subscriptions: tuple[str, ...] | None = None
    shows_end: bool = False


class _Request:
    """A migration that was asked for, until it has a result."""

    def __init__(self, migration: Migration) -> None:
        self.migration = migration
        self.result: MigrationOutcome | CannotMigrate | None = None


def _failure(kept_by: CannotMigrate) -> ApplicationError:
    return ApplicationError(kept_by.text, kept_by.step, type=kept_by.reason)


@workflow.defn(name="Journey")
class JourneyWorkflow:
    """Asks the machine for the next command, carries it out, and tells the machine what happened."""

    @workflow.init
    def __init__(self, journey: JourneyInput) -> None:
        self._journey = journey
        self._plan = journey.plan
        self._shown = journey.status
        self._stored = journey.stored_position
        self._calls = ActivityCalls(journey.journey_id, journey.campaign, self._may_call_locally)
        # Whether what the journey does now follows from what it heard, or did not hear, while it waited for events.
        self._has_listened = False
        self._version = journey.version
        self._shared_subscriptions = journey.shared_subscriptions
        self._request: _Request | None = None
        # What is heard while the journey is being moved; None while it is not.
        self._kept: list[Callable[[], None]] | None = None
        seed = seed_of(workflow.info().workflow_id, journey.campaign)
        self._state = journey.state or machine.begin(journey.plan, workflow.now(), seed)

    @workflow.run
    async def run(self, journey: JourneyInput) -> str:
        """Until the journey is over; its outcome. One that is cancelled in Temporal is over, too."""
        try:
            command = await self._walk()
        except (asyncio.CancelledError, FailureError) as error:
            # An activity under way hands the cancellation on as its own failure.
            if is_cancelled_exception(error):
                await self._calls.finish(CANCELLED)
            raise
        workflow.set_current_details(describe(self._plan, self._state))
        outcome = command.outcome if command.recorded else await self._calls.finish(command.outcome)
        if self._request is not None:
            self._answer(self._request, ENDED)
        await workflow.wait_condition(workflow.all_handlers_finished)
        self._show_end(outcome)
        return outcome

    async def _walk(self) -> Finish:
        while not isinstance(command := machine.next_command(self._plan, self._state), Finish):
            if self._request is not None and is_movable(self._plan, self._state):
                with self._group().scope():
                    await self._move(self._request)
                continue
            if self._request is None and workflow.info().is_continue_as_new_suggested():
                await self._continue_as_new()
                continue
            self._show()
            asked, at = self._state, workflow.now()
            with self._group().scope():
                fact = await self._carry_out(command)
            self._has_listened = isinstance(command, AwaitMatch)
            if fact is not None and not isinstance(fact, Woke):
                self._stored = after_answer(self._plan, asked, fact, at, self._stored)
            if fact is not None:
                self._tell(fact)
        return command

    @workflow.signal
    def matched(self, subscription: str, event_id: str, version: int) -> None:
        """An event came that this journey listens for, by the rules of a version."""
        self._hear(lambda: self._match(subscription, event_id, version))

    @workflow.signal
    def exit(self, by: str, versions: tuple[int, ...] = ()) -> None:
        """The journey was ended by an event or by hand. The database knows already.

        With `versions`, only those of these were: the server's index, by which they are told, lags behind.
        """
        self._hear(lambda: self._exit(by, versions))

    @workflow.signal
    def resume(self) -> None:
        """The campaign runs again."""
        self._hear(lambda: self._tell(Resumed()))

    @workflow.update
    async def migrate(self, migration: Migration) -> MigrationOutcome:
        """Go on under another version, once the journey rests, unless it is over first.

        Fails with a reason as type where it stays on its version.
        """
        await workflow.wait_condition(lambda: self._kept is None)
        if self._version == migration.to_version:
            return MOVED
        if isinstance(machine.next_command(self._plan, self._state), Finish):
            # Nobody would answer: the journey was over by what it heard while it was being moved.
            return ENDED
        if self._request is not None:
            self._answer(self._request, CannotMigrate(SUPERSEDED, "another version was asked for meanwhile"))
        request = self._request = _Request(migration)
        await workflow.wait_condition(lambda: request.result is not None)
        if isinstance(request.result, CannotMigrate):
            raise _failure(request.result)
        return request.result or ENDED

    @migrate.validator
    def refuse_to_migrate(self, migration: Migration) -> None:
        """Refuse what is known to be impossible, so that nothing of it is in the history."""
        if self._state.outcome is not None or self._version == migration.to_version:
            return
        if self._kept is None and is_movable(self._plan, self._state):
            found = self._migrated(migration)
            if isinstance(found, CannotMigrate):
                raise _failure(found)

    def _hear(self, tell: Callable[[], None]) -> None:
        """Take up what a signal says; what comes while the journey is being moved, under the plan that it has then."""
        if self._kept is None:
            tell()
        else:
            self._kept.append(tell)

    def _match(self, subscription: str, event_id: str, version: int) -> None:
        """An event that was held against the version before counts where the subscription means the same in both."""
        if self._shared_subscriptions is None or version == self._version or subscription in self._shared_subscriptions:
            self._tell(Matched(subscription, event_id))

    def _exit(self, by: str, versions: tuple[int, ...]) -> None:
        if not versions or self._version in versions:
            self._tell(Exited(by))

    def _migrated(self, migration: Migration) -> JourneyState | CannotMigrate:
        if self._version != migration.from_version:
            return CannotMigrate(VERSION_CHANGED, f"the journey is on version {self._version}")
        versions = migration.from_version, migration.to_version
        return migrate_state(
            self._plan, migration.plan, self._state, migration.shared_subscriptions, workflow.now(), versions
        )

    async def _move(self, request: _Request) -> None:
        """Take the row and the journey to the other version, and do nothing else meanwhile."""
        migration = request.migration
        kept = self._kept = []
        state = self._migrated(migration)
        if isinstance(state, CannotMigrate):
            await self._calls.keep(StayRequest(self._ref(migration), state))
            result: MigrationOutcome | CannotMigrate = state
        else:
            stored = after_move(migration.plan, state, self._stored)
            here = position(migration.plan, state, workflow.now())
            moved = await self._calls.move(MoveRequest(self._ref(migration), here, stored.move))
            if moved == MOVED:
                self._plan, self._state, self._stored = migration.plan, state, stored
                self._version, self._shared_subscriptions = migration.to_version, migration.shared_subscriptions
                workflow.upsert_search_attributes([CAMPAIGN_VERSION.value_set(self._version)])
            result = moved or CannotMigrate(VERSION_CHANGED, "the journey, or its campaign, is on another version")
        self._kept = None
        for tell in kept:
            tell()
        self._answer(request, result)

    def _ref(self, migration: Migration) -> MigrationRef:
        return MigrationRef(
            journey_id=self._journey.journey_id,
            from_version=migration.from_version,
            to_version=migration.to_version,
            operation=migration.operation,
            step=self._state.step,
            at=workflow.now(),
        )

    def _answer(self, request: _Request, result: MigrationOutcome | CannotMigrate) -> None:
        request.result = result
        if self._request is request:
            self._request = None

    @workflow.signal
    def skip(self, step: str) -> None:
        """Somebody wants the journey to wait no longer at this step."""
        self._hear(lambda: self._tell(Skipped(step)))

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
            case Authorize():
                return Answered(await self._calls.authorize(command, self._next_positions(command)))
            case Dispatch():
                outcome = await self._calls.send(command, self._state.step, self._next_positions(command))
                return Settled(outcome.state, outcome.journey_ended)
            case Evaluate(step=step):
                return Evaluated(await self._calls.evaluate(step, self._state.visits, self._next_positions(command)))
            case LookUp():
                return LookedUp(await self._calls.look_up(command, self._next_positions(command)))
            case Perform():
                return Performed(await self._calls.perform(command, self._state.visits, self._next_positions(command)))
            case Finish():
                raise ValueError("a journey that is over has nothing to carry out")
            case _:
                assert_never(command)

    async def _rest(
        self, command: Command, why: str, until: datetime | None, is_over: Callable[[], bool] = lambda: False
    ) -> Woke | None:
        """Rest until the instant or until it is over. None if a message has broken it off, or a long history."""

        def is_broken_off() -> bool:
            return (
                machine.next_command(self._plan, self._state) != command
                or self._is_elsewhere()
                or self._request is not None
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
        return machine.find_match(self._plan, self._state) is not None

    def _is_elsewhere(self) -> bool:
        """Whether the journey's row says that it is elsewhere, or rests there another time."""
        return after_rest(self._plan, self._state, self._stored) != self._stored

    async def _record_position(self) -> None:
        """Tell the journey's row of a rest that no activity has told it of."""
        if not self._is_elsewhere():
            return
        self._stored = after_rest(self._plan, self._state, self._stored)
        here = position(self._plan, self._state, workflow.now())
        if here is not None:
            await self._calls.record_position(here, self._stored.move)

    def _next_positions(self, command: Command) -> NextPositions:
        """Where the answers to a question lead that is asked now, for the activity to tell the journey's row."""
        return next_positions(self._plan, self._state, command, workflow.now(), self._stored.move + 1)

    def _may_call_locally(self) -> bool:
        """Whether a question may be asked that the history does not know of.

        If the task is lost, the journey may have heard of an event by the next time. Where that leads elsewhere, nobody
        would ask again: a message would stay reserved, or the row say that the journey is over.
        """
        return not self._has_listened and not may_be_stopped(self._plan, self._state)

    def _group(self) -> workflow.EventGroup:
        """The events of one visit of a step, together in the UI. A label besides would be a payload of each event."""
        step = self._state.step or "end"
        visit = self._state.visits.get(step, 1)
        return workflow.create_event_group(step if visit == 1 else f"{step} ({visit})")

    def _show(self) -> None:
        """Say where the journey is. Details cost nothing; a search attribute is written when the rest is another."""
        workflow.set_current_details(describe(self._plan, self._state))
        step, state = status = machine.status(self._plan, self._state)
        if is_at_rest(self._plan, self._state) and status != self._shown:
            self._shown = status
            workflow.upsert_search_attributes([JOURNEY_STEP.value_set(step), JOURNEY_STATE.value_set(state)])

    def _show_end(self, outcome: str) -> None:
        """Write how the journey ended to the search attributes, unless it completed.

        Temporal itself lists that one as completed, and the write is a billable action, which ordinary journeys spare.
        """
        if self._journey.shows_end and outcome != COMPLETED:
            workflow.upsert_search_attributes([JOURNEY_STATE.value_set(outcome)])

    async def _continue_as_new(self) -> None:
        """Once those who were answered have their answer; not if somebody asks for something more meanwhile."""
        await workflow.wait_condition(lambda: self._request is not None or workflow.all_handlers_finished())
        if self._request is not None:
            return
        workflow.continue_as_new(
            JourneyInput(
                journey_id=self._journey.journey_id,
                campaign=self._journey.campaign,
                plan=self._plan,
                version=self._version,
                status=self._shown,
                stored_position=self._stored,
                state=self._state,
                shared_subscriptions=self._shared_subscriptions,
                shows_end=self._journey.shows_end,
            )
        )
