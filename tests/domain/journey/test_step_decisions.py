"""The decisions on requests, from plain facts alone: as the activities take them, and a rehearsal may."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest

from domain.campaign.delays.date import DateRule
from domain.campaign.plan import Act, Branch, Plan, Send, Split, Until
from domain.campaign.plan import Arm as PlanArm
from domain.campaign.rules import EntryRule, Rules, SplitRule
from domain.campaign.steps.action import ActionFacts, ActionRule, Effects, EmitEvent, SetStage, SetTraits
from domain.errors import ConflictError
from domain.journey.position import NextPositions, Position
from domain.journey.protocol import Unreadable
from domain.journey.requests import ActionRequest, AuthorizeRequest, BranchRequest, DelayRequest
from domain.journey.step_decisions import (
    ActionAnswer,
    decide_action,
    decide_branch,
    decide_delay,
    decide_send,
    without_refused,
)
from domain.journey.step_facts import GateFacts, StepFacts
from domain.sending.caps import CapRule, CountedMessage
from domain.sending.gate_answers import Deferred, Granted, Held, Refused
from domain.tracking.event import Event

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
JOURNEY, PERSON = UUID(int=7), UUID(int=8)
NEXT = Position("next", "waiting", 60.0)
ENTRY: dict[str, Any] = {
    "id": str(UUID(int=9)),
    "message_id": "m1",
    "type": "track",
    "name": "Cart Abandoned",
    "user_id": "u1",
    "anonymous_id": None,
    "properties": {"due": "2026-11-03"},
    "context": {},
    "timestamp": AT.isoformat(),
}
PLAN = Plan(
    "mail",
    {
        "mail": Send("mail", "email", "note", expires=3_600, on_capped="exit"),
        "which": Branch("which", (None, None)),
        "offer": Split("offer", (PlanArm("plain"), PlanArm("discount"))),
        "rest": Until("rest"),
        "do": Act("do", "several"),
    },
)


class SeveralRule(ActionRule, frozen=True, tag="several"):
    """Effects of all kinds."""

    def effects(self, facts: ActionFacts) -> Effects:
        told = [EmitEvent(name, {}, chain=1) for name in ("Told", "Told Again")]
        return Effects((SetTraits({"a": 1, "b": 2}), SetStage("loyal"), *told), errors={"c": "no such key"})


RULES = Rules(
    name="Cart",
    entry=EntryRule(event="Cart Abandoned"),
    branches={"which": ("profile.traits.points > 100", "journey.steps.mail == 1")},
    # In another order than that of the plan, as the database may give them back.
    splits={"offer": SplitRule("seed", {"discount": 0, "plain": 1})},
    delays={"rest": DateRule(date="entry.properties.due", clock=time(9))},
    actions={"do": SeveralRule()},
)
PERSON_FACTS: dict[str, Any] = {
    "profile_id": PERSON,
    "campaign_key": "cart",
    "campaign_version": 1,
    "journey_state": "active",
    "traits": {"email": "u1@example.com"},
    "context": {"timezone": "Asia/Tokyo"},
    "suppressed": {},
    "refused_addresses": {},
    "registry_revision": 1,
}


def gate_facts(**known: Any) -> GateFacts:
    more: dict[str, Any] = {
        "consent": {},
        "ended_by": None,
        "campaign_state": "running",
        "held_at": None,
        "rules": [],
        "ledger": [],
        "bucket": PERSON,
        "broken": {},
    }
    return GateFacts(**{**PERSON_FACTS, **more, **known})


def step_facts(**known: Any) -> StepFacts:
    more: dict[str, Any] = {
        "entry": ENTRY,
        "entered_at": AT,
        "user_id": "u1",
        "anonymous_id": "a1",
        "consent_given": {},
        "preferences": {},
        "stated_stage": "new",
        "created_at": AT,
        "bucket": PERSON,
        "counted": {},
        "memberships": {},
        "messages": {},
        "clicks": {},
        "answers": {},
        "arms": {},
        "saved": {},
    }
    return StepFacts(**{**PERSON_FACTS, **more, **known})


def authorize(ends_with: str | None = None) -> AuthorizeRequest:
    positions = NextPositions(3, (None if ends_with else NEXT,))
    return AuthorizeRequest(JOURNEY, "mail", 2, 3, AT, AT, ends_with, positions)


def branch(step: str = "which", **visits: int) -> BranchRequest:
    return BranchRequest(JOURNEY, step, AT, visits, NextPositions(3, (None, NEXT, Position("second", "acting"))))


def delay(attempt: int = 1, at: datetime = AT) -> DelayRequest:
    positions = (Position("past", "acting"), Position("over", "acting"), Position("unreadable", "acting"))
    return DelayRequest(JOURNEY, "rest", 2, attempt, AT, at, NextPositions(3, positions))


def act(ends_with: str | None = None) -> ActionRequest:
    return ActionRequest(JOURNEY, "do", 2, AT, ends_with, {}, NextPositions(3, (None if ends_with else NEXT,)))


def test_ids_are_those_under_which_answers_are_stored() -> None:
    names = {
        authorize().decision_id: "mail/2/3",
        authorize().previous_decision_id: "mail/2/2",
        authorize().message_id: "mail/2",
        branch(which=4).decision_id: "which/4/branch",
        branch().decision_id: "which/0/branch",
        delay().decision_id: "rest/2/1/delay",
        act().decision_id: "do/2/act",
        act().event_id(0): "do/2/event",
        act().event_id(1): "do/2/event/1",
    }
    assert names == {uuid5(JOURNEY, name): name for name in names.values()}


def test_a_grant_reserves_the_message_and_the_journey_acts() -> None:
    decision = decide_send(authorize("completed"), PLAN, RULES, gate_facts(), "UTC")
    assert (decision.kind, decision.outcome, decision.reason) == ("send", "granted", None)
    assert decision.answer == Granted(str(uuid5(JOURNEY, "mail/2")))
    assert decision.reservation is not None
    assert (decision.reservation.id, decision.reservation.visit) == (uuid5(JOURNEY, "mail/2"), 2)
    assert decision.reservation.expires_at == AT + timedelta(hours=1)
    assert (decision.position, decision.ends_with) == (Position("mail", "acting"), None)


def test_a_refusal_ends_the_journey_or_lets_it_go_on_as_was_asked() -> None:
    unreachable = gate_facts(traits={})
    goes_on = decide_send(authorize(), PLAN, RULES, unreachable, "UTC")
    assert (goes_on.outcome, goes_on.reason, goes_on.reservation) == ("refused", "unreachable", None)
    assert (goes_on.position, goes_on.ends_with) == (NEXT, None)
    ends = decide_send(authorize("completed"), PLAN, RULES, unreachable, "UTC")
    assert (ends.position, ends.ends_with) == (None, "completed")


def test_a_cap_ends_the_journey_where_the_step_says_so() -> None:
    full = gate_facts(rules=[CapRule("one", limit=1, window=60)], ledger=[CountedMessage(AT, "email", "marketing")])
    decision = decide_send(authorize(), PLAN, RULES, full, "UTC")
    assert (decision.answer, decision.ends_with, decision.position) == (Refused("capped"), "capped", None)


def test_a_journey_that_is_over_is_neither_ended_nor_placed_again() -> None:
    over = gate_facts(journey_state="exited", ended_by="e1")
    for ends_with in (None, "completed"):
        decision = decide_send(authorize(ends_with), PLAN, RULES, over, "UTC")
        assert decision.answer == Refused("journey_ended", journey_ended=True)
        assert (decision.ends_with, decision.position) == (None, None)


def test_a_held_message_waits_where_it_is() -> None:
    decision = decide_send(authorize("completed"), PLAN, RULES, gate_facts(campaign_state="paused"), "UTC")
    assert decision.answer == Held("campaign_paused")
    assert (decision.outcome, decision.position, decision.ends_with) == ("held", Position("mail", "held"), None)


def test_a_deferred_message_rests_until_then() -> None:
    plan = Plan("mail", {"mail": Send("mail", "email", "note", on_capped="wait")})
    full = gate_facts(rules=[CapRule("one", limit=1, window=60)], ledger=[CountedMessage(AT, "email", "marketing")])
    decision = decide_send(authorize("completed"), plan, RULES, full, "UTC")
    assert decision.answer == Deferred(AT + timedelta(seconds=60), "capped")
    assert (decision.position, decision.ends_with) == (Position("mail", "deferred", 60.0), None)
    # By the zone of the person's device.
    assert decision.data["timezone"] == "Asia/Tokyo"


def test_only_a_send_asks_the_gate() -> None:
    request = AuthorizeRequest(JOURNEY, "which", 1, 1, AT, AT, None, NextPositions(1, (NEXT,)))
    with pytest.raises(ConflictError):
        decide_send(request, PLAN, RULES, gate_facts(), "UTC")


def test_a_branch_goes_the_first_way_that_holds_and_says_what_could_not_be_judged() -> None:
    decision = decide_branch(branch(mail=1), PLAN, RULES, step_facts(), "UTC")
    assert (decision.kind, decision.outcome, decision.answer.case) == ("branch", "case 2", 1)
    assert list(decision.data["errors"]) == ["1"]
    assert decision.position == Position("second", "acting")
    otherwise = decide_branch(branch(), PLAN, RULES, step_facts(traits={"points": 5}), "UTC")
    assert (otherwise.outcome, otherwise.answer.case, otherwise.data) == ("otherwise", None, {})
    assert otherwise.position is None


def test_an_arm_is_drawn_by_the_order_of_the_plan() -> None:
    decision = decide_branch(branch("offer"), PLAN, RULES, step_facts(), "UTC")
    assert (decision.kind, decision.outcome, decision.answer.case) == ("split", "plain", 0)


def test_a_delay_rests_until_the_date_where_the_person_lives() -> None:
    decision = decide_delay(delay(), PLAN, RULES, step_facts(), "UTC")
    until = datetime(2026, 11, 3, tzinfo=UTC)
    assert (decision.outcome, decision.reason, decision.answer.until) == ("waiting", None, until)
    assert decision.data == {"until": until, "timezone": "Asia/Tokyo"}
    assert decision.position == Position("rest", "waiting", (until - AT).total_seconds())
    over = decide_delay(delay(attempt=2, at=until), PLAN, RULES, step_facts(), "UTC")
    assert (over.outcome, over.position) == ("over", Position("over", "acting"))


@pytest.mark.parametrize(
    ("due", "outcome", "reason"),
    [
        ("2026-10-01", "past", None),
        ("someday", "unreadable", "unreadable_date"),
        (None, "past", "no_date"),
    ],
)
def test_a_date_that_cannot_be_waited_for_is_explained(due: str | None, outcome: str, reason: str | None) -> None:
    facts = step_facts(entry={**ENTRY, "properties": {"due": due}})
    decision = decide_delay(delay(), PLAN, RULES, facts, "UTC")
    assert (decision.outcome, decision.reason) == (outcome, reason)
    assert isinstance(decision.answer.until, Unreadable) == (outcome == "unreadable")
    assert decision.position == Position(outcome, "acting")


def test_an_action_says_what_it_sets_and_reports() -> None:
    now = AT - timedelta(minutes=5)
    decision = decide_action(act("completed"), PLAN, RULES, step_facts(), now, "UTC")
    first, second = decision.answer.events
    assert (first.id, second.id) == (uuid5(JOURNEY, "do/2/event"), uuid5(JOURNEY, "do/2/event/1"))
    assert (first.name, first.user_id, first.anonymous_id, first.timestamp) == ("Told", "u1", None, now)
    assert first.context == {"sojourn": {"campaign": "cart", "journey_id": str(JOURNEY), "chain": 1}}
    assert isinstance(first, Event)
    assert (decision.kind, decision.outcome, decision.ends_with, decision.position) == (
        "several",
        "done",
        "completed",
        None,
    )
    assert decision.data == {
        "traits": ["a", "b"],
        "stage": "loyal",
        "before": "new",
        "event": "Told Again",
        "event_id": second.id,
        "errors": {"c": "no such key"},
    }
    refused = without_refused(decision, {"b": "too many"})
    assert refused.data["traits"] == ["a"]
    assert refused.data["errors"] == {"b": "too many", "c": "no such key"}
    assert (refused.answer, refused.position) == (decision.answer, decision.position)


def test_nothing_is_done_for_a_journey_that_is_over() -> None:
    decision = decide_action(act("completed"), PLAN, RULES, step_facts(journey_state="exited"), AT, "UTC")
    assert decision.answer == ActionAnswer((), journey_ended=True)
    assert not decision.is_recorded
    assert (decision.effects, decision.ends_with) == ((), None)
