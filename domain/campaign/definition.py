"""The campaign document as authors write it."""

from collections.abc import Mapping
from datetime import time
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from domain.campaign.expression_fields import KEY, condition
from domain.campaign.local_time_fields import Clock, ClosingClock, Weekdays, ZoneName
from domain.campaign.schema import Document, Duration, Given, Instant, Listed, Slug, Text, refuse, shown
from domain.campaign.steps import Steps
from domain.conditions.expressions import Place


class Schedule(Document):
    """When users may enter. `at_end`: those inside when it ends finish (`drain`), or end then, too (`exit`)."""

    starts_at: Annotated[Instant | None, Given] = None
    ends_at: Annotated[Instant | None, Given] = None
    at_end: Literal["drain", "exit"] = "drain"

    @model_validator(mode="after")
    def _ordered(self) -> "Schedule":
        if self.starts_at and self.ends_at and self.ends_at <= self.starts_at:
            refuse("`ends_at` is not after `starts_at`", "Move one of them")
        if self.at_end == "exit" and self.ends_at is None:
            refuse("`at_end: exit` without an end", "Add `ends_at`")
        return self


class ReentryAfter(Document):
    """The next journey of the same user and key may start this long after the last one was entered."""

    after: Duration


def _reentry_form(value: Any) -> Any:
    if not isinstance(value, Mapping | ReentryAfter) and value not in ("never", "always"):
        refuse(f"{shown(value)} is no rule of reentry", "Write `never`, `always` or `{after: 7d}`")
    return value


Reentry = Annotated[
    Annotated[Literal["never", "always"], Tag("word")] | Annotated[ReentryAfter, Tag("after")],
    Discriminator(lambda value: "word" if isinstance(value, str) else "after"),
    BeforeValidator(_reentry_form),
]


class Entry(Document):
    """What starts a journey. A user is never in the same campaign twice at once under the same key."""

    event: Text
    where: Annotated[str | None, Given, condition(Place.ENTRY_WHERE)] = None
    key: Annotated[str | None, Given, KEY] = None
    reentry: Reentry = "always"


class ExitRule(Document):
    """An event that ends the journey, wherever it is."""

    event: Text
    where: Annotated[str | None, Given, condition(Place.EXIT_WHERE)] = None


class Goal(Document):
    """What the campaign is for: an event that counts if it happens within a time from the entry.

    It counts once a journey, also after the journey's end. `exit_on_goal` makes it an exit as well.
    """

    event: Text
    where: Annotated[str | None, Given, condition(Place.EXIT_WHERE)] = None
    within: Duration
    exit_on_goal: bool = False


class SendWindow(Document):
    """When messages may go, by the recipient's clocks. One that closes before it opens closes the next day."""

    from_: Clock = Field(time(), alias="from")
    to: ClosingClock = time()
    days: Annotated[Weekdays | None, Given] = None

    @model_validator(mode="after")
    def _not_empty(self) -> "SendWindow":
        if self.model_fields_set >= {"from_", "to"} and self.from_ == self.to:
            refuse("`from` and `to` are the same", "Leave both out for whole days, or the window for all the time")
        return self


class Campaign(Document):
    """A whole campaign document."""

    key: Slug = Field(description="lowercase letters, digits and hyphens; the campaign's name for machines")
    name: Text = Field(description="the campaign's name for people")
    stage: Annotated[Text | None, Given] = None
    timezone: Annotated[ZoneName | None, Given] = None
    schedule: Schedule = Schedule()
    entry: Entry = Field(description="the event that starts a journey: `{event: Cart Abandoned}`")
    exit: Annotated[Annotated[tuple[ExitRule, ...], Listed, Field(min_length=1)] | None, Given] = None
    goal: Annotated[Goal | None, Given] = None
    send_window: Annotated[SendWindow | None, Given] = None
    steps: Annotated[Steps, Field(min_length=1)] = Field(description="a list of steps")
