"""The journeys of people that an event may concern, found by campaign, version and entry key."""

from collections.abc import Iterable, Iterator
from uuid import UUID

from domain.journey.records import Journey

# The journeys of one version, by their entry keys. Of those that are over, several may have the same.
ByKey = dict[str, list[Journey]]


class JourneyIndex:
    """Journeys by person, campaign, version and entry key, each in the order in which they were added."""

    def __init__(self, journeys: Iterable[Journey] = ()) -> None:
        self._people: dict[UUID, dict[str, dict[int, ByKey]]] = {}
        self._count: dict[tuple[UUID, str], int] = {}
        for journey in journeys:
            self.add(journey)

    def add(self, journey: Journey) -> None:
        versions = self._people.setdefault(journey.profile_id, {}).setdefault(journey.campaign_key, {})
        versions.setdefault(journey.campaign_version, {}).setdefault(journey.entry_key, []).append(journey)
        of = (journey.profile_id, journey.campaign_key)
        self._count[of] = self._count.get(of, 0) + 1

    def remove(self, journey: Journey) -> None:
        """Forget a journey that was added."""
        by_key = self._people[journey.profile_id][journey.campaign_key][journey.campaign_version]
        by_key[journey.entry_key].remove(journey)
        if not by_key[journey.entry_key]:
            del by_key[journey.entry_key]
        self._count[journey.profile_id, journey.campaign_key] -= 1

    def count(self, profile_id: UUID, campaign_key: str) -> int:
        """How many journeys a person has in a campaign, in all of its versions."""
        return self._count.get((profile_id, campaign_key), 0)

    def under(self, profile_id: UUID, campaign_key: str, entry_key: str) -> Journey | None:
        """A journey of a person in a campaign under this key."""
        for by_key in self._people.get(profile_id, {}).get(campaign_key, {}).values():
            if journeys := by_key.get(entry_key):
                return journeys[0]
        return None

    def versions(self, profile_id: UUID) -> Iterator[tuple[tuple[str, int], ByKey]]:
        """What a person has, by campaign and version."""
        for campaign_key, versions in self._people.get(profile_id, {}).items():
            for version, by_key in versions.items():
                yield (campaign_key, version), by_key
