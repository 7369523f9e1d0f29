"""Show what the profile of a person has learned by itself."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from application.activity_states import ServerSources
from domain.people.activity import is_report
from domain.people.devices import Device
from domain.tracking.event import SOJOURN_SOURCE
from store import activity
from store.activity import Learned, NameCount
from store.database import Connection, PendingResult

MAX_NAMES: Final = 10


@dataclass(frozen=True, slots=True)
class UsedName:
    """A page or feature, its number among the latest events, and the last time."""

    name: str
    count: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class ActivityView:
    """When a person was there, and what brought them; None is unknown.

    `pages` are those viewed, screens included, and `features` the events reported, the most frequent first.
    """

    first_seen: datetime | None
    last_seen: datetime | None
    sessions: int
    app_version: str | None
    country: str | None
    region: str | None
    first_referrer: str | None
    last_referrer: str | None
    first_campaign: dict[str, str] | None
    last_campaign: dict[str, str] | None
    pages: list[UsedName]
    features: list[UsedName]
    devices: list[Device]


@dataclass(frozen=True, slots=True)
class PendingActivity:
    """The requested data of one person."""

    profile_id: UUID
    sources: ServerSources
    learned: PendingResult[dict[UUID, Learned]]
    names: PendingResult[list[NameCount]]

    async def get(self) -> ActivityView:
        """Return what the profile has learned."""
        learned = (await self.learned.get()).get(self.profile_id)
        seen = None if learned is None else learned.activity

        def said(name: str) -> Any:
            return None if seen is None else seen.value(name)

        names = [one for one in await self.names.get() if _is_activity(one, self.sources)]
        return ActivityView(
            first_seen=None if seen is None else seen.first_seen,
            last_seen=None if seen is None else seen.last_seen,
            sessions=0 if seen is None else seen.sessions,
            app_version=said("app_version"),
            country=said("country"),
            region=said("region"),
            first_referrer=said("first_referrer"),
            last_referrer=said("last_referrer"),
            first_campaign=said("first_campaign"),
            last_campaign=said("last_campaign"),
            pages=_select_used(one for one in names if one.type != "track"),
            features=_select_used(one for one in names if one.type == "track"),
            devices=[] if learned is None else _latest_first(learned.devices.values()),
        )


async def ask_for_activity(connection: Connection, profile_id: UUID, sources: ServerSources) -> PendingActivity:
    """Request what a person's profile has learned."""
    return PendingActivity(
        profile_id,
        sources,
        await activity.read(connection, [profile_id]),
        await activity.count_names(connection, profile_id),
    )


def _is_activity(one: NameCount, sources: ServerSources) -> bool:
    return one.source not in (SOJOURN_SOURCE, *sources.names) and not (one.type == "track" and is_report(one.name))


def _select_used(names: Iterable[NameCount]) -> list[UsedName]:
    """Return the most frequent names, over all sources."""
    used: dict[str, UsedName] = {}
    for one in names:
        before = used.get(one.name)
        count, last_at = (0, one.last_at) if before is None else (before.count, before.last_at)
        used[one.name] = UsedName(one.name, count + one.count, max(last_at, one.last_at))
    return sorted(used.values(), key=lambda one: (-one.count, one.name))[:MAX_NAMES]


def _latest_first(devices: Iterable[Device]) -> list[Device]:
    return sorted(devices, key=lambda device: (device.last_seen, device.id), reverse=True)
