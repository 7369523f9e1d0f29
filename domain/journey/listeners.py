"""The campaigns that listen for each event."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from domain.campaign.rules import EventRule, GoalRule, Rules
from domain.journey.active import VersionRef
from domain.journey.records import Journey
from domain.tracking.event import Event


class CampaignVersion(Struct, frozen=True):
    """One published version of a campaign, as routing needs it."""

    key: str
    version: int
    rules: Rules


def list_exits(rules: Rules) -> tuple[EventRule | GoalRule, ...]:
    """Return the rules that end a journey: the exits, and a goal that is one."""
    return (*rules.exits, rules.goal) if rules.goal is not None and rules.goal.exits else rules.exits


class Moves(Struct, frozen=True):
    """The rules of a version that events of one name may fulfil for active journeys."""

    exits: tuple[EventRule | GoalRule, ...]
    subscriptions: tuple[tuple[str, EventRule], ...]


class Listeners:
    """The versions that listen for events.

    Running versions listen for entries; they and versions with active journeys, for everything that moves a journey.
    Versions that are `past` have no active journey, but goals that may still count. `may_look_at_consent` is False if
    no condition of any version reads consent.
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
            for name in _moving_rules(version.rules):
                self._listening.setdefault(name, set()).add(version.key)
        known = {(version.key, version.version): version for version in past} | listening
        self._rules = {place: version.rules for place, version in known.items()}
        self._goals: dict[str, dict[VersionRef, GoalRule]] = {}
        self._moves: dict[str, dict[VersionRef, Moves]] = {}
        for place, rules in self._rules.items():
            if rules.goal is not None:
                self._goals.setdefault(rules.goal.event, {})[place] = rules.goal
            for name, moves in _moves(rules).items():
                self._moves.setdefault(name, {})[place] = moves
        self._heard = self._entries.keys() | self._listening.keys() | self._goals.keys()
        # By the text: compiling all conditions to find the name `consent` costs too much.
        texts = (text for rules in self._rules.values() for text in _expressions(rules))
        self.may_look_at_consent = any("consent" in text for text in texts)

    def hears(self, event: Event) -> bool:
        """Whether any campaign listens for the event. If not, it costs nothing more."""
        return event.type == "track" and event.name in self._heard

    def entries(self, event: Event) -> Sequence[CampaignVersion]:
        """Return the running campaigns that this event may enter."""
        return self._entries.get(event.name or "", ())

    def goals(self, event: Event) -> Mapping[VersionRef, GoalRule]:
        """Return the versions whose goal this event may be, with the goal."""
        return self._goals.get(event.name or "", {})

    def campaigns_concerned(self, events: Iterable[Event]) -> set[str]:
        """Return the campaigns whose active journeys or goals these events may concern."""
        concerned: set[str] = set()
        for event in {event.name: event for event in events}.values():
            concerned |= self._listening.get(event.name or "", set())
            concerned |= {version.key for version in self.entries(event)}
        return concerned

    def versions_let_in(self, events: Iterable[Event]) -> list[CampaignVersion]:
        """Return the running campaigns that any of these events may enter, each once."""
        names = {event.name: event for event in events}
        return list({version.key: version for event in names.values() for version in self.entries(event)}.values())

    def moves(self, event: Event) -> Mapping[VersionRef, Moves]:
        """Return the versions whose journeys this event may end or match, with rules."""
        return self._moves.get(event.name or "", {})

    def events_to_match(self, versions: Iterable[CampaignVersion]) -> set[str]:
        """Return the names of earlier events that may prevent an entry, or be its goal."""
        rules = [version.rules for version in versions]
        exits = {exit.event for one in rules for exit in one.exits}
        return exits | {one.goal.event for one in rules if one.goal is not None}

    def rules(self, journey: Journey) -> Rules:
        """Return the rules of a journey's version."""
        return self.rules_of((journey.campaign_key, journey.campaign_version))

    def rules_of(self, place: VersionRef) -> Rules:
        """Return the rules of a version."""
        return self._rules[place]


def _moves(rules: Rules) -> dict[str, Moves]:
    """Return the rules that events may fulfil for active journeys, by event name."""
    names = {rule.event for rule in (*list_exits(rules), *rules.subscriptions.values())}
    return {
        name: Moves(
            tuple(exit for exit in list_exits(rules) if exit.event == name),
            tuple((id, rule) for id, rule in rules.subscriptions.items() if rule.event == name),
        )
        for name in names
    }


def _expressions(rules: Rules) -> Iterator[str]:
    """Iterate over the expressions that routing evaluates."""
    goals = () if rules.goal is None else (rules.goal,)
    for rule in (*rules.exits, *goals, *rules.subscriptions.values()):
        if rule.where is not None:
            yield rule.where
    yield from (text for text in (rules.entry.where, rules.entry.key) if text is not None)


def _moving_rules(rules: Rules) -> set[str]:
    """Return the names of events that may end or match active journeys."""
    names = {rule.event for rule in (*rules.exits, *rules.subscriptions.values())}
    return names | {rules.goal.event} if rules.goal is not None else names
