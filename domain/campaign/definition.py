"""The campaign document as authors write it."""

from collections.abc import Mapping
from datetime import time
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, Tag

from domain.campaign.audience_fields import Audience
from domain.campaign.expression_fields import KEY, WHICH_EVENTS, condition
from domain.campaign.life import Overdue, StopMode
from domain.campaign.link_fields import TrackModel, UtmModel
from domain.campaign.local_time_fields import Clock, ClosingClock, Weekdays, ZoneName
from domain.campaign.reply_fields import RepliesModel
from domain.campaign.schema import WHOLE, DocumentModel, Given, Listed, Slug, Text, quote_value, refuse
from domain.campaign.steps.kinds import Steps
from domain.campaign.time_fields import Duration, Instant
from domain.campaign.trigger_fields import TriggerFields, one_trigger
from domain.conditions.expressions import ExpressionScope


class Schedule(DocumentModel):
    """When users may enter."""

    starts_at: Annotated[Instant | None, Given] = Field(None, description="no user enters before this time")
    ends_at: Annotated[Instant | None, Given] = Field(None, description="no user enters at or after this time")
    at_end: StopMode = Field(
        "drain", description="journeys that are open then finish (`drain`) or end at once (`exit`)"
    )


class ReentryAfter(DocumentModel):
    """The same user and key may enter again this long after the last entry."""

    after: Duration = Field(description="counted from the last entry: `7d`")


def _reentry_form(value: Any) -> Any:
    if not isinstance(value, Mapping | ReentryAfter) and value not in ("never", "always"):
        refuse(f"{quote_value(value)} is not a valid `reentry`", "Write `never`, `always` or `{after: 7d}`")
    return value


Reentry = Annotated[
    Annotated[Literal["never", "always"], Tag("word")] | Annotated[ReentryAfter, Tag("after")],
    Discriminator(lambda value: "word" if isinstance(value, str) else "after"),
    BeforeValidator(_reentry_form),
]


class Entry(TriggerFields):
    """The start of a journey: an event, an audience, or either.

    A user, or an account, has one journey at a time under one key.
    """

    where: Annotated[str | None, Given, condition(ExpressionScope.ENTRY_WHERE)] = Field(
        None, description="a condition in CEL: which of those events"
    )
    key: Annotated[str | None, Given, KEY] = Field(
        None,
        description="an expression in CEL that tells a user's journeys apart: `event.properties.cart_id`; "
        "left out, a user has one at a time",
    )
    account: bool = Field(False, description="whether a journey is that of the event's account, not of its user")
    audience: Annotated[Audience | None, Given] = Field(
        None, description="which known people enter without an event: `{where: profile.traits.plan == …}`"
    )
    reentry: Reentry = Field("always", description="when the same user and key may enter again")
    max_age: Duration = Field(
        86_400,
        description="how long before its arrival the event may have happened: `1d`; an older one starts nothing",
    )


class ExitRule(TriggerFields):
    """An event that ends the journey at any step."""

    model_config = ConfigDict(json_schema_extra=one_trigger())

    where: Annotated[str | None, Given, condition(ExpressionScope.EXIT_WHERE)] = Field(None, description=WHICH_EVENTS)


class Goal(TriggerFields):
    """The aim of a campaign: an event that counts once a journey, even after its end."""

    model_config = ConfigDict(json_schema_extra=one_trigger())

    where: Annotated[str | None, Given, condition(ExpressionScope.EXIT_WHERE)] = Field(None, description=WHICH_EVENTS)
    within: Duration = Field(description="how long after the entry it counts: `7d`")
    exit_on_goal: bool = Field(False, description="whether it also ends the journey")


class SendWindow(DocumentModel):
    """Local hours for messages. A `to` earlier than `from` is on the next day."""

    from_: Clock = Field(time(), alias="from", description="when it opens")
    to: ClosingClock = Field(time(), description="when it closes; `24:00` is the end of the day")
    days: Annotated[Weekdays | None, Given] = Field(None, description="the days on which it opens; left out, all")


MAX_RATE = 10_000


class OnResume(DocumentModel):
    """How the messages that a pause has held up go on, and how fast."""

    overdue: Overdue = Field(
        "send",
        description="`send`: they go, unless they have expired; `skip`: they do not; `retime`: they go, and `expires` "
        "counts from the resumption",
    )
    rate: Annotated[int, Field(ge=1, le=MAX_RATE), WHOLE] = Field(100, description="how many journeys go on a second")


def _resumption_form(value: Any) -> Any:
    if not isinstance(value, Mapping | OnResume) and value not in get_args(Overdue):
        refuse(
            f"{quote_value(value)} is not a valid `on_resume`",
            "Write `send`, `skip`, `retime` or `{overdue: send, rate: 100}`",
        )
    return value


Resumption = Annotated[
    Annotated[Overdue, Tag("word")] | Annotated[OnResume, Tag("mapping")],
    Discriminator(lambda value: "word" if isinstance(value, str) else "mapping"),
    BeforeValidator(_resumption_form),
]


class CampaignDocument(DocumentModel):
    """A campaign: which event starts a journey, its steps, and what ends it."""

    key: Slug = Field(description="lowercase letters, digits and hyphens; the campaign's name for machines")
    name: Text = Field(description="the campaign's name for people")
    stage: Annotated[Text | None, Given] = Field(None, description="the lifecycle stage that it serves")
    timezone: Annotated[ZoneName | None, Given] = Field(
        None, description="the zone of people whose profile has no trait `timezone`: `Europe/Berlin`"
    )
    schedule: Schedule = Field(Schedule(), description="when users may enter")
    entry: Entry = Field(description="what starts a journey: `{event: Cart Abandoned}`")
    exit: Annotated[Annotated[tuple[ExitRule, ...], Listed, Field(min_length=1)] | None, Given] = Field(
        None, description="the events that end a journey: one `- {event: …}` for each"
    )
    goal: Annotated[Goal | None, Given] = Field(None, description="the event that the campaign is for")
    send_window: Annotated[SendWindow | None, Given] = Field(
        None, description='when messages may go: `{from: "09:00", to: "21:00"}`'
    )
    on_resume: Resumption = Field("send", description="how the messages that a pause has held up go on")
    track: Annotated[TrackModel | None, Given] = Field(
        None, description="which reactions Sojourn tracks itself: `{clicks: true}`; left out, none"
    )
    utm: Annotated[UtmModel | None, Given] = Field(
        None, description="UTM parameters of the links: `{source: newsletter, medium: email}`"
    )
    replies: Annotated[RepliesModel | None, Given] = Field(
        None,
        description="that replies to its mails come to Sojourn: `{forward_to: sales@example.com}`; left out, they go "
        "to the sender",
    )
    steps: Annotated[Steps, Field(min_length=1)] = Field(description="a list of steps")

    @property
    def resumption(self) -> OnResume:
        """`on_resume` as a mapping."""
        return self.on_resume if isinstance(self.on_resume, OnResume) else OnResume(overdue=self.on_resume)
