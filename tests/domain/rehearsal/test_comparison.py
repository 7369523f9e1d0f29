"""Two versions compared, message by message and person by person."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.rehearsal.comparison import PERSON_CHANGES, ComparedMessage, Comparison, compare_messages, judge_person
from domain.rehearsal.limits import BacktestLimits, check_limits
from domain.rehearsal.tally import Tally
from tests.domain.rehearsal.story import START

SENT = st.builds(
    ComparedMessage,
    st.sampled_from(["cart", "welcome"]),
    st.sampled_from(["nudge", "reminder"]),
    st.sampled_from(["email", "sms"]),
    st.integers(0, 3).map(lambda hours: START + timedelta(hours=hours)),
)
LISTS = st.lists(SENT, max_size=6)


@given(LISTS, LISTS)
def test_messages_of_both_sides_add_up(before: list[ComparedMessage], after: list[ComparedMessage]) -> None:
    found = compare_messages(before, after)
    assert found["kept"] + found["moved"] + found["removed"] == len(before)
    assert found["kept"] + found["moved"] + found["added"] == len(after)


@given(LISTS, LISTS)
def test_each_person_falls_under_one_change(before: list[ComparedMessage], after: list[ComparedMessage]) -> None:
    change = judge_person(compare_messages(before, after), len(before), len(after))
    assert change in PERSON_CHANGES
    assert (change == "same") == (sorted(before) == sorted(after))
    assert (change == "none_any_more") == bool(before and not after)
    assert (change == "first") == bool(after and not before)


@given(LISTS, LISTS)
def test_the_way_back_is_the_mirror(before: list[ComparedMessage], after: list[ComparedMessage]) -> None:
    there, back = compare_messages(before, after), compare_messages(after, before)
    assert (there["kept"], there["moved"]) == (back["kept"], back["moved"])
    assert (there["added"], there["removed"]) == (back["removed"], back["added"])


@given(st.permutations([ComparedMessage("cart", "nudge", "email", START + timedelta(hours=hour)) for hour in range(4)]))
def test_the_order_of_messages_decides_nothing(messages: list[ComparedMessage]) -> None:
    assert compare_messages(messages, sorted(messages)) == {"kept": 4}


def check(
    limits: BacktestLimits, before: dict[int, int], after: dict[int, int], silenced: int = 0
) -> list[tuple[str, bool]]:
    """The findings for people by their numbers of messages."""
    first, second = Tally(people=sum(before.values())), Tally(people=sum(after.values()))
    first.numbers.update(before)
    second.numbers.update(after)
    comparison = Comparison(before=first)
    comparison.people["none_any_more"] = silenced
    return [(one.found, one.is_exceeded) for one in check_limits(limits, second, comparison)]


def test_limits_are_exceeded_beyond_their_number() -> None:
    assert check(BacktestLimits(), {1: 9}, {5: 9}) == []
    assert check(BacktestLimits(per_person=2), {1: 9}, {2: 9}) == [("2", False)]
    assert check(BacktestLimits(per_person=1), {1: 9}, {0: 8, 2: 1}) == [("2", True)]
    assert check(BacktestLimits(growth=0.1), {1: 10}, {1: 9, 2: 1}) == [("10.0%", False)]
    assert check(BacktestLimits(growth=0.1), {1: 10}, {1: 8, 2: 2}) == [("20.0%", True)]
    assert check(BacktestLimits(growth=0), {1: 10}, {1: 9, 0: 1}) == [("-10.0%", False)]
    assert check(BacktestLimits(silenced=0.1), {0: 5, 1: 10}, {0: 6, 1: 9}, silenced=1) == [("10.0%", False)]
    assert check(BacktestLimits(silenced=0), {0: 5, 1: 10}, {0: 6, 1: 9}, silenced=1) == [("10.0%", True)]


def test_messages_where_there_were_none_exceed_each_share() -> None:
    assert check(BacktestLimits(growth=10), {0: 3}, {0: 1, 1: 2}) == [("2 where there was none", True)]
    assert check(BacktestLimits(growth=0, silenced=0), {0: 3}, {0: 3}) == [("none", False), ("none", False)]
