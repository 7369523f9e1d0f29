"""Histories of pages in which a promise was broken, each told by its name; and the ones in which none was."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.auditor import audit, kinds
from tests.chaos.history import History, JourneyRow, MessageRow, Note, WorkflowEnd
from tests.chaos.model import Call, Move
from tests.chaos.pages import Reading
from tests.chaos.reporter import Report
from tests.chaos.test_auditor import journey, message, note

FILLED = Call("e4", "u4", "Basket Filled", "r4", "b4", 0, 0, 1.0, 2.0)
BOUGHT = Call("e5", "u4", "Order Completed", "r4", "b5", 0, 0, 6.5, 7.0)
TIP = MessageRow("tip1", "j4", "in_app", "marketing", "sent", None, None, 1, "in_app")
WHOSE = {"journey_id": "j4", "campaign_key": "basket", "profile_id": "p4", "channel": "in_app", "provider": "in_app"}


def tip(seq: int, state: str, id: str = "tip1", given_at: str | None = None, **more: Any) -> Note:
    counted = {"is_counted": given_at is not None, "given_at": given_at}
    return message(seq, id, state, **{**WHOSE, **counted, **more})


def basket(seq: int, state: str) -> Note:
    return journey(seq, state, id="j4", campaign_key="basket")


# Put into the inbox, and given to the page that asked then; or ended before by an order, and given to no page.
READ = History(
    ahead=0.0,
    stored=Counter(["e4"]),
    journeys=[JourneyRow("j4", "basket", 1, "u4", "r4", "basket/u4/j4", "completed", "completed")],
    messages=[TIP],
    notes=[
        basket(2, "active"),
        *(tip(seq, state) for seq, state in enumerate(("reserved", "sending", "sent"), 3)),
        tip(8, "sent", given_at="8"),
        basket(11, "completed"),
    ],
    workflows={"basket/u4/j4": WorkflowEnd("COMPLETED", "completed", 1)},
    arrivals=[],
    inbox={"tip1"},
    readings=[Reading("u4", 7.9, 8.1, frozenset({"tip1"})), Reading("u4", 20, 21, frozenset({"tip1"}), is_last=True)],
)


LEFT = replace(
    READ,
    stored=Counter(["e4", "e5"]),
    journeys=[replace(READ.journeys[0], state="exited", outcome="exited")],
    notes=[*READ.notes[:4], basket(6, "exited")],
    workflows={"basket/u4/j4": WorkflowEnd("COMPLETED", "exited", 1)},
    readings=[Reading("u4", 20, 21, frozenset(), is_last=True)],
)


def noted(history: History, *notes: Note) -> History:
    return replace(history, notes=sorted([*history.notes, *notes], key=lambda one: one.seq))


def follower(seq: int, state: str) -> Note:
    """The mail in the place of a message in the inbox."""
    return message(seq, "mail2", state, **{**WHOSE, "channel": "email", "category": "service", "fallback_of": "tip1"})


def test_a_page_that_kept_every_promise() -> None:
    assert audit([FILLED], [], READ) == []
    assert audit([FILLED, BOUGHT], [], LEFT) == []


def test_a_message_that_is_in_no_inbox() -> None:
    assert kinds(audit([FILLED], [], replace(READ, inbox=set()))) == {"not-in-inbox": 1}


def test_a_message_that_is_in_the_inbox_and_was_not_sent() -> None:
    history = replace(LEFT, messages=[replace(TIP, state="cancelled")])
    assert kinds(audit([FILLED, BOUGHT], [], history)) == {"ledger-disagrees": 1}


def test_the_outcome_of_a_message_in_the_inbox_is_known() -> None:
    history = replace(READ, messages=[replace(TIP, state="unknown", reason="attempt_died")], notes=READ.notes[:-1])
    assert kinds(audit([FILLED], [], history)) == {"unexplained-unknown": 1}


def test_a_message_that_the_last_page_is_not_given() -> None:
    history = replace(READ, readings=[replace(READ.readings[-1], open=frozenset())])
    assert kinds(audit([FILLED], [], history)) == {"withheld": 1}
    # One that was never given waits for the cap.
    waiting = [one for one in READ.notes if one.row.get("given_at") is None]
    assert audit([FILLED], [], replace(history, notes=waiting)) == []
    assert audit([FILLED], [], noted(history, follower(9, "sending"), follower(10, "sent"))) == []


def test_a_message_that_is_given_once_more() -> None:
    assert kinds(audit([FILLED], [], noted(READ, tip(9, "sent", given_at="9")))) == {"given-twice": 1}


def test_a_message_that_is_given_after_the_exit() -> None:
    late = noted(LEFT, tip(8, "sent", given_at="8"))
    assert kinds(audit([FILLED, BOUGHT], [], late)) == {"given-after-exit": 1}


@pytest.mark.parametrize(("asked", "known"), [(7.1, {"read-after-exit": 1}), (6.9, {})])
def test_a_page_that_reads_a_message_after_the_exit(asked: float, known: dict[str, int]) -> None:
    """It asked after the acknowledgement, or it was not certain yet."""
    reading = Reading("u4", asked, 8.0, frozenset({"tip1"}))
    assert kinds(audit([FILLED, BOUGHT], [], replace(LEFT, readings=[reading, *LEFT.readings]))) == known


def test_a_journey_that_came_to_its_end_before_the_exit_leaves_its_message() -> None:
    history = replace(READ, stored=LEFT.stored)
    assert audit([FILLED, replace(BOUGHT, sent=12.0, acknowledged=13.0)], [], history) == []
    assert kinds(audit([FILLED, BOUGHT], [], history)) == {"not-in-force": 1}


def test_a_message_that_is_given_in_a_pause() -> None:
    paused = note(7, "campaigns", key="basket", state="paused", exiting=(), running_version=1)
    moves = [Move("basket", "pause", 6.5, 7.5), Move("basket", "resume", 12, 13)]
    assert kinds(audit([FILLED], moves, noted(READ, paused))) == {"given-in-pause": 1, "read-in-pause": 1}


def test_a_message_that_is_given_after_a_stop() -> None:
    stopped = note(7, "campaigns", key="basket", state="stopping", exiting=(1,), running_version=1)
    assert kinds(audit([FILLED], [], noted(READ, stopped))) == {"given-after-stop": 1}


@pytest.mark.parametrize(("number", "known"), [(2, {}), (3, {"given-beyond-cap": 1})])
def test_more_given_messages_than_the_cap(number: int, known: dict[str, int]) -> None:
    others = [tip(2, "sent", f"other{one}", "2", journey_id="j5") for one in range(number)]
    assert kinds(audit([FILLED], [], noted(READ, *others))) == known


def test_a_message_that_is_given_after_its_fallback_was_claimed() -> None:
    assert kinds(audit([FILLED], [], noted(READ, follower(7, "sending")))) == {"given-after-fallback": 1}
    # It certainly failed, and is tried again once the message was given.
    assert (
        audit([FILLED], [], noted(READ, follower(6, "sending"), follower(7, "reserved"), follower(9, "sending"))) == []
    )


def test_a_fallback_that_is_claimed_after_the_message_was_shown() -> None:
    shown = tip(9, "sent", given_at="8", opened_at="9")
    assert kinds(audit([FILLED], [], noted(READ, shown, follower(10, "sending")))) == {"fallback-after-shown": 1}


@pytest.mark.parametrize(("number", "known"), [(1, {}), (2, {"doubled-report": 1}), (0, {"lost-report": 1})])
def test_a_reaction_of_a_page_counts_once(number: int, known: dict[str, int]) -> None:
    shown = Report("in_app", "opened", "tip1", "u4", "page-1", 9.0, 9.5)
    stored = {("tip1", "Message Shown"): number} if number else {}
    history = replace(READ, reports=[shown], messages=[replace(TIP, reported=["opened"])], reported=stored)
    assert kinds(audit([FILLED], [], history)) == known
