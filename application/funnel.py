"""The funnel of a campaign's journeys and messages, by version."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from application import campaign_transitions
from application.account_journeys import ACCOUNT_EMPTY
from application.operations.exit import CAMPAIGN_STOPPED
from application.snapshots import Snapshots
from domain.campaign.compile import Outlined, compile_plan, outline
from domain.campaign.definition import CampaignDocument
from domain.campaign.plan import Exit
from domain.document.yaml_source import read
from domain.errors import NotFoundError
from domain.journey.dominators import find_dominators, find_outcome_dominators
from domain.journey.state import CAPPED, COMPLETED
from domain.sending.money import format_units
from store import funnel
from store.database import Database
from store.funnel import CostCount, DecisionCount, GoalCount, JourneyCount, MessageCount, PassedKind, PassedSteps

# Outlines are derived from the documents, which takes some milliseconds each.
OUTLINES_KEPT = 500
MERGED = "merged"


@dataclass(frozen=True, slots=True)
class CostSum:
    """The cost of a step's messages by one provider that were sent, or may have been."""

    channel: str
    provider: str
    messages: int
    amount: str
    currency: str


@dataclass(frozen=True, slots=True)
class SendFunnel:
    """The messages of a step by outcome.

    All but `deferred` and `held` count messages, of which a journey may have many. `deferred` (by reason) and `held`
    count journeys, whatever happened then. Those `delivered` to `replied` are among those sent, `capped` were refused
    by a frequency cap, `refused` for each other reason.
    """

    sent: int
    delivered: int
    opened: int
    clicked: int
    bounced: int
    complained: int
    replied: int
    under_way: int
    failed: int
    unknown: int
    cancelled: int
    capped: int
    refused: dict[str, int]
    deferred: dict[str, int]
    held: int
    costs: list[CostSum]


@dataclass(frozen=True, slots=True)
class StepFunnel:
    """A step: how many journeys reached it, and how many are there now, by status.

    `within` is the step around it, and `block` its list there; `depth` counts the steps around it.
    """

    id: str
    kind: str
    within: str | None
    block: str | None
    depth: int
    reached: int
    now: dict[str, int]
    messages: SendFunnel | None


@dataclass(frozen=True, slots=True)
class ArmFunnel:
    """An arm of a split: its journeys, and how many of them reached the goal later."""

    step: str
    arm: str
    journeys: int
    goals: int


@dataclass(frozen=True, slots=True)
class VersionFunnel:
    """The journeys on one version, now or at their end."""

    version: int
    entered: int
    active: int
    outcomes: dict[str, int]
    exits: dict[str, int]
    goals: int
    arms: list[ArmFunnel]
    steps: list[StepFunnel]


@dataclass(frozen=True, slots=True)
class Funnel:
    """A campaign's funnel. `not_let_in` counts events that started no journey."""

    campaign: str
    not_let_in: dict[str, int]
    versions: list[VersionFunnel]


