"""A merge that is undone leaves two people as if they had never been one."""

from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from domain.people.profile_state import Part, ProfileState, Source, Statement, fold, merge
from domain.people.registers import Stamp
from domain.people.separation import separate

UNDO = Source("operator", "support", datetime(2026, 11, 1, 12, tzinfo=UTC))
# Who said what, where the ids of their statements differ: before the merge, or since.
_SAID = st.tuples(
    st.sampled_from(["source", "target"]),
    st.sampled_from(["before", "since"]),
    st.one_of(
        st.tuples(st.just("traits"), st.sampled_from("ab"), st.sampled_from([None, 1, "x", ["y"]])),
        st.tuples(st.just("consent"), st.sampled_from("ab"), st.booleans()),
        st.tuples(st.just("suppressed"), st.just("email"), st.sampled_from([None, "bounced"])),
        st.tuples(st.just("stage"), st.just("stage"), st.sampled_from(["active", "lapsing"])),
    ),
    st.integers(0, 3),
)


def as_json(state: ProfileState) -> bytes:
    return msgspec.json.encode(state, order="deterministic")


def statements(said: list[tuple[str, str, tuple[Part, str, object], int]], who: str, when: str) -> list[Statement]:
    return [
        Statement(*what, Stamp(at, f"{speaker}{number}"), UNDO)
        for number, (speaker, moment, what, at) in enumerate(said)
        if (speaker, moment) == (who, when)
    ]


@given(said=st.lists(_SAID, max_size=14))
def test_each_gets_back_what_they_would_have_alone(
    said: list[tuple[str, str, tuple[Part, str, object], int]],
) -> None:
    source, target = (fold(ProfileState(), statements(said, who, "before")).state for who in ("source", "target"))
    source_since, target_since = (statements(said, who, "since") for who in ("source", "target"))
    merged = fold(merge(target, source, UNDO).state, source_since + target_since).state
    apart = separate(
        merged,
        source=source,
        target=target,
        source_since=source_since,
        target_since=target_since,
        others=[],
        undo=UNDO,
    )
    assert as_json(apart.source) == as_json(fold(source, source_since).state)
    assert as_json(apart.target) == as_json(fold(target, target_since).state)


def test_a_profile_that_was_merged_since_stays() -> None:
    def state(name: str, value: str, at: int, id: str) -> ProfileState:
        return fold(ProfileState(), [Statement("traits", name, value, Stamp(at, id), UNDO)]).state

    target, source, other = state("plan", "free", 1, "t"), state("plan", "pro", 3, "s"), state("plan", "team", 2, "o")
    merged = merge(merge(target, source, UNDO).state, other, UNDO).state
    assert merged.traits.values == {"plan": "pro"}
    apart = separate(merged, source=source, target=target, source_since=[], target_since=[], others=[other], undo=UNDO)
    assert apart.target.traits.values == {"plan": "team"}
    assert [(change.before, change.after) for change in apart.changes] == [("pro", "team")]


def test_what_an_operator_or_a_step_said_since_stays_with_the_target() -> None:
    source = fold(ProfileState(), [Statement("traits", "plan", "pro", Stamp(1, "s"), UNDO)]).state
    step = Statement("stage", "stage", "loyal", Stamp(2, "decision"), UNDO)
    merged = fold(merge(ProfileState(), source, UNDO).state, [step]).state
    apart = separate(
        merged, source=source, target=ProfileState(), source_since=[], target_since=[], others=[], undo=UNDO
    )
    assert (apart.target.traits.values, apart.target.stage.values) == ({}, {"stage": "loyal"})
