"""The effects of events on campaigns, as a routing result has them, for people."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from msgspec import Struct

from domain.campaign.plan import step_of_subscription
from domain.journey.listeners import Listeners
from domain.journey.matching import ProfileEvent
from domain.journey.records import Journey
from domain.journey.routing_result import RoutingResult

EffectKind = Literal["goal", "ended", "heard", "entered", "refused"]


class CampaignEffect(Struct, frozen=True):
    """One effect of an event on a campaign.

    `event` is the label of the event, which may be derived from another. `journey` is that which was concerned or
    begun, and `step` the wait of it that hears the event. `reason` is that of a refusal or an end.
    """

    kind: EffectKind
    campaign: str
    version: int
    event: str
    journey: Journey | None = None
    step: str | None = None
    reason: str | None = None
    data: dict[str, Any] = {}


def list_effects(
    profile_events: Sequence[ProfileEvent], listeners: Listeners, result: RoutingResult
) -> list[CampaignEffect]:
    """Return the effects of routed events, event by event."""
    return [
        effect
        for one in profile_events
        for effect in (*_list_moves(one, result), *_list_entries(one, listeners, result))
    ]


def _list_moves(profile_event: ProfileEvent, result: RoutingResult) -> Iterator[CampaignEffect]:
    id, label = profile_event.event.id, profile_event.event.trigger.label

    def effect(
        kind: EffectKind, journey: Journey, step: str | None = None, reason: str | None = None
    ) -> CampaignEffect:
        return CampaignEffect(kind, journey.campaign_key, journey.campaign_version, label, journey, step, reason)

    yield from (effect("goal", one.journey) for one in result.conversions if one.event.id == id)
    yield from (effect("ended", one.journey, None, one.reason) for one in result.exits.values() if one.event.id == id)
    yield from (
        effect("heard", one.journey, step_of_subscription(one.subscription))
        for one in result.matches
        if one.event_id == id
    )


def _list_entries(profile_event: ProfileEvent, listeners: Listeners, result: RoutingResult) -> Iterator[CampaignEffect]:
    """Iterate over the entries and their refusals.

    A campaign without a decision was refused by its condition, which routing does not report.
    """
    event = profile_event.event
    decided = {one.campaign_key: one for one in result.decisions if one.profile_event.event.id == event.id}
    for version in listeners.entries(event):
        place = version.key, version.version, event.trigger.label
        if (decision := decided.get(version.key)) is None:
            yield CampaignEffect("refused", *place, reason="condition", data={"where": version.rules.entry.where})
        elif decision.journey is None:
            yield CampaignEffect("refused", *place, reason=decision.reason, data=decision.data)
        else:
            yield CampaignEffect("entered", *place, decision.journey, data=decision.data)
