"""Backtests: campaigns simulated over recorded history, which is only read."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from application.rehearsal.deployments import BacktestedRules
from domain.errors import NotFoundError
from domain.people.computed.history import list_event_names
from domain.rehearsal.activity import ActivityRules
from domain.rehearsal.assumptions import list_assumptions
from domain.rehearsal.fidelity import Fidelity, Reality
from domain.rehearsal.history import PersonHistory
from domain.rehearsal.known_people import OVERTAKES_WITHIN
from domain.rehearsal.omissions import Omission, list_segment_omissions, select_simulated
from domain.rehearsal.playback import Playback
from domain.rehearsal.records import Record
from domain.rehearsal.report import BacktestReport, MissingHistory, Others, ReportHead, make_report
from domain.rehearsal.rulebook import Rulebook, build_rulebook
from domain.rehearsal.samples import render_samples
from domain.rehearsal.shard import ShardResult, simulate_reality, simulate_shard
from domain.sending.channel_choice import ENGAGEMENT_DAYS
from domain.sending.policy import WEEKLY_PACE
from domain.sending.routes import ProviderRule
from store import history_reads, profiles, segments
from store.database import Database
from store.history_reads import HistoryRange

# People in memory at once.
SHARD: Final = 500
# People whose real decisions are compared: they are simulated a second time.
MAX_COMPARED: Final = 2_000


class BacktestOptions(Struct, frozen=True):
    """The period and the people of a backtest.

    `others` says how campaigns count that no file gives: simulated, or by their real messages. `sample` is the share
    of people, and `segment` a key: its members now are taken. `user_id` names one person, whose records are kept.
    """

    since: datetime
    until: datetime
    others: Others = "simulate"
    sample: float = 1.0
    segment: str | None = None
    user_id: str | None = None


class Backtested(Struct, frozen=True):
    """A report, and the records of the one person who was asked for."""

    report: BacktestReport
    records: Sequence[Record]


@dataclass(frozen=True)
class Simulation:
    """The rules that are simulated, the period, and the history that they read."""

    rulebook: Rulebook
    playback: Playback
    wanted: HistoryRange
    omissions: Sequence[Omission]


def prepare(
    deployed: BacktestedRules,
    options: BacktestOptions,
    timezone: str,
    default_providers: Mapping[str, ProviderRule],
) -> Simulation:
    """Put campaigns and documents in force for a simulation.

    `timezone` is the deployment's, `default_providers` are those of channels that no document names.
    """
    chosen = [one for one in deployed.campaigns if one.is_given or options.others == "simulate"]
    kept, omissions = select_simulated([one.running for one in chosen], deployed.rules.caps)
    rulebook = build_rulebook(kept, deployed.rules, timezone, default_providers)
    keys = frozenset(one.key for one in kept)
    running = frozenset(one.running.key for one in chosen if not one.is_given)
    return Simulation(
        rulebook,
        Playback(options.since, options.until, keys, running),
        _find_range(rulebook, options, keys),
        [*omissions, *list_segment_omissions(rulebook.segments)],
    )


class Backtest:
    """Simulates campaigns over the history of people, shard by shard.

    `running` is what runs, whose fidelity is measured.
    """

    def __init__(
        self,
        database: Database,
        deployed: BacktestedRules,
        running: BacktestedRules,
        options: BacktestOptions,
        timezone: str,
        default_providers: Mapping[str, ProviderRule],
    ) -> None:
        self._database = database
        self._options = options
        self._deployed = deployed
        self._simulation = prepare(deployed, options, timezone, default_providers)
        self._running = prepare(running, replace(options, others="simulate"), timezone, default_providers)

    async def run(self, files: Sequence[str], progress: Callable[[int, int], None]) -> Backtested:
        """Simulate the people, and report. `progress` is told how many of them are done.

        Raises NotFoundError for a segment or a person that does not exist.
        """
        ids, share = await self._list_people()
        simulation, result, merged = self._simulation, ShardResult(), 0
        for page in _iter_pages(ids):
            async with self._database.snapshot() as connection:
                histories = await history_reads.read_histories(connection, page, simulation.wanted)
            merged += sum(_is_merged_by_hand(one, self._options.since) for one in histories)
            keeps_records = self._options.user_id is not None
            room = share * len(page)
            result.add(
                simulate_shard(simulation.rulebook, simulation.playback, histories, room, keeps_records=keeps_records)
            )
            progress(min(len(ids), result.tally.people), len(ids))
        head = await self._describe(files, ids, result, merged, share)
        templates = {
            (one.running.key, one.running.version): (one.running.plan, one.running.rules, one.templates)
            for one in self._deployed.campaigns
        }
        samples = [one for _, one in result.sampler.kept]
        faults = render_samples(samples, templates)
        return Backtested(make_report(head, result.tally, len(samples), faults), result.records)

    async def _list_people(self) -> tuple[list[UUID], float]:
        """Return the people, and the share of each in the room that all people share."""
        options = self._options
        async with self._database.snapshot() as connection:
            segment_id = None
            if options.segment is not None:
                known = {one.definition.key: one.definition.id for one in await segments.load(connection)}
                segment_id = known.get(options.segment)
                if segment_id is None:
                    raise NotFoundError(f"there is no segment {options.segment}", segments=sorted(known))
            ids = await history_reads.list_people(connection, options.sample, segment_id, options.user_id)
            if options.user_id is not None and not ids:
                raise NotFoundError(f"nothing was ever reported of the user {options.user_id}")
            return ids, 1 / max(1, await profiles.count(connection))

    async def _measure(self, ids: Sequence[UUID], share: float, first_event: datetime | None) -> Fidelity | None:
        """Simulate what runs for some people, and compare it with the real decisions."""
        running = self._running
        if not running.playback.simulated:
            return None
        found, versions = Fidelity(), dict(running.rulebook.campaigns)
        for page in _iter_pages(ids[:: len(ids) // MAX_COMPARED + 1]):
            async with self._database.snapshot() as connection:
                histories = await history_reads.read_histories(connection, page, running.wanted)
                reality = Reality(histories, await history_reads.read_decisions(connection, page, running.wanted))
            simulate_reality(running.rulebook, running.playback, reality, share * len(page))
            found.add(reality.compare(self._options.until, dict(versions.keys()), first_event))
        return found

    async def _describe(
        self, files: Sequence[str], ids: Sequence[UUID], result: ShardResult, merged: int, share: float
    ) -> ReportHead:
        options, rulebook = self._options, self._simulation.rulebook
        async with self._database.snapshot() as connection:
            first = await history_reads.find_first_event(connection)
            cut = 0 if first is None else await history_reads.count_cut(connection, ids, first)
            erased = await history_reads.count_erased(connection, options.since)
        return ReportHead(
            since=options.since,
            until=options.until,
            timezone=rulebook.timezone,
            files=list(files),
            campaigns=sorted(self._simulation.playback.simulated),
            others=options.others,
            sample=options.sample,
            segment=options.segment,
            people=result.tally.people,
            missing=MissingHistory(first, cut, merged, erased),
            skipped=dict(result.tally.skipped),
            fidelity=await self._measure(ids, share, first),
            assumptions=list(list_assumptions(rulebook, takes_ledger=options.others == "ledger")),
            omissions=self._simulation.omissions,
        )


def _find_range(rulebook: Rulebook, options: BacktestOptions, campaigns: Iterable[str]) -> HistoryRange:
    """Return the history that the rules read."""
    names = list_event_names(rulebook.traits.definitions)
    windows = (seconds for rule in rulebook.caps for seconds in (rule.window, rule.min_gap) if seconds is not None)
    longest = max(*windows, WEEKLY_PACE.window or 0, ENGAGEMENT_DAYS * 86_400)
    return HistoryRange(
        since=options.since,
        until=options.until,
        ledger_since=options.since - timedelta(seconds=longest),
        late_since=options.since - OVERTAKES_WITHIN,
        names=None if ActivityRules(rulebook).is_followed else names,
        campaigns=sorted(campaigns),
    )


def _is_merged_by_hand(history: PersonHistory, since: datetime) -> bool:
    return any(one.by is None and one.at >= since for one in history.merges)


def _iter_pages(ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(ids), SHARD):
        yield ids[start : start + SHARD]
