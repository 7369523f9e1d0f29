from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.json import decode, encode

from domain.campaign.plan import MessagePriority
from domain.local_time.periods import Period, next_period_start, period_start
from domain.sending.caps import (
    HIGH,
    MAX_PERIOD_SECONDS,
    MAX_TAKERS,
    TRANSACTIONAL,
    Capped,
    CapRule,
    CountedMessage,
    check,
    is_exempt,
)
from tests.domain.sending.recount import crowded, is_allowed, recount
from tests.proofs import rounds

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
DAY = 86_400
DAILY = CapRule("daily", limit=1, window=DAY)
LONDON, TOKYO, NEW_YORK = ZoneInfo("Europe/London"), ZoneInfo("Asia/Tokyo"), ZoneInfo("America/New_York")


def mail(
    at: datetime,
    category: str = "marketing",
    channel: str = "email",
    priority: MessagePriority = "normal",
    campaign: str = "news",
) -> CountedMessage:
    return CountedMessage(at, channel, category, priority, campaign)


def calendar(period: Period, limit: int = 1, name: str = "calendar") -> CapRule:
    return CapRule(name, limit, MAX_PERIOD_SECONDS[period], calendar=period)


def may(
    rules: list[CapRule],
    ledger: list[CountedMessage],
    at: datetime,
    zone: ZoneInfo = LONDON,
    *,
    channel: str = "email",
    category: str = "marketing",
    priority: MessagePriority = "normal",
) -> Capped | None:
    return check(rules, ledger, channel=channel, category=category, priority=priority, at=at, zone=zone)


def test_without_rules_everything_goes() -> None:
    assert may([], [mail(NOON)] * 100, NOON) is None


def test_the_window_ends_exactly_when_its_time_is_over() -> None:
    ledger = [mail(NOON)]
    frees_at = NOON + timedelta(days=1)
    expected = Capped("daily", limit=1, window=DAY, count=1, frees_at=frees_at, taken={"news": 1})
    assert may([DAILY], ledger, NOON) == expected
    assert may([DAILY], ledger, frees_at - TICK) == expected
    assert may([DAILY], ledger, frees_at) is None


def test_more_than_the_limit_frees_when_enough_of_them_have_gone() -> None:
    """As after the limit was lowered."""
    ledger = [mail(NOON + timedelta(hours=hour)) for hour in (5, 1, 3)]
    capped = may([CapRule("two", limit=2, window=DAY)], ledger, NOON + timedelta(hours=6))
    assert capped is not None
    assert (capped.count, capped.frees_at) == (3, NOON + timedelta(days=1, hours=3))
    capped = may([calendar("day", limit=2)], ledger, NOON + timedelta(hours=6))
    assert capped is not None
    assert (capped.count, capped.frees_at) == (3, datetime(2026, 11, 2, tzinfo=UTC))


@pytest.mark.parametrize("rule", [DAILY, CapRule("gap", min_gap=DAY), calendar("day")], ids=lambda rule: rule.name)
def test_a_message_of_the_future_counts(rule: CapRule) -> None:
    ahead = NOON + timedelta(days=30)
    capped = may([rule], [mail(ahead)], NOON)
    assert capped is not None
    assert capped.frees_at == (datetime(2026, 12, 2, tzinfo=UTC) if rule.calendar else ahead + timedelta(days=1))


def test_a_gap_is_kept_between_any_two() -> None:
    gap = CapRule("gap", min_gap=4 * 3_600)
    frees_at = NOON + timedelta(hours=4)
    expected = Capped("gap", limit=1, count=1, min_gap=4 * 3_600, frees_at=frees_at, taken={"news": 1})
    assert may([gap], [mail(NOON - timedelta(hours=4)), mail(NOON)], frees_at - TICK) == expected
    assert may([gap], [mail(NOON)], frees_at) is None


