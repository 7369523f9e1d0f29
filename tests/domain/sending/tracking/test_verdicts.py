"""People and machines who follow links: a corpus by rules, and each rule by itself."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from domain.sending.tracking.tokens import PIXEL, TRAP
from domain.sending.tracking.verdicts import Client, Hit, judge

DELIVERED = datetime(2026, 11, 2, 10, tzinfo=UTC)
SEED = 20261201
LINKS = 6


def hit(id: int, seconds: float, number: int = 0, client: Client = "browser", *, is_head: bool = False) -> Hit:
    return Hit(id, DELIVERED + timedelta(seconds=seconds), number, client, is_head)


def people_of(*hits: Hit, delivered_at: datetime | None = DELIVERED) -> set[int]:
    return {id for id, is_person in judge(hits, delivered_at).items() if is_person}


def test_a_click_some_time_after_the_delivery_is_a_person_s() -> None:
    assert people_of(hit(1, 40)) == {1}
    assert people_of(hit(1, -40), delivered_at=None) == {1}


@pytest.mark.parametrize(
    "machine",
    [hit(1, 1.9), hit(1, -1), hit(1, 40, client="machine"), hit(1, 40, is_head=True), hit(1, 40, TRAP)],
)
def test_a_machine_is_known_by_one_sign(machine: Hit) -> None:
    assert people_of(machine) == set()


def test_two_links_at_once_are_a_machine_s_and_the_same_one_twice_is_not() -> None:
    assert people_of(hit(1, 40, 0), hit(2, 41.9, 1)) == set()
    assert people_of(hit(1, 40, 0), hit(2, 42.1, 1)) == {1, 2}
    assert people_of(hit(1, 40, 0), hit(2, 40.3, 0)) == {1, 2}
    assert people_of(hit(1, 40, 0), hit(2, 40.5, PIXEL)) == {1, 2}


def test_a_trap_voids_what_came_before_and_after_it() -> None:
    assert people_of(hit(1, 40), hit(2, 90, TRAP), hit(3, 140, 1), hit(4, 151, 2), hit(5, 29, 3)) == {4, 5}


# The corpus: hits of one mail, and which of them are a person's


def scanner_at_once(drawn: random.Random) -> list[Hit]:
    """Follows every link within a second of the delivery."""
    return [hit(number, drawn.uniform(0, 1.9), number) for number in range(LINKS)]


def late_scanner(drawn: random.Random) -> list[Hit]:
    """Follows every link within a second, tens of seconds after the delivery, as most do."""
    begin = drawn.lognormvariate(3.8, 0.9) + 2
    return [hit(number, begin + drawn.uniform(0, 0.9), number) for number in range(LINKS)]


def slow_scanner(drawn: random.Random) -> list[Hit]:
    """Takes seconds for each link, the hidden one among them."""
    begin, numbers = drawn.uniform(3, 300), [*range(LINKS - 1), TRAP]
    drawn.shuffle(numbers)
    return [hit(place, begin + place * drawn.uniform(2.1, 5), number) for place, number in enumerate(numbers)]


def scripted_scanner(drawn: random.Random) -> list[Hit]:
    """Runs the pages behind the links, whose scripts confirm each of them."""
    begin = drawn.uniform(3, 300)
    return [
        hit(2 * place + is_by_page, begin + place + 0.4 * is_by_page, number)
        for place, number in enumerate([*range(LINKS), TRAP])
        for is_by_page in (False, True)
        if not is_by_page or number != TRAP
    ]


def prefetcher(drawn: random.Random) -> list[Hit]:
    """Asks for headers alone."""
    return [hit(0, drawn.uniform(3, 3_600), drawn.randrange(LINKS), is_head=True)]


def named_scanner(drawn: random.Random) -> list[Hit]:
    """Follows one link, and says what it is."""
    return [hit(0, drawn.uniform(3, 3_600), drawn.randrange(LINKS), "machine")]


def image_proxy(drawn: random.Random) -> list[Hit]:
    return [hit(0, drawn.uniform(0, 600), PIXEL, "machine")]


def one_click(drawn: random.Random) -> list[Hit]:
    """Opens the mail, and follows a link."""
    opened = drawn.lognormvariate(7, 2) + 3
    return [hit(0, opened, PIXEL), hit(1, opened + drawn.uniform(1, 120), drawn.randrange(LINKS))]


def some_clicks(drawn: random.Random) -> list[Hit]:
    """Comes back for further links, three seconds later or more."""
    at, found = drawn.lognormvariate(7, 2) + 3, list[Hit]()
    for place in range(drawn.randrange(2, 5)):
        at += drawn.uniform(3, 90)
        found.append(hit(place, at, place))
    return found


def double_click(drawn: random.Random) -> list[Hit]:
    begin = drawn.uniform(3, 3_600)
    return [hit(0, begin, 1), hit(1, begin + 0.2, 1)]


def hasty_reader(drawn: random.Random) -> list[Hit]:
    """Opens two links in tabs of their own, now and then faster than the rules allow."""
    begin = drawn.uniform(3, 3_600)
    return [hit(0, begin, 0), hit(1, begin + drawn.uniform(1.95, 6), 1)]


MACHINES: tuple[Callable[[random.Random], list[Hit]], ...] = (
    scanner_at_once,
    late_scanner,
    slow_scanner,
    scripted_scanner,
    prefetcher,
    named_scanner,
    image_proxy,
)
PEOPLE: tuple[Callable[[random.Random], list[Hit]], ...] = (one_click, some_clicks, double_click, hasty_reader)


def test_at_least_99_of_100_are_told_apart() -> None:
    print("seed", SEED)  # noqa: T201
    drawn, right, counted, taken_for_people = random.Random(SEED), 0, 0, 0
    for _ in range(2_000):
        for kinds, is_person in ((MACHINES, False), (PEOPLE, True)):
            for kind in kinds:
                verdicts = judge(kind(drawn), DELIVERED)
                right += sum(found == is_person for found in verdicts.values())
                taken_for_people += sum(verdicts.values()) if not is_person else 0
                counted += len(verdicts)
    print(f"{right:,} of {counted:,} right, {taken_for_people} machines taken for people")  # noqa: T201
    assert right / counted >= 0.99
    # A person who is missed loses a report; a machine taken for one ends a journey.
    assert taken_for_people == 0


def reported(hits: list[Hit]) -> list[Hit]:
    """The clicks that a provider tells of: to the second, without its images and requests by HEAD."""
    return [
        Hit(
            one.id,
            one.at.replace(microsecond=0),
            None,
            one.client,
            reported_link=f"https://shop.example.com/{one.number}",
        )
        for one in hits
        if one.number not in (PIXEL, TRAP)
    ]


def test_clicks_that_a_provider_reports_are_told_apart_by_their_times() -> None:
    print("seed", SEED)  # noqa: T201
    drawn, right, counted, taken_for_people = random.Random(SEED), 0, 0, 0
    machines, people = (scanner_at_once, late_scanner, named_scanner), (one_click, some_clicks, double_click)
    for _ in range(1_000):
        for kinds, is_person in ((machines, False), (people, True)):
            for kind in kinds:
                verdicts = judge(reported(kind(drawn)), DELIVERED)
                right += sum(found == is_person for found in verdicts.values())
                taken_for_people += sum(verdicts.values()) if not is_person else 0
                counted += len(verdicts)
    print(f"{right:,} of {counted:,} right, {taken_for_people} machines taken for people")  # noqa: T201
    assert right / counted >= 0.99
    assert taken_for_people == 0


def test_a_click_that_the_provider_tracks_as_well_is_no_burst() -> None:
    own, told = hit(1, 40, 0), reported([hit(2, 39.5, 7)])
    assert people_of(own, *told) == {1, 2}
    # The hidden link voids both.
    assert people_of(own, *told, hit(3, 41, TRAP)) == set()


def test_a_scanner_beside_a_person_costs_no_click_of_theirs() -> None:
    print("seed", SEED)  # noqa: T201
    drawn = random.Random(SEED)
    for _ in range(500):
        scanned = scanner_at_once(drawn)
        clicked = [hit(100, drawn.uniform(70, 86_400), 3)]
        assert {id for id, is_person in judge([*scanned, *clicked], DELIVERED).items() if is_person} == {100}
