"""Messages to the members of an account: page by page, and again for those who were deferred."""

from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import pytest

from domain.campaign.plan import Delay, Plan, Send, SendMembers
from domain.campaign.rules import EntryRule, Rules
from domain.errors import ConflictError
from domain.journey import machine
from domain.journey.details import describe
from domain.journey.member_decisions import PageSenders, decide_page
from domain.journey.position import NextPositions, Position, StoredPosition, after_answer
from domain.journey.protocol import (
    AuthorizeMembers,
    AwaitResume,
    DispatchMembers,
    Exited,
    Finish,
    MembersAnswered,
    MembersSettled,
    Resumed,
    SleepUntil,
)
from domain.journey.requests import MembersRequest
from domain.journey.state import COMPLETED, EXITED, MembersRound
from domain.journey.step_facts import MemberFacts, PageFacts
from domain.local_time.windows import LocalWindow
from domain.sending.caps import CapRule, CountedMessage
from domain.sending.gate_answers import Held, MembersPage, Refused
from domain.sending.routes import DeployedProviders, ProviderRule, RouteRule, WarmUp
from tests.domain.journey.machine_driver import Begin
from tests.domain.strategies import NOON, plan_of

HOUR = timedelta(hours=1)
MAIL = SendMembers(id="mail", channel="email", template="hello", role="admin", next="rest")
PLAN = plan_of(MAIL, Delay("rest", 60))
ASKED = AuthorizeMembers("mail", 1, 1, NOON, None)


def page(*ids: str, after: str | None = None, until: datetime | None = None) -> MembersAnswered:
    return MembersAnswered(MembersPage(ids, after, until))


def settled(*outcomes: Any, journey_ended: bool = False) -> MembersSettled:
    return MembersSettled(outcomes, journey_ended)


# The machine


def test_pages_follow_one_another_and_the_messages_of_each_are_sent_first(begin: Begin) -> None:
    driver = begin(PLAN)
    assert driver.command() == ASKED
    driver.tell(page("m1", "m2", after="p2"))
    assert driver.command() == DispatchMembers(("m1", "m2"), "email", "marketing", "normal")
    driver.tell(settled("sent", "failed"))
    assert driver.command() == AuthorizeMembers("mail", 1, 1, NOON, "p2")
    driver.tell(page("m3"))
    assert driver.command() == DispatchMembers(("m3",), "email", "marketing", "normal")
    driver.tell(settled("sent"))
    assert driver.command() == SleepUntil(NOON + timedelta(minutes=1), "delay rest")
    assert driver.history == [("mail", "1 failed, 1 sent"), ("mail", "1 sent")]
    assert driver.state.members is None


def test_a_page_without_messages_leads_on_at_once(begin: Begin) -> None:
    driver = begin(PLAN).tell(page(after="p2"))
    assert driver.command() == AuthorizeMembers("mail", 1, 1, NOON, "p2")
    assert driver.tell(page()).state.step == "rest"


def test_a_step_without_any_message_says_so(begin: Begin) -> None:
    driver = begin(PLAN).tell(page())
    assert (driver.state.step, driver.history) == ("rest", [("mail", "sent to no member")])


def test_the_deferred_are_asked_about_again_at_the_earliest_opening_after_all_pages(begin: Begin) -> None:
    driver = begin(PLAN).tell(page("m1", after="p2", until=NOON + 3 * HOUR)).tell(settled("sent"))
    driver.tell(page(after="p3", until=NOON + 2 * HOUR)).tell(page(until=NOON + 5 * HOUR))
    assert driver.command() == SleepUntil(NOON + 2 * HOUR, "deferred mail: send_window")
    assert machine.status(driver.plan, driver.state) == ("mail", "deferred")
    assert describe(driver.plan, driver.state).startswith("**Deferred** at `mail`")
    driver.wake()
    assert driver.command() == AuthorizeMembers("mail", 1, 2, NOON, None)


def test_a_postponed_message_is_asked_about_again_at_once(begin: Begin) -> None:
    driver = begin(PLAN).tell(page("m1", after="p2")).tell(settled("postponed")).tell(page("m2"))
    driver.tell(settled("sent"))
    assert driver.command() == AuthorizeMembers("mail", 1, 2, NOON, None)


