"""One run from its beginning to its end: start, stream and faults, settle, audit."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time

from domain.rehearsal.fidelity import Fidelity
from tests.chaos.auditor import audit
from tests.chaos.campaigns import CAMPAIGNS, CAPS
from tests.chaos.client import Client
from tests.chaos.evidence import collect, judge_clicks, settle
from tests.chaos.faults import Fault, Kind, schedule
from tests.chaos.history import History
from tests.chaos.ledger import Violation
from tests.chaos.model import Call, Move
from tests.chaos.replay import replay
from tests.chaos.saboteur import Recovery, Saboteur
from tests.chaos.stack import TASK_QUEUE, Stack, open_stack
from tests.chaos.traffic import Operator, Traffic, canary, put_providers

# The audit compares instants of both clocks, which may drift apart by so much in a run, in seconds.
MAX_DRIFT = 0.05
# The share of decisions that a replay may make otherwise without a cause: of two things at once, the order is open.
MAX_UNEXPLAINED = 0.01


class ClockSetError(Exception):
    """The machine's clock was set during the run, as of a virtual machine that was moved: nothing can be told."""


@dataclass(frozen=True, slots=True)
class Length:
    """How much of everything: seconds of stream and faults, scenes a second, people, seconds to wait at the end."""

    seconds: float
    rate: float
    people: int
    patience: float


@dataclass(frozen=True, slots=True)
class Result:
    """All that a report tells."""

    seed: str
    length: Length
    faults: Sequence[Fault]
    left_out: Sequence[Kind]
    calls: Sequence[Call]
    moves: Sequence[Move]
    repeats: Mapping[str, int]
    starts: dict[str, int]
    recoveries: Sequence[Recovery]
    settled_after: float
    history: History
    violations: Sequence[Violation]
    fidelity: Fidelity


@asynccontextmanager
async def opened(folder: Path, mutant: str | None = None, each: int = 2) -> AsyncIterator[tuple[Stack, Client]]:
    """A stack with its campaigns running, which has delivered a first message, and a client of it."""
    async with open_stack(folder, mutant, each) as stack:
        client = Client(stack.urls)
        try:
            await client.open_pages()
            await client.act("PUT", "/v1/frequency-caps", {"file": "caps.yaml", "source": CAPS})
            await put_providers(client, stack.mail.port)
            for campaign in CAMPAIGNS.values():
                await client.publish(campaign, stack.hook.url)
                await client.move(campaign.key, "start")
            await stack.log.wait_for(await canary(client))
            yield stack, client
        finally:
            await client.stop()


async def examined(stack: Stack, client: Client, patience: float) -> tuple[History, list[Violation]]:
    """What has happened once all has settled, and what is wrong with it."""
    waiting = await settle(stack.postgres.url, stack.client, TASK_QUEUE, patience)
    # Those about the last mails are under way. They begin nothing.
    await stack.reporter.finish(patience)
    await client.pages.look_at_last()
    await judge_clicks(stack.postgres.url, patience)
    history = await collect(stack.postgres.url, stack.client, stack.log.arrivals, waiting, stack.reporter, client.pages)
    return history, audit(client.calls, client.moves, history, client.links)


def check_clock(before: float, after: float) -> None:
    """Compare how far the machine's clock was ahead of the monotonic one. Raises ClockSetError."""
    if abs(after - before) > MAX_DRIFT:
        raise ClockSetError(f"the machine's clock was set by {after - before:+.3f} s during the run: run it again")


async def run(folder: Path, seed: str, length: Length, *, is_calm: bool = False) -> Result:
    """A run with faults, or without any where it `is_calm`. Raises ClockSetError."""
    loop = asyncio.get_running_loop()
    ahead = time() - monotonic()
    async with opened(folder) as (stack, client):
        left_out: list[Kind] = [] if stack.disk.is_small else ["disk-full"]
        faults = [] if is_calm else schedule(seed, length.seconds, left_out)
        saboteur = Saboteur(stack, client, faults)
        traffic = Traffic(client, seed, length.people)
        await traffic.introduce()
        leave_off = asyncio.Event()
        with suppress(TimeoutError):
            async with asyncio.timeout(length.seconds + length.patience), asyncio.TaskGroup() as tasks:
                tasks.create_task(Operator(client, seed, stack.hook.url, stack.postgres.url).work(leave_off))
                tasks.create_task(saboteur.work())
                await traffic.flow(length.seconds, length.rate)
                leave_off.set()
        began = loop.time()
        history, violations = await examined(stack, client, length.patience)
        settled_after = loop.time() - began
        fidelity = await replay(stack.postgres.url)
        check_clock(ahead, history.ahead)
        if (number := fidelity.causes["unknown"]) > MAX_UNEXPLAINED * fidelity.decisions:
            violations.append(Violation("replay", f"{number} of {fidelity.decisions} decisions differ without a cause"))
        recovered = {recovery.fault for recovery in saboteur.recoveries}
        violations += [
            Violation("no-recovery", f"{fault.kind} at {fault.at:.1f} s: no message of an event after it arrived")
            for fault in faults
            if fault not in recovered
        ]
        return Result(
            *(seed, length, faults, left_out, client.calls, client.moves, client.repeats),
            *(stack.supervisor.starts, saboteur.recoveries, settled_after, history, violations, fidelity),
        )
