"""The keys of the API: created, listed, revoked, and verified for each request."""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from msgspec.structs import replace

from application.remembered_rows import RememberedRows
from domain.access import KEY_PREFIX, Access, Actor, BrowserAccess, KeyKind, KeyTrust, Scope
from domain.errors import ConflictError, InvalidRequestError, NotFoundError
from domain.origins import MAX_ORIGINS, read_origin
from domain.tracking.event import BROWSER_SOURCE, DEFAULT_SOURCE, SOJOURN_SOURCE
from store import audit, keys
from store.database import Database
from store.keys import Key, StoredKey

MAX_ID_CHARACTERS: Final = 64
# The precision of `last_used_at`.
TOUCHED_EVERY: Final = timedelta(minutes=1)

ENVIRONMENT_MARK: Final = "environment:"

# Besides the newest: tokens signed before a rotation stay valid until the next one.
KEPT_TOKEN_SECRETS: Final = 1


@dataclass(frozen=True, slots=True, repr=False)
class EnvironmentKey:
    """A key from the deployment's settings. Without repr, so that no log shows it."""

    secret: bytes
    access: Access

    @classmethod
    def of(cls, variable: str, secret: str, scope: Scope) -> "EnvironmentKey":
        """Return the key of a variable; an empty one is never valid."""
        return cls(secret.encode(), Access(Actor("environment", variable), frozenset({scope}), DEFAULT_SOURCE))


def mark_environment_key(secret: bytes) -> str:
    """Return a name for a key of the settings, which says nothing of its secret."""
    return f"{ENVIRONMENT_MARK}{sha256(secret).hexdigest()[:8]}"


@dataclass(frozen=True, slots=True, repr=False)
class NewKey:
    """A new key with its token, which is shown once. Without repr, for logs.

    `token_secret` signs user tokens; None for the key of a server.
    """

    key: Key
    token: str
    token_secret: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class NewTokenSecret:
    """A new secret of user tokens, which is shown once. Without repr, for logs."""

    key: Key
    token_secret: str


