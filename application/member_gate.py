"""Ask the gate to which members of an account a message may go, page by page."""

from collections.abc import Mapping
from typing import NoReturn
from uuid import UUID

from msgspec import convert
from msgspec.structs import replace

from application.catalogue import Catalogue
from application.sender_choice import decide_page_with_senders
from domain.errors import UnavailableError
from domain.journey.decision import Decision
from domain.journey.member_decisions import PageDecision, decide_page, members_step
from domain.journey.requests import MembersRequest
from domain.sending.gate_answers import MembersAnswer, MembersPage
from store import decisions, journeys, messages, step_facts
from store.database import Connection

# Each page locks its members for one transaction.
PAGE = 100


async def authorize_page(
    connection: Connection, catalogue: Catalogue, request: MembersRequest, timezone: str
) -> MembersAnswer:
    """Answer in one transaction, with a fixed number of round trips.

    A repeated request passes over the members who are decided about, and gets their messages as long as those are not
    settled. The workflow settles a page before it asks for the next one, so the open messages of a visit are those of
    its page. `timezone` is the deployment's.
    """
    named = await step_facts.find_version(connection, request.journey_id)
    if named is None:
        _raise_moved(request)
    version = await catalogue.version(connection, named.campaign_key, named.campaign_version)
    step = members_step(version.plan, request.step)
    page = await step_facts.page_of_members(connection, request.journey_id, step.role, request.after, PAGE)
    found = await step_facts.read_page_facts(connection, request, step.role, page)
    if found is None:
        _raise_moved(request)
    facts, members = found
    if facts.answered is not None:
        answer: MembersAnswer = convert(facts.answered, MembersAnswer)
        return answer
    segments = await catalogue.segments_at(connection, facts.registry_revision)
    if any(member.holds for member in members):
        places = segments.places
        members = [replace(one, holds=places.select_holds(one.holds, one.context)) for one in members]
    decision = await decide_page_with_senders(
        connection,
        catalogue,
        request,
        step,
        facts,
        timezone,
        version.rules.max_parts,
        lambda senders: decide_page(
            request, version.plan, version.rules, facts, members, timezone, segments.topics, senders
        ),
    )
    await _record(connection, request, facts.campaign_key, decision)
    if decision.answer is not None:
        return decision.answer
    open_messages = await messages.find_open(connection, request.journey_id, request.step, request.visit)
    return MembersPage(
        message_ids=tuple(str(id) for id in open_messages),
        after=str(page[-1]) if len(page) == PAGE else None,
        until=decision.until,
        is_held=decision.is_held,
        paced_by=await _find_paced(connection, catalogue, facts.registry_revision, step.channel, open_messages),
    )


async def _find_paced(
    connection: Connection, catalogue: Catalogue, revision: int, channel: str, names: Mapping[UUID, str | None]
) -> dict[str, str]:
    """Return the providers of messages that go by a queue of their own."""
    deployed = await catalogue.providers_at(connection, revision)
    rules = {id: deployed.find(channel, name) for id, name in names.items() if name is not None}
    return {str(id): rule.name for id, rule in rules.items() if rule is not None and rule.per_second is not None}


async def _record(connection: Connection, request: MembersRequest, campaign_key: str, decision: PageDecision) -> None:
    recorded = [
        Decision(
            id=one.id,
            profile_id=one.profile_id,
            campaign_key=campaign_key,
            kind="send",
            outcome=one.outcome,
            reason=one.reason,
            at=request.at,
            journey_id=request.journey_id,
            step=request.step,
            answer=one.answer,
            data=one.data,
        )
        for one in decision.records
    ]
    if recorded:
        await decisions.insert(connection, recorded)
    if decision.reservations:
        await messages.reserve(connection, decision.reservations)
    move = request.next_positions.move
    await journeys.place(connection, request.journey_id, decision.position, move, request.at, via=request.step)


def _raise_moved(request: MembersRequest) -> NoReturn:
    raise UnavailableError(f"journey {request.journey_id} is being moved to another profile; ask again")
