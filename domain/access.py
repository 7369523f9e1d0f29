"""Kinds and scopes of keys, roles of people, and actors."""

from collections.abc import Collection, Mapping
from datetime import datetime
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
    - read: every question about single campaigns, journeys and users;
    - author: read, and all that writes documents: campaigns, their templates and the documents of the deployment;
    - operate: author, send, and all that acts on campaigns, journeys and users;
    - people: personal fields, which answers to other keys mask, the export of a person, and the slots of pages that a
      server renders;
    - approve: the approval of a start that waits for one;
    - admin: everything but tracking: also keys, the audit log, reconciliations and erasures.
    """

    INGEST = "ingest"
    CLIENT = "client"
    SEND = "send"
    STREAM = "stream"
    READ = "read"
    AUTHOR = "author"
    OPERATE = "operate"
    PEOPLE = "people"
    APPROVE = "approve"
    ADMIN = "admin"


# They report and read for one person: a session of the console has none of them.
TRACKING_SCOPES: Final = frozenset({Scope.INGEST, Scope.CLIENT})
# The scopes of every browser key, whichever release made it.
BROWSER_SCOPES: Final = (Scope.INGEST, Scope.CLIENT)

# The scopes that each includes, and these include theirs.
_INCLUDED: Final[Mapping[Scope, Collection[Scope]]] = {
    Scope.AUTHOR: (Scope.READ,),
    Scope.OPERATE: (Scope.AUTHOR, Scope.SEND),
    Scope.ADMIN: (Scope.OPERATE, Scope.STREAM, Scope.PEOPLE, Scope.APPROVE),
}


def includes(held: Collection[Scope], wanted: Scope) -> bool:
    """Return whether one of the held scopes includes `wanted`."""
    return wanted in held or any(includes(_INCLUDED.get(scope, ()), wanted) for scope in held)


class Role(StrEnum):
    """The role of a person, which stands for scopes."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    AUTHOR = "author"
    APPROVER = "approver"
    ADMIN = "admin"


ROLES: Final[Mapping[Role, frozenset[Scope]]] = {
    Role.VIEWER: frozenset({Scope.READ}),
    Role.OPERATOR: frozenset({Scope.OPERATE, Scope.PEOPLE}),
    Role.AUTHOR: frozenset({Scope.AUTHOR}),
    Role.APPROVER: frozenset({Scope.READ, Scope.PEOPLE, Scope.APPROVE}),
    Role.ADMIN: frozenset({Scope.ADMIN}),
}


def unite_roles(roles: Collection[Role]) -> frozenset[Scope]:
    """Return the scopes of several roles, without those that others of them include."""
    scopes = frozenset(scope for role in roles for scope in ROLES[role])
    return frozenset(scope for scope in scopes if not includes(scopes - {scope}, scope))


def find_role(scopes: Collection[Scope]) -> Role | None:
    """Return the role that has exactly these scopes; None if there is none."""
    return next((role for role, of_role in ROLES.items() if of_role == frozenset(scopes)), None)


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


class ConsoleEdit(StrEnum):
    """The use of documents in the console: none, plans alone, or plans applied."""

    OFF = "off"
    PLAN = "plan"
    APPLY = "apply"


class McpEdit(StrEnum):
    """The use of documents by MCP clients: plans alone, or plans applied."""

    PLAN = "plan"
    APPLY = "apply"


class SessionAccess(Struct, frozen=True):
    """The session of the console that takes the place of a key."""

    id: str
    expires_at: datetime
    edit: ConsoleEdit


class Access(Struct, frozen=True):
    """The rights of a key or session, and the source that scopes its message ids.

    `browser` is None for the key of a server, `session` for every key.
    """

    actor: Actor
    scopes: frozenset[Scope]
    source: str
    browser: BrowserAccess | None = None
    session: SessionAccess | None = None


def is_edit_refused(access: Access, wanted: Scope) -> bool:
    """Return whether the deployment lets no session do this, whatever its scopes."""
    return wanted is Scope.AUTHOR and access.session is not None and access.session.edit is not ConsoleEdit.APPLY


def list_open_scopes(access: Access) -> list[Scope]:
    """Return every scope that is open, also those that others include."""
    return [scope for scope in Scope if includes(access.scopes, scope) and not is_edit_refused(access, scope)]


# The actor of automatic actions: a schedule begins or ends, an audience enters again.
SOJOURN: Final = Actor("sojourn", "Sojourn")
