"""A channel, a provider, a trigger, a delay and a step that only this module knows: one registry line each, at the end.

To be imported before the modules that read the registries.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, Field

from channels import registry as providers
from channels.provider_kind import ProviderKind
from domain.campaign.delays import kinds as delays
from domain.campaign.delays.kind import DelayEnd, DelayFacts, DelayForm, DelayRule, StepLinks
from domain.campaign.plan import Until
from domain.campaign.steps import actions
from domain.campaign.steps.action import ActionFacts, ActionRule, ActionStep, Effects, SetTraits
from domain.campaign.steps.model import StepId
from domain.campaign.triggers import kinds as triggers
from domain.campaign.triggers.kind import TriggerKind
from domain.channels import kinds as channels
from domain.channels.kind import ChannelKind, Unreachable
from domain.errors import Problem
from domain.sending.delivery import Accepted, Delivery, Keyed, Outbound, Rejected
from domain.templates.front_matter import Field as TemplateField
from domain.templates.liquid_context import Rendering
from domain.templates.liquid_text import LiquidText, compile_liquid


class PagerText:
    """A page in one language."""

    def __init__(self, text: LiquidText) -> None:
        self._text = text

    def render(self, rendering: Rendering) -> dict[str, Any]:
        return {"text": self._text.render(rendering)}

    def texts(self) -> Iterator[LiquidText]:
        yield self._text


class Pager(ChannelKind):
    """A page to each of a person's pagers, who must have asked for it."""

    name = "pager"
    required = ("title",)
    silence_allows = False

    def compile(
        self, fields: Mapping[str, TemplateField], body: TemplateField, problems: list[Problem], warnings: list[Problem]
    ) -> PagerText:
        text, faults = compile_liquid(body.value, body.place)
        problems += faults
        assert text is not None
        return PagerText(text)

    def addresses(self, traits: Mapping[str, Any]) -> tuple[str, ...] | Unreachable:
        pagers = traits.get("pagers")
        return tuple(pagers) if pagers else Unreachable("the profile has no trait pagers")


class RecorderSettings(BaseModel):
    """The file that has a line for each message, and one that names the addresses at which messages never end."""

    file: Path
    hold: Path | None = None


class Recorder:
    """Takes messages for all pagers but those that are gone."""

    name = "recorder"
    repeats = Keyed(60)

    def __init__(self, settings: RecorderSettings) -> None:
        self._file = settings.file
        self._hold = settings.hold

    def account(self, message: Outbound) -> str:
        return "recorder"

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        if self._hold is not None and self._hold.exists() and address in self._hold.read_text().split():
            await asyncio.Event().wait()
        with self._file.open("a") as file:
            file.write(json.dumps({"to": address, "id": message.message_id, **message.content}) + "\n")
        return Rejected("gone", "the pager is gone") if address == "gone" else Accepted(f"page-{address}")


ALARM = TriggerKind(
    key="alarm",
    kind="track",
    field=Annotated[Literal["raised", "over"], AfterValidator(lambda value: f"Alarm {value.capitalize()}")],
    description="what became of an alarm",
    example="alarm: raised",
)


class BeatsRule(DelayRule, frozen=True, tag="beats"):
    """Until so many beats after the step was reached."""

    beats: int

    def until(self, facts: DelayFacts, zone: ZoneInfo) -> DelayEnd:
        return DelayEnd(facts.reached_at + timedelta(milliseconds=100 * self.beats))


class BeatsDelay(DelayForm):
    """So many beats of a tenth of a second: `{beats: 5}`."""

    key = "beats"
    example = "{beats: 5}"
    rule_type = BeatsRule

    beats: int = Field(ge=1, description="how many")

    def node(self, links: StepLinks) -> Until:
        return Until(id=links.id, next=links.next, past=links.next, unreadable=links.next)

    def rule(self) -> BeatsRule:
        return BeatsRule(self.beats)


class CountRule(ActionRule, frozen=True, tag="count"):
    """The trait that counts."""

    trait: str

    def effects(self, facts: ActionFacts) -> Effects:
        return Effects((SetTraits({self.trait: facts.profile.traits.get(self.trait, 0) + 1}),))


class CountStep(ActionStep):
    """Add one to a trait."""

    kind = "count"
    rule_type = CountRule

    id: StepId
    count: str = Field(description="the trait")

    def rule(self) -> CountRule:
        return CountRule(self.count)


cast(dict[str, ChannelKind], channels.CHANNELS)[Pager.name] = Pager()
providers.PROVIDERS += (ProviderKind("recorder", frozenset({"pager"}), RecorderSettings, Recorder),)
delays.DELAYS += (BeatsDelay,)
actions.ACTIONS += (CountStep,)
triggers.TRIGGERS += (ALARM,)
