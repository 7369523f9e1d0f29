"""The schedule: the same for the same seed, whole decks, and nothing that outlasts the run."""

from collections import Counter
from itertools import pairwise
from typing import get_args

from tests.chaos.faults import Crash, Failure, Oddity, Trouble, schedule

KINDS = {*get_args(Crash), *get_args(Trouble), *get_args(Failure), *get_args(Oddity)}


def test_a_seed_has_one_schedule() -> None:
    assert schedule("1", 600) == schedule("1", 600)
    assert schedule("1", 600) != schedule("2", 600)


def test_ten_minutes_have_every_kind_several_times() -> None:
    counts = Counter(fault.kind for fault in schedule("1", 600))
    assert set(counts) == KINDS
    assert min(counts.values()) >= 3


def test_the_short_form_has_every_kind() -> None:
    assert {fault.kind for fault in schedule("short", 65)} == KINDS


def test_all_are_lifted_by_the_end_and_those_of_a_row_come_one_after_the_other() -> None:
    faults = schedule("1", 600)
    assert max(fault.at + fault.seconds for fault in faults) <= 600
    for row in (Crash, Failure):
        found = [fault for fault in faults if fault.kind in get_args(row)]
        assert all(one.at + one.seconds < other.at for one, other in pairwise(found))


def test_what_cannot_be_done_is_left_out_and_the_rest_of_it_stays() -> None:
    assert {fault.kind for fault in schedule("1", 600, ["disk-full"])} == KINDS - {"disk-full"}