def test_a_pause_holds_the_rest_of_the_members(begin: Begin) -> None:
    driver = begin(PLAN).tell(page("m1", after="p2")).tell(settled("sent"))
    driver.tell(MembersAnswered(Held("campaign_paused")))
    assert driver.command() == AwaitResume(None)
    assert machine.status(driver.plan, driver.state) == ("mail", "held")
    driver.tell(Resumed())
    assert driver.command() == AuthorizeMembers("mail", 1, 2, NOON, "p2")


def test_a_resumption_that_overtakes_the_answer_asks_again(begin: Begin) -> None:
    driver = begin(PLAN).tell(Resumed()).tell(MembersAnswered(Held("campaign_paused")))
    assert driver.command() == AuthorizeMembers("mail", 1, 2, NOON, None)


def test_a_refusal_of_all_leads_on(begin: Begin) -> None:
    driver = begin(PLAN).tell(MembersAnswered(Refused("expired")))
    assert driver.state.step == "rest"
    assert driver.history == [("mail", "refused: expired")]


def test_the_end_of_the_flow_is_recorded_by_the_workflow(begin: Begin) -> None:
    driver = begin(plan_of(SendMembers(id="mail", channel="email", template="hello", role="admin")))
    driver.tell(page("m1")).tell(settled("sent"))
    assert driver.command() == Finish(COMPLETED, recorded=False)


def test_an_ended_journey_sends_nothing_more(begin: Begin) -> None:
    ended = MembersAnswered(Refused("journey_ended", journey_ended=True))
    assert begin(PLAN).tell(ended).command() == Finish(EXITED, recorded=True)
    found_ended = begin(PLAN).tell(page("m1", after="p2")).tell(settled("cancelled", journey_ended=True))
    assert found_ended.command() == Finish(EXITED, recorded=True)


def test_messages_in_flight_at_an_exit_are_noted(begin: Begin) -> None:
    driver = begin(PLAN).tell(page("m1", "m2", after="p2")).tell(Exited("e1")).tell(settled("sent", "cancelled"))
    assert driver.command() == Finish(EXITED, recorded=True)
    assert driver.history[-1] == ("mail", "1 cancelled, 1 sent")


def test_the_row_stays_at_the_step_until_the_workflow_rests(begin: Begin) -> None:
    driver = begin(PLAN)
    stored = StoredPosition("before", "waiting", 1, 4)
    answered = after_answer(PLAN, driver.state, page("m1"), NOON, stored)
    assert answered == StoredPosition("mail", "acting", 1, 5)
    assert after_answer(PLAN, driver.state, settled("sent"), NOON, answered) == answered


# The gate

JOURNEY, STARTER = UUID(int=1), UUID(int=2)
REQUEST = MembersRequest(
    journey_id=JOURNEY,
    step="mail",
    visit=1,
    attempt=2,
    reached_at=NOON,
    at=NOON,
    after=None,
    next_positions=NextPositions(7, (Position("rest", "waiting", 60.0),)),
)
RULES = Rules("Hello", EntryRule("Started"))
FACTS = PageFacts(
    profile_id=STARTER,
    campaign_key="hello",
    campaign_version=1,
    journey_state="active",
    ended_by=None,
    campaign_state="running",
    held_at=None,
    rules=[CapRule("daily", limit=1, window=86_400)],
    broken={},
    registry_revision=1,
)


def member(number: int, *, is_decided: bool = False, **changed: Any) -> MemberFacts:
    facts: dict[str, Any] = {
        "traits": {"email": f"u{number}@example.com"},
        "context": {},
        "consent": {},
        "suppressed": {},
        "refused_addresses": {},
        "ledger": [],
        "bucket": UUID(int=number),
    }
    return MemberFacts(profile_id=UUID(int=number), is_decided=is_decided, **{**facts, **changed})


