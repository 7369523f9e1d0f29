"""Which campaigns listen for which events."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from domain.campaign.rules import EventRule, GoalRule, Rules
from domain.journey.records import Journey
from domain.tracking.event import Event


class CampaignVersion(Struct, frozen=True):
    """One published version of a campaign, as routing needs it."""

    key: str
    version: int
    rules: Rules


def exits_of(rules: Rules) -> tuple[EventRule | GoalRule, ...]:
    """Everything that ends a journey: the exits, and the goal where it is one."""
    return (*rules.exits, rules.goal) if rules.goal is not None and rules.goal.exits else rules.exits


class Listeners:
    """Running versions listen for entries; they and those with active journeys, for everything that moves a journey.

    Of the versions that are `past` no journey is active; some may have goals that still count.
    """

    def __init__(
        self,
        running: Iterable[CampaignVersion],
        in_use: Iterable[CampaignVersion],
        past: Iterable[CampaignVersion] = (),
    ) -> None:
        self._entries: dict[str, list[CampaignVersion]] = {}
        listening = {(version.key, version.version): version for version in in_use}
        for version in running:
            listening[version.key, version.version] = version
            if version.rules.entry.event is not None:
                self._entries.setdefault(version.rules.entry.event, []).append(version)
        self._listening: dict[str, set[str]] = {}
        for version in listening.values():
            for name in _moving(version.rules):
                self._listening.setdefault(name, set()).add(version.key)
        known = {(version.key, version.version): version for version in past} | listening
        self._rules = {place: version.rules for place, version in known.items()}
        self._goals: dict[str, list[CampaignVersion]] = {}
        for version in known.values():
            if version.rules.goal is not None:
                self._goals.setdefault(version.rules.goal.event, []).append(version)
        self._heard = self._entries.keys() | self._listening.keys() | self._goals.keys()

    def hears(self, event: Event) -> bool:
        """Whether any campaign may care. An event for which this is False costs nothing more."""
        return event.type == "track" and event.name in self._heard

    def entries(self, event: Event) -> Sequence[CampaignVersion]:
        """The running campaigns that this event may let somebody into."""
        return self._entries.get(event.name or "", ())

    def goals(self, event: Event) -> Sequence[CampaignVersion]:
        """The versions whose goal this event may be."""
        return self._goals.get(event.name or "", ())

    def campaigns_concerned(self, events: Iterable[Event]) -> set[str]:
        """The campaigns whose active journeys these events may end, move, or collide with, or whose goal they are."""
        concerned: set[str] = set()
        for event in events:
            concerned |= self._listening.get(event.name or "", set())
            concerned |= {version.key for version in self.entries(event)}
        return concerned

    def looked_back_for(self, versions: Iterable[CampaignVersion]) -> set[str]:
        """The names of the events that count for an entry into these versions, although they were received before."""
        rules = [version.rules for version in versions]
        exits = {exit.event for one in rules for exit in one.exits}
        return exits | {one.goal.event for one in rules if one.goal is not None}

    def rules(self, journey: Journey) -> Rules:
        """The rules of the version that a journey runs on, or ran on."""
        return self._rules[journey.campaign_key, journey.campaign_version]


def _moving(rules: Rules) -> set[str]:
    """The names of the events that mean something to a journey under way."""
    names = {rule.event for rule in (*rules.exits, *rules.subscriptions.values())}
    return names | {rules.goal.event} if rules.goal is not None else names
