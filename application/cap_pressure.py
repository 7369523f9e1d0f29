"""The pressure of caps: how often each rule held messages back."""

from collections import Counter
from collections.abc import Iterable
from datetime import date

from msgspec import Struct

from domain.channels.kinds import CHANNELS
from domain.deployment_documents import FREQUENCY_CAPS
from domain.sending.caps import CapRule
from store import daily_counts, documents
from store.daily_counts import CapDay, GrantedDay, TakenRoom
from store.database import Database


class PressureOfDay(Struct, frozen=True):
    """A rule's numbers of a day. `granted` is None for one that is no longer in force."""

    day: date
    granted: int | None
    deferred: int
    refused: int


class PressureOfCampaign(Struct, frozen=True):
    """How often a rule put messages of a campaign off, and refused them."""

    campaign: str
    deferred: int
    refused: int


class RulePressure(Struct, frozen=True):
    """A rule's numbers by day and campaign, and which campaigns took its room."""

    rule: str
    days: list[PressureOfDay]
    campaigns: list[PressureOfCampaign]
    taken: list[TakenRoom]


class CapPressures:
    """Reads how often rules of caps and budgets held messages back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, first: date, last: date) -> list[RulePressure]:
        """Return the rules that had something to do on the days between two, by name."""
        async with self._database.transaction() as connection:
            document = await documents.latest(connection, FREQUENCY_CAPS)
            held_back = await daily_counts.read_caps(connection, first, last)
            granted = await daily_counts.read_granted(connection, first, last)
            taken = await daily_counts.read_taken(connection, first, last)
        rules = {rule.name: rule for rule in document.rules}
        shown = (
            _sum_up(
                name,
                [one for one in held_back if one.rule == name],
                count_granted(rules[name], granted) if name in rules else None,
                [one for one in taken if one.rule == name],
            )
            for name in sorted({*rules, *(one.rule for one in held_back)})
        )
        return [pressure for pressure in shown if pressure.days]


def count_granted(rule: CapRule, granted: Iterable[GrantedDay]) -> Counter[date]:
    """Count the messages that took room of a rule, by the day of their grant.

    Those that wait for their person are granted without room: they count when they are given.
    """
    days: Counter[date] = Counter()
    for one in granted:
        waits = CHANNELS[one.channel].waits_for_person
        if not waits and rule.counts_in(one.channel, one.category, one.priority):
            days[one.day] += one.number
    return +days


def _sum_up(rule: str, held_back: list[CapDay], granted: Counter[date] | None, taken: list[TakenRoom]) -> RulePressure:
    by_day: Counter[tuple[date, str]] = Counter()
    by_campaign: Counter[tuple[str, str]] = Counter()
    for one in held_back:
        by_day[one.day, one.outcome] += one.number
        by_campaign[one.campaign, one.outcome] += one.number
    return RulePressure(
        rule,
        [
            PressureOfDay(
                day, None if granted is None else granted[day], by_day[day, "deferred"], by_day[day, "refused"]
            )
            for day in sorted({*(granted or ()), *(day for day, _ in by_day)})
        ],
        [
            PressureOfCampaign(campaign, by_campaign[campaign, "deferred"], by_campaign[campaign, "refused"])
            for campaign in sorted({campaign for campaign, _ in by_campaign})
        ],
        taken,
    )
