"""An oracle of frequency caps that knows neither windows nor periods: it takes each message of a ledger and looks."""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from domain.local_time.periods import Period
from domain.sending.caps import HIGH, TRANSACTIONAL, CapRule, CountedMessage

DATES: dict[Period, Callable[[datetime], tuple[int, ...]]] = {
    "day": lambda local: (local.year, local.month, local.day),
    "week": lambda local: local.isocalendar()[:2],
    "month": lambda local: (local.year, local.month),
}


def takes_room(rule: CapRule, message: CountedMessage) -> bool:
    of_channel = rule.channels == () or message.channel in rule.channels
    of_category = rule.categories == () or message.category in rule.categories
    kinds = {kind for kind in (message.category, message.priority) if kind in (TRANSACTIONAL, HIGH)}
    if not kinds:
        return of_channel and of_category
    by_category = TRANSACTIONAL in kinds & set(rule.counts)
    return of_channel and (by_category or (of_category and HIGH in kinds & set(rule.counts)))


def recount(rule: CapRule, ledger: Sequence[CountedMessage], at: datetime, zone: ZoneInfo) -> tuple[int, int]:
    """The messages of a rule's window that has its end at an instant, or holds it, with those still to come; and those
    that are closer than its gap."""
    day = DATES[rule.calendar or "day"]
    today = day(at.astimezone(zone))
    in_window = too_close = 0
    for message in ledger:
        if not takes_room(rule, message):
            continue
        age = (at - message.at).total_seconds()
        if rule.calendar is not None:
            in_window += day(message.at.astimezone(zone)) >= today
        elif rule.window is not None:
            in_window += age < rule.window
        too_close += rule.min_gap is not None and age < rule.min_gap
    return in_window, too_close


def stands_in_the_way(rule: CapRule, ledger: Sequence[CountedMessage], at: datetime, zone: ZoneInfo) -> bool:
    in_window, too_close = recount(rule, ledger, at, zone)
    return too_close > 0 or (rule.limit is not None and in_window >= rule.limit)


def is_allowed(
    rules: Sequence[CapRule], ledger: Sequence[CountedMessage], asked: CountedMessage, zone: ZoneInfo
) -> bool:
    if asked.category == TRANSACTIONAL or asked.priority == HIGH:
        return True
    concerned = [rule for rule in rules if takes_room(rule, asked)]
    return not any(stands_in_the_way(rule, ledger, asked.at, zone) for rule in concerned)


def crowded(rule: CapRule, ledger: Sequence[CountedMessage]) -> bool:
    """Whether messages of a ledger are closer together than a rule of a rolling window or a gap would have them."""
    taking = sorted(message.at for message in ledger if takes_room(rule, message))
    if rule.min_gap is not None and any((b - a).total_seconds() < rule.min_gap for a, b in pairwise(taking)):
        return True
    if rule.limit is None or rule.window is None or rule.calendar is not None:
        return False
    ends = zip(taking, taking[rule.limit :], strict=False)
    return any((last - first).total_seconds() < rule.window for first, last in ends)
