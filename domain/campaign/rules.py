"""The rules of a published version: entry, exits, goal, subscriptions, branches.

Ingest and the evaluation of branches use them; journeys never see them.
"""

from collections.abc import Mapping
from datetime import datetime, time
from typing import TYPE_CHECKING, Any, Literal, Union

from msgspec import Struct, field

from domain.campaign.delay_fields import AnyDelayRule
from domain.campaign.life import Overdue, StopMode
from domain.campaign.steps.action import ActionRule
from domain.campaign.steps.actions import ACTIONS
from domain.conditions.expressions import EvaluationTime, ExpressionScope, compile_condition
from domain.local_time.windows import LocalWindow
from domain.people.addresses import parse_email
from domain.sending.caps import is_transactional
from domain.sending.tracking.links import UtmRule
from domain.surveys.survey import QuestionOutline
from domain.tracking.event import EventType, Trigger

# Type checkers cannot read a union made from a tuple, so they see the base class.
if TYPE_CHECKING:
    AnyActionRule = ActionRule
else:
    AnyActionRule = Union[tuple(step.rule_type for step in ACTIONS)]  # noqa: UP007


class ScheduleRule(Struct, frozen=True, omit_defaults=True):
    """When users may enter: from `starts_at` on, before `ends_at`; None is unbounded."""

    starts_at: datetime | None = None
    ends_at: datetime | None = None
    at_end: StopMode = "drain"


class DailyRule(Struct, frozen=True, tag="day", tag_field="every"):
    """Each day at this time."""

    at: time


class WeeklyRule(Struct, frozen=True, tag="week", tag_field="every"):
    """At this time on these weekdays (Monday 0)."""

    at: time
    days: tuple[int, ...]


class MonthlyRule(Struct, frozen=True, tag="month", tag_field="every"):
    """At this time on this day of each month, or on the last day of a shorter month."""

    at: time
    day: int


AgainRule = DailyRule | WeeklyRule | MonthlyRule


class AudienceRule(Struct, frozen=True, omit_defaults=True):
    """Which known people enter, at most `rate` a second: at the start or each `again`."""

    where: str
    rate: int
    again: AgainRule | None = None


class EntryRule(Struct, frozen=True, omit_defaults=True):
    """The event or the audience by which users enter, or both.

    `event` and `kind` are those of the trigger. `key` applies to events. `reentry` in seconds counts from the last
    entry under the same key. `max_age` is how many seconds before its arrival an event may have happened. With
    `account`, a journey is that of the event's account, with one at a time under a key.
    """

    event: str | None = None
    where: str | None = None
    key: str | None = None
    reentry: int | Literal["never", "always"] = "always"
    audience: AudienceRule | None = None
    max_age: int = 86_400
    kind: EventType = "track"
    account: bool = False

    @property
    def trigger(self) -> Trigger | None:
        """The trigger of events that start a journey; None for an audience alone."""
        return None if self.event is None else Trigger(self.kind, self.event)


class EventRule(Struct, frozen=True, omit_defaults=True):
    """An event that concerns a journey if its condition holds."""

    event: str
    where: str | None = None
    kind: EventType = "track"

    @property
    def trigger(self) -> Trigger:
        return Trigger(self.kind, self.event)


class GoalRule(Struct, frozen=True, omit_defaults=True):
    """An event that counts as success for `within` seconds; `exits` ends the journey."""

    event: str
    within: int
    where: str | None = None
    exits: bool = False
    kind: EventType = "track"

    @property
    def trigger(self) -> Trigger:
        return Trigger(self.kind, self.event)


class ResumeRule(Struct, frozen=True, omit_defaults=True):
    """How held messages go on after a pause, and how many journeys are woken a second."""

    overdue: Overdue = "send"
    rate: int = 100


