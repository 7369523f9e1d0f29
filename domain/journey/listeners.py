"""The campaigns that listen for each event."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from domain.campaign.rules import EventRule, GoalRule, Rules
from domain.journey.active import VersionRef
from domain.journey.records import Journey
from domain.people.account_view import may_read_account
from domain.people.derived_events import COMPUTED_PREFIX
from domain.tracking.event import ANY, DERIVED, Event, Trigger


class CampaignVersion(Struct, frozen=True):
    """One published version of a campaign, as routing needs it."""

    key: str
    version: int
    rules: Rules


def list_triggers(rules: Rules) -> set[Trigger]:
    """Return the triggers of all events that a version listens for."""
    moving = _moving_triggers(rules)
    return moving if rules.entry.trigger is None else moving | {rules.entry.trigger}


def list_exits(rules: Rules) -> tuple[EventRule | GoalRule, ...]:
    """Return the rules that end a journey: the exits, and a goal that is one."""
    return (*rules.exits, rules.goal) if rules.goal is not None and rules.goal.exits else rules.exits


class Moves(Struct, frozen=True):
    """The rules of a version that events of one trigger may fulfil."""

    exits: tuple[EventRule | GoalRule, ...]
    subscriptions: tuple[tuple[str, EventRule], ...]


class _TriggerRules(Struct, frozen=True):
    """The rules that events of one trigger may fulfil.

    `moving` are the campaigns with active journeys that the events may concern.
    """

    entries: Sequence[CampaignVersion]
    moving: frozenset[str]
    goals: Mapping[VersionRef, GoalRule]
    moves: Mapping[VersionRef, Moves]


_NOTHING = _TriggerRules((), frozenset(), {}, {})


class Listeners:
    """The versions that listen for events.

    Running versions listen for entries; they and versions with active journeys, for everything that moves a journey.
    Versions that are `past` have no active journey, but goals that may still count. `hears_changes` is False if none
    listens for changes of profiles. `may_look_at_consent` and `may_look_at_accounts` are False if no condition of any
    version reads those. `watched_traits` are the keys of computed traits with a listener for their changes.
    `of_accounts` are the campaigns with journeys of accounts.
    """

    def __init__(
        self,
        running: Iterable[CampaignVersion],
        in_use: Iterable[CampaignVersion],
        past: Iterable[CampaignVersion] = (),
    ) -> None:
        entering = list(running)
        listening = {(version.key, version.version): version for version in (*in_use, *entering)}
        known = {(version.key, version.version): version for version in past} | listening
        self._rules = {place: version.rules for place, version in known.items()}
        self._heard = _group_by_trigger(entering, listening.values(), self._rules)
        self._heard_by_any = {trigger.kind for trigger in self._heard if trigger.name == ANY}
        self.hears_changes = any(trigger.kind in DERIVED for trigger in self._heard)
        self.watched_traits = frozenset(
            trigger.name.removeprefix(COMPUTED_PREFIX)
            for trigger in self._heard
            if trigger.kind == "changed" and trigger.name is not None and trigger.name.startswith(COMPUTED_PREFIX)
        )
        # By the text: compiling all conditions to find the name `consent` costs too much.
        texts = [text for rules in self._rules.values() for text in _expressions(rules)]
        self.may_look_at_consent = any("consent" in text for text in texts)
        self.of_accounts = frozenset(key for (key, _), rules in self._rules.items() if rules.entry.account)
        self.may_look_at_accounts = any(may_read_account(text) for text in texts)

    def _find(self, trigger: Trigger) -> _TriggerRules:
        # Rules for any event of a kind are among those for each name that a rule mentions.
        found = self._heard.get(trigger)
        return found if found is not None else self._heard.get(Trigger(trigger.kind, ANY), _NOTHING)

    def hears(self, event: Event) -> bool:
        """Whether any campaign listens for the event. If not, it costs nothing more."""
        # Every event passes here: a plain tuple takes a third of the time of a Trigger.
        name = event.group_id if event.type == "group" else event.name
        return (event.type, name) in self._heard or event.type in self._heard_by_any

    def listens_for(self, trigger: Trigger) -> bool:
        """Whether any campaign listens for such events."""
        return self._find(trigger) is not _NOTHING

    def names(self, trigger: Trigger) -> bool:
        """Whether any campaign listens for such events by this very name."""
        return trigger in self._heard

    def entries(self, event: Event) -> Sequence[CampaignVersion]:
        """Return the running campaigns that this event may enter."""
        return self._find(event.trigger).entries

    def goals(self, event: Event) -> Mapping[VersionRef, GoalRule]:
        """Return the versions whose goal this event may be, with the goal."""
        return self._find(event.trigger).goals

    def campaigns_concerned(self, events: Iterable[Event]) -> set[str]:
        """Return the campaigns whose active journeys or goals these events may concern."""
        concerned: set[str] = set()
        for trigger in {event.trigger for event in events}:
            heard = self._find(trigger)
            concerned |= heard.moving
            concerned |= {version.key for version in heard.entries}
        return concerned

    def concern_people(self, trigger: Trigger) -> bool:
        """Whether such events may start, move or have started a journey of a person."""
        heard = self._find(trigger)
        campaigns = {*heard.moving, *(version.key for version in heard.entries), *(key for key, _ in heard.goals)}
        return bool(campaigns - self.of_accounts)

    def concern_accounts(self, events: Iterable[Event]) -> bool:
        """Whether these events may start, move or have started a journey of an account."""
        if not self.of_accounts:
            return False
        return any(
            not self.of_accounts.isdisjoint(
                (*heard.moving, *(version.key for version in heard.entries), *(key for key, _ in heard.goals))
            )
            for heard in (self._find(trigger) for trigger in {event.trigger for event in events})
        )

    def versions_let_in(self, events: Iterable[Event]) -> list[CampaignVersion]:
        """Return the running campaigns that any of these events may enter, each once."""
        triggers = dict.fromkeys(event.trigger for event in events)
        return list({version.key: version for trigger in triggers for version in self._find(trigger).entries}.values())

    def moves(self, event: Event) -> Mapping[VersionRef, Moves]:
        """Return the versions whose journeys this event may end or match, with rules."""
        return self._find(event.trigger).moves

    def triggers_to_match(self, versions: Iterable[CampaignVersion]) -> set[Trigger]:
        """Return the triggers of earlier events that may prevent an entry, or be its goal."""
        rules = [version.rules for version in versions]
        exits = {exit.trigger for one in rules for exit in one.exits}
        return exits | {one.goal.trigger for one in rules if one.goal is not None}

    def rules(self, journey: Journey) -> Rules:
        """Return the rules of a journey's version."""
        return self.rules_of((journey.campaign_key, journey.campaign_version))

    def rules_of(self, place: VersionRef) -> Rules:
        """Return the rules of a version."""
        return self._rules[place]


