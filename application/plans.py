"""Plan the changes of a document and of open journeys, and apply exactly those."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import get_args
from uuid import UUID

import msgspec

from application import campaign_transitions as transitions
from application.approval_gate import ApprovalGate
from application.audience_sample import AudienceSample, sample_audience
from application.campaign_texts import check_campaign, check_campaign_of, find_compared_version, text_of
from application.data_plan import find_never_seen
from application.documents import CampaignText, Documents
from application.people_languages import PeopleLanguages
from domain.access import Actor
from domain.campaign.approvals import ForeseenApproval, Reach
from domain.campaign.difference import Change
from domain.campaign.document_warnings import cycle_warnings, reply_warnings
from domain.campaign.life import OPEN_STATES, CampaignState
from domain.campaign.publication import Published, find_shared_keys
from domain.campaign.rules import Rules
from domain.errors import InvalidDocumentError, PlanOutdatedError, Problem
from domain.journey.forecast import Compiled, Fate, Forecast, InFlightPolicy, forecast
from domain.templates.languages import FallbackLanguage
from store import audit, campaigns, journey_versions
from store.approvals import Approval
from store.campaigns import Campaign
from store.database import Connection, Database

NO_RULES: Mapping[str, Rules] = {}


@dataclass(frozen=True, slots=True)
class Document:
    """A campaign document with its templates, and what other versions' journeys do.

    With `wait_for_approval`, users enter by it once another person has approved it.
    """

    source: str
    file: str
    templates: Mapping[str, str]
    in_flight: InFlightPolicy
    wait_for_approval: bool = False

    @property
    def text(self) -> CampaignText:
        """The text alone."""
        return CampaignText(self.source, self.file, self.templates)


@dataclass(frozen=True, slots=True)
class CampaignPlan:
    """The effects of applying a document.

    `state` is None for a new campaign. `next_version` holds the document, `is_new` says that it does not exist yet. It
    `takes_effect` if the campaign is open; otherwise it is only published. `changes` are those since version
    `compared_with`: the running one, else the latest. `in_flight` are the journeys on other versions, `totals` their
    numbers by fate. `audience` is a sample of the document's audience. `fallback_languages` are the languages of people
    that its templates are not written in. `approval` is the one that users would wait for, and `reach` the people who
    were counted for it. `hash` identifies the document and the state of the campaign.
    """

    campaign: str
    state: CampaignState | None
    running_version: int | None
    next_version: int
    is_new: bool
    takes_effect: bool
    compared_with: int | None
    changes: list[Change]
    in_flight: list[Forecast]
    totals: dict[str, int]
    audience: AudienceSample | None
    fallback_languages: list[FallbackLanguage]
    approval: ForeseenApproval | None
    reach: Reach | None
    warnings: list[Problem]
    hash: str


@dataclass(frozen=True, slots=True)
class Applied:
    """The result: the version, whether it is new, and the operation on other journeys.

    With an `approval`, users enter by the version once another person has approved it.
    """

    version: int
    created: bool
    campaign: str
    state: CampaignState
    operation: UUID | None
    approval: Approval | None
    plan: CampaignPlan


class Plans:
    """Plans and applies documents."""

    def __init__(
        self,
        database: Database,
        documents: Documents,
        timezone: str,
        gate: ApprovalGate | None = None,
        *,
        takes_replies: bool = True,
    ) -> None:
        """`timezone` is the deployment's; `takes_replies` says if replies reach it."""
        self._gate = gate or ApprovalGate(database, timezone)
        self._database = database
        self._takes_replies = takes_replies
        self._timezone = timezone
        self._documents = documents
        self._languages = PeopleLanguages(database)
        self._sampling = asyncio.Lock()

    async def plan(self, key: str, document: Document) -> CampaignPlan:
        """Plan without changes. Raises InvalidDocumentError, and ConflictError if closed."""
        return await self._plan(key, document, await self._check_of(key, document))

    async def apply(self, key: str, document: Document, *, planned: str | None, by: Actor) -> Applied:
        """Publish the document, and start it if the campaign is open.

        `planned` is the hash of the plan. Raises PlanOutdatedError if the plan has changed, and the errors of `plan`.
        """
        [applied] = await self._apply([await self._check_document(key, document, planned)], by)
        return applied

    async def apply_all(self, documents: Sequence[tuple[Document, str | None]], *, by: Actor) -> list[Applied]:
        """Check all documents, then publish them in one transaction, or none.

        Each has the hash of its plan. Raises InvalidDocumentError with the problems of all documents, and the errors of
        `apply`.
        """
        checked: list[Published] = []
        problems: list[Problem] = []
        for document, _ in documents:
            try:
                checked.append(await self._check(document))
            except InvalidDocumentError as error:
                problems += error.problems
        if problems := [*problems, *find_shared_keys(checked)]:
            raise InvalidDocumentError(problems)
        together = {one.definition.key: one.rules for one in checked}
        proved = [
            _Proved(document, planned, one, await self._plan(one.definition.key, document, one, together))
            for (document, planned), one in zip(documents, checked, strict=True)
        ]
        return await self._apply(proved, by)

    async def _check_document(self, key: str, document: Document, planned: str | None) -> "_Proved":
        checked = await self._check_of(key, document)
        return _Proved(document, planned, checked, await self._plan(key, document, checked))

    async def _apply(self, proved: Sequence["_Proved"], by: Actor) -> list[Applied]:
        """Apply the plans in one transaction, if they still hold."""
        for one in proved:
            if one.planned not in (None, one.plan.hash):
                raise _outdated_error(one.plan.campaign, one.planned, one.plan.hash)
        async with self._database.transaction() as connection:
            await campaigns.lock_registry_exclusive(connection)
            return [await self._apply_one(connection, one, by) for one in proved]

    async def _apply_one(self, connection: Connection, proved: "_Proved", by: Actor) -> Applied:
        """Apply one plan under the lock. Raises PlanOutdatedError and ConflictError."""
        document, checked, plan = proved.document, proved.checked, proved.plan
        key = plan.campaign
        before = await campaigns.campaign(connection, key)
        if (now := _hash(document, checked, before)) != plan.hash:
            raise _outdated_error(key, plan.hash, now)
        version, created = await transitions.insert_version(connection, checked, document.source, document.file, by)
        campaign = await transitions.get_or_raise(connection, key)
        operation = approval = None
        data = {"version": version, "in_flight": document.in_flight, "plan": plan.hash}
        await audit.record(connection, by, "campaign.apply", key, data)
        if plan.takes_effect and (version != campaign.running_version or document.in_flight != "keep"):
            if self._gate.is_on or document.wait_for_approval:
                await transitions.require_startable(connection, campaign, version)
                approval = await self._gate.request_start(
                    connection,
                    campaign,
                    version,
                    document.in_flight,
                    plan.reach,
                    by,
                    always=document.wait_for_approval,
                )
            if approval is None:
                operation = await transitions.activate_version(
                    connection, campaign, version, in_flight=document.in_flight, by=by
                )
                campaign = await transitions.get_or_raise(connection, key)
        return Applied(version, created, key, campaign.state, operation.id if operation else None, approval, plan)

    async def _check(self, document: Document) -> Published:
        return await check_campaign(self._database, self._documents, document.text)

    async def _check_of(self, key: str, document: Document) -> Published:
        return await check_campaign_of(self._database, self._documents, key, document.text)

    async def _sample(self, rules: Rules) -> AudienceSample | None:
        """Sample audiences one at a time, so that plans do not occupy the process."""
        audience = rules.entry.audience
        if audience is None:
            return None
        async with self._sampling:
            return await sample_audience(self._database, audience, rules.timezone or self._timezone)

    async def _plan(
        self, key: str, document: Document, checked: Published, together: Mapping[str, Rules] = NO_RULES
    ) -> CampaignPlan:
        """Plan one document. `together` are the rules of all campaigns of the request."""
        # A separate transaction, even under an Idempotency-Key: no connection is held while documents are compared.
        async with self._database.own_transaction() as connection:
            campaign = await campaigns.campaign(connection, key)
            if campaign is not None:
                transitions.ensure_publishable(campaign)
            base = await find_compared_version(connection, campaign)
            latest = await campaigns.latest_version(connection, key)
            is_new = latest is None or (latest.source, latest.templates) != (document.source, checked.templates)
            next_version = (latest.version if latest else 0) + is_new
            groups = await journey_versions.in_flight(connection, key, next_version)
            versions = await campaigns.load_compiled(connection, key, sorted({group.version for group in groups}))
            rules = await campaigns.latest_rules(connection)
            all_rules = [*rules.values(), *together.values(), checked.rules]
            unseen = await find_never_seen(connection, checked.source, all_rules)
        sample = await self._sample(checked.rules)
        takes_effect = campaign is not None and campaign.state in OPEN_STATES
        found = forecast(
            groups, versions, Compiled(checked.plan, checked.rules), document.in_flight if takes_effect else "keep"
        )
        reach = await self._measure(campaign, next_version, document, checked.rules)
        after = CampaignText(document.source, document.file, checked.templates)
        totals = dict.fromkeys(get_args(Fate), 0)
        for one in found:
            totals[one.fate] += one.journeys
        return CampaignPlan(
            campaign=key,
            state=campaign.state if campaign else None,
            running_version=campaign.running_version if campaign else None,
            next_version=next_version,
            is_new=is_new,
            takes_effect=takes_effect,
            compared_with=base.version if base else None,
            changes=await self._documents.changes(text_of(base), after),
            in_flight=found,
            totals=totals,
            audience=sample,
            fallback_languages=await self._languages.find_fallbacks(checked.languages),
            approval=await self._foresee(campaign, next_version, document, reach),
            reach=reach,
            warnings=[
                *checked.warnings,
                *reply_warnings(checked.source, checked.rules, takes_replies=self._takes_replies),
                *cycle_warnings(checked.source, key, {**rules, **together, key: checked.rules}),
                *unseen,
            ],
            hash=_hash(document, checked, campaign),
        )

    async def _measure(self, campaign: Campaign | None, version: int, document: Document, rules: Rules) -> Reach | None:
        """Count the people of a version that would take effect."""
        if campaign is None or campaign.state not in OPEN_STATES:
            return None
        return await self._gate.measure_rules(
            campaign.key, version, rules, document.in_flight, always=document.wait_for_approval
        )

    async def _foresee(
        self, campaign: Campaign | None, version: int, document: Document, reach: Reach | None
    ) -> ForeseenApproval | None:
        if campaign is None or reach is None:
            return None
        async with self._database.own_transaction() as connection:
            return await self._gate.foresee_start(connection, campaign, version, document.in_flight, reach)


