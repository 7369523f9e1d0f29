"""Campaigns under the hands of those who run them: publish, start, stop, pause, resume, list."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from domain.access import Actor
from domain.campaign import publishing
from domain.campaign.document_warnings import circle_warnings
from domain.campaign.publishing import Published
from domain.errors import ConflictError, NotFoundError, Problem
from store import audit, campaigns, outbox
from store.campaigns import Campaign, Version
from store.database import Connection, Database

# From which states a campaign may be moved, by the name of the move.
ALLOWED = {
    "start": ("draft", "running", "stopping", "ended"),
    "stop": ("running", "paused"),
    "pause": ("running",),
    "resume": ("paused",),
}


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """The version that holds a document, whether it was made for it now, and what is worth a second look."""

    key: str
    version: int
    created: bool
    warnings: list[Problem]


class Campaigns:
    """Every change waits for the decisions under way, and is seen by every one that follows its acknowledgement."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def publish(self, source: str, file: str, templates: Mapping[str, str], *, by: Actor) -> PublishedVersion:
        """Make an immutable version of a document, unless the latest is the same already.

        Raises InvalidDocumentError with everything that is wrong.
        """
        # Proving a document is work for the processor: other requests go on meanwhile.
        checked = await asyncio.to_thread(publishing.check, source, file, templates)
        version, created = await self._version(checked, source, file, by)
        # With all that is published by now: of two campaigns published at once, the later one is told.
        async with self._database.transaction() as connection:
            rules = await campaigns.latest_rules(connection)
        key = checked.definition.key
        circles = circle_warnings(checked.source, key, {**rules, key: checked.rules})
        return PublishedVersion(key, version, created, [*checked.warnings, *circles])

    async def _version(self, checked: Published, source: str, file: str, by: Actor) -> tuple[int, bool]:
        """The number of the version that holds the document, and whether it is new."""
        definition = checked.definition
        async with self._database.transaction() as connection:
            await campaigns.take_control(connection)
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
                plan=checked.plan,
                rules=checked.rules,
            )
            await campaigns.insert_version(connection, version)
            await audit.record(connection, by, "campaign.publish", definition.key, {"version": version.version})
            return version.version, True

    async def start(self, key: str, version: int | None = None, *, by: Actor) -> Campaign:
        """Let users in by this version, the latest by default. Journeys on another version go on there."""
        async with self._database.transaction() as connection:
            campaign = await self._movable(connection, key, "start")
            chosen = campaign.latest_version if version is None else version
            if not 1 <= chosen <= campaign.latest_version:
                raise NotFoundError(
                    f"campaign {key} has no version {chosen}; its latest is {campaign.latest_version}", campaign=key
                )
            await campaigns.set_state(connection, key, "running", chosen)
            await audit.record(connection, by, "campaign.start", key, {"version": chosen})
            return await _found(connection, key)

    async def stop(self, key: str, *, by: Actor) -> Campaign:
        """Let nobody in any more; the journeys under way finish."""
        return await self._move(key, "stop", "stopping", by)

    async def pause(self, key: str, *, by: Actor) -> Campaign:
        """Hold every message of the campaign from now on. Journeys still begin and rest."""
        return await self._move(key, "pause", "paused", by)

    async def resume(self, key: str, *, by: Actor) -> Campaign:
        """Let messages go again, and wake the journeys that were held."""
        return await self._move(key, "resume", "running", by)

    async def list(self) -> list[Campaign]:
        """Every campaign, by key."""
        async with self._database.transaction() as connection:
            return await campaigns.all_campaigns(connection)

    async def get(self, key: str) -> Campaign:
        """One campaign. Raises NotFoundError."""
        async with self._database.transaction() as connection:
            return await _found(connection, key)

    async def _move(self, key: str, move: str, state: str, by: Actor) -> Campaign:
        async with self._database.transaction() as connection:
            campaign = await self._movable(connection, key, move)
            await campaigns.set_state(connection, key, state, campaign.running_version)
            await audit.record(connection, by, f"campaign.{move}", key)
            if campaign.state == "paused":
                # Also where a paused campaign is stopped: its held journeys are to finish.
                await outbox.append_resumptions(connection, key)
            return await _found(connection, key)

    async def _movable(self, connection: Connection, key: str, move: str) -> Campaign:
        await campaigns.take_control(connection)
        campaign = await _found(connection, key)
        if campaign.state not in ALLOWED[move]:
            possible = [name for name, states in ALLOWED.items() if campaign.state in states]
            raise ConflictError(
                f"campaign {key} is {campaign.state} and cannot {move}; possible now: {', '.join(possible)}",
                campaign=key,
                state=campaign.state,
                allowed=possible,
            )
        return campaign


async def _found(connection: Connection, key: str) -> Campaign:
    campaign = await campaigns.campaign(connection, key)
    if campaign is None:
        raise NotFoundError(f"there is no campaign {key}; publish it first", campaign=key)
    return campaign