def _group_by_trigger(
    running: Iterable[CampaignVersion], listening: Iterable[CampaignVersion], known: Mapping[VersionRef, Rules]
) -> dict[Trigger, _TriggerRules]:
    """Group what versions listen for by trigger."""
    entries: dict[Trigger, list[CampaignVersion]] = {}
    moving: dict[Trigger, set[str]] = {}
    goals: dict[Trigger, dict[VersionRef, GoalRule]] = {}
    moves: dict[Trigger, dict[VersionRef, Moves]] = {}
    for version in running:
        if (trigger := version.rules.entry.trigger) is not None:
            entries.setdefault(trigger, []).append(version)
    for version in listening:
        for trigger in _moving_triggers(version.rules):
            moving.setdefault(trigger, set()).add(version.key)
    for place, rules in known.items():
        if rules.goal is not None:
            goals.setdefault(rules.goal.trigger, {})[place] = rules.goal
        for trigger, of_trigger in _moves(rules).items():
            moves.setdefault(trigger, {})[place] = of_trigger
    heard: dict[Trigger, _TriggerRules] = {}
    # A past version moves no journey, so its `moves` alone are not heard.
    for trigger in entries.keys() | moving.keys() | goals.keys():
        every = Trigger(trigger.kind, ANY)
        covering = (every, trigger) if trigger != every else (every,)
        heard[trigger] = _TriggerRules(
            entries=[version for one in covering for version in entries.get(one, ())],
            moving=frozenset().union(*(moving.get(one, ()) for one in covering)),
            goals={place: goal for one in covering for place, goal in goals.get(one, {}).items()},
            moves=_join_moves([moves.get(one, {}) for one in covering]),
        )
    return heard


def _join_moves(grouped: Sequence[Mapping[VersionRef, Moves]]) -> dict[VersionRef, Moves]:
    """Join the moves of each version; a version may listen for a name and for any."""
    joined: dict[VersionRef, Moves] = {}
    for moves in grouped:
        for place, more in moves.items():
            known = joined.get(place)
            joined[place] = (
                more if known is None else Moves(known.exits + more.exits, known.subscriptions + more.subscriptions)
            )
    return joined


def _moves(rules: Rules) -> dict[Trigger, Moves]:
    """Return the rules that events may fulfil for active journeys, by trigger."""
    triggers = {rule.trigger for rule in (*list_exits(rules), *rules.subscriptions.values())}
    return {
        trigger: Moves(
            tuple(exit for exit in list_exits(rules) if exit.trigger == trigger),
            tuple((id, rule) for id, rule in rules.subscriptions.items() if rule.trigger == trigger),
        )
        for trigger in triggers
    }


def _expressions(rules: Rules) -> Iterator[str]:
    """Iterate over the expressions that routing evaluates."""
    goals = () if rules.goal is None else (rules.goal,)
    for rule in (*rules.exits, *goals, *rules.subscriptions.values()):
        if rule.where is not None:
            yield rule.where
    yield from (text for text in (rules.entry.where, rules.entry.key) if text is not None)


def _moving_triggers(rules: Rules) -> set[Trigger]:
    """Return the triggers of events that may end or match active journeys."""
    triggers = {rule.trigger for rule in (*rules.exits, *rules.subscriptions.values())}
    return triggers | {rules.goal.trigger} if rules.goal is not None else triggers
