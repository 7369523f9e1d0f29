"""The values, events and times that the rules of a campaign name.

Conditions are not solved. Each value that one compares is a word, with its neighbours on both sides of the boundary, so
that a few draws find a person for each way.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from msgspec import Struct

from domain.campaign.delays.date import DateRule
from domain.campaign.plan import Message, find_longest_rest, step_of_subscription
from domain.campaign.rules import EventRule, GoalRule, Rules
from domain.channels.kinds import CHANNELS
from domain.conditions.cel_compile import compile_checked
from domain.conditions.cel_roots import COMPUTED, ExpressionScope
from domain.conditions.cel_syntax import CheckedTree, SyntaxNode, children, function_of, walk
from domain.people.computed.definition import TraitRule
from domain.people.derived_events import COMPUTED_PREFIX, TRAIT_PREFIX
from domain.rehearsal.rulebook import Rulebook, RunningCampaign
from domain.tracking.event import Trigger

# A value that a person, or an event, lacks.
ABSENT: Final = None
# People repeat themselves no more often for a trait that counts.
MAX_REPEATS: Final = 12
MAX_DAYS: Final = 400
_DAY: Final = 86_400
_COMPARISONS: Final = frozenset({"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in"})
_LOGIC: Final = frozenset({"_&&_", "_||_", "!_", "_?_:_"})
_TIMES: Final = frozenset({"timestamp", "duration"})
_PROPERTIES: Final = ("event.properties", "entry.properties")
_TRAITS: Final = "profile.traits"
_DATE_NAME: Final = re.compile(r"(^|_)(at|on|date|until|since|ends|day|birthday)$", re.IGNORECASE)
_NUMBER_NAME: Final = re.compile(r"(^|_)(value|price|total|amount|count|number|quantity)$", re.IGNORECASE)

Pool = dict[str, list[Any]]


class Vocabulary(Struct, frozen=True):
    """Everything that generated people may have, report and wait for.

    `properties` and `traits` are values by their dotted paths, and `printed` the names that its templates read in both
    but the address of a channel: a person may lack any of these. The first of the `entries` begins a journey, and the
    others are counted on the way to it; `answers` are the events that a step waits for, `reactions` those to its
    message, and `others` may end or convert a journey. `gaps` are seconds between two calls, `repeats` how often an
    event may be needed, and `days` how long a journey may take.
    """

    properties: Mapping[str, list[Any]]
    traits: Mapping[str, list[Any]]
    printed: list[str]
    entries: list[Trigger]
    answers: Mapping[str, list[Trigger]]
    reactions: Mapping[str, list[Trigger]]
    others: list[Trigger]
    gaps: list[int]
    repeats: int
    days: int


def learn_vocabulary(
    rulebook: Rulebook, campaign: RunningCampaign, samples: Mapping[str, Any], at: datetime
) -> Vocabulary:
    """Read the words of a campaign, and of the traits and segments that it reads.

    `samples` are data for which its templates can be rendered.
    """
    plan, rules, words = campaign.plan, campaign.rules, _Words(at)
    words.learn_samples(samples)
    read = [words.read(text, scope) for text, scope in _list_conditions(rules)]
    if "profile.segments" in {name for one in read for name in one} or _reads_stages(rules, read):
        read += [
            words.read(one.rule.where, ExpressionScope.SEGMENT_WHERE) for one in rulebook.segments.definitions.values()
        ]
    listened = [rule.trigger for rule in (*rules.exits, *rules.subscriptions.values())]
    listened += [] if rules.entry.trigger is None else [rules.entry.trigger]
    named = {
        one.name.removeprefix(COMPUTED_PREFIX) for one in listened if one.kind == "changed" and one.name is not None
    }
    words.learn_changes(listened)
    named |= {name.removeprefix(f"{COMPUTED}.") for one in read for name in one}
    counted = [one.rule for one in rulebook.traits.definitions if one.key in named]
    for rule in counted:
        for text in filter(None, (rule.where, rule.of, rule.by)):
            words.read(text, ExpressionScope.COMPUTED)
    for delay in rules.delays.values():
        if isinstance(delay, DateRule):
            words.read_date(delay.date, delay.offset)
    words.complete()
    answers: dict[str, list[Trigger]] = {}
    for id, subscription in rules.subscriptions.items():
        answers.setdefault(step_of_subscription(id), []).append(subscription.trigger)
    entry = [] if rules.entry.trigger is None else [rules.entry.trigger]
    goal = [] if rules.goal is None else [rules.goal.trigger]
    lasting = [rest for node in plan.nodes.values() if (rest := find_longest_rest(node))]
    within = [rule.within for rule in counted if rule.within is not None]
    return Vocabulary(
        properties=words.properties,
        traits=words.traits,
        printed=words.printed,
        entries=list(dict.fromkeys([*entry, *(one for rule in counted for one in _list_counted(rule))])),
        answers=answers,
        reactions={id: list(_list_reactions(node)) for id, node in plan.nodes.items() if isinstance(node, Message)},
        others=list(dict.fromkeys([*(rule.trigger for rule in rules.exits), *goal])),
        gaps=sorted({60, 3_600, _DAY, *lasting, *within}),
        repeats=words.repeats,
        days=min(MAX_DAYS, 30 + 2 * sum(lasting) // _DAY),
    )


class _Words:
    """Collects values by the paths that conditions read."""

    def __init__(self, at: datetime) -> None:
        self._at = at
        self._same: list[tuple[list[Any], list[Any]]] = []
        self._samples: dict[tuple[int, str], Any] = {}
        self.printed: list[str] = []
        self.properties: Pool = {}
        self.traits: Pool = {}
        self.repeats = 1

    def learn_samples(self, samples: Mapping[str, Any]) -> None:
        """Learn the data of templates: values for paths that no condition compares."""
        for pool, data in (
            (self.properties, samples.get("entry", {}).get("properties", {})),
            (self.traits, samples.get("profile", {}).get("traits", {})),
        ):
            for name, value in data.items():
                pool.setdefault(name, [])
                self._samples[id(pool), name] = value
                _add(self.printed, [name])

    def learn_changes(self, triggers: Iterable[Trigger]) -> None:
        """Learn the traits whose changes are heard."""
        for one in triggers:
            if one.kind == "changed" and one.name is not None and one.name.startswith(TRAIT_PREFIX):
                self.traits.setdefault(one.name.removeprefix(TRAIT_PREFIX), [])

    def read_date(self, text: str, offset: int) -> None:
        """Learn dates until which a delay lasts, in time and too late, and others."""
        tree = CheckedTree(compile_checked(text, ExpressionScope.DELAY_DATE).tree)
        in_time = (self._at + timedelta(seconds=abs(offset) + 20 * _DAY)).isoformat()
        for path in _list_paths(tree, tree.root):
            self._learn(path, [in_time, *self._list_dates(), "soon", ABSENT])

    def read(self, text: str, scope: ExpressionScope) -> frozenset[str]:
        """Learn the values of an expression; return its variables."""
        checked = compile_checked(text, scope)
        tree = CheckedTree(checked.tree)
        for node in walk(tree.root):
            if (path := tree.path(node)) is not None:
                self._learn(path, [])
            self._read_call(tree, node)
            if node.WhichOneof("kind") == "select_expr" and node.select_expr.test_only:
                holder = tree.path(node.select_expr.operand)
                if holder is not None:
                    self._learn((*holder, node.select_expr.field), [ABSENT])
        return checked.variables

    def _read_call(self, tree: CheckedTree, node: SyntaxNode) -> None:
        function = function_of(node)
        if function in _COMPARISONS:
            one, other = children(node)
            if function == "@in" and (held := tree.path(other)) is not None:
                # The path is a list, which has the value or not.
                self._learn(held, [*([literal] for literal in _list_literals(one)), []])
                return
            for side, against in ((one, other), (other, one)):
                near = [value for literal in _list_literals(against) for value in _list_near(literal)]
                for path in _list_paths(tree, side):
                    self._learn(path, near)
            self._relate(tree, one, other)
        elif function in _LOGIC:
            for part in children(node):
                if (tested := tree.path(part)) is not None:
                    self._learn(tested, [True, False])
        elif function is not None and node.call_expr.HasField("target"):
            # As of `startsWith` and `contains`.
            texts = [value for value in _list_literals(node) if isinstance(value, str)]
            for path in _list_paths(tree, node.call_expr.target):
                self._learn(path, texts)

    def _relate(self, tree: CheckedTree, one: SyntaxNode, other: SyntaxNode) -> None:
        """Two paths that are compared with each other have the same values."""
        pools = [self._find_pool(path) for side in (one, other) for path in _list_paths(tree, side)]
        known = [pool for pool in pools if pool is not None]
        self._same += [(first, second) for first, second in pairwise(known) if first is not second]

    def _learn(self, path: tuple[str, ...], values: Iterable[Any]) -> None:
        if (pool := self._find_pool(path)) is not None:
            _add(pool, values)
        elif path[0].startswith(f"{COMPUTED}."):
            counts = [int(one) for one in values if isinstance(one, int | float) and one <= MAX_REPEATS]
            self.repeats = max([self.repeats, *counts])

    def _find_pool(self, path: tuple[str, ...]) -> list[Any] | None:
        root, *keys = path
        pool = self.properties if root in _PROPERTIES else self.traits if root == _TRAITS else None
        return None if pool is None or not keys else pool.setdefault(".".join(keys), [])

    def complete(self) -> None:
        """Give each path a value, by its name if there is nothing else."""
        for one, other in self._same:
            _add(one, other)
            _add(other, one)
        for pool in (self.properties, self.traits):
            for path, values in pool.items():
                if all(value is ABSENT for value in values):
                    sample = self._samples.get((id(pool), path))
                    values[:0] = self._guess(path) if sample is None else [sample]

    def _guess(self, path: str) -> list[Any]:
        if _DATE_NAME.search(path):
            return self._list_dates()
        return [50, 500] if _NUMBER_NAME.search(path) else ["one", "another"]

    def _list_dates(self) -> list[Any]:
        """Return dates in the future and in the past."""
        return [(self._at + timedelta(days=days)).isoformat() for days in (20, -20, 3)]


def _list_conditions(rules: Rules) -> Iterator[tuple[str, ExpressionScope]]:
    entry, goal = rules.entry, rules.goal
    if entry.where is not None:
        yield entry.where, ExpressionScope.ENTRY_WHERE
    if entry.key is not None:
        yield entry.key, ExpressionScope.ENTRY_KEY
    if entry.audience is not None:
        yield entry.audience.where, ExpressionScope.AUDIENCE_WHERE
    heard: list[EventRule | GoalRule] = [*rules.exits, *rules.subscriptions.values()]
    for rule in heard if goal is None else [*heard, goal]:
        if rule.where is not None:
            yield rule.where, ExpressionScope.EXIT_WHERE
    for conditions in rules.branches.values():
        yield from ((condition, ExpressionScope.BRANCH_WHEN) for condition in conditions)


def _reads_stages(rules: Rules, read: Iterable[frozenset[str]]) -> bool:
    """Whether segments or stages are listened to, or asked for."""
    kinds = {rules.entry.kind, *(rule.kind for rule in (*rules.exits, *rules.subscriptions.values()))}
    return not kinds.isdisjoint({"joins", "leaves", "changed"}) or any("profile.stage" in one for one in read)


def _list_counted(rule: TraitRule) -> Iterator[Trigger]:
    for one in rule.events:
        if one.name is not None:
            yield Trigger(one.type or "track", one.name)


def _list_reactions(node: Message) -> Iterator[Trigger]:
    for channel in node.channels:
        if channel in CHANNELS:
            names = (CHANNELS[channel].find_event(kind, None) for kind in ("opened", "clicked"))
            yield from (Trigger("track", name) for name in names if name is not None)


def _list_paths(tree: CheckedTree, node: SyntaxNode) -> Iterator[tuple[str, ...]]:
    """Iterate over the paths whose values a node is made of; an index is none."""
    if (path := tree.path(node)) is not None:
        yield path
        return
    parts = list(children(node))
    for part in parts[:1] if function_of(node) == "_[_]" else parts:
        yield from _list_paths(tree, part)


def _list_literals(node: SyntaxNode) -> Iterator[Any]:
    """Iterate over the literals in a node, except those of times."""
    if function_of(node) in _TIMES:
        return
    if node.WhichOneof("kind") == "const_expr":
        kind = node.const_expr.WhichOneof("kind")
        if kind in ("bool_value", "int64_value", "double_value", "string_value"):
            yield getattr(node.const_expr, kind)
    for part in children(node):
        yield from _list_literals(part)


def _list_near(value: Any) -> list[Any]:
    """Return a value with its neighbours."""
    match value:
        case bool():
            return [value, not value]
        case int() | float():
            return [value + 1, value, value - 1]
        case _:
            return [value, f"other than {value}"]


def _add(pool: list[Any], values: Iterable[Any]) -> None:
    for value in values:
        if not any(type(known) is type(value) and known == value for known in pool):
            pool.append(value)
