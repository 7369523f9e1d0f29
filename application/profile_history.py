"""Build the history of profiles."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from uuid_utils.compat import uuid7

from domain.people.identity import Identity, Resolution
from domain.people.places.location import LOCATION
from domain.people.profile_state import PartChange, Source, StateUpdate
from store.profile_changes import ProfileChange

# The parts that are consents.
_PROVED: Final = frozenset({"consent", "preferences"})


def build_history(profile_id: UUID, update: StateUpdate) -> list[ProfileChange]:
    """Build the history, with a row for each part and source.

    Locations leave no trace: only the last one is kept.
    """
    grouped: dict[tuple[str, Source], dict[str, Any]] = {}
    for said in update.repeated:
        grouped.setdefault((said.part, said.source), {})[said.name] = {"before": said.value, "after": said.value}
    for change in update.changes:
        if change.part == "context" and change.name == LOCATION:
            continue
        grouped.setdefault((change.part, change.source), {})[change.name] = _before_and_after(change)
    return [build_change(profile_id, part, changes, source) for (part, source), changes in grouped.items()]


def build_identity_change(profile_id: UUID, what: str, other: UUID, source: Source) -> ProfileChange:
    """Build the history of an operator's merge of a profile, or of its undo."""
    return build_change(profile_id, "identity", {what: [other]}, source)


def identity_changes(
    resolution: Resolution, sources: Mapping[Identity, Source], merges: Mapping[UUID, Source]
) -> list[ProfileChange]:
    """Return the changes of identities in a batch: links, and merged profiles."""
    grouped: dict[tuple[UUID, Source], dict[str, list[Any]]] = {}
    for identity, profile_id in resolution.linked.items():
        changes = grouped.setdefault((profile_id, sources[identity]), {})
        changes.setdefault("linked", []).append({"kind": identity.kind, "value": identity.value})
    for merged, profile_id in resolution.merged.items():
        grouped.setdefault((profile_id, merges[merged]), {}).setdefault("merged", []).append(merged)
    return [build_change(profile_id, "identity", changes, source) for (profile_id, source), changes in grouped.items()]


def build_change(profile_id: UUID, part: str, changes: dict[str, Any], source: Source) -> ProfileChange:
    """Build one row of the history of a profile."""
    proof = source.proof if part in _PROVED else None
    return ProfileChange(uuid7(), profile_id, part, changes, source.kind, source.id, source.name, source.at, proof)


def _before_and_after(change: PartChange) -> dict[str, Any]:
    return {"before": change.before, "after": change.after}
