"""Rehearse a campaign: generated people walk through it until every way is taken."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from domain.campaign.plan import step_of_subscription
from domain.campaign.rules import Rules
from domain.journey.bucketing import assign_arm
from domain.journey.decision import Decision
from domain.rehearsal.generated_people import (
    APPEARS_WITHIN,
    SEARCH_SHARE,
    Draws,
    GeneratedPerson,
    aim_at,
    generate_person,
    mix,
)
from domain.rehearsal.person_run import PersonRun, profile_id_of, run_person
from domain.rehearsal.records import EndedJourney, MessageSettled
from domain.rehearsal.rulebook import Rulebook, RunningCampaign
from domain.rehearsal.scenario_run import FIRST_DAY
from domain.rehearsal.vocabulary import Vocabulary
from domain.rehearsal.walks import ENTRY, EXIT, GOAL, FlowWay, list_all_ways

# A person of the shares is drawn so often until they enter.
MAX_DRAWS: Final = 6
# People tried for each way that is left, and for all.
MAX_TRIES: Final = 250
MAX_ALL_TRIES: Final = 3_000
# Arms of 1 in 1,000 are found among so many people.
MAX_NUMBERS: Final = 20_000


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


class UnreachedWay(Struct, frozen=True):
    """A way that no generated person took, and why."""

    way: FlowWay
    why: str


class Rehearsal(Struct, frozen=True):
    """Everything that came of a rehearsal. `examples` are people by their ids."""

    campaign: str
    seed: str
    people: int
    searched: int
    days: int
    entered: int
    not_entered: Mapping[str, int]
    steps: Sequence[StepResult]
    ends: Mapping[str, int]
    paths: Sequence[RehearsedPath]
    unreached: Sequence[UnreachedWay]
    ways: int
    examples: Mapping[str, PersonRun]
    runs: Sequence[PersonRun]


def find_first_day(rules: Rules) -> datetime:
    """Return the first day of a rehearsal, within the campaign's schedule."""
    starts_at, ends_at = rules.schedule.starts_at, rules.schedule.ends_at
    first = FIRST_DAY if starts_at is None else starts_at
    return first if ends_at is None else min(first, ends_at - APPEARS_WITHIN)


def rehearse(
    rulebook: Rulebook, campaign: RunningCampaign, words: Vocabulary, people: int, seed: str, first: datetime
) -> Rehearsal:
    """Have generated people walk through a campaign by all of its ways."""
    search = _Search(rulebook, campaign, words, seed, first)
    drawn = [search.draw(number) for number in range(people)]
    found = list(search.look_for_others(drawn))
    runs = [*drawn, *found]
    paths = _list_paths(drawn, found)
    named = {one.example for one in paths}
    return Rehearsal(
        campaign=campaign.key,
        seed=seed,
        people=people,
        searched=search.tried,
        days=words.days,
        entered=sum(run.has_entered for run in drawn),
        not_entered=_count_refusals(drawn),
        steps=[_count_step(id, campaign, drawn) for id in campaign.plan.nodes],
        ends=Counter(
            record.ending.outcome for run in drawn for record in run.records if isinstance(record, EndedJourney)
        ),
        paths=paths,
        unreached=list(_explain_unreached(campaign, search.missing, runs)),
        ways=len(list_all_ways(campaign.plan, campaign.rules)),
        examples={run.user_id: run for run in runs if run.user_id in named},
        runs=runs,
    )


class _Search:
    """Draws people, and mixes those who came near a way until one takes it."""

    def __init__(
        self, rulebook: Rulebook, campaign: RunningCampaign, words: Vocabulary, seed: str, first: datetime
    ) -> None:
        self._rulebook = rulebook
        self._campaign = campaign
        self._words = words
        self._seed = seed
        self._first = first
        self.tried = 0
        self.missing = list_all_ways(campaign.plan, campaign.rules)

    def draw(self, number: int) -> PersonRun:
        """Draw a person anew until they enter, a few times at most."""
        for attempt in count(1):
            person = generate_person(self._words, Draws(self._seed, str(number), str(attempt)), number)
            run = self._run(person)
            if run.has_entered or attempt == MAX_DRAWS:
                break
        return run

    def look_for_others(self, known: Sequence[PersonRun]) -> Iterator[PersonRun]:
        """Iterate over people who take ways that are left, of a limited search."""
        corpus = [run for run in known if run.has_entered][:200] or list(known[:20])
        first = len(known)
        for number in range(first, first + min(MAX_ALL_TRIES, MAX_TRIES * len(self.missing))):
            if not self.missing:
                return
            self.tried += 1
            draws = Draws(self._seed, str(number))
            wanted = self.missing[self.tried % len(self.missing)]
            left = len(self.missing)
            run = self._run(self._make(wanted, corpus, draws, number))
            if len(self.missing) < left:
                corpus.insert(0, run)
                yield run

    def _make(self, wanted: FlowWay, corpus: Sequence[PersonRun], draws: Draws, number: int) -> GeneratedPerson:
        near = [run for run in corpus if wanted.step in run.visits] or corpus
        person = generate_person(self._words, draws, number, SEARCH_SHARE)
        if near:
            person = mix(draws.choose(near[:30]).person, person, draws)
        return self._draw_arm(wanted, aim_at(wanted, self._words, person, draws))

    def _draw_arm(self, wanted: FlowWay, person: GeneratedPerson) -> GeneratedPerson:
        """Give a person a number that is drawn into the arm of a way."""
        rule = self._campaign.rules.splits.get(wanted.step)
        if rule is None or not rule.arms.get(wanted.name):
            return person
        arm = list(rule.arms).index(wanted.name)
        for number in range(person.number, person.number + MAX_NUMBERS):
            if assign_arm(rule.seed, str(profile_id_of(number)), rule.arms) == arm:
                return replace(person, number=number)
        return person

    def _run(self, person: GeneratedPerson) -> PersonRun:
        run = run_person(person, self._rulebook, self._campaign, self._first, self._words.days)
        self.missing = [way for way in self.missing if way not in run.ways]
        return run


