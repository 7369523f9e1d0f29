"""Kinds and scopes of keys, and actors."""

from collections.abc import Collection
from enum import StrEnum
from typing import Final

from msgspec import Struct

# Every key that Sojourn makes begins with it: sj_ID_SECRET.
KEY_PREFIX: Final = "sj"


class Scope(StrEnum):
    """The scope of a key.

    - ingest: the tracking routes, and nothing else;
    - client: the routes for pages and apps, of browser keys alone;
    - send: requests for single messages, and nothing else;
    - stream: the stream of everything that is recorded, and nothing else;
    - read: every question about single campaigns, journeys and users, and the slots of pages that a server renders;
    - operate: read, send, and all that acts on campaigns, journeys, frequency caps and users;
    - admin: operate, and keys, the audit log, reconciliations and the stream.
    """

    INGEST = "ingest"
    CLIENT = "client"
    SEND = "send"
    STREAM = "stream"
    READ = "read"
    OPERATE = "operate"
    ADMIN = "admin"


# The scopes of every browser key, whichever release made it.
BROWSER_SCOPES: Final = (Scope.INGEST, Scope.CLIENT)

# Each of these includes those before it.
_LADDER: Final = (Scope.READ, Scope.OPERATE, Scope.ADMIN)


def includes(held: Collection[Scope], wanted: Scope) -> bool:
    """Return whether one of the held scopes includes `wanted`."""
    if wanted is Scope.STREAM and Scope.ADMIN in held:
        return True
    if wanted is Scope.SEND and includes(held, Scope.OPERATE):
        return True
    if wanted not in _LADDER:
        return wanted in held
    return any(scope in held for scope in _LADDER[_LADDER.index(wanted) :])


class Actor(Struct, frozen=True):
    """The actor: a key, by its id and name, or a part of Sojourn itself."""

    id: str
    name: str


class KeyKind(StrEnum):
    """Whether a key is the secret of a server, or public in the page of a browser."""

    SERVER = "server"
    BROWSER = "browser"


class KeyTrust(StrEnum):
    """How calls about users are believed.

    - token: a browser key reports about the user of a user token; without one, about anonymous people;
    - full: as a server reports. With a browser key, anyone may then report as any user.
    """

    TOKEN = "token"  # noqa: S105 - a name
    FULL = "full"


class BrowserAccess(Struct, frozen=True):
    """The bounds of a browser key: its pages, its trust, its secrets of user tokens."""

    origins: tuple[str, ...]
    trust: KeyTrust
    token_secrets: tuple[str, ...]

    def __repr__(self) -> str:
        """Show no secret, in logs."""
        return f"BrowserAccess(origins={self.origins!r}, trust={self.trust!r})"


class Access(Struct, frozen=True):
    """The rights of a verified key, and the source that scopes its message ids.

    `browser` is None for the key of a server.
    """

    actor: Actor
    scopes: frozenset[Scope]
    source: str
    browser: BrowserAccess | None = None


# The actor of automatic actions: a schedule begins or ends, an audience enters again.
SOJOURN: Final = Actor("sojourn", "Sojourn")
