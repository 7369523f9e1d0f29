"""People as conditions of segments see them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from msgspec import UNSET, Struct, UnsetType

from domain.people.account_view import NO_ACCOUNT, AccountView
from domain.people.computed.traits import ComputedState
from domain.people.consent import ConsentFacts, consent_by_channel
from domain.people.learned import LearnedFields
from domain.people.places.deployed import DeployedPlaces
from domain.people.segments.definition import Memberships
from domain.people.topics.deployed import DeployedTopics, subscriptions_by_channel

SOME_DAY: Final = datetime(2000, 1, 1, tzinfo=UTC)


class SegmentFacts(Struct, frozen=True):
    """The latest account of a person, and their devices, if a condition reads them."""

    account: AccountView = NO_ACCOUNT
    devices: Sequence[Mapping[str, Any]] = ()


NO_FACTS: Final = SegmentFacts()


class SegmentPerson(Protocol):
    """The part of a profile that is judged."""

    @property
    def traits(self) -> Mapping[str, Any]: ...

    @property
    def context(self) -> Mapping[str, Any]: ...


class JudgedMember(SegmentPerson, Protocol):
    """A person with the state of their computed traits, and their segments."""

    @property
    def counted(self) -> ComputedState: ...

    @property
    def memberships(self) -> Memberships: ...


class JudgedPerson:
    """A person as conditions of segments see them, while their segments change."""

    def __init__(
        self,
        person: SegmentPerson,
        computed: Mapping[str, Any],
        segments: list[str],
        places: DeployedPlaces,
        topics: DeployedTopics,
        devices: Sequence[Mapping[str, Any]],
        stage: str | UnsetType | None,
    ) -> None:
        self._person = person
        self.computed = computed
        self.devices = devices
        self._places = places
        self._topics = topics
        self.follow(segments, stage)

    @property
    def areas(self) -> list[str]:
        """The areas that their location is in."""
        return self._places.find_areas(self._person.context)

    @property
    def consent(self) -> dict[str, bool]:
        """Whether marketing may be sent, by channel."""
        facts = ConsentFacts(self.consent_given, self.suppressed, self.refused_addresses, traits=self._person.traits)
        return consent_by_channel(facts, self._topics)

    @property
    def subscriptions(self) -> dict[str, list[str]]:
        """The topics that they are subscribed to, by channel."""
        return subscriptions_by_channel(self.preferences, self._topics)

    def follow(self, segments: list[str], stage: str | UnsetType | None) -> None:
        """Take other segments, and the stage that they make."""
        self.segments = segments
        if stage is not UNSET:
            self.stage = stage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._person, name)


class Stranger(LearnedFields):
    """A person without any known value."""

    user_id: None = None
    stage: None = None
    stated_stage: None = None
    learned: None = None
    traits: dict[str, Any] = {}  # noqa: RUF012 -- nothing writes it
    context: dict[str, str] = {}  # noqa: RUF012
    consent_given: dict[str, bool] = {}  # noqa: RUF012
    suppressed: dict[str, str | None] = {}  # noqa: RUF012
    refused_addresses: dict[str, dict[str, str | None]] = {}  # noqa: RUF012
    preferences: dict[str, Any] = {}  # noqa: RUF012
    created_at = SOME_DAY
