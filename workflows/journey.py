"""The story of one user in one campaign."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import assert_never
from uuid import UUID

from msgspec import Struct
from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

from workflows.activity_calls import ActivityCalls
from workflows.migration_request import MigrationRequest, migration_failure
from workflows.search_attributes import CAMPAIGN_VERSION, JOURNEY_STATE, JOURNEY_STEP

with workflow.unsafe.imports_passed_through():
    from application.migrations import MoveRequest, StayRequest
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
        Woke,
    )
    from domain.journey.records import seed_of
    from domain.journey.state import CANCELLED, COMPLETED, JourneyState, JourneyStatus


class JourneyInput(Struct, frozen=True, omit_defaults=True):
    """Input of a journey's start and of each continuation, without personal data.

    `version` is that of the plan, `status` the step and status in the search attributes, `stored_position` the position
    in the journey's row. Events matched under the version before count for the `shared_subscriptions`; None if there
    was none. `shows_end` is False for journeys that began before ends were written to the search attributes: replaying
    them must not write one.
    """

    journey_id: UUID
    campaign: str
    plan: Plan
    version: int
    status: tuple[str, JourneyStatus]
    stored_position: StoredPosition
    state: JourneyState | None = None
    shared_subscriptions: tuple[str, ...] | None = None
    shows_end: bool = False


@workflow.defn(name="Journey")
class JourneyWorkflow:
    """Asks the machine for commands, carries them out, and reports the results to it."""

    @workflow.init
    def __init__(self, journey: JourneyInput) -> None:
        self._journey = journey
        self._plan = journey.plan
        self._shown = journey.status
        self._stored = journey.stored_position
        self._calls = ActivityCalls(journey.journey_id, journey.campaign, self._may_call_locally)
        # Whether the next actions depend on the events received, or not received, during a wait.
        self._has_listened = False
        self._version = journey.version
        self._shared_subscriptions = journey.shared_subscriptions
        self._request: MigrationRequest | None = None
        # Signals received while the journey migrates; None otherwise.
        self._kept: list[Callable[[], None]] | None = None
        seed = seed_of(workflow.info().workflow_id, journey.campaign)
        self._state = journey.state or machine.begin(journey.plan, workflow.now(), seed)

    @workflow.run
    async def run(self, journey: JourneyInput) -> str:
        """Run until the journey is over, or cancelled in Temporal; return its outcome."""
        try:
            command = await self._walk()
        except (asyncio.CancelledError, FailureError) as error:
            # A running activity reports the cancellation as its own failure.
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
        """Handle an event that matched a subscription, by the rules of a version."""
        self._hear(lambda: self._match(subscription, event_id, version))

    @workflow.signal
    def exit(self, by: str, versions: tuple[int, ...] = ()) -> None:
        """Handle the recorded end of the journey by an event or a person.

        With `versions`, only journeys on these versions end: the server's index, which selected them, may lag.
        """
        self._hear(lambda: self._exit(by, versions))

    @workflow.signal
    def resume(self) -> None:
        """Handle the resumption of the campaign, or the release of a hold."""
        self._hear(lambda: self._tell(Resumed()))

    @workflow.update
    async def migrate(self, migration: Migration) -> MigrationOutcome:
        """Migrate to another version once the journey rests, unless it ends first.

        Fails with a reason as type if the journey stays on its version.
        """
        await workflow.wait_condition(lambda: self._kept is None)
        if self._version == migration.to_version:
            return MOVED
        if isinstance(machine.next_command(self._plan, self._state), Finish):
            # The journey ended by an event received while it migrated, so the update would never be answered.
            return ENDED
        if self._request is not None:
            self._answer(self._request, CannotMigrate(SUPERSEDED, "another version was asked for meanwhile"))
        request = self._request = MigrationRequest(migration)
        await workflow.wait_condition(lambda: request.result is not None)
        return request.get()

    @migrate.validator
    def refuse_to_migrate(self, migration: Migration) -> None:
        """Reject a migration known to be impossible, without a trace in the history."""
        if self._state.outcome is not None or self._version == migration.to_version:
            return
        if self._kept is None and is_movable(self._plan, self._state):
            found = self._migrate_state(migration)
            if isinstance(found, CannotMigrate):
                raise migration_failure(found)

    def _hear(self, tell: Callable[[], None]) -> None:
        """Apply a signal; during a migration, apply it to the plan that follows."""
        if self._kept is None:
            tell()
        else:
            self._kept.append(tell)

    def _match(self, subscription: str, event_id: str, version: int) -> None:
        """Apply a match under the previous version if the subscription is shared by both."""
        if self._shared_subscriptions is None or version == self._version or subscription in self._shared_subscriptions:
            self._tell(Matched(subscription, event_id))

    def _exit(self, by: str, versions: tuple[int, ...]) -> None:
        if not versions or self._version in versions:
            self._tell(Exited(by))

    def _migrate_state(self, migration: Migration) -> JourneyState | CannotMigrate:
        if self._version != migration.from_version:
            return CannotMigrate(VERSION_CHANGED, f"the journey is on version {self._version}")
        versions = migration.from_version, migration.to_version
        return migrate_state(
            self._plan, migration.plan, self._state, migration.shared_subscriptions, workflow.now(), versions
        )

    async def _move(self, request: MigrationRequest) -> None:
        """Migrate the row and the journey, and do nothing else meanwhile."""
        migration = request.migration
        ref = request.ref(self._journey.journey_id, self._state.step, workflow.now())
        kept = self._kept = []
        state = self._migrate_state(migration)
        if isinstance(state, CannotMigrate):
            await self._calls.keep(StayRequest(ref, state))
            result: MigrationOutcome | CannotMigrate = state
        else:
            stored = after_move(migration.plan, state, self._stored)
            here = position(migration.plan, state, workflow.now())
            moved = await self._calls.move(MoveRequest(ref, here, stored.move))
            if moved == MOVED:
                self._plan, self._state, self._stored = migration.plan, state, stored
                self._version, self._shared_subscriptions = migration.to_version, migration.shared_subscriptions
                workflow.upsert_search_attributes([CAMPAIGN_VERSION.value_set(self._version)])
            result = moved or CannotMigrate(VERSION_CHANGED, "the journey, or its campaign, is on another version")
        self._kept = None
        for tell in kept:
            tell()
        self._answer(request, result)

    def _answer(self, request: MigrationRequest, result: MigrationOutcome | CannotMigrate) -> None:
        request.result = result
        if self._request is request:
            self._request = None

    @workflow.signal
    def skip(self, step: str) -> None:
        """Handle a request to end the wait at this step."""
        self._hear(lambda: self._tell(Skipped(step)))

    def _tell(self, fact: Fact) -> None:
        self._state = machine.after(self._plan, self._state, fact, workflow.now())

    async def _carry_out(self, command: Command) -> Fact | None:
        """Carry out a command; None if it was interrupted, or a signal decided first."""
        match command:
            case SleepUntil(until=until, why=why):
                return await self._rest(command, why, until)
            case AwaitMatch(until=until):
                return await self._rest(command, f"event for {self._state.step}", until, self._has_matched)
            case AwaitResume(until=until):
                return await self._rest(command, f"held {self._state.step}: {self._state.reason}", until)
            case Authorize():
                return Answered(await self._calls.authorize(command, self._next_positions(command)))
            case Dispatch():
                outcome = await self._calls.send(command, self._state.step, self._next_positions(command))
                return Settled(outcome.state, outcome.journey_ended)
            case AuthorizeMembers():
                next_positions = self._next_positions(command)
                return MembersAnswered(await self._calls.authorize_members(command, next_positions))
            case DispatchMembers():
                outcomes = await self._calls.send_to_members(command, self._state.step)
                ended = any(outcome.journey_ended for outcome in outcomes)
                return MembersSettled(tuple(outcome.state for outcome in outcomes), ended)
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
        """Sleep until the instant or the end; None if interrupted."""

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
        """Return whether the journey's row has another position than the machine."""
        return after_rest(self._plan, self._state, self._stored) != self._stored

    async def _record_position(self) -> None:
        """Record a position that no activity has recorded."""
        if not self._is_elsewhere():
            return
        self._stored = after_rest(self._plan, self._state, self._stored)
        here = position(self._plan, self._state, workflow.now())
        if here is not None:
            await self._calls.record_position(here, self._stored.move)

    def _next_positions(self, command: Command) -> NextPositions:
        """Return the positions after each answer to the current request, for the row."""
        return next_positions(self._plan, self._state, command, workflow.now(), self._stored.move + 1)

    def _may_call_locally(self) -> bool:
        """Return whether a request that the history does not record yet is safe.

        If the task is lost, the journey may have received an event before the next attempt. If the event leads
        elsewhere, the request would not be repeated: a message would stay reserved, or the row would say that the
        journey is over.
        """
        return not self._has_listened and not may_be_stopped(self._plan, self._state)

    def _group(self) -> workflow.EventGroup:
        """Group the events of one visit of a step in the UI, without a label's payload."""
        step = self._state.step or "end"
        visit = self._state.visits.get(step, 1)
        return workflow.create_event_group(step if visit == 1 else f"{step} ({visit})")

    def _show(self) -> None:
        """Show the journey's position; write a changed search attribute, which is billed."""
        workflow.set_current_details(describe(self._plan, self._state))
        step, state = status = machine.status(self._plan, self._state)
        if is_at_rest(self._plan, self._state) and status != self._shown:
            self._shown = status
            workflow.upsert_search_attributes([JOURNEY_STEP.value_set(step), JOURNEY_STATE.value_set(state)])

    def _show_end(self, outcome: str) -> None:
        """Write an end other than completion to the search attributes.

        Temporal lists completed journeys by itself, and the write is a billable action, which ordinary journeys save.
        """
        if self._journey.shows_end and outcome != COMPLETED:
            workflow.upsert_search_attributes([JOURNEY_STATE.value_set(outcome)])

    async def _continue_as_new(self) -> None:
        """Continue as new after all updates are answered, unless another request arrives."""
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
