"""The rules of a deployment for a backtest: what runs, with some of it replaced."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from domain.campaign.life import OPEN_STATES
from domain.campaign.publication import Published
from domain.deployment_documents import FREQUENCY_CAPS, LIFECYCLE, PLACES, PROVIDERS, TOPICS
from domain.people.computed_document import NamedTrait
from domain.people.segments.stages import STAGE_PREFIX
from domain.rehearsal.rulebook import DeployedRules, RunningCampaign
from domain.rehearsal.samples import CampaignTemplates
from store import campaigns, computed_traits, documents, segments
from store.database import Connection

# The version of a campaign by a file: those that are published count from 1 on.
GIVEN_VERSION: Final = 0


class BacktestedCampaign(Struct, frozen=True):
    """A version of a campaign with its templates. `is_given` ones come by files."""

    running: RunningCampaign
    templates: CampaignTemplates
    is_given: bool = False


class BacktestedRules(Struct, frozen=True):
    """Everything that is in force in a backtest."""

    campaigns: Sequence[BacktestedCampaign]
    rules: DeployedRules

    def with_documents(self, given: Iterable[Published], fields: Mapping[str, Any]) -> "BacktestedRules":
        """Return the rules with these documents in place of theirs, as `with_given`."""
        return self.with_given([_take(one) for one in given], fields)

    def with_given(self, given: Sequence[BacktestedCampaign], fields: Mapping[str, Any]) -> "BacktestedRules":
        """Return the rules with these campaigns and documents in place of theirs.

        `fields` are those of DeployedRules; segments are replaced by their keys.
        """
        keys = {one.running.key for one in given}
        kept = [one for one in self.campaigns if one.running.key not in keys]
        known = {**self.rules.segments, **fields.get("segments", {})}
        return BacktestedRules([*given, *kept], replace(self.rules, **{**fields, "segments": known}))

    def mark_given(self, keys: Collection[str]) -> "BacktestedRules":
        """Return the rules with these campaigns as if files gave them.

        Both sides of a comparison simulate the same campaigns, and their audiences enter alike.
        """
        campaigns = [replace(one, is_given=one.is_given or one.running.key in keys) for one in self.campaigns]
        return replace(self, campaigns=campaigns)

    @property
    def given(self) -> frozenset[str]:
        """The keys of the campaigns that files give."""
        return frozenset(one.running.key for one in self.campaigns if one.is_given)


def _take(published: Published) -> BacktestedCampaign:
    running = RunningCampaign(published.definition.key, GIVEN_VERSION, published.plan, published.rules)
    return BacktestedCampaign(running, CampaignTemplates(published.templates, published.compiled_bodies), is_given=True)


async def read_deployed(connection: Connection) -> BacktestedRules:
    """Read the campaigns that people enter, and the documents in force."""
    known = []
    for one in await campaigns.all_campaigns(connection):
        if one.running_version is not None and one.state in OPEN_STATES:
            version = await campaigns.version(connection, one.key, one.running_version)
            if version is not None:
                running = RunningCampaign(one.key, version.version, version.plan, version.rules)
                known.append(BacktestedCampaign(running, CampaignTemplates(version.templates, version.compiled_bodies)))
    traits = [one.definition for one in await computed_traits.load(connection)]
    stored = [one.definition for one in await segments.load(connection)]
    rules = DeployedRules(
        caps=(await documents.latest(connection, FREQUENCY_CAPS)).rules,
        computed=[NamedTrait(one.key, one.rule) for one in traits],
        segments={one.key: one.rule for one in stored if not one.key.startswith(STAGE_PREFIX)},
        stages=(await documents.latest(connection, LIFECYCLE)).rules,
        places=(await documents.latest(connection, PLACES)).rules,
        topics=(await documents.latest(connection, TOPICS)).rules,
        providers=(await documents.latest(connection, PROVIDERS)).rules,
    )
    return BacktestedRules(known, rules)
