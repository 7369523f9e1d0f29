"""Definitions of segments."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct

# Whether people join and leave with triggers when a new definition moves them.
OnChange = Literal["silent", "trigger"]
# The segments of a person by id, as texts, each with the microseconds since 1970 at which they joined. It is JSON.
Memberships = Mapping[str, int]


class SegmentRule(Struct, frozen=True, omit_defaults=True):
    """The condition by which people belong.

    `exclusive` is the name of a group of which a person is in one at most: the last that holds, by `position`.
    `scored_on` is the day of the breakpoints in the condition, of a segment of scores.
    """

    where: str
    on_change: OnChange = "silent"
    exclusive: str | None = None
    position: int = 0
    scored_on: str | None = None


class SegmentDefinition(Struct, frozen=True):
    """A rule under its key, in force since an instant and a revision of the registry.

    `version` is that of its document.
    """

    id: int
    key: str
    version: int
    rule: SegmentRule
    revision: int
    active_from: datetime


class MembershipChange(Struct, frozen=True):
    """A person joins or leaves a segment at an instant.

    In an exclusive `group`, `other` is the segment that they leave for this one, or join instead of it.
    """

    segment_id: int
    key: str
    has_joined: bool
    at: datetime
    group: str | None = None
    other: str | None = None


class RecordedChange(Struct, frozen=True):
    """A person joins or leaves a segment; `cause` is that of `segments.causes`."""

    profile_id: UUID
    change: MembershipChange
    cause: Mapping[str, Any]
