"""Answer the requests of journeys, each once: lock, decide, record, carry out."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

from msgspec import convert

from application.accounts import read_account
from application.catalogue import Catalogue, LoadedVersion
from application.channel_choice import choose_for, read_earlier
from application.effects import carry_out
from application.ingest import Ingest
from application.member_gate import authorize_page
from application.sender_choice import decide_with_sender
from domain.errors import UnavailableError
from domain.journey.deployed_facts import complete_gate_facts, complete_step_facts
from domain.journey.protocol import Unreadable
from domain.journey.requests import (
    ActionRequest,
    AuthorizeRequest,
    BranchRequest,
    DelayRequest,
    MembersRequest,
    StepRequest,
)
from domain.journey.step_decisions import (
    ActionAnswer,
    BranchAnswer,
    DelayAnswer,
    StepDecision,
    decide_action,
    decide_branch,
    decide_delay,
    decide_send,
)
from domain.journey.step_facts import GateFacts, LockedFacts, StepFacts
from domain.journey.step_records import find_ending, record_step
from domain.people.account_view import NO_ACCOUNT
from domain.sending.gate_answers import Answer, MembersAnswer
from domain.tracking.event import stored_event
from store import decisions, journeys, messages, step_facts
from store.database import Connection, Database

A = TypeVar("A")
F = TypeVar("F", bound=LockedFacts)


class StepDecisions:
    """Answers requests; a repeated one gets the same answer and changes nothing.

    `timezone` is the deployment's, for recipients without a zone of their own or their campaign's.
    """

    def __init__(self, database: Database, catalogue: Catalogue, timezone: str) -> None:
        self._database = database
        self._catalogue = catalogue
        self._ingest = Ingest(database, catalogue)
        self._timezone = timezone

    async def authorize(self, request: AuthorizeRequest) -> Answer:
        """Ask the one gate before every message, under the shared frequency caps."""

        async def decide(connection: Connection, facts: GateFacts, version: LoadedVersion) -> StepDecision[Answer]:
            plan = version.plan if facts.single is None else facts.single.plan()
            node, id = plan.node(request.step), request.message_id
            known = await read_earlier(connection, node, id, request.journey_id, facts)
            choice = await choose_for(connection, self._catalogue, node, id, request.at, known)
            return await decide_with_sender(
                connection,
                self._catalogue,
                node if choice is None else choice.step,
                id,
                request.at,
                known,
                self._timezone,
                version.rules.max_parts,
                lambda sender: decide_send(request, plan, version.rules, known, self._timezone, sender, choice),
            )

        return await self._answer(request, Answer, lambda connection: self._gate_facts(connection, request), decide)

    async def _gate_facts(self, connection: Connection, request: AuthorizeRequest) -> GateFacts | None:
        facts = await step_facts.read_gate_facts(connection, request)
        if facts is None or facts.answered is not None:
            return facts
        segments = await self._catalogue.segments_at(connection, facts.registry_revision)
        return complete_gate_facts(facts, segments)

    async def authorize_members(self, request: MembersRequest) -> MembersAnswer:
        """Ask the gate about a page of members; the answer has the messages to send."""
        async with self._database.pipeline() as connection:
            return await authorize_page(connection, self._catalogue, request, self._timezone)

    async def choose(self, request: BranchRequest) -> int | None:
        """Return the index of the case or arm; None for otherwise."""
        answer = await self._answer(
            request,
            BranchAnswer,
            self._step_facts(request),
            _at_once(lambda facts, version: decide_branch(request, version.plan, version.rules, facts, self._timezone)),
        )
        return answer.case

    async def look_up(self, request: DelayRequest) -> datetime | Unreadable | None:
        """Return the end of a delay, perhaps past; None without a date, or Unreadable."""
        answer = await self._answer(
            request,
            DelayAnswer,
            self._step_facts(request),
            _at_once(lambda facts, version: decide_delay(request, version.plan, version.rules, facts, self._timezone)),
        )
        return answer.until

    async def perform(self, request: ActionRequest) -> bool:
        """Perform an action; True if the journey had ended, and nothing is done.

        Events, also those of changed values, are reported after the decision is stored; an attempt that dies in between
        is repeated, with the same event ids.
        """
        clock = self._database.clock
        answer = await self._answer(
            request,
            ActionAnswer,
            self._step_facts(request),
            _at_once(
                lambda facts, version: decide_action(
                    request, version.plan, version.rules, facts, clock.now(), self._timezone
                )
            ),
        )
        if answer.events:
            await self._ingest(list(answer.events), received_at=clock.now())
        return answer.journey_ended

    def _step_facts(self, request: StepRequest) -> Callable[[Connection], Awaitable[StepFacts | None]]:
        async def read(connection: Connection) -> StepFacts | None:
            facts = await step_facts.read_step_facts(
                connection,
                request.journey_id,
                request.decision_id,
                with_stamps=isinstance(request, ActionRequest),
            )
            if facts is None or facts.answered is not None:
                return facts
            segments = await self._catalogue.segments_at(connection, facts.registry_revision)
            version = await self._catalogue.version(connection, facts.campaign_key, facts.campaign_version)
            account = NO_ACCOUNT
            if version.reads_account:
                account = await read_account(connection, facts.profile_id, stored_event(facts.entry), facts.account_id)
            return complete_step_facts(facts, segments, account, request.at)

        return read

    async def _answer(
        self,
        request: StepRequest,
        answer_type: Any,
        lock: Callable[[Connection], Awaitable[F | None]],
        decide: Callable[[Connection, F, LoadedVersion], Awaitable[StepDecision[A]]],
    ) -> A:
        """Answer in one transaction. `lock` reads the facts under the locks."""
        async with self._database.pipeline() as connection:
            facts = await lock(connection)
            if facts is None:
                raise UnavailableError(f"journey {request.journey_id} is being moved to another profile; ask again")
            if facts.answered is not None:
                answer: A = convert(facts.answered, answer_type)
                return answer
            version = await self._catalogue.version(connection, facts.campaign_key, facts.campaign_version)
            decision = await decide(connection, facts, version)
            if decision.effects:
                decision = await carry_out(connection, self._catalogue, request, facts, decision)
            if decision.is_recorded:
                await _record(connection, request, facts, decision)
            return decision.answer


def _at_once(
    decide: Callable[[F, LoadedVersion], StepDecision[A]],
) -> Callable[[Connection, F, LoadedVersion], Awaitable[StepDecision[A]]]:
    """Return a decision that needs nothing but the facts."""

    async def decide_at_once(_: Connection, facts: F, version: LoadedVersion) -> StepDecision[A]:
        return decide(facts, version)

    return decide_at_once


async def _record(connection: Connection, request: StepRequest, facts: LockedFacts, decision: StepDecision[A]) -> None:
    await decisions.insert(connection, [record_step(request, facts, decision)])
    if decision.reservation is not None:
        await messages.reserve(connection, [decision.reservation])
    if (ending := find_ending(request, decision)) is not None:
        await journeys.end(connection, [ending])
    else:
        move = request.next_positions.move
        await journeys.place(connection, request.journey_id, decision.position, move, request.at, via=request.step)
