"""A delay until local hours: `{during: {from: "09:00", to: "17:00"}}`."""

from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from domain.campaign.delays.kind import DelayEnd, DelayFacts, DelayForm, DelayRule, StepLinks
from domain.campaign.local_time_fields import Clock, ClosingClock, Weekdays
from domain.campaign.plan import Until
from domain.campaign.schema import DocumentModel, Given, refuse
from domain.local_time.windows import EVERY_DAY, LocalWindow, next_open


class HoursRule(DelayRule, frozen=True, tag="hours"):
    """Until the window is open in the recipient's zone; at once if it is open."""

    window: LocalWindow

    def until(self, facts: DelayFacts, zone: ZoneInfo) -> DelayEnd:
        return DelayEnd(next_open(self.window, facts.reached_at, zone))


class Hours(DocumentModel):
    """Hours of the recipient's day; a `to` earlier than `from` is on the next day."""

    from_: Clock = Field(alias="from", description="when they begin")
    to: ClosingClock = Field(description="when they end; `24:00` is the end of the day")
    days: Annotated[Weekdays | None, Given] = Field(
        None, description="the days on which they begin; left out, all of them"
    )

    @model_validator(mode="after")
    def _have_an_end(self) -> Self:
        if self.from_ == self.to:
            refuse("the hours begin and end at the same time", "Move one of them, or leave the step out")
        return self


class HoursDelay(DelayForm):
    """Until it is within local hours: `{during: {from: "09:00", to: "17:00"}}`."""

    key = "during"
    example = '{during: {from: "09:00", to: "17:00"}}'
    rule_type = HoursRule

    during: Hours = Field(description='the hours: `{from: "09:00", to: "17:00", days: [mon, tue]}`')

    def node(self, links: StepLinks) -> Until:
        return Until(id=links.id, next=links.next, past=links.next, unreadable=links.next)

    def rule(self) -> HoursRule:
        hours = self.during
        return HoursRule(LocalWindow(hours.from_, hours.to, hours.days or EVERY_DAY))
