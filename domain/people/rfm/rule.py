"""The rule of RFM: which event is counted, and the computed traits that it brings."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from domain.people.computed.definition import OWN_PREFIX, EventSelector, TraitRule

# The name of the rule in its document, of the group of its segments, and of their prefix.
RFM: Final = "rfm"
RFM_PREFIX: Final = f"{RFM}."
LAST: Final = f"{OWN_PREFIX}rfm_last"
ORDERS: Final = f"{OWN_PREFIX}rfm_orders"
SPENT: Final = f"{OWN_PREFIX}rfm_spent"
TRAITS: Final = (LAST, ORDERS, SPENT)


class RfmRule(Struct, frozen=True):
    """The event of an order, and its value: an expression over it.

    Orders of the last `within` seconds count. A day begins at midnight in `timezone`.
    """

    event: str
    value: str
    within: int
    timezone: str


def list_traits(rule: RfmRule) -> Mapping[str, TraitRule]:
    """Return the computed traits of a rule, by key."""
    events = (EventSelector("track", rule.event),)
    return {
        LAST: TraitRule(function="last", events=events, type="timestamp", within=rule.within),
        ORDERS: TraitRule(function="count", events=events, type="int", within=rule.within, is_exact=True),
        SPENT: TraitRule(
            function="sum", events=events, type="double", of=rule.value, within=rule.within, is_exact=True
        ),
    }
