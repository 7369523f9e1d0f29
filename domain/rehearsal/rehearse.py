"""Rehearse a campaign: generated people walk through it until every way is taken."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from domain.campaign.plan import step_of_subscription
from domain.campaign.rules import Rules
from domain.journey.bucketing import assign_arm
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
from domain.rehearsal.rehearsal_tally import RehearsalTally, RehearsedPath, Samples, StepResult
from domain.rehearsal.rulebook import Rulebook, RunningCampaign
from domain.rehearsal.scenario_run import FIRST_DAY
from domain.rehearsal.vocabulary import Vocabulary
from domain.rehearsal.walks import ENTRY, EXIT, GOAL, FlowWay, list_all_ways

# A person of the shares is drawn so often until they enter.
MAX_DRAWS: Final = 6
# The first people of each kind are mixed with others: those who entered, and if there are none, any.
MAX_MIXED: Final = 200
MAX_OTHERS_MIXED: Final = 20
# People tried for each way that is left, and for all.
MAX_TRIES: Final = 250
MAX_ALL_TRIES: Final = 3_000
# Arms of 1 in 1,000 are found among so many people.
MAX_NUMBERS: Final = 20_000


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
    samples: Samples


def find_first_day(rules: Rules) -> datetime:
    """Return the first day of a rehearsal, within the campaign's schedule."""
    starts_at, ends_at = rules.schedule.starts_at, rules.schedule.ends_at
    first = FIRST_DAY if starts_at is None else starts_at
    return first if ends_at is None else min(first, ends_at - APPEARS_WITHIN)


def rehearse(
    rulebook: Rulebook,
    campaign: RunningCampaign,
    words: Vocabulary,
    people: int,
    seed: str,
    first: datetime,
    progress: Callable[[int, int], None],
) -> Rehearsal:
    """Have generated people walk through a campaign by all of its ways.

    `progress` is told how many of the people are done, then how many of those that the search may take.
    """
    search = _Search(rulebook, campaign, words, seed, first)
    tally = RehearsalTally()
    for number in range(people):
        run = search.draw(number)
        search.remember(run)
        tally.add(run)
        progress(number + 1, people)
    for run in search.look_for_others(people, progress):
        tally.add_found(run)
    paths = tally.list_paths()
    return Rehearsal(
        campaign=campaign.key,
        seed=seed,
        people=people,
        searched=search.tried,
        days=words.days,
        entered=tally.entered,
        not_entered=tally.not_entered,
        steps=[tally.count_step(id) for id in campaign.plan.nodes],
        ends=tally.ends,
        paths=paths,
        unreached=list(_explain_unreached(campaign, search.missing, tally, words.days)),
        ways=len(list_all_ways(campaign.plan, campaign.rules)),
        examples=tally.examples,
        samples=tally.samples,
    )


class _Near(Struct, frozen=True):
    """A person to mix with others, and the steps to which they came."""

    person: GeneratedPerson
    visits: Container[str]


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
        self._entered: list[_Near] = []
        self._others: list[_Near] = []
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

    def remember(self, run: PersonRun) -> None:
        """Keep the first people: the search mixes them with others."""
        kept, limit = (self._entered, MAX_MIXED) if run.has_entered else (self._others, MAX_OTHERS_MIXED)
        if len(kept) < limit:
            kept.append(_Near(run.person, run.visits))

    def look_for_others(self, first: int, progress: Callable[[int, int], None]) -> Iterator[PersonRun]:
        """Iterate over people who take ways that are left, of a limited search.

        They are numbered from `first` on.
        """
        corpus = self._entered or self._others
        limit = min(MAX_ALL_TRIES, MAX_TRIES * len(self.missing))
        for number in range(first, first + limit):
            if not self.missing:
                return
            self.tried += 1
            progress(self.tried, limit)
            draws = Draws(self._seed, str(number))
            wanted = self.missing[self.tried % len(self.missing)]
            left = len(self.missing)
            run = self._run(self._make(wanted, corpus, draws, number))
            if len(self.missing) < left:
                corpus.insert(0, _Near(run.person, run.visits))
                yield run

    def _make(self, wanted: FlowWay, corpus: Sequence[_Near], draws: Draws, number: int) -> GeneratedPerson:
        near = [one for one in corpus if wanted.step in one.visits] or corpus
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


def _explain_unreached(
    campaign: RunningCampaign, missing: Sequence[FlowWay], tally: RehearsalTally, days: int
) -> Iterator[UnreachedWay]:
    late = f"; journeys were under way after {days} day{'s' if days > 1 else ''}" if tally.has_open_paths() else ""
    for way in missing:
        if way.step in campaign.plan.nodes and way.step not in tally.visited:
            yield UnreachedWay(way, f"no generated person came to the step{late}")
        elif (why := _find_condition(campaign, way)) is not None:
            yield UnreachedWay(way, why)
        else:
            yield UnreachedWay(way, f"no generated person took it{late}")


def _find_condition(campaign: RunningCampaign, way: FlowWay) -> str | None:
    """Return the condition that no generated person has met; None if there is none."""
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
    return None


def _say(said: str, condition: str | None) -> str:
    return said if condition is None else f"{said}: {' '.join(condition.split())}"
