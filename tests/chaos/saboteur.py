"""Carries out the faults of a schedule, and takes the time of the recovery after each."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from signal import SIGCONT, SIGSTOP, SIGUSR1
from time import monotonic
from typing import TypeVar, assert_never, get_args

from tests.chaos.client import Client
from tests.chaos.faults import Failure, Fault
from tests.chaos.parts import Part
from tests.chaos.providers import HookMode, MailMode
from tests.chaos.stack import Stack
from tests.chaos.traffic import canary, meet, put_providers

Chosen = TypeVar("Chosen")
LONGEST_JUMP = 3_600.0  # in seconds, ahead or back


@dataclass(frozen=True, slots=True)
class Recovery:
    """From the end of a fault to the arrival of a message whose event was reported then, in seconds.

    `meanwhile` are the other faults of that time.
    """

    fault: Fault
    seconds: float
    meanwhile: tuple[str, ...]


class Saboteur:
    """`recoveries` are in the order in which they came about."""

    def __init__(self, stack: Stack, client: Client, faults: Sequence[Fault]) -> None:
        self.recoveries: list[Recovery] = []
        self._stack = stack
        self._client = client
        self._faults = faults
        # Another document each time.
        self._weights = itertools.cycle((51, 50))
        # On a slow machine a trouble of the receiver of webhooks may last until the next one is due.
        self._hook_trouble = asyncio.Lock()

    async def work(self) -> None:
        """Until all faults have been lifted and recovered from. Somebody is on the way when each begins."""
        people = [_people_of(number, fault) for number, fault in enumerate(self._faults)]
        await asyncio.gather(*(self._client.identify(user) for users in people for user in users))
        began = monotonic()
        async with asyncio.TaskGroup() as working:
            for number, fault in enumerate(self._faults):
                await asyncio.sleep(began + fault.at - monotonic())
                working.create_task(meet(self._client, people[number]))
                working.create_task(self._carry_out(fault, began))

    async def _carry_out(self, fault: Fault, began: float) -> None:
        async with self._harm(fault):
            await asyncio.sleep(began + fault.at + fault.seconds - monotonic())
        lifted = monotonic()
        arrived = await self._stack.log.wait_for(await canary(self._client))
        between = lifted - began, arrived - began
        meanwhile = tuple(
            other.kind
            for other in self._faults
            if other is not fault and other.at < between[1] and other.at + other.seconds > between[0]
        )
        self.recoveries.append(Recovery(fault, arrived - lifted, meanwhile))

    @asynccontextmanager
    async def _harm(self, fault: Fault) -> AsyncIterator[None]:
        """Done while it is entered, lifted when it is left."""
        stack, proxy = self._stack, self._stack.postgres.proxy
        match fault.kind:
            case "kill-api" | "kill-worker" | "kill-temporal" | "kill-postgres":
                parts: dict[str, Sequence[Part]] = {
                    "kill-api": stack.apis,
                    "kill-worker": stack.workers,
                    "kill-temporal": [stack.temporal],
                    "kill-postgres": [stack.postgres],
                }
                await stack.supervisor.rest(_chosen(parts[fault.kind], fault.roll), fault.seconds)
                yield
            case "database-cut":
                proxy.is_cut = True
                proxy.cut()
                yield
                proxy.is_cut = False
            case "database-mute":
                proxy.is_mute = True
                yield
                proxy.cut()
                proxy.is_mute = False
            case "disk-full":
                await asyncio.to_thread(stack.disk.fill)
                yield
                stack.disk.free()
            case "hook-hangs" | "hook-429" | "hook-500" | "hook-resets" | "hook-drops":
                mode: HookMode = fault.kind.removeprefix("hook-")  # type: ignore[assignment]
                async with self._hook_trouble:
                    stack.hook.turn(mode)
                    # Who was on the way may have met the one before.
                    await canary(self._client)
                    yield
                    # However slow the machine is, somebody meets it.
                    await stack.hook.has_met.wait()
                    stack.hook.turn("well")
            case "mail-4xx" | "mail-drops" | "mail-hangs":
                manner: MailMode = fault.kind.removeprefix("mail-")  # type: ignore[assignment]
                stack.mail.turn(manner)
                yield
                stack.mail.turn("well")
            case (
                "keyless-drops"
                | "keyless-hangs"
                | "keyless-500"
                | "keyless-401"
                | "keyless-429"
                | "keyed-drops"
                | "keyed-hangs"
                | "keyed-500"
                | "keyed-401"
                | "keyed-429"
            ):
                name, _, failure = fault.kind.partition("-")
                api = stack.mails[name]  # type: ignore[index]
                api.turn(failure)  # type: ignore[arg-type]
                yield
                api.turn("well")
                if failure == "401":
                    # Its operator has mended the account, and says so.
                    await put_providers(self._client, stack.mail.port, keyless=next(self._weights))
            case "freeze-worker":
                worker = _chosen(stack.workers, fault.roll)
                worker.signal(SIGSTOP)
                yield
                worker.signal(SIGCONT)
            case "clock-jumps":
                self._jump(random.Random(fault.roll).uniform(-LONGEST_JUMP, LONGEST_JUMP))
                yield
                self._jump(0)
            case _:
                assert_never(fault.kind)

    def _jump(self, seconds: float) -> None:
        self._stack.clock.write_text(str(seconds))
        for service in (self._stack.apis[-1], self._stack.workers[-1]):
            service.signal(SIGUSR1)


def _people_of(number: int, fault: Fault) -> list[str]:
    """Who meets a fault: several, where an e-mail API fails, which gets half of the letters."""
    return [f"p{number}", f"q{number}", f"v{number}"] if fault.kind in get_args(Failure) else [f"p{number}"]


def _chosen(parts: Sequence[Chosen], roll: float) -> Chosen:
    return parts[int(roll * len(parts))]
