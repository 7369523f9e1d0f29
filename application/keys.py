"""The keys of the API: made, listed, revoked, and verified with every request."""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

import psycopg
from msgspec.structs import replace

from domain.access import Access, Actor, Scope
from domain.errors import InvalidRequestError, NotFoundError
from domain.tracking.event import DEFAULT_SOURCE, SOJOURN_SOURCE
from store import audit, keys
from store.database import Database
from store.keys import Key, StoredKey

# How long a key that was looked up is taken as it was: the longest that a revoked one still opens anything, and what
# spares tracking a query for each batch. Seconds.
REMEMBERED_SECONDS: Final = 1.0
# How many keys one query asks for.
KEYS_A_QUERY: Final = 500
MAX_ID_CHARACTERS: Final = 64
# How exact `last_used_at` is.
TOUCHED_EVERY: Final = timedelta(minutes=1)

PREFIX: Final = "sj"


@dataclass(frozen=True, slots=True, repr=False)
class EnvironmentKey:
    """A key that the deployment's settings name. Without repr, so that no log shows it."""

    secret: bytes
    access: Access

    @classmethod
    def of(cls, variable: str, secret: str, scope: Scope) -> "EnvironmentKey":
        """The key that a variable holds; an empty one opens nothing."""
        return cls(secret.encode(), Access(Actor("environment", variable), frozenset({scope}), DEFAULT_SOURCE))


@dataclass(frozen=True, slots=True, repr=False)
class NewKey:
    """A key that was just made, and its token, which is never told again. Without repr, so that no log shows it."""

    key: Key
    token: str


class Keys:
    """Every key that opens the API of this deployment: those of its settings, and those in the database."""

    def __init__(
        self,
        database: Database,
        environment: Sequence[EnvironmentKey],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._environment = [key for key in environment if key.secret]
        self._clock = clock
        self._remembered: dict[str, tuple[float, StoredKey]] = {}
        self._asked: dict[str, asyncio.Future[StoredKey | None]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def verify(self, given: bytes) -> Access | None:
        """What a key stands for; None where it is none, expired or revoked.

        A revocation holds in every process within REMEMBERED_SECONDS. Raises psycopg.OperationalError when the
        database is needed and away; the keys of the settings do not need it.
        """
        for key in self._environment:
            if secrets.compare_digest(given, key.secret):
                return key.access
        prefix, _, rest = given.decode("latin-1").partition("_")
        id, _, secret = rest.partition("_")
        if prefix != PREFIX or not id.isalnum() or not id.isascii() or len(id) > MAX_ID_CHARACTERS:
            return None
        stored = self._recall(id) or await self._looked_up(id)
        if stored is None or not _is_good(stored, secret):
            return None
        if _was_long_unused(stored):
            await self._touch(stored)
        return Access(Actor(stored.id, stored.name), frozenset(stored.scopes), stored.source)

    async def create(
        self,
        name: str,
        scopes: Sequence[Scope],
        expires_at: datetime | None = None,
        source: str | None = None,
        *,
        by: Actor,
    ) -> NewKey:
        """Make a key. Its `source` is its name where none is given, so that a key made anew under it keeps the source.

        Raises InvalidRequestError for a key that would be expired already, and for the source of Sojourn itself.
        """
        source = name if source is None else source
        if source == SOJOURN_SOURCE:
            raise InvalidRequestError(
                f"`{SOJOURN_SOURCE}` is the source of what Sojourn reports itself: give the key another `source`"
            )
        if expires_at is not None and expires_at <= datetime.now(UTC):
            raise InvalidRequestError("expires_at has passed: name an instant to come, or leave it out")
        id, secret = secrets.token_hex(8), secrets.token_hex(32)
        async with self._database.transaction() as connection:
            key = await keys.insert(
                connection,
                id=id,
                name=name,
                scopes=sorted(set(scopes)),
                source=source,
                secret_hash=_hash(secret),
                expires_at=expires_at,
                created_by=by.id,
            )
            await audit.record(connection, by, "key.create", id, {"name": name, "scopes": key.scopes, "source": source})
        return NewKey(key, f"{PREFIX}_{id}_{secret}")

    async def list(self, *, limit: int, after: tuple[datetime, str] | None = None) -> list[Key]:
        """Keys, the newest first, expired and revoked ones too; those before `after`, a (created_at, id)."""
        async with self._database.transaction() as connection:
            return await keys.page(connection, limit=limit, after=after)

    async def revoke(self, id: str, *, by: Actor) -> Key:
        """Let a key open nothing any more; one that was revoked stays so. Raises NotFoundError."""
        async with self._database.transaction() as connection:
            found = await keys.revoke(connection, id)
            if found is None:
                raise NotFoundError(f"there is no key {id}", key=id)
            key, was_good = found
            if was_good:
                await audit.record(connection, by, "key.revoke", id, {"name": key.name})
            return key

    async def has_admin(self) -> bool:
        """Whether any key opens everything."""
        if any(Scope.ADMIN in key.access.scopes for key in self._environment):
            return True
        async with self._database.transaction() as connection:
            return await keys.has_admin(connection)

    def _recall(self, id: str) -> StoredKey | None:
        asked_at, stored = self._remembered.get(id, (-REMEMBERED_SECONDS, None))
        return stored if self._clock() - asked_at < REMEMBERED_SECONDS else None

    async def _looked_up(self, id: str) -> StoredKey | None:
        """What the database has of a key, as of after the call.

        One query at a time asks for all keys that are waited for, so that whoever tries wrong ones, however many at
        once, takes one connection of the pool.
        """
        answer = self._asked.get(id)
        if answer is None:
            answer = self._asked[id] = asyncio.get_running_loop().create_future()
            # A caller that goes away must not end it for the others.
            answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(answer)

    async def _ask(self) -> None:
        while self._asked:
            answers = {id: self._asked.pop(id) for id in list(self._asked)[:KEYS_A_QUERY]}
            # As of when it was asked for: a revocation may commit while the answer is on its way.
            asked_at = self._clock()
            try:
                async with self._database.transaction() as connection:
                    found = await keys.find(connection, list(answers))
            except psycopg.Error as error:
                for answer in answers.values():
                    answer.set_exception(error)
                continue
            except BaseException:
                for answer in answers.values():
                    answer.cancel()
                raise
            for id, answer in answers.items():
                self._remembered.pop(id, None)
                if id in found:
                    self._remembered[id] = asked_at, found[id]
                answer.set_result(found.get(id))

    async def _touch(self, stored: StoredKey) -> None:
        # Once, also where many requests of the key are under way.
        asked_at, _ = self._remembered.get(stored.id, (self._clock(), stored))
        self._remembered[stored.id] = asked_at, replace(stored, last_used_at=datetime.now(UTC))
        async with self._database.transaction() as connection:
            await keys.touch(connection, stored.id)


def _hash(secret: str) -> bytes:
    # A secret is 32 random bytes: there is nothing to guess, so nothing that a slow hash would slow down.
    return sha256(secret.encode("latin-1")).digest()


def _is_good(stored: StoredKey, secret: str) -> bool:
    return (
        secrets.compare_digest(stored.secret_hash, _hash(secret))
        and stored.revoked_at is None
        and (stored.expires_at is None or stored.expires_at > datetime.now(UTC))
    )


def _was_long_unused(stored: StoredKey) -> bool:
    return stored.last_used_at is None or datetime.now(UTC) - stored.last_used_at > TOUCHED_EVERY
