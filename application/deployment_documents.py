"""The documents of the deployment: one of each kind, effective at once."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from msgspec.structs import replace

from application.ad_audiences import apply_audiences, describe_audiences, find_audience_readers
from application.computed_traits import apply_traits, describe_traits
from application.data_plan import find_unseen_of_traits
from application.documents import Documents
from application.lifecycle import apply_stages, check_stages, describe_stages, sample_stages
from application.page_triggers import warn_of_unheard
from application.places import apply_places
from application.provider_documents import apply_providers, describe_providers
from application.references import (
    find_place_readers,
    find_postal_address_readers,
    find_stage_readers,
    find_topic_readers,
    find_trait_readers,
)
from application.rfm_document import apply_rfm, describe_rfm, find_rfm_readers, warn_of_rfm
from application.segment_sample import SegmentMovement
from application.senders import apply_senders
from application.topics import apply_topics, warn_of_categories
from domain.access import Actor
from domain.deployment_documents import (
    AUDIENCES,
    COMPUTED,
    LIFECYCLE,
    PAGE_TRIGGERS,
    PLACES,
    PROVIDERS,
    RFM,
    SENDERS,
    TOPICS,
    DocumentKind,
    RuleChange,
    RuleReader,
    compare_rules,
)
from domain.errors import Problem
from domain.revisions import UNCONDITIONAL, Precondition
from store import audit, documents
from store.database import Connection, Database
from store.documents import StoredDocument

# Further effects of an apply, in its transaction and under the lock of the kind.
_EFFECTS: Final[Mapping[str, Callable[[Connection, Sequence[Any], Actor], Awaitable[None]]]] = {
    AUDIENCES.name: apply_audiences,
    COMPUTED.name: apply_traits,
    PLACES.name: apply_places,
    LIFECYCLE.name: apply_stages,
    PROVIDERS.name: apply_providers,
    RFM.name: apply_rfm,
    SENDERS.name: apply_senders,
    TOPICS.name: apply_topics,
}
# Checks of a valid document, by its text and the file's name, against the deployment.
_CHECKS: Final[Mapping[str, Callable[[Connection, str, str], Awaitable[None]]]] = {LIFECYCLE.name: check_stages}
# Warnings about valid rules, by the text and the file's name.
_WARNINGS: Final[Mapping[str, Callable[[Connection, Sequence[Any], str, str], Awaitable[list[Problem]]]]] = {
    COMPUTED.name: find_unseen_of_traits,
    PAGE_TRIGGERS.name: warn_of_unheard,
    RFM.name: warn_of_rfm,
    TOPICS.name: warn_of_categories,
}
# How many people rules would concern, by their names and the deployment's zone.
_SAMPLES: Final[Mapping[str, Callable[[Database, Sequence[Any], str], Awaitable[dict[str, SegmentMovement]]]]] = {
    LIFECYCLE.name: sample_stages
}
# Facts of the deployment about rules, by their names.
_ADDITIONS: Final[Mapping[str, Callable[[Connection], Awaitable[Mapping[str, Mapping[str, Any]]]]]] = {
    AUDIENCES.name: describe_audiences,
    COMPUTED.name: describe_traits,
    LIFECYCLE.name: describe_stages,
    PROVIDERS.name: describe_providers,
    RFM.name: describe_rfm,
}
# The campaigns, segments and holds that name rules, by these.
_READERS: Final[Mapping[str, Callable[[Connection, Sequence[str]], Awaitable[Mapping[str, Sequence[RuleReader]]]]]] = {
    AUDIENCES.name: find_audience_readers,
    COMPUTED.name: find_trait_readers,
    PLACES.name: find_place_readers,
    LIFECYCLE.name: find_stage_readers,
    RFM.name: find_rfm_readers,
    SENDERS.name: find_postal_address_readers,
    TOPICS.name: find_topic_readers,
}


@dataclass(frozen=True, slots=True)
class DocumentView:
    """The document in force, and its rules; version 0 is the initial one.

    Rules are as authors write them, with what the deployment adds to them.
    """

    version: int
    source: str
    rules: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class DocumentPlan:
    """The effects of a document on the one in force, which is `version`.

    `next_version` is the version after it is applied: the same for the same text. `people` is a sample of who would be
    in each stage of a life cycle.
    """

    version: int
    next_version: int
    changes: list[RuleChange]
    warnings: list[Problem]
    people: Mapping[str, SegmentMovement]


class DeploymentDocuments:
    """Reads, plans and replaces the documents. `timezone` is the deployment's."""

    def __init__(self, database: Database, checks: Documents, timezone: str = "UTC") -> None:
        self._database = database
        self._checks = checks
        self._timezone = timezone
        self._sampling = asyncio.Lock()

    async def get(self, kind: DocumentKind[Any]) -> DocumentView:
        """Return the document in force."""
        async with self._database.transaction() as connection:
            return await _view(connection, kind, await documents.latest(connection, kind))

    async def plan(self, kind: DocumentKind[Any], source: str, file: str) -> DocumentPlan:
        """Plan a document without changes. Raises InvalidDocumentError."""
        rules = await self._checks.rules(kind, source, file)
        async with self._database.transaction() as connection:
            await _check(connection, kind, source, file)
            current = await documents.latest(connection, kind)
            changes = compare_rules(kind, current.rules, rules)
            if kind.name in _READERS and changes:
                readers = await _READERS[kind.name](connection, [change.name for change in changes])
                changes = [replace(change, read_by=readers.get(change.name, ())) for change in changes]
            warnings = await _WARNINGS[kind.name](connection, rules, source, file) if kind.name in _WARNINGS else []
        people: Mapping[str, SegmentMovement] = {}
        if kind.name in _SAMPLES:
            async with self._sampling:
                people = await _SAMPLES[kind.name](self._database, rules, self._timezone)
        is_new = source != current.source or current.version == 0
        return DocumentPlan(current.version, current.version + is_new, changes, warnings, people)

    async def put(
        self, kind: DocumentKind[Any], source: str, file: str, *, if_match: Precondition = UNCONDITIONAL, by: Actor
    ) -> DocumentView:
        """Replace the rules for every decision from now on, or refuse the document.

        Raises ConflictError if a campaign or a segment reads a rule that it removes.
        """
        rules = await self._checks.rules(kind, source, file)
        async with self._database.transaction() as connection:
            await documents.lock_exclusive(connection, kind)
            await _check(connection, kind, source, file)
            if_match.require((await documents.latest(connection, kind)).version)
            await documents.put(connection, kind, source, rules, by.name)
            if kind.name in _EFFECTS:
                await _EFFECTS[kind.name](connection, rules, by)
            stored = await documents.latest(connection, kind)
            await audit.record(
                connection, by, f"{kind.name.replace('-', '_')}.put", kind.name, {"version": stored.version}
            )
            return await _view(connection, kind, stored)


async def _check(connection: Connection, kind: DocumentKind[Any], source: str, file: str) -> None:
    if kind.name in _CHECKS:
        await _CHECKS[kind.name](connection, source, file)


async def _view(connection: Connection, kind: DocumentKind[Any], stored: StoredDocument[Any]) -> DocumentView:
    more = await _ADDITIONS[kind.name](connection) if kind.name in _ADDITIONS else {}
    rules = [{**kind.to_document(rule), **more.get(kind.name_of(rule), {})} for rule in stored.rules]
    return DocumentView(stored.version, stored.source, rules)
