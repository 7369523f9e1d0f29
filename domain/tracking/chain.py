"""Chains of journeys: each starts by an event that the one before has caused."""

from domain.tracking.event import OUR_CONTEXT, Event

# A journey may report an event, or change a trait, that starts another journey. A chain of this many journeys ends.
MAX_CHAIN = 10


def count_chain(event: Event) -> int:
    """Count the journeys of the chain that led to an event."""
    caused_by = event.context.get(OUR_CONTEXT)
    chain = caused_by.get("chain") if isinstance(caused_by, dict) else None
    return chain if isinstance(chain, int) and chain > 0 else 0