@dataclass(frozen=True, slots=True)
class _Proved:
    """A valid document with its plan; `planned` is the hash that the caller has seen."""

    document: Document
    planned: str | None
    checked: Published
    plan: CampaignPlan


def _hash(document: Document, checked: Published, campaign: Campaign | None) -> str:
    """Return a readable hash: `running-2-3-…` is state, running version, latest."""
    state_text = "none-0-0" if campaign is None else _state_text(campaign)
    wanted = msgspec.json.encode([document.source, dict(checked.templates), document.in_flight], order="sorted")
    return f"{state_text}-{sha256(wanted).hexdigest()[:32]}"


def _state_text(campaign: Campaign) -> str:
    return f"{campaign.state}-{campaign.running_version or 0}-{campaign.latest_version}"


def _outdated_error(key: str, planned: str | None, now: str) -> PlanOutdatedError:
    """Describe the changes since the hash, if it is a valid one."""
    parts, present = (planned or "").split("-"), now.split("-")
    names = ("state", "running version", "latest version", "document")
    moved = [
        f"the {name} was {was} and is {is_now}" if name != "document" else "the document is another"
        for name, was, is_now in zip(names, parts, present, strict=False)
        if was != is_now
    ]
    said = "; ".join(moved) if len(parts) == len(present) else "this is not the hash of a plan"
    return PlanOutdatedError(
        f"the plan for {key} is outdated: {said}. Plan again, and look at what has changed",
        campaign=key,
        planned=planned,
        plan=now,
        state=present[0],
        running_version=int(present[1]) or None,
        latest_version=int(present[2]),
    )
