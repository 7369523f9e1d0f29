"""The places and areas of the deployment: put in force."""

from collections.abc import Sequence

from msgspec import to_builtins

from application.references import describe_readers, find_place_readers
from application.segments import request_judgement
from domain.access import Actor
from domain.deployment_documents import PLACES
from domain.errors import ConflictError
from domain.people.places.deployed import PlaceRule
from domain.people.segments.references import list_reads
from store import documents, segments
from store.database import Connection


async def apply_places(connection: Connection, rules: Sequence[PlaceRule], by: Actor) -> None:
    """Put stored rules in force; the caller holds the registry's exclusive lock.

    Everyone is judged anew by the segments that read a changed area. Raises ConflictError if a campaign, a segment or
    an open hold names a place or an area that is no longer there.
    """
    before = await documents.before_latest(connection, PLACES)
    # An area is not replaced by a place of its name.
    gone = {name for _, name in _list_names(before) - _list_names(rules)}
    if gone and (readers := await find_place_readers(connection, sorted(gone))):
        raise ConflictError(
            f"{describe_readers(readers)}: keep it, or first apply versions that do not name it, and release its holds",
            read_by=to_builtins(readers),
        )
    shapes = {rule.key: rule.shape for rule in before}
    changed = {rule.key for rule in rules if rule.kind == "area" and shapes.get(rule.key) != rule.shape}
    stale = [
        one.definition.id
        for one in await segments.load(connection)
        if not list_reads(one.definition.rule).areas.isdisjoint(changed)
    ]
    if stale:
        await segments.renew(connection, stale)
        await request_judgement(connection, by.name)


def _list_names(rules: Sequence[PlaceRule]) -> set[tuple[str, str]]:
    return {(rule.kind, name) for rule in rules for name in rule.names}
