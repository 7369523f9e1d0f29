"""A person's place among the buyers: values, scores, and what is expected of them."""

from dataclasses import dataclass
from datetime import datetime

from domain.epoch import to_microseconds
from domain.people.computed.deployed import DeployedTraits
from domain.people.computed.traits import ComputedState
from domain.people.rfm.rule import ORDERS, SPENT, TRAITS
from domain.people.rfm.scores import RfmScores, RfmValues, read_values, score
from domain.people.rfm.segments import segment_of
from domain.people.rfm.value import ExpectedValue, expect_value, make_history, read_orders
from store import rfm
from store.database import Connection


@dataclass(frozen=True, slots=True)
class RfmPosition:
    """The values of a person and their scores, by the breakpoints of an instant.

    `expected` is by the latest model of value; None without one.
    """

    values: RfmValues
    scores: RfmScores
    segment: str
    scored_by: datetime
    expected: ExpectedValue | None


async def find_position(
    connection: Connection, traits: DeployedTraits, state: ComputedState, at: datetime
) -> RfmPosition | None:
    """Return the scores of a person; None without breakpoints, or without an order."""
    if not traits.ready.types.keys() >= set(TRAITS):
        return None
    values, found = read_values(traits.view(state, at), at), await rfm.latest(connection)
    if values is None or found is None or found.breakpoints is None:
        return None
    scores = score(values, found.breakpoints)
    segment = segment_of(scores.recency, scores.frequency).key
    return RfmPosition(values, scores, segment, found.as_of, await _find_expected(connection, traits, state, at))


async def _find_expected(
    connection: Connection, traits: DeployedTraits, state: ComputedState, at: datetime
) -> ExpectedValue | None:
    kept = await rfm.latest_model(connection)
    if kept is None:
        return None
    own = {one.key: one for one in traits.definitions if one.key in TRAITS}
    window = own[ORDERS].rule.within or 0
    orders = read_orders(state, own[ORDERS].id, own[SPENT].id, window, to_microseconds(at))
    return expect_value(kept[1], make_history(orders)) if orders.ages else None
