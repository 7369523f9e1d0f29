"""Derive a campaign's rules from its document."""

from collections.abc import Iterator
from typing import assert_never

from msgspec.structs import replace

from domain.campaign.audience_fields import Again, Audience, Daily, Monthly, Weekly
from domain.campaign.compile import list_reports, subscription_id
from domain.campaign.definition import CampaignDocument, Goal, ReentryAfter
from domain.campaign.delays.kind import DelayForm, DelayRule
from domain.campaign.rules import (
    AgainRule,
    AudienceRule,
    DailyRule,
    EntryRule,
    EventRule,
    GoalRule,
    LinkRule,
    MonthlyRule,
    ReplyRule,
    ResumeRule,
    Rules,
    ScheduleRule,
    SplitRule,
    WeeklyRule,
)
from domain.campaign.steps.action import ActionStep
from domain.campaign.steps.branch import BranchStep
from domain.campaign.steps.control import ControlStep
from domain.campaign.steps.delay import DelayStep
from domain.campaign.steps.kinds import Step, Steps
from domain.campaign.steps.repeat import RepeatStep
from domain.campaign.steps.send import FALLBACK, SendStep
from domain.campaign.steps.split import SplitStep
from domain.campaign.steps.wait_for import WaitStep
from domain.campaign.trigger_fields import TriggerFields
from domain.local_time.windows import EVERY_DAY, LocalWindow


def derive_rules(campaign: CampaignDocument) -> Rules:
    """Derive the rules of a checked document."""
    entry, schedule, window = campaign.entry, campaign.schedule, campaign.send_window
    steps = list(_all_steps(campaign.steps))
    return Rules(
        name=campaign.name,
        entry=EntryRule(
            event=entry.trigger.name if entry.trigger else None,
            where=entry.where,
            key=entry.key,
            reentry=entry.reentry.after if isinstance(entry.reentry, ReentryAfter) else entry.reentry,
            audience=_audience(entry.audience) if entry.audience else None,
            max_age=entry.max_age,
            kind=entry.trigger.kind if entry.trigger else "track",
            account=entry.account,
        ),
        exits=tuple(rule for one in campaign.exit or () for rule in _event_rule(one, one.where)),
        subscriptions={id: rule for step in steps for id, rule in _subscriptions(step, campaign.key)},
        branches={id: conditions for step in steps for id, conditions in _conditions(step)},
        splits={
            step.id: SplitRule(step.split.seed or f"{campaign.key}/{step.id}", step.split.arms)
            for step in steps
            if isinstance(step, SplitStep)
        },
        delays={id: rule for step in steps for id, rule in _delays(step)},
        actions={step.id: step.rule() for step in steps if isinstance(step, ActionStep)},
        schedule=ScheduleRule(schedule.starts_at, schedule.ends_at, schedule.at_end),
        goal=_goal(campaign.goal) if campaign.goal else None,
        send_window=LocalWindow(window.from_, window.to, window.days or EVERY_DAY) if window else None,
        timezone=campaign.timezone,
        on_resume=ResumeRule(campaign.resumption.overdue, campaign.resumption.rate),
        links=_links(campaign),
        replies=None if campaign.replies is None else ReplyRule(campaign.replies.forward_to, campaign.replies.owner),
    )


def _links(campaign: CampaignDocument) -> LinkRule:
    track, utm = campaign.track, campaign.utm
    rule = LinkRule() if track is None else LinkRule(track.clicks, track.opens, track.categories)
    return rule if utm is None else replace(rule, utm=utm.values(), utm_hosts=utm.hosts or ())


def _event_rule(model: TriggerFields, where: str | None) -> Iterator[EventRule]:
    """Yield the rule of a model that names events."""
    if (trigger := model.trigger) is not None and trigger.name is not None:
        yield EventRule(trigger.name, where, trigger.kind)


def _goal(goal: Goal) -> GoalRule | None:
    return next(
        (
            GoalRule(rule.event, goal.within, rule.where, goal.exit_on_goal, rule.kind)
            for rule in _event_rule(goal, goal.where)
        ),
        None,
    )


def _audience(audience: Audience) -> AudienceRule:
    return AudienceRule(audience.where, audience.rate, _again(audience.again) if audience.again else None)


def _again(again: Again) -> AgainRule:
    match again:
        case Daily():
            return DailyRule(again.at)
        case Weekly():
            return WeeklyRule(again.at, again.days)
        case Monthly():
            return MonthlyRule(again.at, again.day)
        case _:
            assert_never(again)


def _all_steps(steps: Steps) -> Iterator[Step]:
    for step in steps:
        yield step
        for block in step.lists() if isinstance(step, ControlStep) else ():
            yield from _all_steps(block)


def _subscriptions(step: Step, campaign: str) -> Iterator[tuple[str, EventRule]]:
    match step:
        case WaitStep(id=id, wait_for=awaited):
            rules = [
                *_event_rule(awaited, awaited.where),
                *(rule for one in awaited.events or () for rule in _event_rule(one, one.where)),
            ]
            yield from ((subscription_id(id, index), rule) for index, rule in enumerate(rules))
        case RepeatStep(id=id, repeat=repeat) if repeat.until is not None:
            yield from ((subscription_id(id, 0), rule) for rule in _event_rule(repeat.until, repeat.until.where))
        case SendStep(id=id, send=send) if send.fallback is not None:
            # Reports of an app may have the message's id alone.
            where = (
                "has(event.properties.message_id)"
                f' && (!has(event.properties.campaign) || event.properties.campaign == "{campaign}")'
                f' && (!has(event.properties.step) || event.properties.step in ["{id}", "{id}.{FALLBACK}"])'
            )
            yield from (
                (subscription, EventRule(name, where)) for subscription, name in list_reports(id, send.fallback)
            )
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


def _delays(step: Step) -> Iterator[tuple[str, DelayRule]]:
    if isinstance(step, DelayStep) and isinstance(step.delay, DelayForm) and (rule := step.delay.rule()) is not None:
        yield step.id, rule