def test_a_rule_with_both_names_the_half_that_frees_last() -> None:
    both = CapRule("both", limit=2, window=DAY, min_gap=4 * 3_600)
    first, second = mail(NOON), mail(NOON + timedelta(hours=21))
    capped = may([both], [first], NOON + timedelta(hours=1))
    assert capped == Capped("both", 1, 1, NOON + timedelta(hours=4), min_gap=4 * 3_600, taken={"news": 1})
    assert may([both], [first], NOON + timedelta(hours=4)) is None
    capped = may([both], [first, second], NOON + timedelta(hours=21))
    assert capped == Capped("both", 1, 1, NOON + timedelta(hours=25), min_gap=4 * 3_600, taken={"news": 1})
    second = mail(NOON + timedelta(hours=19))
    capped = may([both], [first, second], NOON + timedelta(hours=22))
    assert capped == Capped("both", 2, 2, NOON + timedelta(hours=24), window=DAY, taken={"news": 2})


@pytest.mark.parametrize("rule", [CapRule("two", 2, DAY), calendar("day", limit=2)], ids=lambda rule: rule.name)
def test_a_refusal_names_the_campaigns_of_the_messages_in_the_window(rule: CapRule) -> None:
    counted = [mail(NOON, campaign="b"), mail(NOON - timedelta(hours=1), campaign="a"), mail(NOON, campaign="b")]
    others = [mail(NOON - timedelta(days=1), campaign="over"), mail(NOON, "transactional", campaign="receipt")]
    capped = may([rule], [*others, *counted], NOON)
    assert capped is not None
    assert list(capped.taken.items()) == [("b", 2), ("a", 1)]
    gap = may([CapRule("gap", min_gap=60)], [*others, *counted], NOON)
    assert gap is not None
    assert gap.taken == {"b": 2}


def test_a_refusal_names_so_many_campaigns() -> None:
    ledger = [mail(NOON, campaign=f"c{number:02}") for number in range(20)]
    capped = may([DAILY], [*ledger, *[mail(NOON, campaign="z")] * 2], NOON)
    assert capped is not None
    assert list(capped.taken) == ["z", *(f"c{number:02}" for number in range(MAX_TAKERS - 1))]
    assert capped.count == 22


def test_the_rule_that_frees_last_is_named() -> None:
    rules = [DAILY, CapRule("weekly", limit=1, window=7 * DAY), calendar("day")]
    for rotated in (rules, rules[1:] + rules[:1], rules[2:] + rules[:2]):
        capped = may(rotated, [mail(NOON)], NOON)
        assert capped is not None
        assert capped.rule == "weekly"


# 1 November 2026 is a Sunday; on it clocks go back in New York, at 6:00 by UTC.
PERIODS: list[tuple[Period, ZoneInfo, datetime, datetime]] = [
    ("day", LONDON, datetime(2026, 11, 1), datetime(2026, 11, 2)),
    ("day", TOKYO, datetime(2026, 10, 31, 15), datetime(2026, 11, 1, 15)),
    ("day", NEW_YORK, datetime(2026, 11, 1, 4), datetime(2026, 11, 2, 5)),
    ("week", LONDON, datetime(2026, 10, 26), datetime(2026, 11, 2)),
    ("week", TOKYO, datetime(2026, 10, 25, 15), datetime(2026, 11, 1, 15)),
    ("week", NEW_YORK, datetime(2026, 10, 26, 4), datetime(2026, 11, 2, 5)),
    ("month", LONDON, datetime(2026, 11, 1), datetime(2026, 12, 1)),
    ("month", TOKYO, datetime(2026, 10, 31, 15), datetime(2026, 11, 30, 15)),
    ("month", NEW_YORK, datetime(2026, 11, 1, 4), datetime(2026, 12, 1, 5)),
]


