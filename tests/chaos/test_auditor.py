"""Histories in which a promise was broken, each told by its name; and the one in which none was."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.auditor import audit, kinds
from tests.chaos.history import History, JourneyRow, MessageRow, Note, PersonRow, WorkflowEnd
from tests.chaos.model import Call, Link, Move
from tests.chaos.providers import Arrival

ENTRY = Call("e1", "u1", "Cart Abandoned", "r1", "b1", 0, 0, 1.0, 2.0)
ORDER = Call("e2", "u1", "Order Completed", "r1", "b2", 0, 0, 6.5, 7.0)


def note(seq: int, kind: Any, **row: Any) -> Note:
    """As the clock of the machine has it, which is as far as the other one; notes are a second apart."""
    return Note(seq, float(seq), kind, row)


def message(seq: int, id: str, state: str, **more: Any) -> Note:
    row = {"id": id, "journey_id": "j1", "campaign_key": "cart", "profile_id": "p1", "category": "marketing"}
    return note(seq, "messages", **{**row, "state": state, **more})


def journey(seq: int, state: str, **more: Any) -> Note:
    return note(seq, "journeys", **{"id": "j1", "campaign_key": "cart", "campaign_version": 1, "state": state, **more})


def arrival(at: float, id: str, **more: Any) -> Arrival:
    channel = "webhook" if id.startswith("hook") else "email"
    made = Arrival(at, channel, id, "cart", "u1", "r1", "done")  # type: ignore[arg-type]
    return replace(made, **more)


HOOK = MessageRow("hook1", "j1", "webhook", "marketing", "sent", None, None, 1)
MAIL = MessageRow("mail1", "j1", "email", "marketing", "sent", None, None, 1)
KEPT = History(
    ahead=0.0,
    stored=Counter(["e1"]),
    journeys=[JourneyRow("j1", "cart", 1, "u1", "r1", "cart/u1/j1", "completed", "completed")],
    messages=[HOOK, MAIL],
    notes=[
        journey(2, "active"),
        message(3, "hook1", "reserved"),
        message(4, "hook1", "sending"),
        message(5, "hook1", "sent"),
        message(8, "mail1", "reserved"),
        message(9, "mail1", "sending"),
        message(10, "mail1", "sent"),
        journey(11, "completed"),
    ],
    workflows={"cart/u1/j1": WorkflowEnd("COMPLETED", "completed", 1)},
    arrivals=[arrival(4.5, "hook1"), arrival(9.5, "mail1")],
)


def with_arrivals(*arrivals: Arrival) -> History:
    return replace(KEPT, arrivals=[*KEPT.arrivals, *arrivals])


def with_notes(*notes: Note) -> History:
    return replace(KEPT, notes=sorted([*KEPT.notes, *notes], key=lambda one: one.seq))


def with_first_journey(**more: Any) -> History:
    return replace(KEPT, journeys=[replace(KEPT.journeys[0], **more)])


def with_mail(**more: Any) -> History:
    return replace(KEPT, messages=[HOOK, replace(MAIL, **more)])


def test_a_history_that_keeps_every_promise() -> None:
    assert audit([ENTRY], [], KEPT) == []


BROKEN: dict[str, Callable[[], History]] = {
    "lost-event": lambda: replace(KEPT, stored=Counter()),
    "missing-journey": lambda: replace(KEPT, journeys=[], messages=[], arrivals=[], notes=[]),
    "double-journey": lambda: replace(KEPT, journeys=[*KEPT.journeys, *KEPT.journeys]),
    "uncalled-journey": lambda: with_first_journey(ref="r2"),
    "stuck-journey": lambda: with_first_journey(state="active", outcome=None),
    "wrong-outcome": lambda: with_first_journey(outcome="engaged"),
    "temporal-disagrees": lambda: replace(KEPT, workflows={"cart/u1/j1": WorkflowEnd("RUNNING", None, 1)}),
    "missing-message": lambda: replace(KEPT, messages=[HOOK], arrivals=KEPT.arrivals[:1]),
    "ledger-disagrees": lambda: replace(KEPT, arrivals=KEPT.arrivals[:1]),
    "stuck-message": lambda: with_mail(state="sending"),
    "unexplained-unknown": lambda: replace(
        KEPT,
        messages=[MAIL, replace(HOOK, state="unknown", reason="answer_lost")],
        notes=[one for one in KEPT.notes if one.kind == "messages"],
    ),
    "duplicate-at-idempotent-provider": lambda: with_arrivals(arrival(9.6, "hook1")),
    "duplicate-marketing": lambda: with_arrivals(arrival(9.6, "mail1")),
    "unclaimed": lambda: with_arrivals(arrival(9.6, "hook1", effect="again")),
    "cap-exceeded": lambda: with_notes(*(message(1, f"other{number}", "reserved") for number in range(2))),
    "capped-without-reason": lambda: with_notes(
        note(7, "decisions", id="d1", journey_id="j2", step="mail", profile_id="p1")
    ),
    "stuck": lambda: replace(KEPT, waiting={"operations": 1}),
    "left-behind": lambda: replace(KEPT, migrations={"moved": 3, "stayed": 1, "stayed/cool-off/no_workflow": 1}),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_breach_is_told_by_its_name(kind: str) -> None:
    assert kind in kinds(audit([ENTRY], [], BROKEN[kind]()))


ADA = PersonRow("ada", "ada@example.com", ["ada"], ["tablet"])
USED = [Link("ada", "tablet"), Link("bob", "tablet")]


def test_one_of_its_users_has_a_device_and_each_user_is_a_person() -> None:
    bob = PersonRow("bob", None, ["bob"], [])
    assert audit([ENTRY], [], replace(KEPT, people=[ADA, bob, PersonRow(None, None, [], [])]), USED) == []


@pytest.mark.parametrize(
    "history",
    [
        replace(KEPT, people=[replace(ADA, users=["ada", "bob"])]),
        replace(KEPT, people=[replace(ADA, email="bob@example.com")]),
        replace(KEPT, people=[ADA, PersonRow("eve", None, ["eve"], ["tablet"])]),
        replace(KEPT, astray={("ada", "bob"): 1}),
        replace(KEPT, astray={("ada", None): 1}),
        replace(KEPT, arrivals=[replace(KEPT.arrivals[0], user="bob"), *KEPT.arrivals[1:]]),
    ],
    ids=["names", "address", "device", "events", "events-of-nobody", "message"],
)
def test_people_who_became_one_are_told(history: History) -> None:
    assert kinds(audit([ENTRY], [], history, USED)) == {"people-merged": 1}


def test_a_webhook_that_arrives_again_under_a_second_claim_is_no_breach() -> None:
    history = with_notes(message(5, "hook1", "sending"))
    again = [*KEPT.arrivals, arrival(5.5, "hook1", effect="again")]
    assert audit([ENTRY], [], replace(history, arrivals=again)) == []


EXITED = replace(
    with_first_journey(state="exited", outcome="exited"),
    stored=Counter(["e1", "e2"]),
    messages=[HOOK],
    notes=[*KEPT.notes[:4], journey(6, "exited")],
    arrivals=KEPT.arrivals[:1],
    workflows={"cart/u1/j1": WorkflowEnd("COMPLETED", "exited", 1)},
)


def test_an_exit_that_was_kept() -> None:
    assert audit([ENTRY, ORDER], [], EXITED) == []


def test_a_call_begun_before_the_exit_may_arrive_after_it() -> None:
    """The one window that is left: claimed at 4, ended at 6, acknowledged at 7."""
    assert audit([ENTRY, ORDER], [], replace(EXITED, arrivals=[arrival(8.5, "hook1")])) == []


def test_a_claim_after_the_exit() -> None:
    late = [*EXITED.notes, message(8, "hook1", "sending")]
    found = audit([ENTRY, ORDER], [], replace(EXITED, notes=late))
    assert kinds(found) == {"sent-after-exit": 1}


def test_a_hand_over_after_the_exit_that_nobody_claimed() -> None:
    late = [*EXITED.arrivals, arrival(8.5, "hook1", effect="again")]
    found = audit([ENTRY, ORDER], [], replace(EXITED, arrivals=late))
    assert kinds(found) == {"sent-after-exit": 1, "unclaimed": 1}


def test_an_exit_that_was_acknowledged_before_it_held() -> None:
    notes = [*EXITED.notes[:-1], journey(8, "exited")]
    assert kinds(audit([ENTRY, ORDER], [], replace(EXITED, notes=notes))) == {"not-in-force": 1}


def campaign(seq: int, state: str, exiting: tuple[int, ...] = (), version: int = 1) -> Note:
    return note(seq, "campaigns", key="cart", state=state, exiting=exiting, running_version=version)


def test_a_claim_in_a_pause() -> None:
    moves = [Move("cart", "pause", 5.5, 6.5), Move("cart", "resume", 12, 13)]
    history = with_notes(campaign(6, "paused"), campaign(12, "running"))
    # By the journal, and by what arrived between the acknowledgements.
    assert kinds(audit([ENTRY], moves, history)) == {"sent-in-pause": 2}
    assert audit([ENTRY], moves, with_notes(campaign(6, "paused"), campaign(7, "running"))) != []


def test_a_pause_that_was_acknowledged_and_never_made() -> None:
    moves = [Move("cart", "pause", 11.5, 12.5)]
    assert kinds(audit([ENTRY], moves, KEPT)) == {"not-in-force": 1}


def test_a_claim_after_a_stop() -> None:
    assert "sent-after-stop" in kinds(audit([ENTRY], [], with_notes(campaign(7, "stopping", (1,)))))


def test_more_marketing_than_the_cap_by_the_log_of_the_providers_alone() -> None:
    more = [arrival(20, f"mail{number}", ref=f"r{number}") for number in range(2, 4)]
    found = [one.said for one in audit([ENTRY], [], with_arrivals(*more)) if one.kind == "cap-exceeded"]
    assert found == ["u1 got 4 marketing messages, and the cap is 3"]


def transactional(*states: str, deliveries: int) -> History:
    """A receipt with these states one after the other, delivered so often."""
    notes = [
        message(seq, "mail2", state, journey_id="j2", campaign_key="receipt", category="transactional")
        for seq, state in enumerate(states, 20)
    ]
    ended = note(30, "journeys", id="j2", campaign_key="receipt", campaign_version=1, state="completed")
    return replace(
        KEPT,
        stored=Counter(["e3"]),
        journeys=[JourneyRow("j2", "receipt", 1, "u2", "r2", "receipt/u2/j2", "completed", "completed")],
        messages=[MessageRow("mail2", "j2", "email", "transactional", states[-1], None, None, 2)],
        notes=[*notes, ended],
        workflows={"receipt/u2/j2": WorkflowEnd("COMPLETED", "completed", 1)},
        arrivals=[
            Arrival(20.5 + number, "email", "mail2", "receipt", "u2", "r2", "done") for number in range(deliveries)
        ],
    )


PAID = Call("e3", "u2", "Paid", "r2", "b3", 0, 0, 1.0, 2.0)


def test_a_receipt_may_come_twice_where_its_attempts_say_why() -> None:
    assert audit([PAID], [], transactional("reserved", "sending", "sending", "sent", deliveries=2)) == []


def test_a_receipt_that_comes_twice_with_no_word_of_it() -> None:
    # Given back in between: the first attempt said that it had certainly not delivered.
    history = transactional("reserved", "sending", "reserved", "sending", "sent", deliveries=2)
    assert kinds(audit([PAID], [], history)) == {"unmarked-duplicate": 1}


def moved(seq: int, runs: int, *more: Note) -> History:
    """The journey is moved to version 2 while another runs, and its workflow with it."""
    notes = [campaign(1, "running", version=runs), journey(seq, "active", campaign_version=2), *more]
    history = with_first_journey(version=2)
    workflows = {"cart/u1/j1": WorkflowEnd("COMPLETED", "completed", 2)}
    return replace(history, notes=sorted([*KEPT.notes[:-1], *notes], key=lambda one: one.seq), workflows=workflows)


def test_a_migration_that_moves_the_row_and_the_workflow() -> None:
    assert audit([ENTRY], [], moved(6, runs=2)) == []


def test_a_workflow_that_stayed_behind_its_row() -> None:
    stayed = replace(moved(6, runs=2), workflows=KEPT.workflows)
    assert kinds(audit([ENTRY], [], stayed)) == {"temporal-disagrees": 1}


def test_a_row_that_was_moved_to_a_version_that_does_not_run() -> None:
    assert kinds(audit([ENTRY], [], moved(6, runs=3))) == {"moved-astray": 1}


def test_a_row_that_was_moved_after_its_journey_had_ended() -> None:
    ended = journey(11, "completed")
    assert kinds(audit([ENTRY], [], moved(12, 2, ended))) == {"moved-astray": 1}
    stopped = campaign(11, "stopping", (1,), version=2)
    assert kinds(audit([ENTRY], [], moved(12, 2, stopped))) == {"moved-astray": 1}


def test_those_who_rest_at_a_step_that_is_gone_may_stay() -> None:
    assert audit([ENTRY], [], replace(KEPT, migrations={"stayed/rest/step_removed": 2, "superseded": 1})) == []
