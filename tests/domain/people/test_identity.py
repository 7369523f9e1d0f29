from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.people.identity import (
    MAX_EXTERNAL_IDS,
    Identity,
    Known,
    Resolution,
    find_main_identity,
    identities_of,
    resolve,
)
from domain.tracking.event import Event
from tests.domain.people.identity_harness import People, anonymous, crm, event, event_id, ids, user


def test_a_user_id_stands_for_a_person_before_all_other_ids() -> None:
    external = Identity("zendesk", "z-1")
    assert find_main_identity([external, anonymous("a-1"), user("u-1")]) == user("u-1")
    assert find_main_identity([external, anonymous("a-1")]) == anonymous("a-1")
    assert find_main_identity([external]) == external


@pytest.fixture(params=["one by one", "at once"])
def people_after(request: pytest.FixtureRequest) -> Callable[..., People]:
    def after(*events: Event) -> People:
        people = People()
        for batch in [[one] for one in events] if request.param == "one by one" else [list(events)]:
            people.take(*batch)
        return people

    return after


Scenario = tuple[list[Event], list[tuple[str | None, set[Identity]]]]


def a_user_is_new() -> Scenario:
    return [event("m1", "u1")], [("u1", {user("u1")})]


def an_anonymous_person_is_new() -> Scenario:
    return [event("m1", None, "a1"), event("m2", None, "a1")], [(None, {anonymous("a1")})]


def a_user_comes_with_a_device() -> Scenario:
    return [event("m1", "u1", "a1"), event("m2", None, "a1")], [("u1", {user("u1"), anonymous("a1")})]


def an_anonymous_person_becomes_a_new_user() -> Scenario:
    return [event("m1", None, "a1"), event("m2", "u1", "a1")], [("u1", {user("u1"), anonymous("a1")})]


def an_anonymous_person_turns_out_to_be_a_known_user() -> Scenario:
    events = [event("m1", "u1"), event("m2", None, "a1"), event("m3", "u1", "a1")]
    return events, [("u1", {user("u1"), anonymous("a1")})]


def two_devices_of_one_user() -> Scenario:
    events = [event("m1", None, "a1"), event("m2", None, "a2"), event("m3", "u1", "a1"), event("m4", "u1", "a2")]
    return events, [("u1", {user("u1"), anonymous("a1"), anonymous("a2")})]


def somebody_else_logs_in_on_a_shared_device() -> Scenario:
    events = [event("m1", "u1", "a1"), event("m2", "u2", "a1"), event("m3", None, "a1")]
    return events, [("u1", {user("u1"), anonymous("a1")}), ("u2", {user("u2")})]


def an_alias_of_an_anonymous_id() -> Scenario:
    events = [event("m1", None, "a1"), event("m2", "u1", None, "a1")]
    return events, [("u1", {user("u1"), anonymous("a1")})]


def an_alias_of_an_id_never_seen() -> Scenario:
    events = [event("m1", "u1", None, "a1"), event("m2", None, "a1")]
    return events, [("u1", {user("u1"), anonymous("a1")})]


def an_alias_of_another_user_joins_nobody() -> Scenario:
    events = [event("m1", "u1"), event("m2", "u2"), event("m3", "u2", None, "u1")]
    return events, [("u1", {user("u1")}), ("u2", {user("u2")})]


def an_alias_of_a_name_of_both_kinds_means_the_user() -> Scenario:
    events = [event("m1", "x"), event("m2", None, "x"), event("m3", "u1", None, "x")]
    return events, [("x", {user("x")}), (None, {anonymous("x")}), ("u1", {user("u1")})]


def an_alias_of_oneself() -> Scenario:
    events = [event("m1", "u1"), event("m2", "u1", None, "u1")]
    return events, [("u1", {user("u1")})]


def an_alias_that_brings_a_device_along() -> Scenario:
    events = [event("m1", None, "a1"), event("m2", None, "a2"), event("m3", "u1", "a1", "a2")]
    return events, [("u1", {user("u1"), anonymous("a1"), anonymous("a2")})]


def an_external_id_joins_two_devices() -> Scenario:
    events = [event("m1", None, "a1", None, "c1"), event("m2", None, "a2"), event("m3", None, "a2", None, "c1")]
    return events, [(None, {anonymous("a1"), anonymous("a2"), crm("c1")})]


def an_external_id_brings_a_device_to_its_user() -> Scenario:
    events = [event("m1", "u1", None, None, "c1"), event("m2", None, "a1", None, "c1")]
    return events, [("u1", {user("u1"), anonymous("a1"), crm("c1")})]


