"""A delay until a date: `{date: profile.traits.trial_ends_at, offset: -3d}`."""

import re
from datetime import time
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field

from domain.campaign.delays.kind import DelayEnd, DelayFacts, DelayForm, DelayRule, StepLinks
from domain.campaign.delays.spellings import DAY
from domain.campaign.expression_fields import value
from domain.campaign.local_time_fields import Clock
from domain.campaign.plan import Until
from domain.campaign.schema import Given, refuse
from domain.campaign.time_fields import Offset
from domain.conditions.expressions import EvaluationTime, ExpressionScope, compile_value
from domain.journey.protocol import Unreadable
from domain.local_time.delays import until_moment
from domain.local_time.moments import read_moment
from domain.local_time.windows import EVERY_DAY


class DateRule(DelayRule, frozen=True, tag="date"):
    """Until a date, plus `offset` seconds (negative is earlier), at a local time."""

    date: str
    offset: int = 0
    clock: time | None = None

    def until(self, facts: DelayFacts, zone: ZoneInfo) -> DelayEnd:
        time = EvaluationTime(facts.at, zone.key)
        expression = compile_value(self.date, ExpressionScope.DELAY_DATE)
        found = expression.evaluate(time, profile=facts.profile, account=facts.account, entry=facts.entry)
        if found.error is not None:
            return DelayEnd(None if found.missing else Unreadable(), found.error)
        value = found.value.strip() if isinstance(found.value, str) else found.value
        if value in (None, ""):
            return DelayEnd(None, f"{self.date} is empty")
        if (moment := read_moment(value)) is None:
            return DelayEnd(Unreadable(), f"{self.date} is not a date or time")
        if (until := until_moment(moment, self.offset, self.clock, zone)) is None:
            return DelayEnd(Unreadable(), "the date is out of range")
        return DelayEnd(until)

    def local_time(self) -> tuple[time, tuple[int, ...]] | None:
        return None if self.clock is None else (self.clock, EVERY_DAY)


def _refuse_plain_dates(text: Any) -> Any:
    if isinstance(text, str) and re.match(DAY, text):
        refuse(f"`{text}` is not an expression", f"Put the date itself into quotes as well: `date: \"'{text}'\"`")
    return text


class DateDelay(DelayForm):
    """Until a date of the profile or the entry event, with an offset and a local time."""

    key = "date"
    example = "{date: profile.traits.…, offset: -3d}"
    skip_keys = ("if_past", "if_unreadable")
    rule_type = DateRule

    date: Annotated[str, value(ExpressionScope.DELAY_DATE), BeforeValidator(_refuse_plain_dates)] = Field(
        description="an expression in CEL that gives a date or time: `profile.traits.trial_ends_at`"
    )
    offset: Annotated[Offset | None, Given] = Field(None, description="how much later, or earlier with `-`: `-3d`")
    at: Annotated[Clock | None, Given] = Field(None, description="at this local time of that day")
    if_past: Literal["skip_next", "go_on"] = Field(
        "skip_next",
        description="if the date is past or missing: skip the next step (`skip_next`) or not (`go_on`)",
    )
    if_unreadable: Literal["skip_next", "go_on"] = Field(
        "skip_next",
        description="if the value is not a date: skip the next step (`skip_next`) or not (`go_on`)",
    )

    def node(self, links: StepLinks) -> Until:
        targets = {"skip_next": links.after_next, "go_on": links.next}
        past, unreadable = targets[self.if_past], targets[self.if_unreadable]
        return Until(id=links.id, next=links.next, past=past, unreadable=unreadable)

    def rule(self) -> DateRule:
        return DateRule(self.date, self.offset or 0, self.at)

    @classmethod
    def hint(cls, key: str) -> str:
        return '. The time of day is `at: "09:00"`' if key == "until" else ""
