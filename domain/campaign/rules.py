"""What of a published campaign stays outside of the plan: who may enter, what ends a journey, what it hears, how it
decides. Ingest and the evaluation of branches work with this; journeys never see it.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct, field

from domain.campaign.compile import subscription_id
from domain.campaign.definition import BranchStep, Campaign, ReentryAfter, Step, Steps, WaitStep, step_lists
from domain.conditions.expressions import Place, compile_condition


class ScheduleRule(Struct, frozen=True, omit_defaults=True):
    """When users may enter: from `starts_at` on, until before `ends_at`; None is without bound."""

    starts_at: datetime | None = None
    ends_at: datetime | None = None
    at_end: str = "drain"


class EntryRule(Struct, frozen=True, omit_defaults=True):
    """Who enters, by which event. `reentry` in seconds counts from the last entry under the same key."""

    event: str
    where: str | None = None
    key: str | None = None
    reentry: int | Literal["never", "always"] = "always"


class EventRule(Struct, frozen=True, omit_defaults=True):
    """An event that means something to a journey, where its condition holds."""

    event: str
    where: str | None = None


class Decision(Struct, frozen=True):
    """Which case of a branch is taken, None for otherwise, and what kept each case before from being judged."""

    case: int | None
    errors: dict[int, str]


class Rules(Struct, frozen=True, omit_defaults=True):
    """Everything that ingest needs of a version, derived from its document and small enough to be kept in memory.

    `name` is the campaign's name for people. `subscriptions` are by the ids that the plan uses; `branches` are the
    conditions of each branch in order.
    """

    name: str
    entry: EntryRule
    exits: tuple[EventRule, ...] = ()
    subscriptions: dict[str, EventRule] = field(default_factory=dict)
    branches: dict[str, tuple[str, ...]] = field(default_factory=dict)
    schedule: ScheduleRule = ScheduleRule()

    def decide(self, step: str, **roots: Any) -> Decision:
        """The first case of a branch that holds. Roots: profile, entry, journey. Raises KeyError for another step."""
        errors: dict[int, str] = {}
        for case, condition in enumerate(self.branches[step]):
            outcome = compile_condition(condition, Place.BRANCH_WHEN).evaluate(**roots)
            if outcome.holds:
                return Decision(case, errors)
            if outcome.error is not None:
                errors[case] = outcome.error
        return Decision(None, errors)


def rules_of(campaign: Campaign) -> Rules:
    """The rules of a checked document."""
    entry, schedule = campaign.entry, campaign.schedule
    subscriptions: dict[str, EventRule] = {}
    branches: dict[str, tuple[str, ...]] = {}
    for step in _all_steps(campaign.steps):
        match step:
            case WaitStep(id=id, wait_for=awaited):
                subscriptions[subscription_id(id, 0)] = EventRule(awaited.event, awaited.where)
            case BranchStep(id=id, branch=cases):
                branches[id] = tuple(case.when for case in cases)
            case _:
                pass
    return Rules(
        name=campaign.name,
        entry=EntryRule(
            event=entry.event,
            where=entry.where,
            key=entry.key,
            reentry=entry.reentry.after if isinstance(entry.reentry, ReentryAfter) else entry.reentry,
        ),
        exits=tuple(EventRule(one.event, one.where) for one in campaign.exit or ()),
        subscriptions=subscriptions,
        branches=branches,
        schedule=ScheduleRule(schedule.starts_at, schedule.ends_at, schedule.at_end),
    )


def _all_steps(steps: Steps) -> Iterator[Step]:
    for step in steps:
        yield step
        for block in step_lists(step):
            yield from _all_steps(block)