def an_external_id_of_an_anonymous_person_comes_with_a_user() -> Scenario:
    events = [event("m1", None, "a1", None, "c1"), event("m2", "u1", None, None, "c1")]
    return events, [("u1", {user("u1"), anonymous("a1"), crm("c1")})]


def an_external_id_of_another_user_joins_nobody() -> Scenario:
    events = [event("m1", "u1", None, None, "c1"), event("m2", "u2", "a2", None, "c1")]
    return events, [("u1", {user("u1"), crm("c1")}), ("u2", {user("u2"), anonymous("a2")})]


SCENARIOS = [
    a_user_is_new,
    an_anonymous_person_is_new,
    a_user_comes_with_a_device,
    an_anonymous_person_becomes_a_new_user,
    an_anonymous_person_turns_out_to_be_a_known_user,
    two_devices_of_one_user,
    somebody_else_logs_in_on_a_shared_device,
    an_alias_of_an_anonymous_id,
    an_alias_of_an_id_never_seen,
    an_alias_of_another_user_joins_nobody,
    an_alias_of_a_name_of_both_kinds_means_the_user,
    an_alias_of_oneself,
    an_alias_that_brings_a_device_along,
    an_external_id_joins_two_devices,
    an_external_id_brings_a_device_to_its_user,
    an_external_id_of_an_anonymous_person_comes_with_a_user,
    an_external_id_of_another_user_joins_nobody,
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_who_is_who(people_after: Callable[..., People], scenario: Callable[[], Scenario]) -> None:
    events, expected = scenario()
    assert people_after(*events).groups() == {(user_id, frozenset(names)) for user_id, names in expected}


def test_the_user_id_on_the_event_decides_on_a_shared_device() -> None:
    people = People()
    people.take(event("m1", "u1", "a1"))
    people.take(event("m2", "u2", "a1"), event("m3", None, "a1"))
    assert people.events()[event_id("m2")] == {user("u2")}
    assert people.events()[event_id("m3")] == {user("u1"), anonymous("a1")}


def test_a_claim_keeps_the_profile_and_needs_a_lock() -> None:
    people = People()
    first = people.take(event("m1", None, "a1"))
    assert not first.is_structural
    claim = people.take(event("m2", "u1", "a1"))
    assert claim.profile_of[event_id("m2")] == first.profile_of[event_id("m1")]
    assert claim.claimed == {first.profile_of[event_id("m1")]: "u1"}
    assert claim.linked == {user("u1"): first.profile_of[event_id("m1")]}
    assert (claim.created, claim.merged) == ({}, {})
    assert claim.is_structural


def test_a_merge_pours_the_anonymous_profile_into_the_users() -> None:
    people = People()
    stays = people.take(event("m1", "u1")).profile_of[event_id("m1")]
    goes = people.take(event("m2", None, "a1")).profile_of[event_id("m2")]
    merge = people.take(event("m3", None, "a1"), event("m4", "u1", "a1"), event("m5", None, "a1"))
    assert merge.merged == {goes: stays}
    assert set(merge.profile_of.values()) == {stays}
    assert (merge.created, merge.linked, merge.claimed) == ({}, {}, {})


def test_a_profile_that_a_batch_makes_and_merges_never_existed() -> None:
    people = People()
    stays = people.take(event("m1", "u1")).profile_of[event_id("m1")]
    merge = people.take(event("m2", None, "a1"), event("m3", "u1", "a1"))
    assert merge.linked == {anonymous("a1"): stays}
    assert (merge.created, merge.merged) == ({}, {})
    assert not merge.is_structural


def test_a_chain_within_one_batch_comes_to_one_person() -> None:
    """Anonymous, aliased to another anonymous person's user, who was known before."""
    people = People()
    stays = people.take(event("m1", "u1")).profile_of[event_id("m1")]
    people.take(event("m2", None, "a1"))
    people.take(event("m3", None, "a2"))
    people.take(
        event("m4", "u1", "a1"), event("m5", "u1", None, "a2"), event("m6", None, "a2"), event("m7", None, "a1")
    )
    assert people.groups() == {("u1", frozenset({user("u1"), anonymous("a1"), anonymous("a2")}))}
    assert set(people.of_event.values()) == {stays}


def test_an_id_that_stays_with_another_user_is_named() -> None:
    people = People()
    people.take(event("m1", "u1", None, None, "c1"), event("m2", "u2"))
    by_alias = people.take(event("m3", "u2", None, "u1"))
    by_external_id = people.take(event("m4", "u2", None, None, "c1"))
    shared_device = people.take(event("m5", "u1", "a1"), event("m6", "u2", "a1"))
    parts = [
        [(one.event_id, one.part) for one in resolution.conflicts]
        for resolution in (by_alias, by_external_id, shared_device)
    ]
    assert parts == [[(event_id("m3"), "previousId")], [(event_id("m4"), "context.externalIds.crm")], []]


def test_a_person_has_so_many_external_ids_and_no_more() -> None:
    people = People()
    for number in range(MAX_EXTERNAL_IDS):
        people.take(event(f"m{number}", "u1", None, None, f"c{number}"))
    full = {**people.known([event("m", "u1")]), user("u1"): Known(people.behind[user("u1")], False, MAX_EXTERNAL_IDS)}
    resolution = resolve([event("m", "u1", None, None, "more")], full, ids())
    assert (resolution.linked, [one.part for one in resolution.conflicts]) == ({}, ["context.externalIds.crm"])


def test_what_must_be_looked_up() -> None:
    wanted = identities_of([event("m1", "u1", "a1"), event("m2", None, "a2"), event("m3", "u1", None, "x")])
    assert wanted == {user("u1"), anonymous("a1"), anonymous("a2"), user("x"), anonymous("x")}
    assert resolve([], {}, ids()) == Resolution()


# A user id and an anonymous id may be spelt alike.
NAMES = st.sampled_from(["x", "y", "z"])
EXTERNAL = st.none() | st.sampled_from(["x", "y"])
BY = st.one_of(
    st.tuples(NAMES, st.none(), st.none(), EXTERNAL),
    st.tuples(st.none(), NAMES, st.none(), EXTERNAL),
    st.tuples(NAMES, NAMES, st.none(), EXTERNAL),
    st.tuples(NAMES, st.none() | NAMES, NAMES, EXTERNAL),
)
EVENTS = st.lists(BY, max_size=9).map(
    lambda rows: [event(f"m{number}", *row) for number, row in enumerate(rows, start=1)]
)


def cuts(events: list[Event], places: set[int]) -> Iterator[list[Event]]:
    start = 0
    for end in [*sorted(place for place in places if place < len(events)), len(events)]:
        yield events[start:end]
        start = end


def partition(events: list[Event]) -> set[tuple[str | None, frozenset[Identity]]]:
    """The rules word for word: people as sets of names, one event after the other."""
    people: list[tuple[str | None, set[Identity]]] = []

    def named(name: Identity) -> tuple[str | None, set[Identity]] | None:
        return next((person for person in people if name in person[1]), None)

    for one in events:
        others = [] if one.anonymous_id is None else [anonymous(one.anonymous_id)]
        if one.previous_id is not None and named(user(one.previous_id)) is None:
            others.append(anonymous(one.previous_id))
        own = others[0] if one.user_id is None else user(one.user_id)
        person = named(own)
        if person is None:
            person = (one.user_id, {own})
            people.append(person)
        for name in [] if one.user_id is None else others:
            other = named(name)
            if other is None:
                person[1].add(name)
            elif other[0] is None:
                person[1].update(other[1])
                people.remove(other)
        for name in [Identity(*pair) for pair in one.external_ids]:
            other = named(name)
            if other is None:
                person[1].add(name)
            elif other is not person and None in (other[0], person[0]):
                people.remove(other)
                people.remove(person)
                people.append((other[0] or person[0], other[1] | person[1]))
    return {(user_id, frozenset(names)) for user_id, names in people}


@settings(derandomize=True, max_examples=180)
@given(EVENTS, st.sets(st.integers(1, 8)))
def test_batches_cut_anywhere_come_to_the_same_people(events: list[Event], places: set[int]) -> None:
    cut, single, whole = People(), People(), People()
    for batch in cuts(events, places):
        cut.take(*batch)
    for one in events:
        single.take(one)
    whole.take(*events)
    assert whole.groups() == single.groups() == cut.groups() == partition(events)
    assert whole.events() == single.events() == cut.events()


@settings(derandomize=True, max_examples=60)
@given(EVENTS)
def test_the_same_events_again_change_nothing(events: list[Event]) -> None:
    people = People()
    people.take(*events)
    before = people.groups()
    again = people.take(*(event(f"{one.message_id}+", one.user_id, one.anonymous_id) for one in events))
    assert people.groups() == before
    assert not again.is_structural