class LinkRule(Struct, frozen=True, omit_defaults=True):
    """Tracking and UTM parameters of the links of mails.

    Without `categories`, messages of all but the transactional one are tracked. `utm` are UTM parameters by their names
    without `utm_`, None without any; links to `utm_hosts` get them, or all if there are none.
    """

    clicks: bool = False
    opens: bool = False
    categories: tuple[str, ...] | None = None
    utm: dict[str, str] | None = None
    utm_hosts: tuple[str, ...] = ()

    def tracks(self, category: str) -> bool:
        """Return whether messages of a category are tracked."""
        return not is_transactional(category) if self.categories is None else category in self.categories

    def find_utm(self, campaign: str, step: str) -> UtmRule | None:
        """Return the UTM parameters of a step's links; None without any."""
        if self.utm is None:
            return None
        return UtmRule({"campaign": campaign, "content": step} | self.utm, self.utm_hosts)


class ReplyRule(Struct, frozen=True, omit_defaults=True):
    """Replies come to Sojourn, which forwards them.

    The trait `owner` may name another address for a person, at the domain of `forward_to`: a trait can be anything,
    and no one is to have mails sent to strangers by it.
    """

    forward_to: str | None = None
    owner: str | None = None

    def find_target(self, traits: Mapping[str, Any]) -> str | None:
        """Return the address that a person's reply is forwarded to; None if to none."""
        owner = traits.get(self.owner) if self.owner is not None else None
        own = parse_email(owner) if isinstance(owner, str) else None
        shared = None if self.forward_to is None else parse_email(self.forward_to)
        if own is not None and shared is not None and own.ascii_domain.lower() == shared.ascii_domain.lower():
            return own.written
        return self.forward_to


class SplitRule(Struct, frozen=True, omit_defaults=True):
    """The weights of the arms in their order, and the seed by which they are drawn."""

    seed: str
    arms: dict[str, int]


class BranchDecision(Struct, frozen=True):
    """The case taken, None for `otherwise`, and the errors of the cases before it."""

    case: int | None
    errors: dict[int, str]


class Rules(Struct, frozen=True, omit_defaults=True):
    """A version's data for use outside its journeys, small enough to keep in memory.

    `name` is the campaign's name for people. `subscriptions` are by the plan's ids; the others are by step. `branches`
    are the conditions of each branch in order, and the one that ends each repetition. `needs` are the values that the
    data of a single message must have. `max_parts` are the most parts of a template's messages that are charged one by
    one, such as the segments of a text: only those above 1. `surveys` are the questions by template.
    """

    name: str
    entry: EntryRule
    exits: tuple[EventRule, ...] = ()
    subscriptions: dict[str, EventRule] = field(default_factory=dict)
    branches: dict[str, tuple[str, ...]] = field(default_factory=dict)
    splits: dict[str, SplitRule] = field(default_factory=dict)
    delays: dict[str, AnyDelayRule] = field(default_factory=dict)
    actions: dict[str, AnyActionRule] = field(default_factory=dict)
    schedule: ScheduleRule = ScheduleRule()
    goal: GoalRule | None = None
    send_window: LocalWindow | None = None
    timezone: str | None = None
    on_resume: ResumeRule = ResumeRule()
    links: LinkRule = LinkRule()
    replies: ReplyRule | None = None
    needs: tuple[str, ...] = ()
    max_parts: dict[str, int] = field(default_factory=dict)
    surveys: dict[str, tuple[QuestionOutline, ...]] = field(default_factory=dict)

    def decide(self, step: str, time: EvaluationTime, **roots: Any) -> BranchDecision:
        """Return the first case that holds. Raises KeyError for an unknown step."""
        errors: dict[int, str] = {}
        for case, condition in enumerate(self.branches[step]):
            outcome = compile_condition(condition, ExpressionScope.BRANCH_WHEN).evaluate(time, **roots)
            if outcome.holds:
                return BranchDecision(case, errors)
            if outcome.error is not None:
                errors[case] = outcome.error
        return BranchDecision(None, errors)
