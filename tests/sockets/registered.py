"""A channel, a provider, a trigger, a delay and a step that only this module knows: one registry line each, at the end.

To be imported before the modules that read the registries.
"""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

import tests.sockets.pager  # noqa: F401 - before all that reads the channels
from channels import registry as providers
from channels.provider_kind import ProviderContext, ProviderKind
from domain.campaign.delays import kinds as delays
from domain.campaign.delays.kind import DelayEnd, DelayFacts, DelayForm, DelayRule, StepLinks
from domain.campaign.plan import Until
from domain.campaign.steps import actions
from domain.campaign.steps.action import ActionFacts, ActionRule, ActionStep, Effects, SetTraits
from domain.campaign.steps.model import StepId
from domain.campaign.triggers import kinds as triggers
from domain.campaign.triggers.kind import TriggerKind
from domain.sending.delivery import Accepted, Delivery, Keyed, Outbound, Rejected, Unavailable
from domain.sending.providers import kinds as models
from domain.sending.providers.model import ProviderModel


class RecorderModel(ProviderModel):
    """The file that has a line for each message, and one that names the addresses at which messages never end."""

    name = "recorder"
    channels = frozenset({"pager"})

    kind: Literal["recorder"]
    file: str
    hold: str | None = None


class Recorder:
    """Takes messages for all pagers but those that are gone."""

    name = "recorder"
    repeats = Keyed(60)

    def __init__(self, settings: RecorderModel, context: ProviderContext) -> None:
        self._file = Path(settings.file)
        self._hold = Path(settings.hold) if settings.hold else None

    def account(self, message: Outbound) -> str:
        return "recorder"

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        if self._hold is not None and self._hold.exists() and address in self._hold.read_text().split():
            await asyncio.Event().wait()
        with self._file.open("a") as file:
            file.write(json.dumps({"to": address, "id": message.message_id, **message.content}) + "\n")
        return Rejected("gone", "the pager is gone") if address == "gone" else Accepted(f"page-{address}")

    async def check(self) -> Unavailable | None:
        return None

    async def close(self) -> None:
        pass


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


models.PROVIDER_MODELS += (RecorderModel,)
providers.PROVIDERS += (ProviderKind(RecorderModel, Recorder),)
delays.DELAYS += (BeatsDelay,)
actions.ACTIONS += (CountStep,)
triggers.TRIGGERS += (ALARM,)
