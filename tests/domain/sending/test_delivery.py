from itertools import permutations

import pytest

from domain.sending.delivery import Accepted, Ambiguous, Delivery, Rejected, Unavailable, combine

ACCEPTED, LOST = Accepted("p1"), Ambiguous("connection reset")
LATER, GONE = Unavailable("busy", "503"), Rejected("gone", "no such device")


@pytest.mark.parametrize(
    ("deliveries", "expected"),
    [
        ([GONE], GONE),
        ([GONE, LATER], LATER),
        ([GONE, LATER, LOST], LOST),
        ([GONE, LATER, LOST, ACCEPTED], ACCEPTED),
    ],
)
def test_a_message_to_several_addresses_is_what_its_best_outcome_is(
    deliveries: list[Delivery], expected: Delivery
) -> None:
    for ordered in permutations(deliveries):
        assert combine(ordered) == expected
