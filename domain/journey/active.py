"""An index of journeys by person or account, campaign, version and entry key."""

from collections.abc import Iterable, Set

from domain.journey.records import Journey, Owner

# The journeys of one version, by their entry keys. Several that are over may have the same key.
ByKey = dict[str, list[Journey]]
# The key of a campaign, and the number of its version.
VersionRef = tuple[str, int]


class JourneyIndex:
    """Journeys by owner, version and entry key; under one key, in the order of `add`."""

    def __init__(self, journeys: Iterable[Journey] = ()) -> None:
        self._owners: dict[Owner, dict[VersionRef, ByKey]] = {}
        self._keyed: dict[tuple[Owner, str, str], list[Journey]] = {}
        self._count: dict[tuple[Owner, str], int] = {}
        for journey in journeys:
            self.add(journey)

    def add(self, journey: Journey) -> None:
        place = (journey.campaign_key, journey.campaign_version)
        by_key = self._owners.setdefault(journey.owner, {}).setdefault(place, {})
        by_key.setdefault(journey.entry_key, []).append(journey)
        self._keyed.setdefault((journey.owner, journey.campaign_key, journey.entry_key), []).append(journey)
        of = (journey.owner, journey.campaign_key)
        self._count[of] = self._count.get(of, 0) + 1

    def remove(self, journey: Journey) -> None:
        """Remove a journey."""
        by_key = self._owners[journey.owner][journey.campaign_key, journey.campaign_version]
        by_key[journey.entry_key].remove(journey)
        if not by_key[journey.entry_key]:
            del by_key[journey.entry_key]
        self._keyed[journey.owner, journey.campaign_key, journey.entry_key].remove(journey)
        self._count[journey.owner, journey.campaign_key] -= 1

    def count(self, owner: Owner, campaign_key: str) -> int:
        """Count the journeys of an owner in all versions of a campaign."""
        return self._count.get((owner, campaign_key), 0)

    def find(self, owner: Owner, campaign_key: str, entry_key: str) -> Journey | None:
        """Return an owner's journey in a campaign under this key; None if there is none."""
        return next(iter(self._keyed.get((owner, campaign_key, entry_key), ())), None)

    def versions(self, owner: Owner, wanted: Set[VersionRef]) -> list[tuple[VersionRef, ByKey]]:
        """Return an owner's journeys on the wanted versions; those on others cost nothing."""
        by_place = self._owners.get(owner, {})
        return [(place, by_place[place]) for place in sorted(by_place.keys() & wanted)]