class Keys:
    """All keys of this deployment's API: of its settings, and of the database."""

    def __init__(
        self,
        database: Database,
        environment: Sequence[EnvironmentKey],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._environment = [key for key in environment if key.secret]
        self._rows = RememberedRows(database, keys.find, clock)

    async def verify(self, given: bytes) -> Access | None:
        """Return a key's rights; None if it is unknown, expired or revoked.

        A revocation takes effect in every process within REMEMBERED_SECONDS. Raises psycopg.OperationalError if the
        database is needed and away; the keys of the settings do not need it.
        """
        for key in self._environment:
            if secrets.compare_digest(given, key.secret):
                return key.access
        prefix, _, rest = given.decode("latin-1").partition("_")
        id, _, secret = rest.partition("_")
        if prefix != KEY_PREFIX or not id.isalnum() or not id.isascii() or len(id) > MAX_ID_CHARACTERS:
            return None
        stored = await self._rows.get(id)
        if stored is None or not _is_good(stored, secret):
            return None
        if _was_long_unused(stored):
            await self._touch(stored)
        return _access(stored)

    async def create(
        self,
        name: str,
        scopes: Sequence[Scope],
        expires_at: datetime | None = None,
        source: str | None = None,
        *,
        by: Actor,
    ) -> NewKey:
        """Create a key. By default its `source` is its name, so that a new key keeps it.

        Raises InvalidRequestError for a key that has expired already, for the scope of pages, and for the source of
        Sojourn itself.
        """
        source = name if source is None else source
        _check_source(source)
        if Scope.CLIENT in scopes:
            raise InvalidRequestError(
                f"`{Scope.CLIENT}` is the scope of pages and apps: make a browser key, which has it"
            )
        return await self._insert(name, sorted(set(scopes)), expires_at, source, by=by)

    async def create_browser(
        self,
        name: str,
        origins: Sequence[str],
        trust: KeyTrust = KeyTrust.TOKEN,
        expires_at: datetime | None = None,
        source: str | None = None,
        *,
        by: Actor,
    ) -> NewKey:
        """Create a browser key for the pages of some origins.

        Raises InvalidRequestError as `create` does, and for a text that is not an origin.
        """
        named = sorted({_read_origin(text) for text in origins})
        if not 0 < len(named) <= MAX_ORIGINS:
            raise InvalidRequestError(f"a browser key needs 1 to {MAX_ORIGINS} `origins`, such as https://shop.example")
        source = f"{BROWSER_SOURCE}{(name if source is None else source).removeprefix(BROWSER_SOURCE)}"
        return await self._insert(name, [Scope.INGEST], expires_at, source, named, trust, by=by)

    async def _insert(
        self,
        name: str,
        scopes: Sequence[Scope],
        expires_at: datetime | None,
        source: str,
        origins: Sequence[str] = (),
        trust: KeyTrust = KeyTrust.FULL,
        *,
        by: Actor,
    ) -> NewKey:
        if expires_at is not None and expires_at <= datetime.now(UTC):
            raise InvalidRequestError("expires_at has passed: name an instant to come, or leave it out")
        kind = KeyKind.BROWSER if origins else KeyKind.SERVER
        id, secret, token_secret = secrets.token_hex(8), secrets.token_hex(32), secrets.token_hex(32)
        told = {"kind": kind, "origins": list(origins), "trust": trust} if origins else {}
        async with self._database.transaction() as connection:
            key = await keys.insert(
                connection,
                id=id,
                name=name,
                scopes=scopes,
                source=source,
                secret_hash=_hash(secret),
                expires_at=expires_at,
                created_by=by.id,
                kind=kind,
                origins=origins,
                trust=trust,
                token_secrets=[token_secret] if origins else [],
            )
            data = {"name": name, "scopes": key.scopes, "source": source, **told}
            await audit.record(connection, by, "key.create", id, data)
        return NewKey(key, f"{KEY_PREFIX}_{id}_{secret}", token_secret if origins else None)

    async def rotate_token_secret(self, id: str, *, by: Actor) -> NewTokenSecret:
        """Make a new secret of user tokens; the one before stays valid until the next.

        Raises NotFoundError, and ConflictError for the key of a server or a revoked one.
        """
        token_secret = secrets.token_hex(32)
        async with self._database.transaction() as connection:
            key = await keys.add_token_secret(connection, id, token_secret, kept=KEPT_TOKEN_SECRETS)
            if key is None:
                if id not in await keys.find(connection, [id]):
                    raise NotFoundError(f"there is no key {id}", key=id)
                raise ConflictError(f"{id} is revoked, or the key of a server: only browser keys have user tokens")
            await audit.record(connection, by, "key.rotate_token_secret", id, {"name": key.name})
        return NewTokenSecret(key, token_secret)

    async def list(self, *, limit: int, after: tuple[datetime, str] | None = None) -> list[Key]:
        """Return keys, also expired ones, the newest first, before a (created_at, id)."""
        async with self._database.transaction() as connection:
            return await keys.page(connection, limit=limit, after=after)

    async def list_trusting(self) -> Sequence[Key]:
        """Return the valid browser keys whose calls about users need no token."""
        async with self._database.transaction() as connection:
            return await keys.list_trusted_browsers(connection)

    async def revoke(self, id: str, *, by: Actor) -> Key:
        """Revoke a key, even repeatedly. Raises NotFoundError."""
        async with self._database.transaction() as connection:
            found = await keys.revoke(connection, id)
            if found is None:
                raise NotFoundError(f"there is no key {id}", key=id)
            key, was_good = found
            if was_good:
                await audit.record(connection, by, "key.revoke", id, {"name": key.name})
            return key

    async def has_admin(self) -> bool:
        """Return whether any key has all rights."""
        if any(Scope.ADMIN in key.access.scopes for key in self._environment):
            return True
        async with self._database.transaction() as connection:
            return await keys.has_admin(connection)

    async def _touch(self, stored: StoredKey) -> None:
        # Once, even if many requests use the key.
        self._rows.replace(stored.id, replace(stored, last_used_at=datetime.now(UTC)))
        async with self._database.transaction() as connection:
            await keys.touch(connection, stored.id)


def _access(stored: StoredKey) -> Access:
    browser = None
    if stored.kind is KeyKind.BROWSER:
        browser = BrowserAccess(tuple(stored.origins), stored.trust, tuple(stored.token_secrets))
    return Access(Actor(stored.id, stored.name), frozenset(stored.scopes), stored.source, browser)


def _check_source(source: str) -> None:
    if source == SOJOURN_SOURCE:
        raise InvalidRequestError(
            f"`{SOJOURN_SOURCE}` is the source of what Sojourn reports itself: give the key another `source`"
        )
    if source.startswith(BROWSER_SOURCE):
        raise InvalidRequestError(f"`{BROWSER_SOURCE}…` is the source of a browser key: give the key another `source`")


def _read_origin(text: str) -> str:
    origin = read_origin(text)
    if origin is None:
        raise InvalidRequestError(
            f"{text} is not an origin: write scheme, host and port, such as https://shop.example, or "
            "https://*.shop.example for its subdomains"
        )
    return origin


def _hash(secret: str) -> bytes:
    # A secret is 32 random bytes, so a slow hash would not help against guesses.
    return sha256(secret.encode("latin-1")).digest()


def _is_good(stored: StoredKey, secret: str) -> bool:
    return (
        secrets.compare_digest(stored.secret_hash, _hash(secret))
        and stored.revoked_at is None
        and (stored.expires_at is None or stored.expires_at > datetime.now(UTC))
    )


def _was_long_unused(stored: StoredKey) -> bool:
    return stored.last_used_at is None or datetime.now(UTC) - stored.last_used_at > TOUCHED_EVERY
