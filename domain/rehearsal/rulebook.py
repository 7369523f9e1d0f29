"""The rules of a simulation: everything that is deployed at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from domain.campaign.plan import Plan
from domain.campaign.rules import Rules
from domain.journey.active import VersionRef
from domain.journey.listeners import CampaignVersion, Listeners
from domain.people.computed.definition import TraitDefinition
from domain.people.computed.deployed import DeployedTraits
from domain.people.computed_document import NamedTrait
from domain.people.lifecycle import StageRule
from domain.people.places.deployed import DeployedPlaces, PlaceRule
from domain.people.segments.definition import SegmentDefinition, SegmentRule
from domain.people.segments.deployed import DeployedSegments
from domain.people.segments.stages import stage_segment
from domain.people.topics.deployed import ConsentRule, DeployedTopics
from domain.sending.caps import CapRule
from domain.sending.routes import DEFAULT_PROVIDERS, DeployedProviders, ProviderRule, ProvidersRule
from domain.tracking.event import ANY, Event, Trigger

# Definitions of a rulebook were in force before everything.
_ALWAYS: Final = datetime(1970, 1, 1, tzinfo=UTC)


class RunningCampaign(Struct, frozen=True):
    """A version of a campaign that runs."""

    key: str
    version: int
    plan: Plan
    rules: Rules


class DeployedRules(Struct, frozen=True, kw_only=True):
    """The rules of the documents that hold for the whole deployment."""

    caps: Sequence[CapRule] = ()
    computed: Sequence[NamedTrait] = ()
    segments: Mapping[str, SegmentRule] = {}
    stages: Sequence[StageRule] = ()
    places: Sequence[PlaceRule] = ()
    topics: Sequence[ConsentRule] = ()
    providers: Sequence[ProvidersRule] = ()


@dataclass(frozen=True)
class Rulebook:
    """Everything deployed, as the deciders read it. `timezone` is the deployment's."""

    campaigns: Mapping[VersionRef, RunningCampaign]
    listeners: Listeners
    segments: DeployedSegments
    providers: DeployedProviders
    caps: Sequence[CapRule]
    timezone: str

    @property
    def traits(self) -> DeployedTraits:
        """The computed traits."""
        return self.segments.traits

    @cached_property
    def remembered(self) -> frozenset[Trigger]:
        """The triggers of events that may overtake an entry."""
        versions = (CampaignVersion(one.key, one.version, one.rules) for one in self.campaigns.values())
        return frozenset(self.listeners.triggers_to_match(versions))

    def remembers(self, event: Event) -> bool:
        """Whether an event may end or convert a journey that begins after it."""
        trigger = event.trigger
        return trigger in self.remembered or Trigger(trigger.kind, ANY) in self.remembered


def build_rulebook(
    campaigns: Iterable[RunningCampaign],
    deployed: DeployedRules,
    timezone: str,
    default_providers: Mapping[str, ProviderRule] = DEFAULT_PROVIDERS,
) -> Rulebook:
    """Put documents in force, as if they always had been.

    `default_providers` are those of channels that the document of providers leaves out.
    """
    running = [_in_zone(one, timezone) for one in campaigns]
    traits = [TraitDefinition(id, one.key, one.rule) for id, one in enumerate(deployed.computed, start=1)]
    rules = {**deployed.segments, **{stage_segment(one.key): one.segment_rule() for one in deployed.stages}}
    segments = [
        SegmentDefinition(id, key, 1, rule, 1, _ALWAYS) for id, (key, rule) in enumerate(rules.items(), start=1)
    ]
    return Rulebook(
        {(one.key, one.version): one for one in running},
        Listeners([CampaignVersion(one.key, one.version, one.rules) for one in running], ()),
        DeployedSegments(
            segments,
            [one.id for one in segments],
            DeployedTraits(traits, [one.id for one in traits]),
            timezone,
            DeployedPlaces(deployed.places),
            DeployedTopics(deployed.topics),
        ),
        DeployedProviders(deployed.providers, default_providers),
        deployed.caps,
        timezone,
    )


def _in_zone(one: RunningCampaign, timezone: str) -> RunningCampaign:
    """Give the rules the deployment's zone if they have none of their own."""
    return one if one.rules.timezone is not None else replace(one, rules=replace(one.rules, timezone=timezone))
