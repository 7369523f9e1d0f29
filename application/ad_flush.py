"""Judge who is wanted in audiences, and flush that to the platforms."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from msgspec import Struct

from application.catalogue import Catalogue
from application.provider_health import record_delivery
from application.trait_sweeper import SweepResult
from domain.ad_audiences.identifiers import (
    HashedIdentifiers,
    IdentifierKind,
    hash_identifiers,
    pack_identifiers,
    unpack_identifiers,
)
from domain.ad_audiences.rules import AdAccountRule
from domain.ad_audiences.uploads import AdPlatform, UploadAction, UploadProgress, UploadResult, UploadState
from domain.errors import InvalidRequestError
from domain.sending.delivery import Accepted, Ambiguous, Delivery, Rejected, Unavailable
from store import ad_audiences, ad_uploads, circuits
from store.ad_uploads import DueMember, LeasedAudience, Leftover, SettledMember
from store.database import Connection, Database

log = structlog.get_logger()

# Marked people of one transaction.
PAGE: Final = 2_000
# How often an audience is flushed, and how soon again after a request that the platform refused.
INTERVAL: Final = timedelta(seconds=60)
REFUSED_PAUSE: Final = timedelta(minutes=10)
# How often a platform is asked for the result of a request, and how long it may take.
ASK_INTERVAL: Final = timedelta(minutes=5)
PROCESSING_LIMIT: Final = timedelta(days=7)


@dataclass(slots=True)
class AudienceJudge:
    """Judges people who were marked by journeys, profiles and segments."""

    database: Database
    name: str = "ad_audiences"

    async def sweep(self) -> SweepResult:
        """Judge one page."""
        async with self.database.transaction() as connection:
            first = await ad_audiences.find_first_mark(connection)
        if first is None:
            return SweepResult(0, 0.0, None)
        late = max(0.0, (self.database.clock.now() - first).total_seconds())
        async with self.database.transaction() as connection:
            number = await ad_audiences.judge_marked(connection, PAGE)
        return SweepResult(number or 0, late, 0.0)


class AdPlatforms:
    """The opened accounts at ad platforms. `open_platform` raises InvalidRequestError."""

    def __init__(self, open_platform: Callable[[AdAccountRule], AdPlatform]) -> None:
        self._open = open_platform
        self._opened: dict[str, tuple[AdAccountRule, AdPlatform]] = {}

    async def open(self, rule: AdAccountRule) -> AdPlatform:
        """Return the opened account of a rule; one with other settings is closed."""
        known = self._opened.get(rule.name)
        if known is not None and known[0] == rule:
            return known[1]
        opened = self._open(rule)
        self._opened[rule.name] = rule, opened
        if known is not None:
            await known[1].close()
        return opened

    async def close(self) -> None:
        """Close all connections."""
        for _, platform in self._opened.values():
            await platform.close()


class FlushBatch(Struct, frozen=True):
    """The people of one flush.

    `present` are the hashes of wanted members, and `removed_once` those that are removed for the first time.
    """

    members: Sequence[DueMember]
    leftovers: Sequence[Leftover]
    present: Mapping[UUID, HashedIdentifiers]
    removed: Sequence[HashedIdentifiers]
    removed_once: Sequence[Collection[str]]
    is_full: bool

    @property
    def added(self) -> list[UUID]:
        """The members to add."""
        return [member.profile_id for member in self.members if member.profile_id in self.present]


class _Stopped(Exception):
    """The flush ends here; the next one is after `pause`."""

    def __init__(self, failure: str, pause: timedelta) -> None:
        super().__init__(failure)
        self.failure = failure
        self.pause = pause


@dataclass(slots=True)
class AudienceFlush:
    """Flushes audiences, each by one worker at a time.

    Before a request the row says what the platform may have from then on, so that a worker that dies loses nothing: the
    next one repeats the request, which changes nothing, and removes what is not wanted. Removals go first. A worker
    whose lease has run out writes nothing more, and asks for nothing more.
    """

    database: Database
    catalogue: Catalogue
    platforms: AdPlatforms
    name: str = "ad_uploads"

    async def sweep(self) -> SweepResult:
        """Flush the audience that is due first."""
        now = self.database.clock.now()
        async with self.database.transaction() as connection:
            audience = await ad_uploads.take(connection, now)
            next_at = None if audience is not None else await ad_uploads.find_next(connection)
        if audience is None:
            seconds = None if next_at is None else max(0.1, (next_at - now).total_seconds())
            return SweepResult(0, 0.0, seconds)
        failure: str | None = None
        pause = INTERVAL
        try:
            number, is_full = await self._flush(audience, now)
            pause = timedelta(0) if is_full else INTERVAL
        except _Stopped as stopped:
            number, failure, pause = 0, stopped.failure, stopped.pause
            log.warning("failed to flush audience", audience=audience.name, provider=audience.provider, error=failure)
        async with self.database.transaction() as connection:
            await ad_uploads.finish(connection, audience, now + pause, now, failure)
        return SweepResult(number, max(0.0, (now - audience.flush_at).total_seconds()), 0.0)

    async def _flush(self, audience: LeasedAudience, now: datetime) -> tuple[int, bool]:
        async with self.database.transaction() as connection:
            rule = (await self.catalogue.load_providers(connection)).ad_accounts.get(audience.provider)
            failed = {one.provider: one.opened_at is not None for one in await circuits.load(connection)}
            was_probe = await circuits.take_probe(connection, audience.provider)
        if rule is None:
            raise _Stopped(f"there is no account {audience.provider} any more", INTERVAL)
        if failed.get(audience.provider) and not was_probe:
            raise _Stopped("the account has failed, and is tried again once a minute", INTERVAL)
        try:
            # First: it says what this build does not know of the rule.
            platform = await self.platforms.open(rule)
        except InvalidRequestError as error:
            raise _Stopped(error.detail, REFUSED_PAUSE) from error
        model = rule.model()
        await self._ask(audience, platform, now)
        batch = await self._claim(audience, model.max_people, model.normalize)
        upload = _Upload(
            self.database, audience, platform, has_failures=audience.provider in failed, was_probe=was_probe
        )
        is_at_once = True
        for first in range(0, len(batch.removed), model.max_people):
            result = await upload.send("remove", batch.removed[first : first + model.max_people])
            is_at_once = result.request_id is None
        gone = [
            SettledMember(member.profile_id, member.version, [])
            for member in batch.members
            if member.profile_id not in batch.present
        ]
        await self._settle(audience, gone, batch.leftovers, () if is_at_once else batch.removed_once)
        if added := batch.added:
            result = await upload.send("add", [batch.present[id] for id in added])
            versions = {member.profile_id: member.version for member in batch.members}
            accepted = [
                SettledMember(id, versions[id], pack_identifiers(batch.present[id]), result.refused.get(index))
                for index, id in enumerate(added)
            ]
            await self._settle(audience, accepted)
        return len(batch.members), batch.is_full

    async def _claim(
        self, audience: LeasedAudience, limit: int, normalize: Callable[[IdentifierKind, str], str]
    ) -> FlushBatch:
        """Take what is due, and record what the platform may have from now on."""
        async with self.database.transaction() as connection:
            await _lock_lease(connection, audience)
            members = await ad_uploads.lock_due(connection, audience.id, limit)
            leftovers = await ad_uploads.find_leftovers(connection, audience.id, limit - len(members))
            hashed = {
                one.profile_id: hash_identifiers(audience.identifiers, one.addresses, one.user_id, normalize)
                for one in members
                if one.is_wanted
            }
            present = {id: identifiers for id, identifiers in hashed.items() if identifiers}
            # Without any identifier the next judgement decides.
            members = [one for one in members if not one.is_wanted or one.profile_id in present]
            packed = {id: set(pack_identifiers(identifiers)) for id, identifiers in present.items()}
            first = [set(one.held) - packed.get(one.profile_id, set()) for one in members]
            first += [set(one.held) for one in leftovers if not one.is_repeated]
            again = [set(one.held) for one in leftovers if one.is_repeated]
            gone = set[str]().union(*first, *again)
            kept = await ad_uploads.find_shared(connection, audience.id, gone, [one.profile_id for one in members])
            kept = kept.union(*packed.values())
            removed = [person for hashes in (*first, *again) for person in unpack_identifiers(hashes - kept)]
            removed_once = [hashes - kept for hashes in first if hashes - kept]
            await ad_uploads.hold(connection, audience.id, packed)
        return FlushBatch(members, leftovers, present, removed, removed_once, len(members) + len(leftovers) >= limit)

    async def _settle(
        self,
        audience: LeasedAudience,
        members: Sequence[SettledMember],
        leftovers: Sequence[Leftover] = (),
        removed_once: Sequence[Collection[str]] = (),
    ) -> None:
        if members or leftovers or removed_once:
            async with self.database.transaction() as connection:
                await _lock_lease(connection, audience)
                await ad_uploads.settle(connection, audience.id, members, [one.id for one in leftovers])
                if removed_once:
                    await ad_uploads.keep_removed(connection, audience.id, removed_once)

    async def _ask(self, audience: LeasedAudience, platform: AdPlatform, now: datetime) -> None:
        """Ask for the results of requests on which the platform works by itself.

        Without an answer the others are asked for by the next flush.
        """
        async with self.database.transaction() as connection:
            processing = await ad_uploads.find_processing(connection, audience.id, now - ASK_INTERVAL)
        for one in processing:
            found = await platform.look_up(one.request_id or "")
            is_late = one.at < now - PROCESSING_LIMIT
            if isinstance(found, Unavailable) and not is_late:
                return
            if isinstance(found, Unavailable) or (is_late and found.state == "processing"):
                found = UploadProgress("failed", detail="the platform never said what came of it")
            async with self.database.transaction() as connection:
                await ad_uploads.write_progress(connection, one.id, found.state, found.invalid, found.detail, now)


@dataclass(slots=True)
class _Upload:
    """The requests of one flush. One that is not accepted ends it."""

    database: Database
    audience: LeasedAudience
    platform: AdPlatform
    has_failures: bool
    was_probe: bool

    async def send(self, action: UploadAction, people: Sequence[HashedIdentifiers]) -> UploadResult:
        async with self.database.transaction() as connection:
            await _lock_lease(connection, self.audience)
        result = await self.platform.upload(self.audience.list_id, action, people)
        delivery = result.delivery
        is_accepted = isinstance(delivery, Accepted)
        state: UploadState = "failed" if not is_accepted else "done" if result.request_id is None else "processing"
        async with self.database.transaction() as connection:
            await ad_uploads.record(
                connection,
                self.audience.id,
                action,
                len(people),
                result.invalid,
                state,
                result.request_id,
                "" if isinstance(delivery, Accepted) else delivery.detail,
            )
        await record_delivery(
            self.database,
            self.audience.provider,
            delivery,
            has_failures=self.has_failures,
            was_probe=self.was_probe,
        )
        if not is_accepted:
            raise _Stopped(*_explain(delivery))
        return result


async def _lock_lease(connection: Connection, audience: LeasedAudience) -> None:
    """Lock the audience against another flush. Raises _Stopped if one has it already."""
    if not await ad_uploads.lock_lease(connection, audience):
        raise _Stopped("another flush has taken the audience", INTERVAL)


def _explain(delivery: Delivery) -> tuple[str, timedelta]:
    """Return why a request was not accepted, and the pause before the next."""
    match delivery:
        case Unavailable(reason=reason, detail=detail, retry_after=retry_after):
            return f"{reason}: {detail}", max(INTERVAL, timedelta(seconds=retry_after or 0.0))
        case Rejected(reason=reason, detail=detail):
            return f"{reason}: {detail}", REFUSED_PAUSE
        case Ambiguous(detail=detail):
            return f"answer_lost: {detail}", INTERVAL
        case Accepted():
            return "", INTERVAL
