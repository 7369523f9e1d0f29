"""From a campaign document to its rules."""

from collections.abc import Iterator
from typing import Any

from domain.campaign.compile import subscription_id
from domain.campaign.definition import Campaign, ReentryAfter
from domain.campaign.delay_fields import ClockDelay, DateDelay
from domain.campaign.expression_fields import Computed
from domain.campaign.rules import (
    ActionRule,
    ClockRule,
    DateRule,
    EmitRule,
    EntryRule,
    EventRule,
    GoalRule,
    Rules,
    ScheduleRule,
    SplitRule,
    StageRule,
    UpdateRule,
    ValuesRule,
)
from domain.campaign.steps import (
    BranchStep,
    DelayStep,
    EmitEventStep,
    RepeatStep,
    SetStageStep,
    SplitStep,
    Step,
    Steps,
    UpdateProfileStep,
    WaitStep,
    step_lists,
)
from domain.local_time.windows import EVERY_DAY, SendWindow


def rules_of(campaign: Campaign) -> Rules:
    """The rules of a checked document."""
    entry, schedule, goal, window = campaign.entry, campaign.schedule, campaign.goal, campaign.send_window
    steps = list(_all_steps(campaign.steps))
    return Rules(
        name=campaign.name,
        entry=EntryRule(
            event=entry.event,
            where=entry.where,
            key=entry.key,
            reentry=entry.reentry.after if isinstance(entry.reentry, ReentryAfter) else entry.reentry,
        ),
        exits=tuple(EventRule(one.event, one.where) for one in campaign.exit or ()),
        subscriptions={id: rule for step in steps for id, rule in _subscriptions(step)},
        branches={id: conditions for step in steps for id, conditions in _conditions(step)},
        splits={
            step.id: SplitRule(step.split.seed or f"{campaign.key}/{step.id}", step.split.arms)
            for step in steps
            if isinstance(step, SplitStep)
        },
        delays={step.id: rule for step in steps if isinstance(step, DelayStep) and (rule := _delay(step)) is not None},
        actions={step.id: rule for step in steps if step.id is not None and (rule := _action(step)) is not None},
        schedule=ScheduleRule(schedule.starts_at, schedule.ends_at, schedule.at_end),
        goal=goal and GoalRule(goal.event, goal.within, goal.where, goal.exit_on_goal),
        send_window=window and SendWindow(window.from_, window.to, window.days or EVERY_DAY),
        timezone=campaign.timezone,
    )


def _all_steps(steps: Steps) -> Iterator[Step]:
    for step in steps:
        yield step
        for block in step_lists(step):
            yield from _all_steps(block)


def _subscriptions(step: Step) -> Iterator[tuple[str, EventRule]]:
    match step:
        case WaitStep(id=id, wait_for=awaited):
            events = [EventRule(one.event, one.where) for one in awaited.events or ()]
            if awaited.event is not None:
                events = [EventRule(awaited.event, awaited.where)]
            yield from ((subscription_id(id, index), rule) for index, rule in enumerate(events))
        case RepeatStep(id=id, repeat=repeat) if repeat.until is not None and repeat.until.event is not None:
            yield subscription_id(id, 0), EventRule(repeat.until.event, repeat.until.where)
        case _:
            return


def _conditions(step: Step) -> Iterator[tuple[str, tuple[str, ...]]]:
    match step:
        case BranchStep(id=id, branch=cases):
            yield id, tuple(case.when for case in cases)
        case RepeatStep(id=id, repeat=repeat) if repeat.until is not None and repeat.until.when is not None:
            yield id, (repeat.until.when,)
        case _:
            return


def _delay(step: DelayStep) -> ClockRule | DateRule | None:
    match step.delay:
        case ClockDelay(until=clock, days=days):
            return ClockRule(clock, days or EVERY_DAY)
        case DateDelay(date=date, offset=offset, at=clock):
            return DateRule(date, offset or 0, clock)
        case _:
            return None


def _action(step: Step) -> ActionRule | None:
    match step:
        case UpdateProfileStep(update_profile=values):
            return UpdateRule(_values(values))
        case SetStageStep(set_stage=stage):
            return StageRule(stage)
        case EmitEventStep(emit_event=emitted):
            return EmitRule(emitted.event, _values(emitted.properties))
        case _:
            return None


def _values(values: dict[str, Any]) -> ValuesRule:
    return ValuesRule(
        plain={name: value for name, value in values.items() if not isinstance(value, Computed)},
        computed={name: value.cel for name, value in values.items() if isinstance(value, Computed)},
    )
