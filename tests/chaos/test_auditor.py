"""Histories in which a promise was broken, each told by its name; and the one in which none was."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.auditor import audit, kinds
from tests.chaos.history import History, JourneyRow, MessageRow, Note, PersonRow, WorkflowEnd
from tests.chaos.model import Call, Link, Move
from tests.chaos.providers import Arrival
from tests.chaos.reporter import Forgery, Report

ENTRY = Call("e1", "u1", "Cart Abandoned", "r1", "b1", 0, 0, 1.0, 2.0)
ORDER = Call("e2", "u1", "Order Completed", "r1", "b2", 0, 0, 6.5, 7.0)


def note(seq: int, kind: Any, **row: Any) -> Note:
    """As the clock of the machine has it, which is as far as the other one; notes are a second apart."""
    return Note(seq, float(seq), kind, row)


def message(seq: int, id: str, state: str, **more: Any) -> Note:
    channel = "webhook" if id.startswith("hook") else "email"
    row = {
        "id": id,
        "journey_id": "j1",
        "channel": channel,
        "campaign_key": "cart",
        "profile_id": "p1",
        "category": "marketing",
        "provider": None,
        "is_counted": True,
        "given_at": None,
        "opened_at": None,
        "fallback_of": None,
    }
    return note(seq, "messages", **{**row, "state": state, **more})


def journey(seq: int, state: str, **more: Any) -> Note:
    return note(seq, "journeys", **{"id": "j1", "campaign_key": "cart", "campaign_version": 1, "state": state, **more})


def arrival(at: float, id: str, **more: Any) -> Arrival:
    made = Arrival(at, "http" if id.startswith("hook") else "relay", id, "cart", "u1", "r1", "done")
    return replace(made, **more)


HOOK = MessageRow("hook1", "j1", "webhook", "marketing", "sent", None, None, 1, "http")
MAIL = MessageRow("mail1", "j1", "email", "marketing", "sent", None, None, 1, "relay")
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
        messages=[MessageRow("mail2", "j2", "email", "transactional", states[-1], None, None, 2, "relay")],
        notes=[*notes, ended],
        workflows={"receipt/u2/j2": WorkflowEnd("COMPLETED", "completed", 1)},
        arrivals=[
            Arrival(20.5 + number, "relay", "mail2", "receipt", "u2", "r2", "done") for number in range(deliveries)
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


LETTER_ROW = MessageRow("mail3", "j1", "email", "marketing", "sent", None, None, 1, "keyless", ["delivered"])
DELIVERED = Report("keyless", "delivered", "mail3", "u1", "r-1", 13.0, 14.0)


def by_api(*states: str, row: MessageRow = LETTER_ROW, arrivals: Sequence[Arrival] | None = None) -> History:
    """A mail that an API took, with these states one after the other."""
    more = {"campaign_key": "letter", "profile_id": "p9"}
    notes = [message(seq, "mail3", state, **more) for seq, state in enumerate(states or ("reserved", "sending"), 12)]
    kept = with_notes(*(one for one in notes if one.kind == "messages"))
    # The journey ends after it.
    late = [replace(one, seq=30, at=30.0) if one.kind == "journeys" and one.seq == 11 else one for one in kept.notes]
    taken = [arrival(13.5, "mail3", provider="keyless")] if arrivals is None else arrivals
    return replace(
        kept,
        notes=sorted(late, key=lambda one: one.seq),
        messages=[HOOK, MAIL, row],
        arrivals=[*KEPT.arrivals, *taken],
        reports=[DELIVERED],
    )


def found(history: History) -> set[str]:
    """What is wrong with the mail; that its campaign sends one only is another matter."""
    return set(kinds(audit([ENTRY], [], history))) - {"uncalled-message", "duplicate-marketing"}


def test_a_report_that_was_kept() -> None:
    assert found(by_api()) == set()


def test_a_report_that_is_not_in_the_ledger() -> None:
    assert found(by_api(row=replace(LETTER_ROW, reported=[]))) == {"lost-report"}


def test_a_report_that_was_never_acknowledged() -> None:
    history = replace(by_api(), reports=[replace(DELIVERED, acknowledged=None)])
    assert found(history) == {"lost-report"}


def test_an_unknown_message_whose_delivery_was_reported() -> None:
    row = replace(LETTER_ROW, state="unknown", reason="answer_lost")
    assert found(by_api("reserved", "sending", "unknown", row=row)) == {"unexplained-unknown"}
    silent = replace(by_api("reserved", "sending", "unknown", row=replace(row, reported=[])), reports=[])
    assert found(silent) == set()


def test_an_unknown_message_of_a_provider_that_knows_its_key() -> None:
    row = replace(LETTER_ROW, state="unknown", reason="answer_lost", provider="keyed", reported=[])
    history = replace(by_api("reserved", "sending", "unknown", row=row), reports=[])
    assert found(replace(history, notes=history.notes[:-1])) == {"unexplained-unknown"}


def test_a_mark_that_no_provider_has_reported() -> None:
    assert found(by_api(row=replace(LETTER_ROW, reported=["delivered", "bounced"]))) == {"forged-report"}
    assert found(replace(by_api(), suppressed={"u1@example.com"})) == {"forged-report"}
    assert found(replace(by_api(), reported={("mail3", "Email Bounced"): 1})) == {"forged-report"}


def test_a_forged_report_that_was_taken() -> None:
    forgeries = [Forgery("keyless", "bare", "mail3", 401), Forgery("keyed", "foreign", "mail3", 200)]
    assert found(replace(by_api(), forgeries=forgeries)) == set()
    assert found(replace(by_api(), forgeries=[Forgery("keyed", "old", "mail3", 200)])) == {"forged-report"}


def test_an_event_of_a_report_that_came_twice() -> None:
    row = replace(LETTER_ROW, reported=["delivered", "opened"])
    opened = replace(DELIVERED, kind="opened", id="r-2")
    history = replace(by_api(row=row), reports=[DELIVERED, opened], reported={("mail3", "Email Opened"): 1})
    assert found(history) == set()
    assert found(replace(history, reported={("mail3", "Email Opened"): 2})) == {"doubled-report"}
    assert found(replace(history, reported={})) == {"lost-report"}


def test_a_grant_after_the_acknowledged_bounce() -> None:
    row = replace(LETTER_ROW, reported=["bounced"])
    bounced = [Report("keyless", "bounced", "mail3", "u1", "r-1", 13.0, 14.0)]
    history = replace(
        by_api(row=row),
        reports=bounced,
        reported={("mail3", "Email Bounced"): 1},
        suppressed={"u1@example.com"},
    )
    assert found(history) == set()
    later = message(20, "mail4", "reserved")
    assert found(replace(history, notes=[*history.notes, later])) == {"granted-after-refusal"}


def pause(seq: int, number: int = 5, **more: Any) -> Note:
    row = {"provider": "keyless", "cause": "complaints", "number": number, "resumed_at": None}
    return note(seq, "provider_pauses", **{**row, **more})


def test_a_grant_while_the_provider_is_paused() -> None:
    complained = Report("keyless", "complained", "mail9", "u9", "r-9", 9.0, 9.5)
    history = by_api("reserved", "sending")
    granted = replace(history, notes=[replace(one, row={**one.row, "provider": "keyless"}) for one in history.notes])
    granted = replace(granted, reports=[*granted.reports, complained])

    def with_pauses(*pauses: Note) -> set[str]:
        return found(replace(granted, notes=sorted([*granted.notes, *pauses], key=lambda one: one.seq)))

    known = {"lost-report"}
    assert with_pauses(pause(20)) == known
    assert with_pauses(pause(10), pause(11, resumed_at="2026-11-22T08:00:00Z")) == known
    assert with_pauses(pause(11)) == known | {"granted-in-pause"}
    # One complaint was reported by then, and the mailing before had four.
    assert with_pauses(pause(20, number=6)) == known | {"forged-report"}


def test_another_provider_after_a_hand_over() -> None:
    refused = arrival(13.2, "mail3", provider="keyed", effect="refused")
    taken = arrival(13.5, "mail3", provider="keyless")
    again = ("reserved", "sending", "reserved", "cancelled", "reserved", "sending")
    assert found(by_api(*again, arrivals=[refused, taken])) == set()
    assert found(by_api(*again, arrivals=[replace(refused, effect="none"), taken])) == {"failed-over-late"}
