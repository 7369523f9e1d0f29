"""The statements of events about accounts and their members."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from domain.people.account_view import account_of
from domain.people.accounts import ADDED_USER, MEMBER, REMOVED_USER, account_statement, fold_member, merge_members
from domain.people.registers import Registers
from domain.people.statements import event_source, stamp_of
from domain.tracking.event import CallType, Event
from domain.tracking.traits import ROLE
from tests.engine.ingesting import event

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
PROFILE = UUID(int=1)


def of(type: CallType, name: str | None = None, seconds: float = 0, context: Any = None, **properties: Any) -> Event:
    one = event(type, "u", name=name, at=AT + timedelta(seconds=seconds), **properties)
    return replace(one, context={"groupId": "acme"} if context is None else context)


def group(seconds: float = 0, **traits: Any) -> Event:
    return replace(of("group", seconds=seconds, context={}, **traits), group_id="acme")


def folded(*events: Event, registers: Registers | None = None) -> Registers:
    registers = registers or Registers()
    for one in events:
        source = event_source(one)
        said = account_statement(one, PROFILE, source, stamp_of(one, source, AT + timedelta(days=1)))
        assert said is not None
        registers = fold_member(registers, said.place, said.said)
    return registers


@pytest.mark.parametrize(
    ("context", "group_id", "named"),
    [
        ({"groupId": "acme"}, None, "acme"),
        ({"groupId": 42}, None, "42"),
        ({"groupId": "other"}, "acme", "acme"),
        ({"groupId": ""}, None, None),
        ({"groupId": True}, None, None),
        ({"groupId": ["acme"]}, None, None),
        ({"groupId": "x" * 256}, None, None),
        ({}, None, None),
    ],
)
def test_an_event_names_its_account(context: dict[str, Any], group_id: str | None, named: str | None) -> None:
    assert account_of(replace(event("track", "u", name="E"), context=context, group_id=group_id)) == named


def test_only_groups_and_the_events_of_members_state_anything() -> None:
    source = event_source(of("track", "E"))
    stamp = stamp_of(of("track", "E"), source, AT)
    others = [of("track", "E"), of("identify"), of("page", ADDED_USER), of("track", ADDED_USER, context={})]
    assert [account_statement(one, PROFILE, source, stamp) for one in others] == [None] * 4
    said = account_statement(group(plan="team", role="admin"), PROFILE, source, stamp)
    assert said is not None
    assert ([one.name for one in said.traits], said.place) == (["plan"], {MEMBER: True, ROLE: "admin"})
    # The properties of an event are no traits of the account, and an odd role is none.
    added = account_statement(of("track", ADDED_USER, plan="team", role=7), PROFILE, source, stamp)
    assert added is not None
    assert (added.traits, added.place) == ([], {MEMBER: True})


def test_any_order_and_any_split_in_two_people_gives_the_same_member() -> None:
    events = [
        group(0, role="viewer"),
        of("track", ADDED_USER, 1, role="admin"),
        of("track", REMOVED_USER, 2),
        group(3),
    ]
    expected = folded(*events)
    assert expected.values == {MEMBER: True, ROLE: None}
    for order in permutations(events):
        assert folded(*order) == expected
        for split in range(len(order) + 1):
            one, other = folded(*order[:split]), folded(*order[split:])
            assert merge_members(one, other) == merge_members(other, one) == expected


def test_at_the_same_instant_who_leaves_has_left() -> None:
    events = [group(0, role="admin"), of("track", REMOVED_USER, 0)]
    for order in (events, events[::-1]):
        assert folded(*order).values == {MEMBER: False, ROLE: None}
