"""Counts of a rehearsal, with a few people as examples: so many are not kept."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from domain.journey.decision import Decision
from domain.rehearsal.person_run import PersonRun, SentMessage
from domain.rehearsal.records import EndedJourney, MessageSettled
from domain.rehearsal.walks import FlowWay

# Messages kept of each step and channel, to be rendered; besides, one for each value that a person lacks.
MAX_SAMPLES: Final = 20

# The first messages of each step and channel, with the ids of their people.
Samples = Mapping[tuple[str, str], Sequence[tuple[str, SentMessage]]]
_Path = tuple[tuple[FlowWay, ...], str]


class StepResult(Struct, frozen=True):
    """The people who came to a step, the ways on, and its messages."""

    step: str
    came: int
    ways: Mapping[str, int]
    sent: Mapping[str, int]
    failed: int
    not_sent: Mapping[str, int]
    put_off: Mapping[str, int]


class RehearsedPath(Struct, frozen=True):
    """A path of journeys to its outcome, with the people who took it.

    One of them is the example. Without `people`, it was looked for.
    """

    ways: Sequence[FlowWay]
    outcome: str
    people: int
    example: str


class RehearsalTally:
    """Counts the people of a rehearsal one by one."""

    def __init__(self) -> None:
        self.entered = 0
        self.not_entered = Counter[str]()
        self.ends = Counter[str]()
        self.visited: set[str] = set()
        self.examples: dict[str, PersonRun] = {}
        self.samples: defaultdict[tuple[str, str], list[tuple[str, SentMessage]]] = defaultdict(list)
        self._came = Counter[str]()
        self._failed = Counter[str]()
        self._ways: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._sent: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._not_sent: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._put_off: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._lacking: set[tuple[str, str, str | None]] = set()
        self._paths = Counter[_Path]()
        self._named: dict[_Path, str] = {}

    def add(self, run: PersonRun) -> None:
        """Count a person of the shares."""
        self.entered += run.has_entered
        self._came.update(run.visits.keys())
        for way in sorted(run.ways):
            if way.name:
                self._ways[way.step][way.name] += 1
        for record in run.records:
            match record:
                case Decision(kind="entry", outcome="refused", reason=reason):
                    self.not_entered[reason or ""] += 1
                case Decision(kind="send", step=str(step), outcome="deferred", reason=reason):
                    self._put_off[step][reason or ""] += 1
                case Decision(kind="send", step=str(step), outcome="refused", reason=reason):
                    self._not_sent[step][reason or ""] += 1
                case EndedJourney(ending=ending):
                    self.ends[ending.outcome] += 1
                case MessageSettled(message=message) if message.state == "sent":
                    self._sent[message.granted.step][message.granted.channel] += 1
                case MessageSettled(message=message):
                    self._failed[message.granted.step] += 1
                case _:
                    continue
        self._paths.update(self._keep(run))

    def add_found(self, run: PersonRun) -> None:
        """Keep a person who was looked for as an example, and count nothing."""
        self._keep(run)

    def _keep(self, run: PersonRun) -> list[_Path]:
        """Keep a person if they are the first on a path; return their paths."""
        self.visited.update(run.visits)
        for sent in run.sent:
            kept, lacking = self.samples[sent.step, sent.channel], (sent.step, sent.channel, run.person.lacks)
            if len(kept) < MAX_SAMPLES or (run.person.lacks is not None and lacking not in self._lacking):
                kept.append((run.user_id, sent))
                self._lacking.add(lacking)
        paths = dict.fromkeys((_shorten(one.ways), one.outcome) for one in run.paths)
        for path in paths:
            if path not in self._named:
                self._named[path] = run.user_id
                self.examples[run.user_id] = run
        return list(paths)

    def list_paths(self) -> list[RehearsedPath]:
        """List the paths of journeys, those of most people first."""
        order = sorted(self._named, key=lambda path: -self._paths[path])
        return [RehearsedPath(path[0], path[1], self._paths[path], self._named[path]) for path in order]

    def has_open_paths(self) -> bool:
        """Whether journeys were under way in the end."""
        return any(not outcome for _, outcome in self._named)

    def count_step(self, step: str) -> StepResult:
        """Return the results of a step."""
        return StepResult(
            step=step,
            came=self._came[step],
            ways=self._ways[step],
            sent=self._sent[step],
            failed=self._failed[step],
            not_sent=self._not_sent[step],
            put_off=self._put_off[step],
        )


def _shorten(ways: Iterable[FlowWay]) -> tuple[FlowWay, ...]:
    """Keep the ways that have a name, each once: rounds of a repetition are one path."""
    return tuple(dict.fromkeys(way for way in ways if way.name))
