"""Erasures of people: the events that they reject, and the copies of ids."""

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from domain.people.identity import Identity, identities_of
from domain.tracking.event import Event, Reject
from domain.tracking.rejects import ALL_RECORDED, MAX_RECORDED, Unrecorded

# The next work of an erasure. Rows stay until Temporal has deleted all workflows, whose ids they have; the operation is
# done once the copies elsewhere are deleted as well.
ErasurePhase = Literal[
    "deleting_workflows", "confirming_workflows", "keeping_refusals", "deleting_rows", "confirming_copies"
]
# How a journey of an erased person ended, until its row is deleted.
ERASED: Final = "erased"
# The creation of a person who is being erased: after every clock, so that no audience has known them.
CREATED_WHEN_ERASED: Final = datetime(9999, 1, 1, tzinfo=UTC)
# How long the ids of an erased person are remembered as hashes: clients that were away report within it.
ID_LIFETIME: Final = timedelta(days=30)
# Characters that encoders escape for HTML, and the fields of calls that may hold an id as a number.
_HTML_SAFE: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
_ID_FIELDS: Final = ("userId", "anonymousId", "previousId")
# The reason of a refusal that outlives its person: the one that was given may name them.
REFUSED_BEFORE: Final = "refused before an erasure"


def find_erased(batch: Iterable[Event], erased_at: Mapping[Identity, datetime]) -> list[Event]:
    """Return the events that name an erased person and happened before the erasure."""
    if not erased_at:
        return []
    return [
        event
        for event in batch
        if any(event.timestamp <= erased_at[named] for named in identities_of([event]) if named in erased_at)
    ]


def claimed_identities(events: Iterable[Event]) -> set[Identity]:
    """Return the user ids that events claim without a user token."""
    claimed = (event.claims.get(path) for event in events if event.claims for path in ("userId", "previousId"))
    return {Identity("user", value) for value in claimed if isinstance(value, str)}


def drop_erased_claims(event: Event, erased_at: Mapping[Identity, datetime]) -> Event:
    """Return an event without its claims if they are about a person erased since."""
    about = claimed_identities([event])
    is_erased = any(event.timestamp <= erased_at[named] for named in about if named in erased_at)
    return replace(event, claims={}) if is_erased else event


def reject_erased(
    erased: Collection[Event], batch: Collection[Event], places: Iterable[int]
) -> tuple[list[Reject], Unrecorded]:
    """Build the rejects of events, without any data of the person."""
    if not erased:
        return [], ALL_RECORDED
    ids = {event.id for event in erased}
    rejects = [
        Reject(
            index=place,
            source=event.source,
            message_id=None,
            error=f"{ERASED}: it names a person erased since",
            body="",
        )
        for event, place in zip(batch, places, strict=True)
        if event.id in ids
    ]
    return rejects[:MAX_RECORDED], Unrecorded(len(rejects[MAX_RECORDED:]), {})


def spell_in_texts(values: Iterable[str], profile_id: str) -> list[str]:
    """Return the forms of ids and addresses in JSON, paths and workflow ids.

    To be compared in one letter case, by the same rule on both sides: rules differ in `İ` and `Σ`. Each form has its
    delimiters, so that `1` is not found in every number.
    """
    forms = {profile_id}
    for value in values:
        path = quote(value, safe="")
        forms |= {f"/{path}/", f'/{path}"', f"%2F{path}%2F", f"/{value}/"}
        for text in (msgspec.json.encode(value).decode(), json.dumps(value)):
            # As PHP writes it, and Go.
            forms |= {text, text.replace("/", "\\/"), text.translate(_HTML_SAFE)}
        if value.isascii() and value.isdigit():
            forms |= {f'"{field}":{blank}{value}{end}' for field in _ID_FIELDS for blank in ("", " ") for end in ",}"}
    return sorted(forms)
