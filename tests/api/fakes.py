"""The services in memory: what a route asked of them, and what they were told to answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from application.ingest import IngestResult
from application.keys import Keys
from application.readiness import Readiness
from application.unsubscribe import UnsubscribeView
from domain.access import Actor
from domain.deployment_documents import DocumentKind
from domain.errors import ConflictError, InvalidDocumentError, NotFoundError, Problem
from domain.people.identity import PersonRef
from domain.revisions import UNCONDITIONAL, Precondition
from domain.sending.reports import Callback
from domain.tracking.event import Event, Reject
from domain.tracking.rejects import ALL_RECORDED, Unrecorded
from settings import Settings
from store.database import Database
from tests import generated
from wiring import environment_keys

WRITE_KEY, ADMIN_KEY = generated.WRITE_KEY, generated.ADMIN_KEY
SETTINGS = Settings.model_validate(
    {
        "database_url": "postgresql://localhost/none",
        "write_key": WRITE_KEY,
        "admin_key": ADMIN_KEY,
        "link_secret": generated.LINK_SECRET,
        "webhook_signing_secret": generated.SIGNING_SECRET,
    }
)
NOW = datetime(2026, 11, 1, 10, tzinfo=UTC)


@dataclass(frozen=True)
class PublishedVersion:
    key: str
    version: int
    created: bool
    warnings: list[Problem]
    fallback_languages: tuple[object, ...] = ()


@dataclass(frozen=True)
class CampaignView:
    key: str
    name: str
    stage: str | None = "conversion"
    state: str = "draft"
    running_version: int | None = None
    latest_version: int = 1
    revision: int = 1
    active_journeys: int = 0
    total_journeys: int = 0
    operations: tuple[UUID, ...] = ()
    approval: None = None
    updated_at: datetime = NOW


@dataclass(frozen=True)
class DocumentView:
    version: int
    source: str
    rules: list[dict[str, Any]]


@dataclass(frozen=True)
class TimelineItem:
    at: datetime
    kind: str
    summary: str
    outcome: str | None = None
    campaign: str | None = None
    journey_id: str | None = None
    step: str | None = None
    reason: str | None = None
    data: dict[str, Any] = field(default_factory=dict)
    url: str | None = None


@dataclass(frozen=True)
class Timeline:
    user_id: str
    items: list[TimelineItem]
    now: list[Any]
    next: str | None


class FakeIngest:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.rejects: list[Reject] = []
        self.calls = 0
        self.failure: Exception | None = None

    async def __call__(
        self,
        events: Sequence[Event],
        rejects: Sequence[Reject] = (),
        *,
        received_at: datetime,
        unrecorded: Unrecorded = ALL_RECORDED,
        places: Sequence[int] | None = None,
    ) -> IngestResult:
        self.calls += 1
        if self.failure:
            raise self.failure
        self.events.extend(events)
        self.rejects.extend(rejects)
        return IngestResult(len(events), [])


class FakeCampaigns:
    """Takes a document for its key: the text after `key:`. One that says `broken` has two problems."""

    def __init__(self) -> None:
        self.views: dict[str, CampaignView] = {}
        self.sources: dict[str, str] = {}
        self.templates: Mapping[str, str] = {}
        self.warnings: list[Problem] = []

    async def publish(
        self, source: str, file: str, templates: Mapping[str, str], *, if_match: Precondition = UNCONDITIONAL, by: Actor
    ) -> PublishedVersion:
        if "broken" in source:
            raise InvalidDocumentError(
                [
                    Problem(file, 4, "steps[0].delay", "30x is no duration", "Write 30m or 2h."),
                    Problem(file, 7, "steps[1]", "unknown step sned", "Did you mean send?"),
                ]
            )
        key = source.partition("key:")[2].split()[0]
        self.templates = templates
        view = self.views.get(key)
        if view is None:
            self.views[key] = view = CampaignView(key, key.title())
        elif self.sources[key] == source:
            return PublishedVersion(key, view.latest_version, False, self.warnings)
        self.sources[key] = source
        return PublishedVersion(key, view.latest_version, True, self.warnings)

    async def start(
        self,
        key: str,
        version: int | None = None,
        *,
        in_flight: str = "keep",
        wait_for_approval: bool = False,
        if_match: Precondition = UNCONDITIONAL,
        by: Actor,
    ) -> CampaignView:
        if version is not None and version > 1:
            raise NotFoundError(f"{key} has no version {version}", campaign=key)
        return await self._to(key, "running", version or 1)

    async def stop(
        self, key: str, mode: str = "drain", *, if_match: Precondition = UNCONDITIONAL, by: Actor
    ) -> CampaignView:
        view = await self.get(key)
        if view.state != "running":
            raise ConflictError(f"{key} is {view.state}; only a running campaign can stop", state=view.state)
        return await self._to(key, "stopping", view.running_version)

    async def pause(self, key: str, *, if_match: Precondition = UNCONDITIONAL, by: Actor) -> CampaignView:
        return await self._to(key, "paused", 1)

    async def resume(self, key: str, *, if_match: Precondition = UNCONDITIONAL, by: Actor) -> CampaignView:
        return await self._to(key, "running", 1)

    async def list(self, *, after: str | None = None, limit: int | None = None) -> list[CampaignView]:
        return list(self.views.values())

    async def get(self, key: str) -> CampaignView:
        if key not in self.views:
            raise NotFoundError(f"there is no campaign {key}", campaign=key)
        return self.views[key]

    async def _to(self, key: str, state: str, version: int | None) -> CampaignView:
        view = await self.get(key)
        self.views[key] = CampaignView(key, view.name, state=state, running_version=version)
        return self.views[key]


class FakeDocuments:
    def __init__(self) -> None:
        self.view = DocumentView(0, "rules: []\n", [])

    async def get(self, kind: DocumentKind[Any]) -> DocumentView:
        return self.view

    async def put(
        self, kind: DocumentKind[Any], source: str, file: str, *, if_match: Precondition = UNCONDITIONAL, by: Actor
    ) -> DocumentView:
        if "broken" in source:
            raise InvalidDocumentError([Problem(file, 2, "rules[0].limit", "0 is too small", "Write 1 or more.")])
        self.view = DocumentView(self.view.version + 1, source, [{"name": "weekly", "limit": 3, "per": "7d"}])
        return self.view


class FakeRecipients:
    def __init__(self) -> None:
        self.suppressed: dict[tuple[str, str], str] = {}

    async def suppress(self, person: PersonRef, channel: str, reason: str, *, by: Actor) -> None:
        self.suppressed[person.id, channel] = reason

    async def lift(self, person: PersonRef, channel: str, *, by: Actor) -> None:
        self.suppressed.pop((person.id, channel), None)


class FakeExplain:
    def __init__(self) -> None:
        self.asked: list[tuple[str, int, str | None]] = []
        self.items: list[TimelineItem] = []

    async def timeline(self, person: PersonRef, *, limit: int, before: str | None, by: Actor) -> Timeline:
        self.asked.append((person.id, limit, before))
        return Timeline(person.id, self.items, [], None)


class FakeUnsubscribe:
    """Knows the token `good`."""

    def __init__(self) -> None:
        self.done: list[str] = []

    async def describe(self, token: str) -> UnsubscribeView:
        if token != "good":
            raise NotFoundError("the signature does not match")
        return UnsubscribeView("email")

    async def __call__(self, token: str, *, everything: bool = False) -> UnsubscribeView:
        view = await self.describe(token)
        self.done.append(token)
        return view


class FakeCallbacks:
    async def check(self, provider: str, query: Mapping[str, str]) -> str | None:
        raise NotFoundError("there is no such provider")

    async def wait_turn(self) -> None:
        pass

    async def receive(self, provider: str, callback: Callback) -> None:
        raise NotFoundError("there is no such provider")


class FakeServices:
    def __init__(self) -> None:
        # Only the keys of the settings: they ask no database.
        self.keys = Keys(Database(SETTINGS.database_url.get_secret_value(), pool_size=1), environment_keys(SETTINGS))
        self.ingest = FakeIngest()
        self.campaigns = FakeCampaigns()
        self.documents = FakeDocuments()
        self.recipients = FakeRecipients()
        self.explain = FakeExplain()
        self.unsubscribe = FakeUnsubscribe()
        self.callbacks = FakeCallbacks()
        self.single_sign_on = None
        self.parts = {"database": "ok", "migrations": "ok"}

    async def now(self) -> datetime:
        return datetime.now(UTC)

    async def ready(self) -> Readiness:
        return Readiness(all(state == "ok" for state in self.parts.values()), self.parts)
