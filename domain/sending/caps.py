"""Frequency caps on the messages of a person, over all campaigns.

The decider touches nothing but its arguments: the rules, the person's messages in the ledger, the instant and the
person's time zone.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from domain.campaign.plan import Message, MessagePriority
from domain.local_time.periods import Period, next_period_start, period_start
from domain.sending.budgets import MoneyBudget, NamedBudget

TRANSACTIONAL, HIGH = "transactional", "high"
# Transactional messages that a person waits for at this moment: they go at any hour, also after a STOP.
ONE_TIME_CODE = "one-time-code"
# The campaigns that a refusal names.
MAX_TAKERS: Final = 10

_DAY = 86_400
# A day more than their length by the calendar, which is the most that changes of clocks ever added: the whole period of
# an instant lies within this of the instant, in any zone.
MAX_PERIOD_SECONDS: dict[Period, int] = {"day": 2 * _DAY, "week": 8 * _DAY, "month": 32 * _DAY}


class CapRule(Struct, frozen=True):
    """At most `limit` messages in a window, at least `min_gap` seconds apart.

    Either may be None. The window rolls and is `window` seconds long. With a `calendar`, it is the recipient's day,
    week or month, and `window` the longest of those. Empty `channels` or `categories` mean all. `counts` names the
    kinds of exempt messages that count in this rule all the same: transactional, high. A rule with a `budget` limits
    what messages cost, and not their number.
    """

    name: str
    limit: int | None = None
    window: int | None = None
    channels: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    calendar: Period | None = None
    min_gap: int | None = None
    counts: tuple[str, ...] = ()
    budget: MoneyBudget | None = None

    def limits(self, channel: str, category: str, priority: MessagePriority) -> bool:
        """Whether this rule may refuse such a message."""
        return not is_exempt(category, priority) and self._concerns(channel, category)

    def counts_in(self, channel: str, category: str, priority: MessagePriority) -> bool:
        """Whether such a message counts in this rule.

        No rule can name the transactional category, so those messages count independently of `categories`.
        """
        if not is_exempt(category, priority):
            return self._concerns(channel, category)
        if is_transactional(category) and TRANSACTIONAL in self.counts:
            return self._is_of(channel)
        return priority == HIGH and HIGH in self.counts and self._concerns(channel, category)

    def _concerns(self, channel: str, category: str) -> bool:
        return self._is_of(channel) and (not self.categories or category in self.categories)

    def _is_of(self, channel: str) -> bool:
        return not self.channels or channel in self.channels


class CountedMessage(Struct, frozen=True):
    """A message of the ledger that counts: reserved, sending, sent or unknown."""

    at: datetime
    channel: str
    category: str
    priority: MessagePriority = "normal"
    campaign: str = ""


class Capped(Struct, frozen=True):
    """The rule that refuses longest.

    At `frees_at` all rules allow again, unless something else is sent. One of `window`, `calendar` and `min_gap` is
    set: the one in which `count` messages reach the `limit`. `taken` has how many of these each campaign sent: at most
    MAX_TAKERS campaigns, those with the most.
    """

    rule: str
    limit: int
    count: int
    frees_at: datetime
    window: int | None = None
    calendar: Period | None = None
    min_gap: int | None = None
    taken: Mapping[str, int] = field(default_factory=dict)


def is_transactional(category: str | None) -> bool:
    """Whether messages of a category are ones that the person asked for."""
    return category in (TRANSACTIONAL, ONE_TIME_CODE)


def find_budgets(rules: Iterable[CapRule], step: Message, currency: str) -> list[NamedBudget]:
    """Return the budgets that messages of a step take from, in a currency.

    Messages that are exempt from caps take nothing.
    """
    return [
        NamedBudget(rule.name, rule.budget, rule.channels)
        for rule in rules
        if rule.budget is not None
        and rule.budget.currency == currency
        and rule.limits(step.channel, step.category, step.priority)
    ]


def is_exempt(category: str, priority: MessagePriority) -> bool:
    """Whether a message is exempt from every rule."""
    return is_transactional(category) or priority == HIGH


def check(
    rules: Iterable[CapRule],
    ledger: Sequence[CountedMessage],
    *,
    channel: str,
    category: str,
    priority: MessagePriority,
    at: datetime,
    zone: ZoneInfo,
) -> Capped | None:
    """Return the rule that frees last; None if one more message is within all rules.

    In a rolling window a message counts from its instant until `window` seconds later, that instant excluded; in a
    calendar period it counts until the end of the period, by the present zone. A message in the future, from a journey
    whose clock is ahead, counts as well: the cap errs towards silence. A rule that allows now therefore allows until
    something is sent.
    """
    refusals = [
        refusal
        for rule in rules
        if rule.limits(channel, category, priority)
        for refusal in _refusals(rule, ledger, at, zone)
    ]
    return max(refusals, key=lambda refusal: refusal.frees_at, default=None)


def _refusals(rule: CapRule, ledger: Sequence[CountedMessage], at: datetime, zone: ZoneInfo) -> Iterator[Capped]:
    messages = sorted(
        (message for message in ledger if rule.counts_in(message.channel, message.category, message.priority)),
        key=lambda message: message.at,
    )
    if rule.min_gap is not None:
        # A gap is a window with a limit of one.
        counted = _in_window(messages, rule.min_gap, at)
        if (last := _in_the_way(1, counted)) is not None:
            frees_at = last + timedelta(seconds=rule.min_gap)
            yield Capped(rule.name, 1, len(counted), frees_at, min_gap=rule.min_gap, taken=_count_takers(counted))
    if rule.limit is None:
        return
    if rule.calendar is not None:
        start = period_start(rule.calendar, at, zone)
        counted = [message for message in messages if message.at >= start]
        if (last := _in_the_way(rule.limit, counted)) is not None:
            frees_at, taken = next_period_start(rule.calendar, last, zone), _count_takers(counted)
            yield Capped(rule.name, rule.limit, len(counted), frees_at, calendar=rule.calendar, taken=taken)
    elif rule.window is not None:
        counted = _in_window(messages, rule.window, at)
        if (last := _in_the_way(rule.limit, counted)) is not None:
            frees_at, taken = last + timedelta(seconds=rule.window), _count_takers(counted)
            yield Capped(rule.name, rule.limit, len(counted), frees_at, window=rule.window, taken=taken)


def _in_window(messages: Sequence[CountedMessage], seconds: int, at: datetime) -> list[CountedMessage]:
    window = timedelta(seconds=seconds)
    return [message for message in messages if message.at + window > at]


def _in_the_way(limit: int, counted: Sequence[CountedMessage]) -> datetime | None:
    """Return the last message that must leave the window: all but `limit` - 1 must."""
    return counted[len(counted) - limit].at if len(counted) >= limit else None


def _count_takers(counted: Iterable[CountedMessage]) -> dict[str, int]:
    """Count the messages of each campaign, the first by name where they are as many."""
    takers = Counter(message.campaign for message in counted)
    return dict(sorted(takers.items(), key=lambda taker: (-taker[1], taker[0]))[:MAX_TAKERS])