@pytest.mark.parametrize(("period", "zone", "starts", "ends"), PERIODS)
def test_a_calendar_period_is_the_recipients(period: Period, zone: ZoneInfo, starts: datetime, ends: datetime) -> None:
    first, next_first = starts.replace(tzinfo=UTC), ends.replace(tzinfo=UTC)
    rule = calendar(period)
    expected = Capped("calendar", limit=1, count=1, calendar=period, frees_at=next_first, taken={"news": 1})
    for at in (first, NOON, next_first - TICK):
        assert may([rule], [mail(first)], at, zone) == expected
        assert may([rule], [mail(first - TICK)], at, zone) is None
        assert may([rule], [mail(next_first - TICK)], at, zone) == expected
    assert may([rule], [mail(next_first - TICK)], next_first, zone) is None


def test_a_calendar_week_across_a_change_of_zone() -> None:
    """From Tokyo, where Monday has come, to New York, where it is Sunday still, and back.

    A trap: a counter kept for each week would let the old week begin anew, or never count what the new one had.
    """
    rule = calendar("week")
    sunday, monday = datetime(2026, 11, 1, 14, tzinfo=UTC), datetime(2026, 11, 1, 16, tzinfo=UTC)
    assert may([rule], [mail(sunday)], monday, TOKYO) is None
    sent = [mail(sunday), mail(monday)]
    capped = may([rule], sent, monday + timedelta(hours=1), NEW_YORK)
    assert capped is not None
    assert (capped.count, capped.frees_at) == (2, datetime(2026, 11, 2, 5, tzinfo=UTC))
    # The week that frees it is the one of the zone by then: back in Tokyo it has one message again.
    capped = may([rule], sent, monday + timedelta(hours=2), TOKYO)
    assert capped is not None
    assert (capped.count, capped.frees_at) == (1, datetime(2026, 11, 8, 15, tzinfo=UTC))


def test_moving_west_counts_again_what_moving_east_had_left_behind() -> None:
    rule = calendar("day")
    sent = [mail(datetime(2026, 11, 1, 14, 59, tzinfo=UTC))]
    at = datetime(2026, 11, 1, 15, tzinfo=UTC)
    assert may([rule], sent, at, TOKYO) is None
    assert may([rule], sent, at, LONDON) is not None


MARKETING_ONLY = CapRule("marketing", 1, DAY, categories=("marketing",))


@pytest.mark.parametrize(
    ("rule", "message", "is_limited", "is_counted"),
    [
        (CapRule("all", 1, DAY), ("email", "marketing", "normal"), True, True),
        (CapRule("all", 1, DAY), ("email", TRANSACTIONAL, "normal"), False, False),
        (CapRule("all", 1, DAY), ("email", "marketing", HIGH), False, False),
        (CapRule("all", 1, DAY), ("email", TRANSACTIONAL, HIGH), False, False),
        (CapRule("mail", 1, DAY, channels=("email",)), ("email", "marketing", "normal"), True, True),
        (CapRule("mail", 1, DAY, channels=("email",)), ("push", "marketing", "normal"), False, False),
        (CapRule("news", 1, DAY, ("email", "push"), ("news",)), ("push", "news", "normal"), True, True),
        (CapRule("news", 1, DAY, ("email", "push"), ("news",)), ("push", "marketing", "normal"), False, False),
        (CapRule("t", 1, DAY, counts=(TRANSACTIONAL,)), ("email", TRANSACTIONAL, "normal"), False, True),
        (CapRule("t", 1, DAY, counts=(TRANSACTIONAL,)), ("email", TRANSACTIONAL, HIGH), False, True),
        (CapRule("t", 1, DAY, counts=(TRANSACTIONAL,)), ("email", "marketing", HIGH), False, False),
        (CapRule("t", 1, DAY, counts=(TRANSACTIONAL,)), ("email", "marketing", "normal"), True, True),
        (CapRule("t", 1, DAY, ("push",), counts=(TRANSACTIONAL,)), ("email", TRANSACTIONAL, "normal"), False, False),
        (CapRule("t", 1, DAY, (), ("news",), counts=(TRANSACTIONAL,)), ("email", TRANSACTIONAL, "normal"), False, True),
        (CapRule("h", 1, DAY, counts=(HIGH,)), ("email", "marketing", HIGH), False, True),
        (CapRule("h", 1, DAY, counts=(HIGH,)), ("email", TRANSACTIONAL, HIGH), False, True),
        (CapRule("h", 1, DAY, counts=(HIGH,)), ("email", TRANSACTIONAL, "normal"), False, False),
        (CapRule("h", 1, DAY, (), ("news",), counts=(HIGH,)), ("email", "news", HIGH), False, True),
        (CapRule("h", 1, DAY, (), ("news",), counts=(HIGH,)), ("email", "marketing", HIGH), False, False),
        (CapRule("h", 1, DAY, (), ("news",), counts=(HIGH,)), ("email", TRANSACTIONAL, HIGH), False, False),
    ],
)
def test_what_a_rule_limits_and_what_it_counts(
    rule: CapRule, message: tuple[str, str, MessagePriority], is_limited: bool, is_counted: bool
) -> None:
    channel, category, priority = message
    assert rule.limits(*message) is is_limited
    assert rule.counts_in(*message) is is_counted
    room = [mail(NOON, "marketing"), mail(NOON, "news"), mail(NOON, "marketing", "push"), mail(NOON, "news", "push")]
    capped = may([rule], room, NOON, channel=channel, category=category, priority=priority)
    assert (capped is not None) is is_limited
    sent = [mail(NOON, category, channel, priority)]
    of_channel, of_category = (rule.channels or ("email",))[0], (rule.categories or ("marketing",))[0]
    assert (may([rule], sent, NOON, channel=of_channel, category=of_category) is not None) is is_counted


