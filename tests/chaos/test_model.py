"""What follows from acknowledgements, and what does not."""

import pytest

from tests.chaos.campaigns import CART, PULSE, STEPS, TIDE, Campaign
from tests.chaos.model import Call, Expected, Move, Say, expect, pauses


def call(
    name: str, sent: float, acknowledged: float | None, *, batch: str = "", place: int = 0, late: float = 0
) -> Call:
    return Call(f"{name}-{sent}", "u1", name, "r1", batch or f"{name}-{sent}", place, late, sent, acknowledged)


def expected(*calls: Call, moves: tuple[Move, ...] = ()) -> Expected:
    return expect(calls, moves)["r1"]


def test_an_acknowledged_entry_must_go_all_the_way() -> None:
    found = expected(call("Cart Abandoned", 1, 2))
    assert found.journey is Say.MUST
    assert set(found.outcomes) == {"completed"}
    assert found.messages == {"webhook": Say.MUST, "email": Say.MUST}


def test_an_entry_that_was_never_acknowledged_may_have_counted() -> None:
    found = expected(call("Paid", 1, None))
    assert (found.journey, found.messages) == (Say.MAY, {"email": Say.MAY})


def test_one_of_two_reports_is_enough() -> None:
    assert expected(call("Paid", 1, None), call("Paid", 3, 4)).journey is Say.MUST


def test_an_exit_silences_from_its_acknowledgement_on() -> None:
    found = expected(call("Cart Abandoned", 1, 2), call("Order Completed", 3, 5))
    assert set(found.outcomes) == {"completed", "exited"}
    assert found.silent_from == 5
    assert set(found.messages.values()) == {Say.MAY}


def test_an_exit_that_was_not_acknowledged_promises_nothing() -> None:
    found = expected(call("Cart Abandoned", 1, 2), call("Order Completed", 3, None))
    assert set(found.outcomes) == {"completed", "exited"}
    assert found.silent_from is None


def test_an_exit_that_was_sent_before_its_entry_was_acknowledged_promises_nothing() -> None:
    assert expected(call("Cart Abandoned", 1, 4), call("Order Completed", 3, 5)).silent_from is None


def test_an_end_by_hand_silences_from_its_acknowledgement_on() -> None:
    manual = Move("cart", "exit", 3, 5, ref="r1")
    found = expected(call("Cart Abandoned", 1, 2), moves=(manual,))
    assert (set(found.outcomes), found.silent_from) == ({"completed", "exited"}, 5)
    assert set(found.messages.values()) == {Say.MAY}
    # Whichever was acknowledged first.
    assert expected(call("Cart Abandoned", 1, 2), call("Order Completed", 3, 4), moves=(manual,)).silent_from == 4


def test_an_end_by_hand_that_was_not_acknowledged_promises_nothing() -> None:
    found = expected(call("Cart Abandoned", 1, 2), moves=(Move("cart", "exit", 3, None, ref="r1"),))
    assert (set(found.outcomes), found.silent_from) == ({"completed", "exited"}, None)


def test_an_end_by_hand_is_of_one_journey() -> None:
    found = expected(call("Cart Abandoned", 1, 2), moves=(Move("cart", "exit", 3, 5, ref="r2"),))
    assert set(found.outcomes) == {"completed"}


def test_what_begins_and_ends_in_one_batch_sends_nothing() -> None:
    found = expected(call("Cart Abandoned", 1, 2, batch="b", late=1), call("Order Completed", 1, 2, batch="b", place=1))
    assert found.journey is Say.MUST
    assert set(found.outcomes) == {"exited"}
    assert set(found.messages.values()) == {Say.NEVER}


def test_an_order_that_came_first_and_happened_later_keeps_out() -> None:
    found = expected(call("Order Completed", 1, 2, batch="b"), call("Cart Abandoned", 1, 2, batch="b", place=1, late=1))
    assert found.journey is Say.NEVER


def test_what_was_looked_at_may_spare_the_mail() -> None:
    found = expected(call("Cart Abandoned", 1, 2), call("Offer Seen", 3, 4))
    assert found.outcomes == {"completed", "engaged"}
    assert found.messages == {"webhook": Say.MUST, "email": Say.MAY}


STOPPED = (Move("tide", "start", 0, 1), Move("tide", "stop", 10, 11), Move("tide", "start", 20, 21))
STOPPED_AGAIN = (*STOPPED, Move("tide", "stop", 30, 32))


@pytest.mark.parametrize(
    ("sent", "acknowledged", "journey", "silent_from"),
    [
        (2, 3, Say.MUST, 11.0),
        (9, 12, Say.MAY, None),
        (12, 13, Say.NEVER, None),
        (12, 20.5, Say.MAY, None),
        (20.5, 20.7, Say.MAY, None),
        (22, 23, Say.MUST, 32.0),
        (29, 31, Say.MAY, None),
        (33, 34, Say.NEVER, None),
    ],
)
def test_a_stop_ends_all_inside_and_lets_nobody_in(
    sent: float, acknowledged: float, journey: Say, silent_from: float | None
) -> None:
    found = expected(call("Joined", sent, acknowledged), moves=STOPPED_AGAIN)
    assert (found.journey, found.silent_from) == (journey, silent_from)


def test_a_pause_is_certain_from_its_acknowledgement_to_the_asking_for_its_end() -> None:
    moves = [Move("pulse", "pause", 1, 2), Move("pulse", "resume", 5, 6), Move("pulse", "pause", 8, 9)]
    assert pauses(moves) == [("pulse", 2, 5), ("pulse", 9, float("inf"))]
    assert pauses([Move("pulse", "pause", 1, None)]) == []


@pytest.mark.parametrize("campaign", [CART, PULSE, TIDE])
def test_every_second_edition_goes_another_way_and_sends_the_same(campaign: Campaign) -> None:
    first, second, third = (campaign.source(edition) for edition in (1, 2, 3))
    assert second.replace(" 2\n", " 1\n") != first == third.replace(" 3\n", " 1\n")
    for source in (first, second):
        assert [channel for channel in campaign.sends if f"id: {STEPS[channel]}," in source] == list(campaign.sends)
    assert "id: rest" in second
