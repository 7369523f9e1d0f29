"""The step `wait_for`: wait for an event of the user, with a timeout."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import ConfigDict, Field

from domain.campaign.expression_fields import WHICH_EVENTS, condition
from domain.campaign.schema import Given, Listed
from domain.campaign.steps.control import ControlStep, RawList, case_lists, lists_beside
from domain.campaign.steps.model import StepId, StepSpec
from domain.campaign.time_fields import Duration
from domain.campaign.trigger_fields import TRIGGER_KEYS, TriggerFields, one_trigger
from domain.campaign.triggers.kinds import examples
from domain.conditions.expressions import ExpressionScope
from domain.document.raw_values import list_at, mapping_at
from domain.document.yaml_source import Path

if TYPE_CHECKING:
    from domain.campaign.steps.kinds import Steps


class AwaitedEvent(TriggerFields):
    """One of several events, and the steps that follow if it comes first."""

    model_config = ConfigDict(json_schema_extra=one_trigger())
    synonyms: ClassVar[Mapping[str, str]] = {"then": "do", "steps": "do"}

    where: Annotated[str | None, Given, condition(ExpressionScope.WAIT_WHERE)] = Field(None, description=WHICH_EVENTS)
    do: "Steps" = Field((), description="the steps that follow")


class WaitSpec(TriggerFields, StepSpec):
    """One event, or several of which the first counts, and the timeout."""

    model_config = ConfigDict(json_schema_extra=one_trigger({"required": ["events"], "properties": {"where": False}}))
    kind = "wait_for"
    outside = ("id", "on_event", "on_timeout")

    where: Annotated[str | None, Given, condition(ExpressionScope.WAIT_WHERE)] = Field(None, description=WHICH_EVENTS)
    events: Annotated[Annotated[tuple[AwaitedEvent, ...], Listed, Field(min_length=1)] | None, Given] = Field(
        None, description="several events instead of one: `- {event: …, do: […]}` for each"
    )
    timeout: Duration = Field(description="how long to wait: `1d`")


class WaitStep(ControlStep):
    """Wait for an event of the user, with a timeout."""

    kind = "wait_for"

    id: StepId
    wait_for: WaitSpec
    on_event: "Steps" = Field((), description="the steps that follow when the event has come")
    on_timeout: "Steps" = Field((), description="the steps that follow when it has not")

    def lists(self) -> Iterator["Steps"]:
        yield from (awaited.do for awaited in self.wait_for.events or ())
        yield from (self.on_event, self.on_timeout)

    @classmethod
    def raw_lists(cls, step: dict[str, Any]) -> Iterator[RawList]:
        yield from case_lists(("wait_for", "events"), list_at(mapping_at(step, "wait_for"), "events"))
        yield from lists_beside(step, "on_event", "on_timeout")

    @classmethod
    def never_goes_on(cls, step: dict[str, Any], ends: Callable[[list[Any]], bool]) -> bool:
        lists, events = dict(cls.raw_lists(step)), mapping_at(step, "wait_for").get("events")
        is_complete = len(lists) == 1 + (len(events) if isinstance(events, list) else 1)
        return is_complete and ("on_timeout",) in lists and all(map(ends, lists.values()))

    @classmethod
    def raw_events(cls, step: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
        wait = mapping_at(step, "wait_for")
        yield ("wait_for",), wait
        for index, event in enumerate(list_at(wait, "events")):
            if isinstance(event, dict):
                yield ("wait_for", "events", index), event

    @classmethod
    def form_problems(cls, step: dict[str, Any]) -> Iterator[tuple[Path, str, str]]:
        wait = mapping_at(step, "wait_for")
        form = f"Write {examples()}, or `events:` with one `- {{event: …, do: […]}}` for each of several"
        written = [key for key in wait if key in TRIGGER_KEYS]
        if isinstance(step.get("wait_for"), dict) and not written and "events" not in wait:
            yield ("wait_for",), "it waits for nothing", form
        if written and "events" in wait:
            yield ("wait_for", "events"), f"`events` cannot stand beside `{written[0]}`", form
        elif {"where", "events"} <= set(wait):
            remedy = "Write it within the event that it belongs to"
            yield ("wait_for", "where"), "`where` cannot stand beside `events`", remedy
        if "events" in wait and "on_event" in step:
            said = "`on_event` cannot stand beside `events`"
            yield ("on_event",), said, "Write `do: […]` within each of the events"
