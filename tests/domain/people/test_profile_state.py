"""Whatever the order in which things are said to a profile, it ends the same, and within its bounds."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.people import profile_state
from domain.people.profile_state import (
    MAX_CONSENTS,
    MAX_TRAITS,
    MAX_TRAITS_BYTES,
    Part,
    ProfileState,
    Source,
    Statement,
    StateUpdate,
    fold,
    merge,
)
from domain.people.registers import Stamp, pack, stamp, unpack
from domain.people.statements import statements_of_traits

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
EVENT = Source("event", "m1", NOON)
MERGE = Source("merge", "p2", NOON)


def said(name: str, value: Any, minute: int = 0, id: str = "m1", part: Part = "traits") -> Statement:
    return Statement(part, name, value, stamp(NOON + timedelta(minutes=minute), id, EVENT.label), EVENT)


def statement(what: tuple[Part, str, Any], when: Stamp) -> Statement:
    return Statement(*what, when, EVENT)


_TRAIT = st.tuples(
    st.just("traits"), st.sampled_from("ab"), st.sampled_from([None, 1, True, 1.5, "x", ["y"], {"z": 0}])
)
_CONSENT = st.tuples(st.just("consent"), st.sampled_from("ab"), st.booleans())
_SUPPRESSION = st.tuples(st.just("suppressed"), st.sampled_from("ab"), st.sampled_from([None, "bounced", "asked"]))
_STAGE = st.tuples(st.just("stage"), st.just("stage"), st.sampled_from(["active", "lapsing"]))
# Few instants and ids, so that ties are many: also of two sources that use the same id.
_WHEN = st.builds(Stamp, st.integers(0, 2), st.sampled_from(["m1", "m2"]))
STATEMENTS = st.lists(
    st.builds(statement, st.one_of(_TRAIT, _CONSENT, _SUPPRESSION, _STAGE), _WHEN),
    max_size=12,
)


def as_json(state: ProfileState) -> bytes:
    return msgspec.json.encode(state, order="deterministic")


@given(statements=STATEMENTS, seed=st.integers(0, 2**32))
def test_any_order_any_split_and_any_merge_end_in_the_same_profile(statements: list[Statement], seed: int) -> None:
    rolls = random.Random(seed)
    expected = as_json(fold(ProfileState(), statements).state)
    shuffled = rolls.sample(statements, len(statements))
    cut = rolls.randrange(len(statements) + 1)
    first, rest = fold(ProfileState(), shuffled[:cut]).state, shuffled[cut:]
    assert as_json(fold(first, rest).state) == expected
    other = fold(ProfileState(), rest).state
    assert as_json(merge(first, other, MERGE).state) == expected
    assert as_json(merge(other, first, MERGE).state) == expected
    # What was said before says nothing new.
    assert not fold(fold(first, rest).state, statements).is_changed


@given(statements=STATEMENTS)
def test_of_each_name_the_latest_holds_by_the_table_of_ties(statements: list[Statement]) -> None:
    state = fold(ProfileState(), statements).state
    for one in statements:
        rivals = [other for other in statements if (other.part, other.name) == (one.part, one.name)]
        latest = max(rivals, key=precedence)
        assert msgspec.json.encode(state.part(one.part).values[one.name]) == msgspec.json.encode(latest.value)


def precedence(one: Statement) -> tuple[int, bool, str, bytes]:
    """When, whether it refuses, by which id, and the value itself."""
    refuses = {"consent": one.value is False, "suppressed": one.value is not None}.get(one.part, False)
    return one.said.at, refuses, one.said.id, msgspec.json.encode(one.value, order="deterministic")


def test_what_was_taken_back_does_not_come_back() -> None:
    state = fold(ProfileState(), [said("plan", "pro", 1), said("plan", None, 3)]).state
    late = fold(state, [said("plan", "team", 2)])
    assert (late.state.traits.values, late.is_changed, late.changes) == ({"plan": None}, False, [])


def test_on_a_tie_the_refusal_wins_whatever_the_ids() -> None:
    for yes, no in (("m1", "m2"), ("m2", "m1")):
        both = [said("email", True, id=yes, part="consent"), said("email", False, id=no, part="consent")]
        for order in (both, both[::-1]):
            assert fold(ProfileState(), order).state.consent.values == {"email": False}


def test_what_changes_no_value_is_no_change_and_makes_it_later() -> None:
    state = fold(ProfileState(), [said("plan", "pro", 1)]).state
    again = fold(state, [said("plan", "pro", 5)])
    assert (again.is_changed, again.changes) == (True, [])
    assert not fold(again.state, [said("plan", "free", 4)]).is_changed


def test_a_value_of_a_release_without_stamps_yields_to_every_word() -> None:
    state = ProfileState()
    state.traits.values["plan"] = "pro"
    assert fold(state, [said("plan", "free", -10_000_000)]).state.traits.values == {"plan": "free"}


def full(number: int = MAX_TRAITS) -> StateUpdate:
    return fold(ProfileState(), [said(f"t{index}", index) for index in range(number)])


def test_a_thousand_traits_are_kept_and_the_next_is_refused_with_its_reason() -> None:
    folded = full(MAX_TRAITS + 1)
    assert len(folded.state.traits.values) == MAX_TRAITS
    [refusal] = folded.refusals
    assert refusal.statement.name == "t1000"
    assert refusal.reason == "a profile may have 1,000 traits, and this one has 1,000: leave `t1000` out"
    # What is there already may change.
    assert fold(folded.state, [said("t7", "seven", 1)]).refusals == []


def test_no_more_than_so_many_bytes_are_kept() -> None:
    half = "x" * (MAX_TRAITS_BYTES // 2)
    folded = fold(ProfileState(), [said("a", half), said("b", half), said("c", "small")])
    assert folded.state.traits.values.keys() == {"a", "c"}
    [refusal] = folded.refusals
    assert refusal.reason.startswith("the traits of a profile may have 262,144 bytes; with `b` they would have 262,")
    assert len(msgspec.json.encode(folded.state.traits.values)) <= MAX_TRAITS_BYTES
    smaller = fold(folded.state, [said("a", "y", 1), said("b", half, 1)])
    assert smaller.refusals == []


def test_a_profile_that_was_too_large_before_may_shrink() -> None:
    state = ProfileState()
    state.traits.values["a"] = "x" * (2 * MAX_TRAITS_BYTES)
    assert fold(state, [said("a", "x" * (2 * MAX_TRAITS_BYTES - 1))]).refusals == []
    assert len(fold(state, [said("b", 1)]).refusals) == 1


def test_what_was_taken_back_makes_room_for_others() -> None:
    """A client may name its traits by the day, and take back those of yesterday, for years."""
    state = ProfileState()
    for day in range(20):
        words = [said(f"{day}-{number}", number, 2 * day) for number in range(MAX_TRAITS)]
        folded = fold(state, [*words, *(said(word.name, None, 2 * day + 1) for word in words)])
        assert folded.refusals == []
        state = folded.state
        assert list(state.traits.values) == [word.name for word in words]
    assert fold(state, [said(word.name, "old", 0) for word in words]).changes == []


def test_what_was_taken_back_first_is_forgotten_first() -> None:
    taken_back = [said(f"t{index}", None, 1 + index % 10) for index in range(600)]
    folded = fold(full().state, [*taken_back, *(said(f"new{index}", index, 20) for index in range(500))])
    assert (folded.refusals, len(folded.state.traits.values)) == ([], MAX_TRAITS)
    remembered = {name for name, value in folded.state.traits.values.items() if value is None}
    assert remembered == {one.name for one in sorted(taken_back, key=lambda one: (one.said, one.name))[500:]}
    [refusal] = fold(folded.state, [said(f"more{index}", index, 20) for index in range(101)]).refusals
    assert refusal.reason == "a profile may have 1,000 traits, and this one has 1,000: leave `more100` out"


def test_a_merge_forgets_what_was_taken_back_before_it_leaves_out_a_trait() -> None:
    gone = fold(ProfileState(), [said(f"gone{index}", None, 5) for index in range(MAX_TRAITS)]).state
    for one, other in ((gone, full(400).state), (full(400).state, gone)):
        merged = merge(one, other, MERGE)
        assert (merged.refusals, len(merged.state.traits.values)) == ([], MAX_TRAITS)
        assert sum(value is not None for value in merged.state.traits.values.values()) == 400


@pytest.mark.parametrize("names", [("t1", "new"), ("new", "t1")])
def test_a_trait_taken_back_makes_room_for_another_of_the_same_call(names: tuple[str, str]) -> None:
    traits = {name: None if name == "t1" else "set" for name in names}
    said = stamp(NOON + timedelta(minutes=1), "m2", EVENT.label)
    folded = fold(full().state, statements_of_traits(traits, said, EVENT))
    assert folded.refusals == []
    assert folded.state.traits.values["new"] == "set"


def consents(prefix: str, number: int, minute: int, *, given: bool) -> list[Statement]:
    return [said(f"{prefix}{index:04}", given, minute, part="consent") for index in range(number)]


def test_a_profile_has_consent_for_so_many_channels_and_keeps_the_refusals() -> None:
    state = fold(ProfileState(), consents("old", MAX_CONSENTS, 1, given=True)).state
    folded = fold(state, [*consents("no", 10, 2, given=False), *consents("yes", 5_000, 3, given=True)])
    kept = folded.state.consent.values
    assert (len(kept), list(kept.values()).count(False)) == (MAX_CONSENTS, 10)
    assert folded.state.consent.stamps.keys() == kept.keys()
    assert len(folded.refusals) == MAX_CONSENTS + 10 + 5_000 - MAX_CONSENTS
    assert folded.refusals[0].reason == (
        "a profile may have consent for 100 channels: refusals are kept, then the latest"
    )
    # The history says what became of each: nothing of those that never were in the profile.
    expected = dict(state.consent.values)
    for change in folded.changes:
        assert change.before == expected.pop(change.name, None)
        expected |= {change.name: change.after} if change.after is not None else {}
    assert expected == kept


def test_refusals_alone_are_bounded_as_well() -> None:
    state = fold(ProfileState(), consents("no", 3 * MAX_CONSENTS, 1, given=False)).state
    assert len(state.consent.values) == MAX_CONSENTS


def test_a_merge_keeps_the_refusals_before_the_grants() -> None:
    refusing = fold(ProfileState(), consents("no", 60, 1, given=False)).state
    granting = fold(ProfileState(), consents("yes", 60, 2, given=True)).state
    for one, other in ((refusing, granting), (granting, refusing)):
        merged = merge(one, other, MERGE)
        assert list(merged.state.consent.values.values()).count(False) == 60
        assert len(merged.state.consent.values) == MAX_CONSENTS
        assert {refusal.statement.part for refusal in merged.refusals} == {"consent"}
        assert len(merged.refusals) == 20


@given(
    batches=st.lists(
        st.lists(
            st.builds(said, st.sampled_from("abcdefgh"), st.sampled_from([None, None, 1, "x" * 20]), st.integers(0, 9)),
            max_size=8,
        ),
        max_size=4,
    )
)
def test_whatever_is_set_and_taken_back_a_profile_is_bounded(batches: list[list[Statement]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(profile_state, "MAX_TRAITS", 3)
        patch.setattr(profile_state, "MAX_TRAITS_BYTES", 50)
        state = ProfileState()
        for batch in batches:
            for one in batch:
                before = dict(state.traits.values)
                folded = fold(state, [one])
                state = folded.state
                is_set = [name for name, value in before.items() if value is not None]
                used = sum(profile_state._size(name, before[name]) for name in is_set)
                for refusal in folded.refusals:
                    assert refusal.statement.value is not None
                    more = profile_state._size(one.name, one.value)
                    less = profile_state._size(one.name, before[one.name]) if one.name in is_set else 0
                    assert len(is_set) == 3 or used + more - less > 50
            assert len(state.traits.values) <= 3
            assert state.traits.stamps.keys() == state.traits.values.keys()
            assert len(msgspec.json.encode(state.traits.values)) <= 50
        at_once = fold(ProfileState(), [one for batch in batches for one in batch]).state.traits
        assert len(at_once.values) <= 3
        assert len(msgspec.json.encode(at_once.values)) <= 50


@pytest.mark.parametrize("target_is_later", [True, False])
def test_of_two_that_are_too_many_for_one_profile_what_was_said_last_is_kept(target_is_later: bool) -> None:
    older = fold(ProfileState(), [said(f"old{index:03}", index, 1) for index in range(700)]).state
    newer = fold(ProfileState(), [said(f"new{index:03}", index, 2) for index in range(700)]).state
    merged = merge(newer, older, MERGE) if target_is_later else merge(older, newer, MERGE)
    names = merged.state.traits.values.keys()
    assert len(names) == MAX_TRAITS
    assert {name for name in names if name.startswith("new")} == newer.traits.values.keys()
    assert len(merged.refusals) == 400
    assert as_json(merged.state) == as_json(merge(older, newer, MERGE).state)


@given(
    stamps=st.dictionaries(
        st.text(max_size=3), st.builds(Stamp, st.integers(-(2**63), 2**63 - 1), st.sampled_from(["m1", "m2", ""]))
    )
)
def test_stamps_are_stored_by_what_was_said_at_once(stamps: dict[str, Stamp]) -> None:
    stored = msgspec.json.decode(msgspec.json.encode(pack(stamps)))
    assert unpack(stored) == stamps
    assert len(stored) == len(set(stamps.values()))