def test_a_rule_of_an_earlier_document_is_read() -> None:
    stored = b'{"name": "daily", "limit": 2, "window": 86400, "channels": [], "categories": []}'
    assert decode(stored, type=CapRule) == CapRule("daily", 2, DAY)
    assert decode(encode(calendar("week")), type=CapRule) == calendar("week")


@pytest.mark.parametrize("period", ["day", "week", "month"])
@pytest.mark.parametrize(
    "zone", ["Europe/London", "Antarctica/Troll", "Pacific/Apia", "America/Havana", "Africa/Cairo"]
)
def test_no_period_is_longer_than_what_is_read_for_it(period: Period, zone: str) -> None:
    """Through twenty years, and where clocks turn by two hours or by a day."""
    at, end = datetime(2010, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
    starts = [period_start(period, at, ZoneInfo(zone))]
    while starts[-1] < end:
        starts.append(next_period_start(period, starts[-1], ZoneInfo(zone)))
    longest = max(later - earlier for earlier, later in pairwise(starts))
    assert longest < timedelta(seconds=MAX_PERIOD_SECONDS[period])


# Against a recount at every step of time.

STEP = timedelta(minutes=30)
CHANNELS, CATEGORIES = ["email", "push"], ["marketing", "news", TRANSACTIONAL]
# Clocks turn in London on 25 October and in New York on 1 November; a month, and in some places a week, ends besides.
ZONES = [LONDON, TOKYO, NEW_YORK, *map(ZoneInfo, ("UTC", "America/Havana", "Asia/Kolkata", "Pacific/Auckland"))]
TURN = datetime(2026, 10, 31, 12, tzinfo=UTC)
INSTANTS = st.integers(-2 * 24 * 3, 2 * 24 * 3).map(lambda steps: TURN + steps * STEP)
SPANS = st.sampled_from([1, 2, 5, 24, 48, 96]).map(lambda steps: int(steps * STEP.total_seconds()))


def some(values: list[str], most: int = 2) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), max_size=most, unique=True).map(tuple)


PERIOD_NAMES: st.SearchStrategy[Period] = st.sampled_from(["day", "week", "day", "week", "month"])


