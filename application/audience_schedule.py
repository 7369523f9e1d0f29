"""Entries of audiences: at the campaign's start, or by its schedule in Temporal."""

from datetime import datetime
from typing import Final, Protocol

from msgspec import Struct, to_builtins

from application.approval_gate import ApprovalGate
from application.catalogue import Catalogue
from application.operations.enrol import EnrolParameters
from application.reach import ReachQuestion
from domain.access import SOJOURN, Actor
from domain.campaign.approvals import ENTER, Reach
from domain.campaign.life import PAUSED, RUNNING
from domain.campaign.rules import AgainRule, Rules
from domain.local_time.instants import local_day
from domain.local_time.zones import recipient_zone
from store import approvals, campaigns, operations, outbox
from store.database import Connection, Database
from store.operations import Operation

ENROL: Final = "enrol"


class Recurrence(Struct, frozen=True):
    """The recurrence of a version's audience: rule, zone, and campaign schedule."""

    version: int
    again: AgainRule
    timezone: str
    starts_at: datetime | None = None
    ends_at: datetime | None = None


class AudienceScheduler(Protocol):
    """The schedules of audiences in Temporal, at most one for each campaign."""

    async def keep(self, campaign_key: str, recurrence: Recurrence, now: datetime) -> None:
        """Create or update the schedule."""

    async def remove(self, campaign_key: str) -> None:
        """Delete the schedule if it exists."""


async def enter_at_start(
    connection: Connection, campaign_key: str, period: int, rules: Rules, by: Actor
) -> Operation | None:
    """Request the entry of an audience that enters at the start, if there is one.

    Once in an entry period: an audience does not enter again because of a new version or a resumption. None if there is
    nothing to do.
    """
    audience = rules.entry.audience
    if audience is None or audience.again is not None:
        return None
    return await _ask(connection, campaign_key, f"start/{period}", connection.clock.now(), by)


class AudienceRuns:
    """The runs of repeated audiences."""

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        schedules: AudienceScheduler,
        deployment_zone: str,
        gate: ApprovalGate | None = None,
    ) -> None:
        self._gate = gate or ApprovalGate(database, deployment_zone)
        self._database = database
        self._catalogue = catalogue
        self._schedules = schedules
        self._deployment_zone = deployment_zone

    async def keep_schedule(self, campaign_key: str) -> None:
        """Make Temporal's schedule match the running version; repetition changes nothing."""
        async with self._database.transaction() as connection:
            recurrence = await self._recurrence(connection, campaign_key)
            now = connection.clock.now()
            may_have_one = recurrence is not None or await campaigns.ever_recurred(connection, campaign_key)
        if recurrence is not None:
            await self._schedules.keep(campaign_key, recurrence, now)
        elif may_have_one:
            await self._schedules.remove(campaign_key)

    async def begin(self, campaign_key: str, at: datetime) -> Operation | None:
        """Begin a run of the schedule, at most one a day, or request an approval of it.

        While the previous run's audience still enters, this run is skipped: its operation is cancelled from the start.
        None if there is nothing to do by now. Raises ConflictError if another version was started meanwhile.
        """
        reach = await self._gate.measure(ReachQuestion(campaign_key, entering="audience"))
        async with self._database.transaction() as connection:
            if self._gate.exceeds(reach):
                await campaigns.lock_registry_exclusive(connection)
            else:
                await campaigns.lock_registry_shared(connection)
            recurrence = await self._recurrence(connection, campaign_key)
            if recurrence is None:
                return None
            run = local_day(at, recipient_zone({}, recurrence.timezone)).isoformat()
            if (
                self._gate.exceeds(reach)
                and not await _is_entering(connection, campaign_key)
                and await self._is_waiting(connection, campaign_key, recurrence, run, reach)
            ):
                return None
            return await enter_again(connection, campaign_key, run, at)

    async def _is_waiting(
        self, connection: Connection, campaign_key: str, recurrence: Recurrence, run: str, reach: Reach | None
    ) -> bool:
        """Return whether a run needs an approval, which is requested once.

        It is requested in the name of the person who let users into the campaign.
        """
        campaign = await campaigns.campaign(connection, campaign_key)
        if campaign is None or await approvals.is_run_known(connection, campaign_key, run):
            return True
        by = await campaigns.find_opener(connection, campaign_key)
        approval = await self._gate.request(
            connection, campaign, recurrence.version, ENTER, reach, by, parameters={"run": run}
        )
        return approval is not None

    async def _recurrence(self, connection: Connection, campaign_key: str) -> Recurrence | None:
        """Return the recurrence of an open campaign, even if it is paused."""
        campaign = await campaigns.campaign(connection, campaign_key)
        if campaign is None or campaign.state not in (RUNNING, PAUSED) or campaign.running_version is None:
            return None
        version = await self._catalogue.version(connection, campaign_key, campaign.running_version)
        audience, schedule = version.rules.entry.audience, version.rules.schedule
        if audience is None or audience.again is None:
            return None
        timezone = version.rules.timezone or self._deployment_zone
        return Recurrence(version.version, audience.again, timezone, schedule.starts_at, schedule.ends_at)


async def enter_again(connection: Connection, campaign_key: str, run: str, at: datetime) -> Operation | None:
    """Request a run of a repeated audience; it is skipped while an earlier one enters.

    None if it was requested before.
    """
    is_skipped = await _is_entering(connection, campaign_key)
    operation = await _ask(connection, campaign_key, run, at, SOJOURN)
    if operation is not None and is_skipped:
        await operations.cancel(connection, operation.id)
    return operation


async def _is_entering(connection: Connection, campaign_key: str) -> bool:
    """Return whether an audience of the campaign still enters, or is held."""
    return any(one.kind == ENROL for one in await operations.open_operations(connection, campaign_key))


async def _ask(
    connection: Connection, campaign_key: str, audience_run: str, at: datetime, by: Actor
) -> Operation | None:
    """Request the entry of an audience; None if its run was requested before."""
    operation = await operations.insert(
        connection,
        campaign_key,
        ENROL,
        to_builtins(EnrolParameters(at)),
        requested_by=by.name,
        audience_run=audience_run,
    )
    if operation is not None:
        await outbox.wake_campaign(connection, campaign_key)
    return operation
