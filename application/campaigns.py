"""Use cases of campaigns: publish, start, pause, resume, stop, archive, list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from application import campaign_transitions as transitions
from application.approval_gate import ApprovalGate
from application.campaign_texts import check_campaign
from application.data_plan import find_never_seen
from application.documents import CampaignText, Documents
from application.people_languages import PeopleLanguages
from application.reach import ReachQuestion
from domain.access import Actor
from domain.campaign.document_warnings import cycle_warnings, reply_warnings
from domain.campaign.life import ARCHIVED, PAUSED, CampaignState, StopMode
from domain.errors import Problem
from domain.journey.forecast import InFlightPolicy
from domain.revisions import UNCONDITIONAL, Precondition
from domain.templates.languages import FallbackLanguage
from store import approvals, audit, campaigns, operations
from store.approvals import Approval
from store.campaigns import Campaign
from store.database import Connection, Database


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """The version of a document, whether it is new, and its warnings.

    `fallback_languages` are those of people that its templates are not written in.
    """

    key: str
    version: int
    created: bool
    warnings: list[Problem]
    fallback_languages: list[FallbackLanguage]


@dataclass(frozen=True, slots=True)
class CampaignView:
    """A campaign with its unfinished operations. `revision` changes with it.

    `approval` is the latest one that a change of it waits for.
    """

    key: str
    name: str
    stage: str | None
    state: CampaignState
    running_version: int | None
    latest_version: int
    revision: int
    operations: list[UUID]
    approval: Approval | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class CampaignOverview(CampaignView):
    """A campaign with the numbers of its journeys.

    Counting reads each journey, so it happens outside of transitions, which delay all events.
    """

    active_journeys: int
    total_journeys: int


class Campaigns:
    """Changes of campaigns, which every later decision sees.

    Each change waits for decisions under way. Its further effects are recorded with it, and carried out by the
    campaign's workflow.
    """

    def __init__(
        self, database: Database, documents: Documents, gate: ApprovalGate | None = None, *, takes_replies: bool = True
    ) -> None:
        """`takes_replies` says whether the deployment has a domain for replies."""
        self._gate = gate or ApprovalGate(database)
        self._database = database
        self._takes_replies = takes_replies
        self._documents = documents
        self._languages = PeopleLanguages(database)

    async def publish(
        self, source: str, file: str, templates: Mapping[str, str], *, if_match: Precondition = UNCONDITIONAL, by: Actor
    ) -> PublishedVersion:
        """Publish a document as a version, unless the latest is the same, or refuse it."""
        checked = await check_campaign(self._database, self._documents, CampaignText(source, file, templates))
        # Before the transaction: sampling takes a connection of its own.
        fallbacks = await self._languages.find_fallbacks(checked.languages)
        async with self._database.transaction() as connection:
            await campaigns.lock_registry_exclusive(connection)
            version, created = await transitions.insert_version(
                connection, checked, source, file, by, if_match=if_match
            )
        # Includes all published campaigns: of two published at once, the later one gets the warning.
        async with self._database.transaction() as connection:
            rules = await campaigns.latest_rules(connection)
            unseen = await find_never_seen(connection, checked.source, [*rules.values(), checked.rules])
        key = checked.definition.key
        together = {**rules, key: checked.rules}
        warnings = [
            *checked.warnings,
            *reply_warnings(checked.source, checked.rules, takes_replies=self._takes_replies),
            *cycle_warnings(checked.source, key, together),
            *unseen,
        ]
        return PublishedVersion(key, version, created, warnings, fallbacks)

    async def start(
        self,
        key: str,
        version: int | None = None,
        *,
        in_flight: InFlightPolicy = "keep",
        wait_for_approval: bool = False,
        if_match: Precondition = UNCONDITIONAL,
        by: Actor,
    ) -> CampaignView:
        """Start a version, or request an approval of it, with `wait_for_approval` always.

        `in_flight` decides about the journeys on other versions. A request changes nothing of a version that users
        enter already.
        """
        reach = await self._gate.measure_start(key, version, in_flight, always=wait_for_approval)
        async with self._database.transaction() as connection:
            campaign = await transitions.lock_for_transition(connection, key, "start", if_match=if_match)
            chosen = campaign.latest_version if version is None else version
            if wait_for_approval and in_flight == "keep" and campaign.lets_in_by(chosen):
                return await _view(connection, key)
            if self._gate.is_on or wait_for_approval:
                await transitions.require_startable(connection, campaign, chosen)
                approval = await self._gate.request_start(
                    connection, campaign, chosen, in_flight, reach, by, always=wait_for_approval
                )
                if approval is not None:
                    return await _view(connection, key, approval)
            await transitions.activate_version(connection, campaign, chosen, in_flight=in_flight, by=by)
            await audit.record(connection, by, "campaign.start", key, {"version": chosen, "in_flight": in_flight})
            return await _view(connection, key)

    async def pause(self, key: str, *, if_match: Precondition = UNCONDITIONAL, by: Actor) -> CampaignView:
        """Hold every message of the campaign. Journeys still begin and wait."""
        async with self._database.transaction() as connection:
            campaign = await transitions.lock_for_transition(connection, key, "pause", if_match=if_match)
            await transitions.change(connection, campaign, PAUSED, by)
            await audit.record(connection, by, "campaign.pause", key)
            return await _view(connection, key)

    async def resume(self, key: str, *, if_match: Precondition = UNCONDITIONAL, by: Actor) -> CampaignView:
        """Resume messages, or request an approval of it.

        Held journeys continue at the rate of the version.
        """
        reach = await self._gate.measure(ReachQuestion(key, moving="held"))
        async with self._database.transaction() as connection:
            campaign = await transitions.lock_for_transition(connection, key, "resume", if_match=if_match)
            running = campaign.running_version or 0
            if approval := await self._gate.request(connection, campaign, running, "resume", reach, by):
                return await _view(connection, key, approval)
            await transitions.resume(connection, campaign, by)
            await audit.record(connection, by, "campaign.resume", key)
            return await _view(connection, key)

    async def stop(
        self, key: str, mode: StopMode = "drain", *, if_match: Precondition = UNCONDITIONAL, by: Actor
    ) -> CampaignView:
        """Stop entries. Open journeys finish (`drain`), or end now (`exit`)."""
        async with self._database.transaction() as connection:
            campaign = await transitions.lock_for_transition(connection, key, "stop", if_match=if_match)
            await transitions.stop(connection, campaign, mode, by)
            await audit.record(connection, by, "campaign.stop", key, {"mode": mode})
            return await _view(connection, key)

    async def archive(self, key: str, *, if_match: Precondition = UNCONDITIONAL, by: Actor) -> CampaignView:
        """Archive a campaign that has ended or never started, for good."""
        async with self._database.transaction() as connection:
            campaign = await transitions.lock_for_transition(connection, key, "archive", if_match=if_match)
            await transitions.change(connection, campaign, ARCHIVED, by)
            await audit.record(connection, by, "campaign.archive", key)
            return await _view(connection, key)

    async def list(self, *, after: str | None = None, limit: int | None = None) -> list[CampaignOverview]:
        """Return every campaign by key, or the first ones after a key."""
        async with self._database.transaction() as connection:
            found = await campaigns.all_campaigns(connection, after=after, limit=limit)
            return await _overviews(connection, found)

    async def get(self, key: str) -> CampaignOverview:
        """Return one campaign. Raises NotFoundError."""
        async with self._database.transaction() as connection:
            [overview] = await _overviews(connection, [await transitions.get_or_raise(connection, key)])
        return overview


async def _view(connection: Connection, key: str, approval: Approval | None = None) -> CampaignView:
    """Return a campaign after its transition, or with the approval that it waits for.

    An approval of before a transition is outdated by it.
    """
    campaign = await transitions.get_or_raise(connection, key)
    opened = await operations.open_ids(connection, [key])
    return CampaignView(**_fields(campaign, opened, approval))


async def _overviews(connection: Connection, known: Sequence[Campaign]) -> list[CampaignOverview]:
    keys = [campaign.key for campaign in known]
    counted = await campaigns.count_journeys(connection, keys)
    opened = await operations.open_ids(connection, keys)
    waiting = await approvals.find_waiting(connection, keys, connection.clock.now())
    return [
        CampaignOverview(
            **_fields(campaign, opened, waiting.get(campaign.key)),
            active_journeys=counted[campaign.key].active,
            total_journeys=counted[campaign.key].total,
        )
        for campaign in known
    ]


def _fields(campaign: Campaign, opened: Mapping[str, list[UUID]], approval: Approval | None) -> dict[str, Any]:
    return {
        "key": campaign.key,
        "name": campaign.name,
        "stage": campaign.stage,
        "state": campaign.state,
        "running_version": campaign.running_version,
        "latest_version": campaign.latest_version,
        "revision": campaign.revision,
        "operations": opened.get(campaign.key, []),
        "approval": approval,
        "updated_at": campaign.updated_at,
    }