@st.composite
def rules_of(draw: st.DrawFn) -> CapRule:
    names = st.uuids(version=4).map(str)
    limits, gap = draw(st.sampled_from([("rolling", None), ("calendar", None), (None, "gap"), ("rolling", "gap")]))
    period = draw(PERIOD_NAMES) if limits == "calendar" else None
    return CapRule(
        name=draw(names),
        limit=draw(st.integers(1, 4)) if limits else None,
        window=MAX_PERIOD_SECONDS[period] if period else draw(SPANS) if limits else None,
        channels=draw(some(CHANNELS)),
        categories=draw(some(["marketing", "news"])),
        calendar=period,
        min_gap=draw(SPANS) if gap else None,
        counts=draw(some([TRANSACTIONAL, HIGH])),
    )


RULES = st.lists(rules_of(), max_size=4)
PRIORITIES = st.sampled_from(["normal", "normal", HIGH])
LEDGERS = st.lists(
    st.builds(CountedMessage, INSTANTS, st.sampled_from(CHANNELS), st.sampled_from(CATEGORIES), PRIORITIES), max_size=14
)


def answer(rules: list[CapRule], ledger: list[CountedMessage], asked: CountedMessage, zone: ZoneInfo) -> Capped | None:
    return may(rules, ledger, asked.at, zone, channel=asked.channel, category=asked.category, priority=asked.priority)


def later(asked: CountedMessage, at: datetime) -> CountedMessage:
    return CountedMessage(at, asked.channel, asked.category, asked.priority)


ASKED = st.builds(CountedMessage, INSTANTS, st.sampled_from(CHANNELS), st.sampled_from(CATEGORIES), PRIORITIES)


@pytest.mark.prove
@settings(derandomize=True, max_examples=rounds(40, 800))
@given(RULES, LEDGERS, ASKED, st.sampled_from(ZONES))
def test_a_recount_at_every_step_comes_to_the_same(
    rules: list[CapRule], ledger: list[CountedMessage], asked: CountedMessage, zone: ZoneInfo
) -> None:
    capped = answer(rules, ledger, asked, zone)
    assert (capped is None) == is_allowed(rules, ledger, asked, zone)
    if capped is None:
        return
    assert not is_exempt(asked.category, asked.priority)
    [rule] = [rule for rule in rules if rule.name == capped.rule]
    in_window, too_close = recount(rule, ledger, asked.at, zone)
    if capped.min_gap is not None:
        assert (capped.limit, capped.count, capped.min_gap) == (1, too_close, rule.min_gap)
    else:
        window = None if rule.calendar else rule.window
        assert (capped.limit, capped.count) == (rule.limit, in_window)
        assert (capped.window, capped.calendar) == (window, rule.calendar)
    # It frees at the first instant of all at which every rule allows.
    assert capped.frees_at > asked.at
    at = asked.at
    while not is_allowed(rules, ledger, later(asked, at), zone):
        at += STEP
    assert at == capped.frees_at
    assert answer(rules, ledger, later(asked, at), zone) is None
    eve = later(asked, at - TICK)
    assert not is_allowed(rules, ledger, eve, zone)
    assert answer(rules, ledger, eve, zone) is not None


@settings(derandomize=True, max_examples=50)
@given(RULES, st.lists(st.tuples(ASKED, st.sampled_from([LONDON, TOKYO, NEW_YORK])), max_size=30))
def test_whoever_asks_before_each_message_never_exceeds_a_cap(
    rules: list[CapRule], wishes: list[tuple[CountedMessage, ZoneInfo]]
) -> None:
    """In whatever order the clocks of the journeys are, and wherever the person lives by then."""
    sent: list[CountedMessage] = []
    for asked, zone in wishes:
        if answer(rules, sent, asked, zone) is None:
            assert is_allowed(rules, sent, asked, zone)
            sent.append(asked)
    for rule in rules:
        # Those that pass may exceed it.
        assert rule.counts or not crowded(rule, sent)
