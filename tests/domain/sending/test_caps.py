from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.sending.caps import TRANSACTIONAL, Capped, CapRule, Counted, check

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
DAY = 86_400
DAILY = CapRule("daily", limit=1, window=DAY)


def mail(at: datetime, category: str = "marketing", channel: str = "email") -> Counted:
    return Counted(at, channel, category)


def test_without_rules_everything_goes() -> None:
    assert check([], [mail(NOON)] * 100, "email", "marketing", NOON) is None


def test_the_window_ends_exactly_when_its_time_is_over() -> None:
    ledger = [mail(NOON)]
    frees_at = NOON + timedelta(days=1)
    expected = Capped("daily", limit=1, window=DAY, count=1, frees_at=frees_at)
    assert check([DAILY], ledger, "email", "marketing", NOON) == expected
    assert check([DAILY], ledger, "email", "marketing", frees_at - TICK) == expected
    assert check([DAILY], ledger, "email", "marketing", frees_at) is None


def test_more_than_the_limit_frees_when_enough_of_them_have_gone() -> None:
    """As after the limit was lowered."""
    ledger = [mail(NOON + timedelta(hours=hour)) for hour in (5, 1, 3)]
    capped = check([CapRule("two", limit=2, window=DAY)], ledger, "email", "marketing", NOON + timedelta(hours=6))
    assert capped is not None
    assert (capped.count, capped.frees_at) == (3, NOON + timedelta(days=1, hours=3))


def test_a_message_of_the_future_counts() -> None:
    ahead = NOON + timedelta(days=30)
    capped = check([DAILY], [mail(ahead)], "email", "marketing", NOON)
    assert capped is not None
    assert capped.frees_at == ahead + timedelta(days=1)


def test_the_rule_that_frees_last_is_named() -> None:
    weekly = CapRule("weekly", limit=1, window=7 * DAY)
    for rules in ([DAILY, weekly], [weekly, DAILY]):
        capped = check(rules, [mail(NOON)], "email", "marketing", NOON)
        assert capped is not None
        assert capped.rule == "weekly"


@pytest.mark.parametrize(
    ("rule", "channel", "category", "is_concerned"),
    [
        (CapRule("all", 1, DAY), "email", "marketing", True),
        (CapRule("all", 1, DAY), "email", TRANSACTIONAL, False),
        (CapRule("named", 1, DAY, categories=(TRANSACTIONAL,)), "email", TRANSACTIONAL, True),
        (CapRule("named", 1, DAY, categories=(TRANSACTIONAL,)), "email", "marketing", False),
        (CapRule("email", 1, DAY, channels=("email",)), "email", "marketing", True),
        (CapRule("email", 1, DAY, channels=("email",)), "webhook", "marketing", False),
        (CapRule("email", 1, DAY, channels=("email",)), "email", TRANSACTIONAL, False),
        (CapRule("news", 1, DAY, ("email", "push"), ("news",)), "push", "news", True),
        (CapRule("news", 1, DAY, ("email", "push"), ("news",)), "push", "marketing", False),
    ],
)
def test_whom_a_rule_concerns(rule: CapRule, channel: str, category: str, is_concerned: bool) -> None:
    assert rule.concerns(channel, category) is is_concerned
    ledger = [mail(NOON, category, channel)]
    assert (check([rule], ledger, channel, category, NOON) is not None) is is_concerned


def test_transactional_messages_neither_are_capped_nor_count() -> None:
    assert check([DAILY], [mail(NOON)] * 5, "email", TRANSACTIONAL, NOON) is None
    assert check([DAILY], [mail(NOON, TRANSACTIONAL)] * 5, "email", "marketing", NOON) is None


CHANNELS, CATEGORIES = ["email", "push"], ["marketing", "news", TRANSACTIONAL]
# A coarse clock, so that messages and window ends often fall together.
SECONDS = st.integers(-20, 20)


def some(values: list[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), max_size=2, unique=True).map(tuple)


RULES = st.lists(
    st.builds(CapRule, st.uuids().map(str), st.integers(1, 4), st.integers(1, 15), some(CHANNELS), some(CATEGORIES)),
    max_size=3,
)
LEDGERS = st.lists(
    st.builds(
        Counted,
        SECONDS.map(lambda second: NOON + timedelta(seconds=second)),
        st.sampled_from(CHANNELS),
        st.sampled_from(CATEGORIES),
    ),
    max_size=14,
)


def is_within(rule: CapRule, channel: str, category: str) -> bool:
    of_channel = rule.channels == () or channel in rule.channels
    if category == TRANSACTIONAL:
        return of_channel and TRANSACTIONAL in rule.categories
    return of_channel and (rule.categories == () or category in rule.categories)


def recount(rule: CapRule, ledger: list[Counted], at: datetime) -> int:
    """The messages of a rule's window that has its end at an instant, and those that are still to come."""
    count = 0
    for message in ledger:
        age = (at - message.at).total_seconds()
        if is_within(rule, message.channel, message.category) and age < rule.window:
            count += 1
    return count


def is_allowed(rules: list[CapRule], ledger: list[Counted], channel: str, category: str, at: datetime) -> bool:
    return all(recount(rule, ledger, at) < rule.limit for rule in rules if is_within(rule, channel, category))


@settings(derandomize=True, deadline=None, max_examples=500)
@given(RULES, LEDGERS, st.sampled_from(CHANNELS), st.sampled_from(CATEGORIES), SECONDS)
def test_a_recount_comes_to_the_same(
    rules: list[CapRule], ledger: list[Counted], channel: str, category: str, second: int
) -> None:
    at = NOON + timedelta(seconds=second)
    capped = check(rules, ledger, channel, category, at)
    assert (capped is None) == is_allowed(rules, ledger, channel, category, at)
    if capped is None:
        return
    [rule] = [rule for rule in rules if rule.name == capped.rule]
    assert (capped.limit, capped.window) == (rule.limit, rule.window)
    assert capped.count == recount(rule, ledger, at) >= rule.limit
    # It frees at the first instant of all at which the rules allow.
    assert capped.frees_at > at
    assert is_allowed(rules, ledger, channel, category, capped.frees_at)
    assert check(rules, ledger, channel, category, capped.frees_at) is None
    assert not is_allowed(rules, ledger, channel, category, capped.frees_at - TICK)
    before = at
    while before < capped.frees_at:
        assert not is_allowed(rules, ledger, channel, category, before)
        before += timedelta(seconds=1)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(RULES, st.lists(SECONDS, max_size=30))
def test_whoever_asks_before_each_message_never_exceeds_a_cap(rules: list[CapRule], seconds: list[int]) -> None:
    sent: list[Counted] = []
    for second in sorted(seconds):
        at = NOON + timedelta(seconds=second)
        if check(rules, sent, "email", "marketing", at) is None:
            sent.append(mail(at))
    for rule in rules:
        if is_within(rule, "email", "marketing"):
            assert all(recount(rule, sent[: index + 1], one.at) <= rule.limit for index, one in enumerate(sent))
