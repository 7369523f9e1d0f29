"""The sessions of the web console: opened, verified for each request, ended."""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from application.keys import ENVIRONMENT_MARK, EnvironmentKey, mark_environment_key
from application.remembered_rows import RememberedRows
from domain.access import TRACKING_SCOPES, Access, Actor, ConsoleEdit, Scope, SessionAccess, includes
from domain.errors import ForbiddenError, NotFoundError
from domain.tracking.event import DEFAULT_SOURCE
from store import audit, console_sessions
from store.console_sessions import ConsoleSession, LoginMethod, StoredSession
from store.database import Database

# A working day, and not the next one.
LIFETIME: Final = timedelta(hours=12)
# The sessions that one actor has at a time, such as a key that a team shares.
MAX_SESSIONS: Final = 100
MAX_ID_CHARACTERS: Final = 64


@dataclass(frozen=True, slots=True, repr=False)
class NewSession:
    """A new session with the value of its cookie. Without repr, for logs."""

    session: ConsoleSession
    access: Access
    value: str


class ConsoleSessions:
    """All sessions of this deployment's console."""

    def __init__(
        self,
        database: Database,
        environment: Sequence[EnvironmentKey],
        edit: ConsoleEdit,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        # A session that a key of the settings has opened ends when the key is another.
        self._environment = {mark_environment_key(key.secret) for key in environment}
        self._edit = edit
        self._rows = RememberedRows(database, console_sessions.find, clock)

    async def verify(self, value: str) -> Access | None:
        """Return the rights of a cookie; None if it is unknown, expired or revoked.

        A revocation takes effect in every process within REMEMBERED_SECONDS. Raises psycopg.Error if the database is
        away.
        """
        id, _, secret = value.partition("_")
        if not id.isalnum() or not id.isascii() or len(id) > MAX_ID_CHARACTERS:
            return None
        stored = await self._rows.get(id)
        if stored is None or not secrets.compare_digest(stored.digest, _hash(secret)) or not self._is_open(stored):
            return None
        return self._access(stored)

    async def open_by_key(self, key: bytes, access: Access, replaced: Access | None) -> NewSession:
        """Open a session by a verified key, in place of the one that the browser had.

        Raises ForbiddenError for the key of a page, and for one that reads nothing.
        """
        if access.browser is not None:
            raise ForbiddenError("this is the key of a page, which anyone can read: log in by the key of a server")
        if not includes(access.scopes, Scope.READ):
            raise ForbiddenError(
                f"the console takes a key of scope {Scope.READ}; this one has {', '.join(sorted(access.scopes))}",
                scope=Scope.READ,
                scopes=sorted(access.scopes),
            )
        mark = mark_environment_key(key)
        key_id = mark if mark in self._environment else access.actor.id
        return await self.open(access.actor, access.scopes - TRACKING_SCOPES, "key", key_id, replaced)

    async def open(
        self, actor: Actor, scopes: frozenset[Scope], how: LoginMethod, key_id: str | None, replaced: Access | None
    ) -> NewSession:
        """Open a session; `replaced` is that of the browser until now, and ends."""
        id, secret = secrets.token_hex(8), secrets.token_hex(32)
        async with self._database.transaction() as connection:
            session = await console_sessions.insert(
                connection,
                id=id,
                digest=_hash(secret),
                actor=actor,
                scopes=sorted(scopes),
                how=how,
                key_id=key_id,
                lifetime=LIFETIME,
                most=MAX_SESSIONS,
            )
            await audit.record(connection, actor, "session.create", id, {"how": how, "scopes": session.scopes})
            # With the new one, so that none is left over by a crash.
            former = replaced.session if replaced is not None else None
            if replaced is not None and former is not None and await console_sessions.revoke(connection, former.id):
                await audit.record(connection, replaced.actor, "session.end", former.id)
        if former is not None:
            self._rows.forget(former.id)
        return NewSession(session, self._access(session), f"{id}_{secret}")

    async def end(self, access: Access) -> None:
        """End the session of a browser, which logs out."""
        if access.session is not None:
            await self._revoke(access.session.id, "session.end", access.actor)

    async def revoke(self, id: str, *, by: Actor) -> ConsoleSession:
        """Revoke a session, even repeatedly. Raises NotFoundError."""
        return await self._revoke(id, "session.revoke", by)

    async def _revoke(self, id: str, action: str, by: Actor) -> ConsoleSession:
        async with self._database.transaction() as connection:
            if await console_sessions.revoke(connection, id):
                await audit.record(connection, by, action, id)
            session = (await console_sessions.find(connection, [id])).get(id)
        self._rows.forget(id)
        if session is None:
            raise NotFoundError(f"there is no session {id}", session=id)
        return session

    async def list(self, *, limit: int, after: tuple[datetime, str] | None = None) -> list[ConsoleSession]:
        """Return sessions, also ended ones, the newest first, before a (created_at, id)."""
        async with self._database.transaction() as connection:
            return await console_sessions.page(connection, limit=limit, after=after)

    def _is_open(self, stored: StoredSession) -> bool:
        is_of_settings = stored.key_id is not None and stored.key_id.startswith(ENVIRONMENT_MARK)
        if is_of_settings and stored.key_id not in self._environment:
            return False
        return stored.revoked_at is None and stored.expires_at > datetime.now(UTC)

    def _access(self, session: ConsoleSession) -> Access:
        return Access(
            Actor(session.actor_id, session.actor_name),
            frozenset(session.scopes),
            DEFAULT_SOURCE,
            session=SessionAccess(session.id, session.expires_at, self._edit),
        )


def _hash(secret: str) -> bytes:
    # A secret is 32 random bytes, so a slow hash would not help against guesses.
    return sha256(secret.encode("latin-1", "replace")).digest()