class Funnels:
    """Counts the records of PostgreSQL, in one snapshot.

    It reads all journeys of the campaign, which takes long with many: those who ask while it counts share the answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # A version never changes.
        self._outlines: OrderedDict[tuple[str, int], _Outline] = OrderedDict()
        self._counting: Snapshots[tuple[str, int | None], Funnel] = Snapshots(self._count, max_age=0.0)

    async def __call__(self, key: str, version: int | None) -> Funnel:
        """Return one version, or each that has journeys or runs. Raises NotFoundError."""
        return await self._counting.get((key, version))

    async def _count(self, asked: tuple[str, int | None]) -> Funnel:
        key, version = asked
        outlines: dict[int, _Outline] = {}
        while True:
            async with self._database.long_read() as connection:
                await connection.execute(funnel.ISOLATION)
                campaign = await campaign_transitions.get_or_raise(connection, key)
                if version is not None and not 1 <= version <= campaign.latest_version:
                    raise NotFoundError(f"campaign {key} has no version {version}", campaign=key, version=version)
                journeys = await funnel.journeys(connection, key, version)
                numbers = {row.version for row in journeys}
                numbers.add(version or campaign.running_version or campaign.latest_version)
                outlines |= {one: self._outlines[key, one] for one in numbers if (key, one) in self._outlines}
                documents = await funnel.documents(connection, key, numbers - outlines.keys())
                if not documents:
                    known = [replace(one, version=number) for number in numbers for one in outlines[number].known]
                    passed = await funnel.count_passed(connection, key, known)
                    decisions = await funnel.decisions(connection, key, version)
                    messages = await funnel.messages(connection, key, version)
                    costs = await funnel.costs(connection, key, version)
                    goals = await funnel.goals(connection, key, version)
                    break
            # No connection waits for them; the next round reads anew, and finds them.
            for number, source in documents.items():
                outlines[number] = self._outlines[key, number] = await asyncio.to_thread(_outline, source)
            while len(self._outlines) > OUTLINES_KEPT:
                self._outlines.popitem(last=False)
        return Funnel(
            campaign=key,
            not_let_in=_sums((row.reason, row.number) for row in decisions if row.version is None),
            versions=[
                _version(
                    number,
                    outlines[number].steps,
                    passed.get(number, {}),
                    [row for row in journeys if row.version == number],
                    [row for row in decisions if row.version == number],
                    [row for row in messages if row.version == number],
                    [row for row in costs if row.version == number],
                    [row for row in goals if row.version == number],
                )
                for number in sorted(numbers)
            ],
        )


@dataclass(frozen=True, slots=True)
class _Outline:
    """The steps of a document, and those certainly passed on the way to each."""

    steps: Sequence[Outlined]
    known: Sequence[PassedSteps]


def _outline(source: str) -> _Outline:
    definition = CampaignDocument.model_validate(read(source, "").data)
    plan, steps = compile_plan(definition), outline(definition)
    found = find_dominators(plan)
    outcomes = {node.outcome for node in plan.nodes.values() if isinstance(node, Exit)} | {COMPLETED}
    told: list[tuple[PassedKind, str, frozenset[str]]] = [
        ("start", "", found[plan.start]),
        *(("step", step.id, found.get(step.id, frozenset((step.id,)))) for step in steps),
        *(("outcome", outcome, find_outcome_dominators(plan, outcome, found)) for outcome in sorted(outcomes)),
    ]
    return _Outline(
        steps,
        [
            PassedSteps(0, kind, name, "".join("1" if step.id in passed else "0" for step in steps))
            for kind, name, passed in told
        ],
    )


def _version(
    version: int,
    steps: Sequence[Outlined],
    passed: Mapping[str, int],
    journeys: Sequence[JourneyCount],
    decisions: Sequence[DecisionCount],
    messages: Sequence[MessageCount],
    costs: Sequence[CostCount],
    goals: Sequence[GoalCount],
) -> VersionFunnel:
    depths: dict[str | None, int] = {None: -1}
    for step in steps:
        depths[step.id] = depths[step.within] + 1
    reached = [sum(number for bits, number in passed.items() if bits[place] == "1") for place in range(len(steps))]
    return VersionFunnel(
        version=version,
        entered=sum(row.number for row in journeys),
        active=sum(row.number for row in journeys if row.state == "active"),
        outcomes=_sums((row.outcome, row.number) for row in journeys if row.state != "active"),
        exits=_exits(journeys, decisions),
        goals=sum(row.number for row in goals),
        arms=_arms(steps, decisions, goals),
        steps=[
            StepFunnel(
                id=step.id,
                kind=step.kind,
                within=step.within,
                block=step.block,
                depth=depths[step.id],
                reached=reached[place],
                now=_sums((row.status, row.number) for row in journeys if row.step == step.id),
                messages=_messages(step.id, decisions, messages, costs) if step.kind == "send" else None,
            )
            for place, step in enumerate(steps)
        ],
    )


def _exits(journeys: Sequence[JourneyCount], decisions: Sequence[DecisionCount]) -> dict[str, int]:
    """Count exits by reason. The end of a journey in a merge has no decision."""
    return _sums(
        [
            *((row.reason, row.journeys) for row in decisions if row.kind == "exit"),
            *((row.outcome, row.number) for row in journeys if row.outcome in (MERGED, ACCOUNT_EMPTY)),
            *((CAMPAIGN_STOPPED, row.number) for row in journeys if row.is_to_follow),
        ]
    )


def _arms(steps: Sequence[Outlined], decisions: Sequence[DecisionCount], goals: Sequence[GoalCount]) -> list[ArmFunnel]:
    splits = [step.id for step in steps if step.kind == "split"]
    gone = {(row.step, row.outcome): row.journeys for row in decisions if row.kind == "split"}
    return [
        ArmFunnel(step, arm, number, sum(row.number for row in goals if row.arms.get(step) == arm))
        for step in splits
        for (of, arm), number in sorted(gone.items(), key=lambda one: one[0][1])
        if of == step
    ]


def _messages(
    step: str,
    decisions: Sequence[DecisionCount],
    messages: Sequence[MessageCount],
    costs: Sequence[CostCount],
) -> SendFunnel:
    asked = [row for row in decisions if row.step == step and row.kind == "send"]
    states = _sums((row.state, row.number) for row in messages if row.step == step)
    reported = [row for row in messages if row.step == step]
    refused = _sums((row.reason, row.number) for row in asked if row.outcome == "refused")
    return SendFunnel(
        sent=states.get("sent", 0),
        delivered=sum(row.delivered for row in reported),
        opened=sum(row.opened for row in reported),
        clicked=sum(row.clicked for row in reported),
        bounced=sum(row.bounced for row in reported),
        complained=sum(row.complained for row in reported),
        replied=sum(row.replied for row in reported),
        under_way=states.get("reserved", 0) + states.get("sending", 0),
        failed=states.get("failed", 0),
        unknown=states.get("unknown", 0),
        cancelled=states.get("cancelled", 0),
        capped=refused.pop(CAPPED, 0),
        refused=refused,
        deferred=_sums((row.reason, row.journeys) for row in asked if row.outcome == "deferred"),
        held=sum(row.journeys for row in asked if row.outcome == "held"),
        costs=[
            CostSum(row.channel, row.provider, row.number, format_units(row.micros), row.currency)
            for row in costs
            if row.step == step
        ],
    )


def _sums(numbers: Iterable[tuple[str | None, int]]) -> dict[str, int]:
    """Add up by name. A missing name counts as `unknown`."""
    sums: Counter[str] = Counter()
    for name, number in numbers:
        sums[name or "unknown"] += number
    return dict(sorted(sums.items()))
