"""A person's profile, as its row has it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from domain.people.consent import ConsentFacts, consent_by_channel
from domain.people.erasure import CREATED_WHEN_ERASED
from domain.people.learned import LearnedFields, LearnedRow
from domain.people.profile_state import STAGE, ProfileState
from domain.people.registers import Registers, unpack
from domain.people.segments.definition import Memberships
from domain.people.segments.stages import StagedFields
from domain.people.topics.deployed import NO_TOPICS, DeployedTopics, subscriptions_by_channel


class Profile(Struct, LearnedFields, StagedFields, frozen=True):
    """A profile. `consent_given` is stated by the person, `consent` is the result.

    `said` holds the stamps of the values and `claims` the unverified values, if requested. `refused_addresses` are the
    refusals of the person's addresses, by channel. `computed` are the values of computed traits where conditions may
    read them, `segments` and `areas` the keys of those; `counted` and `memberships` are what they are read from, if
    requested; `learned` is the activity. `preferences` are the registers of subscriptions and pace, and `topics` those
    in force where conditions may read the consent.
    """

    id: UUID
    user_id: str | None
    traits: dict[str, Any]
    consent_given: dict[str, bool]
    suppressed: dict[str, str | None]
    stated_stage: str | None
    created_at: datetime
    context: dict[str, Any] = {}
    said: dict[str, list[list[Any]]] | None = None
    refused_addresses: dict[str, dict[str, str | None]] = {}
    claims: dict[str, Any] = {}
    computed: Mapping[str, Any] = {}
    counted: Mapping[str, Any] = {}
    memberships: Memberships = {}
    learned: LearnedRow | None = None
    segments: list[str] = []
    areas: list[str] = []
    judged_stage: str | UnsetType | None = UNSET
    preferences: dict[str, Any] = {}
    topics: DeployedTopics = NO_TOPICS

    @property
    def consent(self) -> dict[str, bool]:
        """Whether marketing may be sent, by channel."""
        facts = ConsentFacts(self.consent_given, self.suppressed, self.refused_addresses, traits=self.traits)
        return consent_by_channel(facts, self.topics)

    @property
    def subscriptions(self) -> dict[str, list[str]]:
        """The topics that the person is subscribed to, by channel."""
        return subscriptions_by_channel(self.preferences, self.topics)

    @property
    def is_erased(self) -> bool:
        """Whether the person is being erased: the profile stays until its rows are gone."""
        return self.created_at >= CREATED_WHEN_ERASED

    def state(self) -> ProfileState:
        """The values with their stamps."""
        said = self.said or {}
        return ProfileState(
            Registers(self.traits, unpack(said.get("traits", ()))),
            Registers(self.consent_given, unpack(said.get("consent", ()))),
            Registers(self.suppressed, unpack(said.get("suppressed", ()))),
            Registers(self.context, unpack(said.get("context", ()))),
            Registers({} if self.stated_stage is None else {STAGE: self.stated_stage}, unpack(said.get("stage", ()))),
            Registers(self.claims, unpack(said.get("claims", ()))),
            Registers(self.preferences, unpack(said.get("preferences", ()))),
        )

    def with_state(self, state: ProfileState) -> "Profile":
        """Return the profile with other values."""
        return replace(
            self,
            traits=state.traits.values,
            consent_given=state.consent.values,
            suppressed=state.suppressed.values,
            context=state.context.values,
            stated_stage=state.stage.values.get(STAGE),
            claims=state.claims.values,
            preferences=state.preferences.values,
        )
