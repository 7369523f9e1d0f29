"""Parts of events that profiles refuse."""

from collections.abc import Sequence

from domain.people.identity import Conflict
from domain.people.profile_state import Refusal
from domain.tracking.event import Event, Reject
from domain.tracking.rejects import ALL_RECORDED, RejectCollector, Unrecorded
from domain.tracking.traits import TOPICS, LeftOut, consent_path


def list_left_out(
    refusals: Sequence[Refusal], conflicts: Sequence[Conflict], batch: Sequence[Event], places: Sequence[int]
) -> tuple[list[Reject], Unrecorded]:
    """Return refused statements and ids as parts left out of events at `places`."""
    if not (refusals or conflicts):
        return [], ALL_RECORDED
    parts: dict[str, list[LeftOut]] = {}
    for refusal in refusals:
        parts.setdefault(refusal.statement.source.id, []).append(_part(refusal))
    for conflict in conflicts:
        parts.setdefault(str(conflict.event_id), []).append(LeftOut(conflict.part, conflict.reason, conflict.value))
    collector = RejectCollector(batch[0].source)
    for event, place in zip(batch, places, strict=True):
        if of_event := parts.get(str(event.id)):
            collector.leave_out(place, event, of_event)
    return collector.finish()


def _part(refusal: Refusal) -> LeftOut:
    said = refusal.statement
    match said.part:
        case "consent":
            path = consent_path(said.name)
        case "preferences":
            path = f"{consent_path(TOPICS)}.{said.name.removesuffix('.confirmed')[:120]}"
        case "claims":
            path = said.name
        case _:
            path = f"traits.{said.name}"
    return LeftOut(path, refusal.reason, said.value)
