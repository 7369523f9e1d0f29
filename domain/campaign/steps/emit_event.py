"""The step `emit_event`: report an event about the user."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field

from domain.campaign.expression_fields import Values
from domain.campaign.schema import Given, Text
from domain.campaign.steps.action import (
    ActionFacts,
    ActionRule,
    ActionStep,
    Effects,
    EmitEvent,
    ValuesRule,
    values_rule,
)
from domain.campaign.steps.model import StepId, StepSpec
from domain.document.yaml_source import Path
from domain.tracking.chain import MAX_CHAIN, count_chain
from domain.tracking.event import Trigger


class EmitEventRule(ActionRule, frozen=True, tag="emit_event"):
    """The event to report."""

    event: str
    properties: ValuesRule = ValuesRule()

    @property
    def causes(self) -> tuple[Trigger, ...]:
        return (Trigger("track", self.event),)

    def effects(self, facts: ActionFacts) -> Effects:
        chain = count_chain(facts.entry) + 1
        if chain > MAX_CHAIN:
            data = {"event": self.event, "limit": MAX_CHAIN}
            return Effects(outcome="refused", reason="chain_too_long", data=data)
        properties, errors = self.properties.evaluate(facts)
        is_unverified = bool(self.properties.find_unverified(facts))
        return Effects((EmitEvent(self.event, properties, chain, is_unverified),), errors)


class EmitSpec(StepSpec):
    """An event that the journey reports about its user, as a client would."""

    kind = "emit_event"
    outside = ("id",)

    event: Text = Field(description="the event's name")
    properties: Annotated[Values | None, Given] = Field(
        None, description="the event's properties by name: texts, numbers, true, false, lists of those, or `{cel: …}`"
    )


class EmitEventStep(ActionStep):
    """Report an event about the user. It may start, end and move journeys."""

    kind = "emit_event"
    rule_type = EmitEventRule

    id: StepId
    emit_event: EmitSpec

    def rule(self) -> EmitEventRule:
        return EmitEventRule(self.emit_event.event, values_rule(self.emit_event.properties or {}))

    @classmethod
    def raw_values(cls, step: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
        spec = step.get("emit_event")
        values = spec.get("properties") if isinstance(spec, dict) else None
        for name, value in values.items() if isinstance(values, dict) else ():
            yield ("emit_event", "properties", name), value
