"""When time alone may change the watched traits of a person."""

from collections.abc import Collection
from datetime import datetime

from domain.people.computed.deployed import DeployedTraits
from domain.people.computed.traits import ComputedState


def find_next_look(
    traits: DeployedTraits, state: ComputedState, known: datetime | None, watched: Collection[str], at: datetime
) -> datetime | None:
    """Return when to look at a person next; None if nothing watched changes by time.

    Lazy: a known instant to come is only moved forward. A look that is too early finds nothing changed, and the next
    instant, so that someone who is active each day costs one write a window and not one an event.
    """
    following = traits.ready.next_change(state, at, watched) if watched else None
    if known is None or known <= at:
        return following
    return known if following is None else min(known, following)
