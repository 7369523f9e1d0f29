"""Who may do what."""

from collections.abc import Collection
from enum import StrEnum
from typing import Final

from msgspec import Struct


class Scope(StrEnum):
    """What a key opens.

    - ingest: the tracking routes, and nothing else;
    - read: every question;
    - operate: read, and all that acts on campaigns, journeys, frequency caps and users;
    - admin: operate, and keys, the audit log and reconciliations.
    """

    INGEST = "ingest"
    READ = "read"
    OPERATE = "operate"
    ADMIN = "admin"


# Each of these opens what stands before it as well.
_LADDER: Final = (Scope.READ, Scope.OPERATE, Scope.ADMIN)


def includes(held: Collection[Scope], wanted: Scope) -> bool:
    """Whether one of the scopes held opens what `wanted` does."""
    if wanted not in _LADDER:
        return wanted in held
    return any(scope in held for scope in _LADDER[_LADDER.index(wanted) :])


class Actor(Struct, frozen=True):
    """Who does something: a key, by its id and name, or a part of Sojourn itself."""

    id: str
    name: str


class Access(Struct, frozen=True):
    """What a verified key stands for. Message ids are unique within `source`, which several keys may share."""

    actor: Actor
    scopes: frozenset[Scope]
    source: str


# The actor of what happens automatically: a schedule begins or ends, an audience enters again.
SOJOURN: Final = Actor("sojourn", "Sojourn")
