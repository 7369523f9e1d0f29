"""When time alone may change what rules follow of a person."""

from collections.abc import Collection
from datetime import datetime

from domain.people.computed.deployed import DeployedTraits
from domain.people.computed.traits import ComputedState


def find_next_look(
    traits: DeployedTraits,
    state: ComputedState,
    known: datetime | None,
    watched: Collection[str],
    at: datetime,
    judged_next: datetime | None = None,
) -> datetime | None:
    """Return when to look at a person next; None if nothing changes by time.

    `judged_next` is when a segment may change that was judged just now. Lazy: a known instant to come is only moved
    forward. A look that is too early finds nothing changed, and the next instant, so that someone who is active each
    day costs one write a window and not one an event.
    """
    following = traits.ready.next_change(state, at, watched) if watched else None
    to_come = (one for one in (following, judged_next, known) if one is not None and one > at)
    return min(to_come, default=None)
