"""The causes by which real decisions differ from simulated ones."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest
from msgspec.structs import replace

from domain.journey.decision import Decision
from domain.journey.records import Journey
from domain.people.identity import Identity
from domain.people.profile import Profile
from domain.rehearsal.fidelity import CAUSES, Fidelity, PastDecision, Reality
from domain.rehearsal.history import PastMerge, PersonHistory
from domain.rehearsal.messages import SimulatedMessage
from domain.rehearsal.records import EndedJourney, make_ending
from domain.sending.ledger_marks import LedgerMarks
from domain.sending.policy import Reservation
from tests.domain.rehearsal.story import START
from tests.engine.ingesting import event

ADA = UUID(int=1)
DAY = timedelta(days=1)
ENTRY = UUID(int=9)
JOURNEY = UUID(int=2)
PERSON = PersonHistory(Profile(ADA, "ada", {}, {}, {}, None, START), ADA, [Identity("user", "ada")])


def real(kind: str, outcome: str, reason: str | None = None, hours: float = 0, **more: Any) -> PastDecision:
    given = {"version": 1, "campaign": "cart", "entry": str(ENTRY), "journey_id": JOURNEY, **more}
    at = START + timedelta(hours=hours)
    step = None if kind == "entry" else "note"
    return PastDecision(
        profile_id=ADA, entry_type="track", kind=kind, step=step, outcome=outcome, reason=reason, at=at, **given
    )


def simulated(kind: str, outcome: str, reason: str | None = None, hours: float = 0) -> Decision:
    at = START + timedelta(hours=hours)
    step = None if kind == "entry" else "note"
    id = uuid5(ADA, f"{kind} {hours}")
    return Decision(
        id=id,
        profile_id=ADA,
        campaign_key="cart",
        kind=kind,
        outcome=outcome,
        at=at,
        journey_id=UUID(int=7),
        event_id=ENTRY if kind == "entry" else None,
        step=step,
        reason=reason,
    )


def compare(
    decided: list[PastDecision], others: list[Decision], person: PersonHistory = PERSON, first: Any = None
) -> Fidelity:
    reality = Reality([person], decided)
    for one in others:
        reality.record(one)
    return reality.compare(START + 9 * DAY, {"cart": 1}, first)


ENTERED, GRANTED = real("entry", "entered"), real("send", "granted", hours=1)
SAME = [simulated("entry", "entered"), simulated("send", "granted", hours=1)]
REFUSED = [SAME[0], simulated("send", "refused", "capped", hours=1)]


def test_equal_decisions_are_counted() -> None:
    found = compare([ENTERED, GRANTED], SAME)
    assert (found.people, found.decisions, found.equal, found.causes, found.examples) == (1, 2, 2, {}, [])


def test_what_is_due_at_the_end_is_not_compared() -> None:
    late = real("send", "granted", hours=9 * 24 - 0.001)
    assert compare([ENTERED, late], SAME[:1]).causes == {}


def message(state: Any) -> SimulatedMessage:
    granted = Reservation(
        UUID(int=3), JOURNEY, ADA, "cart", "note", 1, "email", "marketing", "normal", "note", START, START + DAY
    )
    return SimulatedMessage(granted, ("cart", 1), state, LedgerMarks(id=granted.id))


@pytest.mark.parametrize(
    ("cause", "decided", "person", "first"),
    [
        ("unknown", [GRANTED], PERSON, None),
        ("other_version", [replace(GRANTED, version=2)], PERSON, None),
        ("by_hand", [real("exit", "exited", "manual", hours=1)], PERSON, None),
        ("held", [real("send", "deferred", "on_hold", hours=1)], PERSON, None),
        ("provider_outcome", [GRANTED], replace(PERSON, messages=[message("failed")]), None),
        ("merged_person", [GRANTED], replace(PERSON, merges=[PastMerge(UUID(int=4), START, None)]), None),
        ("history_cut", [GRANTED], PERSON, START + DAY),
        ("late", [real("entry", "refused", "already_in", hours=1)], PERSON, None),
        (
            "same_instant",
            [GRANTED, real("send", "granted", hours=1, entry="other", journey_id=UUID(int=5), campaign="other")],
            PERSON,
            None,
        ),
    ],
)
def test_a_difference_has_a_cause(cause: str, decided: list[PastDecision], person: PersonHistory, first: Any) -> None:
    found = compare([ENTERED, *decided], REFUSED, person, first)
    assert cause in found.causes
    assert found.examples[0].simulated == "send note refused capped"


def test_a_person_was_decided_about_too_late() -> None:
    entered = replace(ENTERED, at=ENTERED.at + timedelta(seconds=2))
    assert compare([entered, GRANTED], REFUSED).causes == {"late": 1}


def test_an_event_found_a_journey_that_should_have_ended() -> None:
    reality = Reality([PERSON], [ENTERED, real("exit", "exited", hours=1)])
    reality.record(SAME[0])
    journey = Journey(UUID(int=7), "cart", 1, ADA, "", "workflow", event("track", "ada", at=START), START)
    reality.record(EndedJourney(journey, make_ending(journey.id, "completed", START + DAY / 25)))
    assert reality.compare(START + 9 * DAY, {"cart": 1}, None).causes == {"late": 1}


def test_later_differences_of_a_person_follow_from_the_first() -> None:
    held = real("send", "deferred", "on_hold", hours=1)
    other = real("entry", "entered", hours=3, entry="other", journey_id=UUID(int=5))
    assert compare([ENTERED, held, other], REFUSED).causes == {"held": 1, "follows": 1}


def test_every_cause_has_words() -> None:
    assert all(words for words in CAUSES.values())
