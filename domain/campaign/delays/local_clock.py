"""A delay until a local time of day: `{until: "09:00", days: [mon]}`."""

from datetime import time
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field

from domain.campaign.delays.kind import DelayEnd, DelayFacts, DelayForm, DelayRule, StepLinks
from domain.campaign.delays.spellings import suggest_form
from domain.campaign.local_time_fields import Clock, Weekdays, guess_clock
from domain.campaign.plan import Until
from domain.campaign.schema import Given, quote_value, refuse
from domain.local_time.delays import until_clock
from domain.local_time.windows import EVERY_DAY


class ClockRule(DelayRule, frozen=True, tag="clock"):
    """Until the recipient's clocks show this time on one of these weekdays (Monday 0)."""

    clock: time
    days: tuple[int, ...] = EVERY_DAY

    def until(self, facts: DelayFacts, zone: ZoneInfo) -> DelayEnd:
        return DelayEnd(until_clock(facts.reached_at, self.clock, self.days, zone))

    def local_time(self) -> tuple[time, tuple[int, ...]]:
        return self.clock, self.days


def _refuse_other_forms(text: Any) -> Any:
    if isinstance(text, str) and not guess_clock(text) and (other := suggest_form(text)) is not None:
        refuse(f"{quote_value(text)} is not a time of day", f"Write `{other}`")
    return text


class ClockDelay(DelayForm):
    """Until a local time of day, on some weekdays: `{until: "09:00", days: [mon]}`."""

    key = "until"
    example = '{until: "09:00", days: [mon]}'
    rule_type = ClockRule

    until: Annotated[Clock, BeforeValidator(_refuse_other_forms)] = Field(description="the time of day")
    days: Annotated[Weekdays | None, Given] = Field(None, description="the weekdays; left out, all of them")

    def node(self, links: StepLinks) -> Until:
        return Until(id=links.id, next=links.next, past=links.next, unreadable=links.next)

    def rule(self) -> ClockRule:
        return ClockRule(self.until, self.days or EVERY_DAY)
