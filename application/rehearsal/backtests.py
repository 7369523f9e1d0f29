"""Backtests: campaigns simulated over recorded history, which is only read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from application.rehearsal.deployments import BacktestedRules
from application.rehearsal.shards import ShardJob, ShardSetup, simulate_jobs
from application.rehearsal.simulations import BacktestOptions, prepare
from application.rehearsal.traces import describe_example
from domain.errors import NotFoundError
from domain.rehearsal.assumptions import list_assumptions
from domain.rehearsal.difference import report_difference
from domain.rehearsal.fidelity import Fidelity, Reality
from domain.rehearsal.limits import NO_LIMITS, BacktestLimits, check_limits
from domain.rehearsal.records import Record
from domain.rehearsal.report import BacktestReport, MissingHistory, ReportHead, make_report
from domain.rehearsal.samples import render_samples
from domain.rehearsal.shard import ShardResult, simulate_reality
from domain.sending.routes import ProviderRule
from store import history_reads, profiles, segments
from store.database import Database

# People in memory at once.
SHARD: Final = 500
# People whose real decisions are compared: they are simulated a second time.
MAX_COMPARED: Final = 2_000


class Against(Struct, frozen=True):
    """The version that is compared with, and its files; none for what runs."""

    deployed: BacktestedRules
    files: Sequence[str]


class Backtested(Struct, frozen=True):
    """A report, and the records of the users who were asked for."""

    report: BacktestReport
    traces: Mapping[str, Sequence[Record]]


class Backtest:
    """Simulates campaigns over the history of people, shard by shard.

    `running` is what runs, whose fidelity is measured. Shards are simulated in so many `processes`. With `against`
    they are simulated twice, and the difference is reported.
    """

    def __init__(
        self,
        database: Database,
        deployed: BacktestedRules,
        running: BacktestedRules,
        options: BacktestOptions,
        timezone: str,
        default_providers: Mapping[str, ProviderRule],
        processes: int = 1,
        against: Against | None = None,
        limits: BacktestLimits = NO_LIMITS,
    ) -> None:
        if against is not None:
            given = deployed.given | against.deployed.given
            deployed = deployed.mark_given(given)
            against = replace(against, deployed=against.deployed.mark_given(given))
        self._database = database
        self._against = against
        self._limits = limits
        other = None if against is None else against.deployed
        self._setup = ShardSetup(database.url, deployed, options, timezone, default_providers, other)
        self._processes = processes
        self._options = options
        self._deployed = deployed
        self._simulation = prepare(deployed, options, timezone, default_providers)
        self._running = prepare(running, replace(options, others="simulate"), timezone, default_providers)

    async def run(self, files: Sequence[str], progress: Callable[[int, int], None]) -> Backtested:
        """Simulate the people, and report. `progress` is told how many of them are done.

        Raises NotFoundError for a segment or a person that does not exist.
        """
        ids, users, share = await self._list_people()
        result, records = ShardResult(), dict[UUID, Sequence[Record]]()
        # A named person is a shard, whose records are theirs.
        pages = list(_iter_pages(ids, 1 if users else SHARD))
        jobs = [ShardJob(page, share * len(page), keeps_records=bool(users)) for page in pages]
        async with aclosing(simulate_jobs(self._setup, jobs, self._processes)) as results:
            number = 0
            async for found in results:
                records[pages[number][0]] = found.records
                number += 1
                result.add(found)
                progress(min(len(ids), result.tally.people), len(ids))
        head = await self._describe(files, ids, result, share)
        templates = {
            (one.running.key, one.running.version): (one.running.plan, one.running.rules, one.templates)
            for one in self._deployed.campaigns
        }
        samples = [one for _, one in result.sampler.kept]
        faults = render_samples(samples, templates)
        comparison = result.comparison
        report = make_report(
            head,
            result.tally,
            len(samples),
            faults,
            None
            if self._against is None
            else report_difference(
                self._against.files, comparison, result.tally, [describe_example(one) for one in comparison.examples]
            ),
            list(check_limits(self._limits, result.tally, comparison)),
        )
        return Backtested(report, {user: records[id] for user, id in users.items()})

    async def _list_people(self) -> tuple[list[UUID], Mapping[str, UUID], float]:
        """Return the people, those who are named, and the share of each in all room."""
        options = self._options
        async with self._database.snapshot() as connection:
            segment_id = None
            if options.segment is not None:
                known = {one.definition.key: one.definition.id for one in await segments.load(connection)}
                segment_id = known.get(options.segment)
                if segment_id is None:
                    keys = ", ".join(sorted(known)) or "none"
                    raise NotFoundError(
                        f"there is no segment {options.segment}; segments: {keys}", segments=sorted(known)
                    )
            users = await history_reads.find_users(connection, options.user_ids)
            if missing := [user for user in options.user_ids if user not in users]:
                raise NotFoundError(f"nothing was ever reported of the user {missing[0]}")
            among = {*users.values()} if options.user_ids else None
            ids = await history_reads.list_people(connection, options.sample, segment_id, among)
            users = {user: id for user, id in users.items() if id in {*ids}}
            return ids, users, 1 / max(1, await profiles.count(connection))

    async def _measure(self, ids: Sequence[UUID], share: float, first_kept: datetime | None) -> Fidelity | None:
        """Simulate what runs for some people, and compare it with the real decisions."""
        running = self._running
        if not running.playback.simulated:
            return None
        found, versions = Fidelity(), dict(running.rulebook.campaigns)
        for page in _iter_pages(ids[:: len(ids) // MAX_COMPARED + 1], SHARD):
            async with self._database.snapshot() as connection:
                histories = await history_reads.read_histories(connection, page, running.wanted)
                reality = Reality(histories, await history_reads.read_decisions(connection, page, running.wanted))
            simulate_reality(running.rulebook, running.playback, reality, share * len(page))
            found.add(reality.compare(self._options.until, dict(versions.keys()), first_kept))
        return found

    async def _describe(
        self, files: Sequence[str], ids: Sequence[UUID], result: ShardResult, share: float
    ) -> ReportHead:
        options, rulebook = self._options, self._simulation.rulebook
        async with self._database.snapshot() as connection:
            first = await history_reads.find_first_kept(connection)
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
            missing=MissingHistory(first, cut, result.tally.merged, erased),
            skipped=dict(result.tally.skipped),
            fidelity=await self._measure(ids, share, first),
            assumptions=list(list_assumptions(rulebook, takes_ledger=options.others == "ledger")),
            omissions=self._simulation.omissions,
        )


def _iter_pages(ids: Sequence[UUID], size: int) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
