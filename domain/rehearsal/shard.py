"""The simulation of a shard: a part of the people, who do not concern the others."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from domain.rehearsal.comparison import Comparison, SimulatedVersion, compare_versions
from domain.rehearsal.fidelity import Reality
from domain.rehearsal.history import PersonHistory
from domain.rehearsal.messages import SimulatedMessage
from domain.rehearsal.playback import Playback, Player
from domain.rehearsal.records import ProviderOutcome, Record
from domain.rehearsal.rulebook import Rulebook
from domain.rehearsal.samples import Sampler
from domain.rehearsal.simulator import Simulator
from domain.rehearsal.tally import Tally, TallyTaker


class ShardResult(Struct):
    """The results of a shard; `records` are kept of a few people alone.

    `comparison` is with another version, if there is one.
    """

    tally: Tally = field(default_factory=Tally)
    sampler: Sampler = field(default_factory=Sampler)
    records: list[Record] = field(default_factory=list)
    comparison: Comparison = field(default_factory=Comparison)

    def add(self, other: "ShardResult") -> None:
        """Add the results of another shard."""
        self.tally.add(other.tally)
        self.sampler.add(other.sampler)
        self.records += other.records
        self.comparison.add(other.comparison)


def simulate_shard(
    rulebook: Rulebook,
    playback: Playback,
    histories: Sequence[PersonHistory],
    share: float,
    *,
    keeps_records: bool = False,
) -> ShardResult:
    """Simulate people over their recorded history; every message is sent.

    Reactions to real messages are left out, since the simulated ones are others.
    """
    sampler = Sampler()
    version = _simulate(rulebook, playback, histories, share, sampler, keeps_records=keeps_records)
    return ShardResult(version.tally, sampler, list(version.records))


def compare_shard(
    before: tuple[Rulebook, Playback, Sequence[PersonHistory]],
    after: tuple[Rulebook, Playback, Sequence[PersonHistory]],
    share: float,
    *,
    keeps_records: bool = False,
) -> ShardResult:
    """Simulate people by two versions, and compare them.

    The results are those of the second version. Each has the history that its rules read.
    """
    sampler = Sampler()
    first = _simulate(*before, share, Sampler(), keeps_records=True)
    second = _simulate(*after, share, sampler, keeps_records=True)
    earlier = {history.profile.id: [merge.source_id for merge in history.merges] for history in after[2]}
    records = list(second.records) if keeps_records else []
    return ShardResult(second.tally, sampler, records, compare_versions(first, second, earlier))


def _simulate(
    rulebook: Rulebook,
    playback: Playback,
    histories: Sequence[PersonHistory],
    share: float,
    sampler: Sampler,
    *,
    keeps_records: bool,
) -> SimulatedVersion:
    records: list[Record] = []
    taker = TallyTaker(ZoneInfo(rulebook.timezone))

    def record(one: Record) -> None:
        taker.record(one)
        if keeps_records:
            records.append(one)

    def settle(message: SimulatedMessage) -> ProviderOutcome:
        person = simulator.people[message.granted.profile_id]
        journey = person.active[message.granted.journey_id]
        shown = simulator.view(person, message.granted.at)
        sampler.offer(message, journey, shown, rulebook.timezone)
        return ProviderOutcome()

    simulator = Simulator(rulebook, record, settle, share, _name(histories))
    player = Player(rulebook, playback, simulator)
    player.play(histories)
    given = {message.id for history in histories for message in history.messages}
    tally = taker.finish(simulator.people, given)
    tally.skipped = player.skipped
    tally.merged = sum(
        any(merge.by is None and merge.at >= playback.since for merge in history.merges) for history in histories
    )
    return SimulatedVersion(tally, {person.id: person for person in simulator.people}, records, given)


def simulate_reality(rulebook: Rulebook, playback: Playback, reality: Reality, share: float) -> None:
    """Simulate people with the real outcomes and reactions, and keep the decisions."""
    simulator = Simulator(rulebook, reality.record, reality.settle, share, _name(reality.histories))
    Player(rulebook, playback, simulator, reality.rename).play(reality.histories)


def _name(histories: Sequence[PersonHistory]) -> str:
    """Name a shard by its first person."""
    return str(histories[0].profile.id) if histories else ""
