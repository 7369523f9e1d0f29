"""The effects of campaign transitions, within the caller's transaction.

Further effects are recorded with the change, and carried out by the campaign's workflow.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from application.attachments import insert_with_files
from application.audience_schedule import enter_at_start
from application.references import require_names
from domain.access import SOJOURN, Actor
from domain.campaign import life
from domain.campaign.life import (
    OPEN_STATES,
    PAUSED,
    RUNNING,
    SCHEDULED,
    STOPPING,
    CampaignState,
    StopMode,
    Transition,
)
from domain.campaign.publication import Published
from domain.campaign.rules import Rules
from domain.errors import ConflictError, NotFoundError
from domain.journey.forecast import InFlightPolicy
from domain.operations import OperationKind
from domain.revisions import UNCONDITIONAL, Precondition
from store import audit, campaigns, operations, outbox
from store.campaigns import Campaign, Version
from store.database import Connection
from store.operations import Operation


async def get_or_raise(connection: Connection, key: str) -> Campaign:
    """Return a campaign. Raises NotFoundError."""
    campaign = await campaigns.campaign(connection, key)
    if campaign is None:
        raise NotFoundError(f"there is no campaign {key}; publish it first", campaign=key)
    return campaign


async def lock_for_transition(
    connection: Connection, key: str, move: Transition, *, if_match: Precondition = UNCONDITIONAL
) -> Campaign:
    """Lock the registry, and the campaign if its state and the precondition allow it."""
    await campaigns.lock_registry_exclusive(connection)
    campaign = await get_or_raise(connection, key)
    if_match.require(campaign.revision)
    if campaign.state not in life.ALLOWED[move]:
        raise refusal(campaign, f"is {campaign.state} and cannot {move}")
    return campaign


def ensure_publishable(campaign: Campaign) -> None:
    """Raise ConflictError for a campaign that accepts no new version."""
    if campaign.state not in life.ALLOWED["publish"]:
        raise refusal(campaign, f"is {campaign.state} and takes no new version: give the document another key")


async def insert_version(
    connection: Connection,
    checked: Published,
    source: str,
    file: str,
    by: Actor,
    *,
    if_match: Precondition = UNCONDITIONAL,
) -> tuple[int, bool]:
    """Return the version of the document, and whether it is new. Requires the lock."""
    definition = checked.definition
    campaign = await campaigns.campaign(connection, definition.key)
    if_match.require(campaign.revision if campaign else None)
    if campaign is not None:
        ensure_publishable(campaign)
    latest = await campaigns.latest_version(connection, definition.key)
    if latest is not None and (latest.source, latest.templates) == (source, checked.templates):
        return latest.version, False
    version = Version(
        campaign_key=definition.key,
        version=latest.version + 1 if latest else 1,
        name=definition.name,
        stage=definition.stage,
        file=file,
        source=source,
        templates=checked.templates,
        compiled_bodies=checked.compiled_bodies,
        plan=checked.plan,
        rules=checked.rules,
    )
    await insert_with_files(connection, version)
    if campaign is not None and campaign.state in OPEN_STATES:
        # Its workflow may wait for an approval, which is of an earlier revision now.
        await outbox.wake_campaign(connection, definition.key)
    await audit.record(connection, by, "campaign.publish", definition.key, {"version": version.version})
    return version.version, True


async def require_startable(connection: Connection, campaign: Campaign, version: int) -> Rules:
    """Return the rules of a version that may be started now.

    Raises NotFoundError, and ConflictError if it cannot be started.
    """
    stored = await campaigns.version(connection, campaign.key, version)
    if stored is None:
        raise NotFoundError(
            f"campaign {campaign.key} has no version {version}; its latest is {campaign.latest_version}",
            campaign=campaign.key,
        )
    if await operations.ends_version(connection, campaign.key, version):
        # New entries would be ended with them.
        raise refusal(campaign, f"is still ending the journeys of version {version}: start it when that is done")
    ends_at = stored.rules.schedule.ends_at
    if ends_at is not None and ends_at <= connection.clock.now():
        raise refusal(
            campaign,
            f"cannot start: the schedule of version {version} ended at {ends_at:%Y-%m-%dT%H:%M:%SZ}; publish one with "
            "a later schedule.ends_at",
        )
    await require_names(connection, campaign.key, version)
    return stored.rules


async def activate_version(
    connection: Connection, campaign: Campaign, version: int, *, in_flight: InFlightPolicy, by: Actor
) -> Operation | None:
    """Start a version; the caller holds the lock and has checked the state.

    Returns the operation on journeys of other versions; None if they go on unchanged. A paused campaign stays paused.
    """
    rules = await require_startable(connection, campaign, version)
    others = [one for one in await campaigns.versions_in_use(connection, campaign.key) if one != version]
    # All of its former journeys have ended, else it could not be started.
    exiting = [one for one in campaign.exiting if one != version]
    operation = None
    if in_flight == "exit" and others:
        exiting = others
        operation = await _end(connection, campaign, others, by)
    elif in_flight == "migrate" and others:
        operation = await request_operation(connection, campaign.key, "migrate", {"to_version": version}, by)
    unpaused = _state_under(rules, connection.clock.now())
    state = PAUSED if campaign.state == PAUSED else unpaused
    period = await change(connection, campaign, state, by, running_version=version, exiting=exiting)
    if unpaused == RUNNING:
        await enter_at_start(connection, campaign.key, period, rules, by)
    return operation


async def begin(connection: Connection, campaign: Campaign) -> None:
    """Begin the entries of a scheduled campaign. Requires the lock."""
    version = await _running_version(connection, campaign)
    period = await change(connection, campaign, RUNNING, SOJOURN)
    await enter_at_start(connection, campaign.key, period, version.rules, SOJOURN)


async def stop(connection: Connection, campaign: Campaign, mode: StopMode, by: Actor) -> None:
    """Stop entries. Requires the lock. Raises ConflictError if already stopped so."""
    if mode == "drain":
        if campaign.state == STOPPING:
            raise refusal(campaign, "is stopping already")
        await change(connection, campaign, STOPPING, by)
        if campaign.state == PAUSED:
            # Their journeys finish.
            await wake_held(connection, campaign, by)
        return
    in_use = await campaigns.versions_in_use(connection, campaign.key)
    if campaign.state == STOPPING and set(in_use) <= set(campaign.exiting):
        raise refusal(campaign, "is ending all of its journeys already")
    await change(connection, campaign, STOPPING, by, exiting=in_use)
    if in_use:
        await _end(connection, campaign, in_use, by)


async def resume(connection: Connection, campaign: Campaign, by: Actor) -> None:
    """Resume messages, and entries that became due. Requires the lock."""
    version = await _running_version(connection, campaign)
    state = _state_under(version.rules, connection.clock.now())
    period = await change(connection, campaign, state, by)
    if state == RUNNING:
        await enter_at_start(connection, campaign.key, period, version.rules, by)
    await wake_held(connection, campaign, by)


async def wake_held(connection: Connection, campaign: Campaign, by: Actor) -> None:
    """Request the wake-up of held journeys, at the rate of the running version."""
    version = await _running_version(connection, campaign)
    await request_operation(connection, campaign.key, "resume", {"rate": version.rules.on_resume.rate}, by)


async def change(
    connection: Connection,
    campaign: Campaign,
    state: CampaignState,
    by: Actor,
    *,
    running_version: int | None = None,
    exiting: list[int] | None = None,
) -> int:
    """Change a campaign, and wake its workflow; return the entry period."""
    period = await campaigns.change(
        connection,
        campaign.key,
        state=state,
        running_version=campaign.running_version if running_version is None else running_version,
        exiting=campaign.exiting if exiting is None else exiting,
        by=by,
    )
    await outbox.wake_campaign(connection, campaign.key)
    return period


async def request_operation(
    connection: Connection, campaign_key: str, kind: OperationKind, parameters: Mapping[str, Any], by: Actor
) -> Operation:
    """Request an operation on journeys of a campaign."""
    operation = await operations.insert(connection, campaign_key, kind, parameters, requested_by=by.name)
    if operation is None:
        raise ValueError("an operation of no audience_run is always a new one")
    await outbox.wake_campaign(connection, campaign_key)
    return operation


async def _end(connection: Connection, campaign: Campaign, versions: list[int], by: Actor) -> Operation:
    parameters = {"selection": {"versions": versions}, "whole_versions": True}
    return await request_operation(connection, campaign.key, "exit", parameters, by)


def _state_under(rules: Rules, now: datetime) -> CampaignState:
    """Return whether a campaign runs by now, according to its schedule."""
    starts_at = rules.schedule.starts_at
    return SCHEDULED if starts_at is not None and starts_at > now else RUNNING


async def _running_version(connection: Connection, campaign: Campaign) -> Version:
    version = await campaigns.version(connection, campaign.key, campaign.running_version or 0)
    if version is None:
        raise ValueError(f"campaign {campaign.key} is {campaign.state} and runs no version")
    return version


def refusal(campaign: Campaign, why: str) -> ConflictError:
    """Return the refusal of a transition: the state, the reason, and possible ones."""
    allowed = life.allowed_transitions(campaign.state)
    return ConflictError(
        f"campaign {campaign.key} {why}; possible now: {', '.join(allowed) or 'nothing'}",
        campaign=campaign.key,
        state=campaign.state,
        allowed=allowed,
    )