def _list_paths(drawn: Iterable[PersonRun], found: Iterable[PersonRun]) -> list[RehearsedPath]:
    """List the paths of journeys, those of most people first."""
    people: Counter[tuple[tuple[FlowWay, ...], str]] = Counter()
    examples: dict[tuple[tuple[FlowWay, ...], str], str] = {}
    for run in drawn:
        for path in dict.fromkeys((_shorten(one.ways), one.outcome) for one in run.paths):
            people[path] += 1
            examples.setdefault(path, run.user_id)
    for run in found:
        for path in dict.fromkeys((_shorten(one.ways), one.outcome) for one in run.paths):
            examples.setdefault(path, run.user_id)
    order = sorted(examples, key=lambda path: -people[path])
    return [RehearsedPath(path[0], path[1], people[path], examples[path]) for path in order]


def _shorten(ways: Iterable[FlowWay]) -> tuple[FlowWay, ...]:
    """Keep the ways that have a name, each once: rounds of a repetition are one path."""
    return tuple(dict.fromkeys(way for way in ways if way.name))


def _count_refusals(runs: Iterable[PersonRun]) -> Counter[str]:
    return Counter(
        record.reason or ""
        for run in runs
        for record in run.records
        if isinstance(record, Decision) and record.kind == "entry" and record.outcome == "refused"
    )


def _count_step(step: str, campaign: RunningCampaign, runs: Sequence[PersonRun]) -> StepResult:
    sent, failed, not_sent, put_off = Counter[str](), 0, Counter[str](), Counter[str]()
    for run in runs:
        for record in run.records:
            match record:
                case Decision(kind="send", step=at, outcome="deferred", reason=reason) if at == step:
                    put_off[reason or ""] += 1
                case Decision(kind="send", step=at, outcome="refused", reason=reason) if at == step:
                    not_sent[reason or ""] += 1
                case MessageSettled(message=message) if message.granted.step == step:
                    if message.state == "sent":
                        sent[message.granted.channel] += 1
                    else:
                        failed += 1
                case _:
                    continue
    ways = Counter(way.name for run in runs for way in run.ways if way.step == step and way.name)
    came = sum(step in run.visits for run in runs)
    return StepResult(step, came, ways, sent, failed, not_sent, put_off)


def _explain_unreached(
    campaign: RunningCampaign, missing: Sequence[FlowWay], runs: Sequence[PersonRun]
) -> Iterator[UnreachedWay]:
    visited = {step for run in runs for step in run.visits}
    for way in missing:
        if way.step in campaign.plan.nodes and way.step not in visited:
            yield UnreachedWay(way, "no generated person came to the step")
        else:
            yield UnreachedWay(way, _explain(campaign, way))


def _explain(campaign: RunningCampaign, way: FlowWay) -> str:
    """Return the condition that no generated person has met."""
    rules = campaign.rules
    if way.step == ENTRY:
        audience = rules.entry.audience
        condition = rules.entry.where if audience is None else rules.entry.where or audience.where
        begins = "with its audience" if rules.entry.trigger is None else f"by {rules.entry.trigger.label}"
        return _say(f"no generated person enters {begins}", condition)
    if way.step in (EXIT, GOAL):
        named = {rule.trigger.label: rule.where for rule in rules.exits}
        where = rules.goal.where if way.step == GOAL and rules.goal is not None else named[way.name]
        return _say(f"no {way.name} of a generated person counts for it", where)
    # Cases and events are numbered from 1; the only event of a step has no number.
    number = way.name.rpartition(" ")[2]
    place = int(number) - 1 if number.isdecimal() else 0
    heard = [rule for id, rule in rules.subscriptions.items() if step_of_subscription(id) == way.step]
    if way.name.startswith("case "):
        return _say("no generated person meets it", rules.branches[way.step][place])
    if way.name.startswith("event") and heard:
        return _say(f"no {heard[place].trigger.label} came in time", heard[place].where)
    return "no generated person took it"


def _say(said: str, condition: str | None) -> str:
    return said if condition is None else f"{said}: {' '.join(condition.split())}"
