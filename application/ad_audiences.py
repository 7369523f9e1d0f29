"""The audiences of the deployment: put in force, mirrored, and described."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct, convert, to_builtins

from application.references import describe_readers
from domain.access import Actor
from domain.ad_audiences.rules import AdAudienceRule
from domain.deployment_documents import PROVIDERS, RuleReader
from domain.errors import ConflictError, NotFoundError
from domain.sending.routes import DeployedProviders
from domain.suggestions import did_you_mean
from store import ad_audiences, ad_uploads, documents, operations, references, segments
from store.ad_audiences import StoredAudience
from store.ad_uploads import AudienceNumbers, UploadRow
from store.database import Connection, Database
from store.operations import Operation, Page

# People who are marked in one transaction.
PAGE: Final = 10_000
# Requests that are shown of an audience.
SHOWN_UPLOADS: Final = 20


class MirrorParameters(Struct, frozen=True):
    """An audience, and who is to be judged: its members, or those of its segment."""

    audience: int
    people: Literal["members", "segment"]


async def apply_audiences(connection: Connection, rules: Sequence[AdAudienceRule], by: Actor) -> None:
    """Put stored rules in force; the caller holds the registry's exclusive lock.

    Audiences that are gone are emptied. Raises ConflictError for an account or a segment that is not there, an audience
    that would be another one, and one that campaigns change and that is gone or becomes a mirror.
    """
    stored = {one.name: one for one in await ad_audiences.load(connection)}
    wanted = {rule.name: rule for rule in rules}
    await _require_known(connection, rules)
    _require_same(stored, rules)
    taken = {name for name, one in stored.items() if name not in wanted or wanted[name].mirror is not None}
    if readers := await find_audience_readers(connection, sorted(taken)):
        said = "keep it without `mirror`, or first publish versions without it and end the journeys of the others"
        raise ConflictError(f"{describe_readers(readers)}: {said}", read_by=to_builtins(readers))
    gone = [one.id for name, one in stored.items() if name not in wanted]
    if gone:
        await ad_audiences.retire(connection, gone)
    for id in gone:
        await _request(connection, MirrorParameters(id, "members"), by)
    for rule in rules:
        before = stored.get(rule.name)
        id = await ad_audiences.put(connection, rule)
        if before is not None and (before.mirror, tuple(before.identifiers)) != (rule.mirror, rule.identifiers):
            await _request(connection, MirrorParameters(id, "members"), by)
        if rule.mirror is not None and (before is None or before.mirror != rule.mirror):
            await _request(connection, MirrorParameters(id, "segment"), by)


async def _request(connection: Connection, parameters: MirrorParameters, by: Actor) -> None:
    await operations.insert_for_deployment(connection, "mirror", to_builtins(parameters), requested_by=by.name)


async def _require_known(connection: Connection, rules: Sequence[AdAudienceRule]) -> None:
    accounts = DeployedProviders((await documents.latest(connection, PROVIDERS)).rules).ad_accounts
    keys = [one.definition.key for one in await segments.load(connection)]
    for rule in rules:
        account = accounts.get(rule.provider)
        if account is None:
            remedy = f"{did_you_mean(rule.provider, accounts, 'Accounts with audiences')}. Apply the providers first"
            raise ConflictError(f"the audience {rule.name}: there is no account `{rule.provider}`. {remedy}")
        known = account.model().identifiers
        if unknown := [kind for kind in rule.identifiers if kind not in known]:
            said = f"{account.kind} does not find people by {', '.join(unknown)}: it knows {', '.join(known)}"
            raise ConflictError(f"the audience {rule.name}: {said}")
        if rule.mirror is not None and rule.mirror not in keys:
            remedy = f"{did_you_mean(rule.mirror, keys, 'Applied')}. Apply it first: `sojourn segments apply`"
            raise ConflictError(f"the audience {rule.name}: there is no segment `{rule.mirror}`. {remedy}")


def _require_same(stored: Mapping[str, StoredAudience], rules: Sequence[AdAudienceRule]) -> None:
    for rule in rules:
        before = stored.get(rule.name)
        if before is not None and (before.provider, before.list_id) != (rule.provider, rule.list_id):
            raise ConflictError(
                f"the audience {rule.name} is {before.list_id} of {before.provider}, where people of it may be: give "
                "another one another name, and remove this one, which empties it"
            )


async def find_audience_readers(connection: Connection, names: Collection[str]) -> dict[str, list[RuleReader]]:
    """Return the campaigns whose steps change audiences, by name."""
    return await references.find_campaigns(connection, "audiences", names) if names else {}


async def require_accounts(connection: Connection, accounts: Collection[str]) -> None:
    """Raise ConflictError if an audience has none of these accounts."""
    for audience in await ad_audiences.load(connection):
        if audience.provider not in accounts:
            said = f"the audience {audience.name} is at `{audience.provider}`"
            raise ConflictError(f"{said}: keep the account, or remove the audience first")


class AudienceView(Struct, frozen=True):
    """An audience, its people, and the last requests to the platform."""

    name: str
    provider: str
    id: str
    mirror: str | None
    identifiers: Sequence[str]
    numbers: AudienceNumbers
    flushed_at: Any
    next_flush_at: Any
    failure: str | None
    failed_at: Any
    uploads: Sequence[UploadRow]


async def describe_audiences(connection: Connection) -> Mapping[str, Mapping[str, Any]]:
    """Return the people of each audience, and its last flush, by name."""
    numbers = await ad_uploads.count(connection)
    return {
        one.name: {
            "numbers": to_builtins(numbers.get(one.id, AudienceNumbers())),
            "flushed_at": one.flushed_at,
            "failure": one.failure,
        }
        for one in await ad_audiences.load(connection)
    }


class AdAudiences:
    """Shows an audience."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, name: str) -> AudienceView:
        """Return an audience. Raises NotFoundError."""
        async with self._database.transaction() as connection:
            stored = {one.name: one for one in await ad_audiences.load(connection)}
            if (found := stored.get(name)) is None:
                said = f"there is no audience {name}. {did_you_mean(name, stored, 'In force')}"
                raise NotFoundError(said, name=name)
            numbers = await ad_uploads.count(connection)
            return AudienceView(
                name=found.name,
                provider=found.provider,
                id=found.list_id,
                mirror=found.mirror,
                identifiers=found.identifiers,
                numbers=numbers.get(found.id, AudienceNumbers()),
                flushed_at=found.flushed_at,
                next_flush_at=found.flush_at,
                failure=found.failure,
                failed_at=found.failed_at,
                uploads=await ad_uploads.latest(connection, found.id, SHOWN_UPLOADS),
            )


class MirrorHandler:
    """Marks the people of an audience whose rule has changed, page by page.

    A trigger marks those who join or leave meanwhile.
    """

    async def total(self, connection: Connection, operation: Operation) -> None:
        """Leave the number of people unknown: counting takes as long as marking."""

    async def page(self, connection: Connection, operation: Operation) -> Page:
        """Mark the next people."""
        parameters = convert(operation.parameters, MirrorParameters)
        mark = ad_audiences.mark_members if parameters.people == "members" else ad_audiences.mark_segment
        last = await mark(connection, parameters.audience, operation.cursor, PAGE)
        return Page(operation.cursor, is_last=True) if last is None else Page(last)