def test_each_member_gets_an_answer_of_their_own() -> None:
    members = [
        member(10),
        member(11, traits={}),
        member(12, ledger=[CountedMessage(NOON - HOUR, "email", "marketing")]),
        member(13, is_decided=True),
        member(14, traits={"email": "u14@example.com", "timezone": "Asia/Tokyo"}),
    ]
    rules = Rules("Hello", EntryRule("Started"), send_window=LocalWindow(time(9), time(18)))
    decision = decide_page(REQUEST, PLAN, rules, FACTS, members, "UTC")
    assert decision.answer is None
    assert [(one.profile_id.int, one.outcome, one.reason) for one in decision.records] == [
        (10, "granted", None),
        (11, "refused", "unreachable"),
        (12, "refused", "capped"),
        (14, "deferred", "send_window"),
    ]
    assert decision.until == datetime.fromisoformat("2026-11-02T09:00+09:00")
    assert [(one.id, one.profile_id) for one in decision.reservations] == [
        (uuid5(JOURNEY, f"mail/1/{UUID(int=10)}"), UUID(int=10))
    ]
    assert decision.position == Position("mail", "acting")
    assert {one.data["role"] for one in decision.records} == {"admin"}


def test_a_refusal_is_final_for_the_visit_and_a_deferral_for_the_attempt() -> None:
    later = MembersRequest(**{name: getattr(REQUEST, name) for name in REQUEST.__struct_fields__} | {"attempt": 3})
    profile_id = UUID(int=10)
    assert REQUEST.refusal_id(profile_id) == later.refusal_id(profile_id)
    assert REQUEST.message_id(profile_id) == later.message_id(profile_id)
    assert REQUEST.member_decision_id(profile_id) != later.member_decision_id(profile_id)
    assert later.previous_decision_id == REQUEST.decision_id


@pytest.mark.parametrize(
    ("changed", "answer"),
    [
        ({"journey_state": "exited", "ended_by": "e1"}, Refused("journey_ended", journey_ended=True)),
        ({"campaign_state": "paused"}, Held("campaign_paused")),
        ({"campaign_state": "ended"}, Refused("campaign_not_running")),
    ],
)
def test_what_concerns_all_members_is_one_decision_of_the_journeys_person(
    changed: dict[str, Any], answer: Held | Refused
) -> None:
    facts = PageFacts(**{name: getattr(FACTS, name) for name in FACTS.__struct_fields__} | changed)
    decision = decide_page(REQUEST, PLAN, RULES, facts, [member(10), member(11)], "UTC")
    assert decision.answer == answer
    [record] = decision.records
    assert (record.id, record.profile_id, record.answer) == (REQUEST.decision_id, STARTER, answer)
    assert decision.reservations == ()


def test_a_step_of_another_kind_sends_to_no_members() -> None:
    plan: Plan = plan_of(Send("mail", "email", "hello"))
    with pytest.raises(ConflictError):
        decide_page(REQUEST, plan, RULES, FACTS, [], "UTC")


def test_the_progress_of_a_round_is_kept_while_it_is_held(begin: Begin) -> None:
    driver = begin(PLAN).tell(page(after="p2", until=NOON + HOUR)).tell(MembersAnswered(Held("campaign_paused")))
    assert driver.state.members == MembersRound(after="p2", until=NOON + HOUR)


def test_a_page_takes_what_the_day_of_a_provider_has_room_for() -> None:
    warm_up = WarmUp("new", NOON.date(), (100,))
    rules = (
        ProviderRule("new", "smtp", "email", {"host": "a.example.com"}),
        ProviderRule("old", "smtp", "email", {"host": "b.example.com"}),
        RouteRule("email", ("new", "old"), warm_up=warm_up),
    )
    members = [member(number) for number in (10, 11, 12)]

    def providers(room: int | None) -> list[str | None]:
        senders = PageSenders(DeployedProviders(rules), (), NOON, ZoneInfo("UTC"), room)
        decision = decide_page(REQUEST, PLAN, RULES, FACTS, members, "UTC", senders=senders)
        assert len(decision.limited) == sum(one.provider == "new" for one in decision.reservations)
        return [one.provider for one in decision.reservations]

    assert providers(None) == ["new", "new", "new"]
    assert providers(1) == ["new", "old", "old"]
    assert providers(0) == ["old", "old", "old"]
