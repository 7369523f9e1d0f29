"""The demo from its start to its end: the servers, the campaigns, the users, the check."""

import asyncio
import logging
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from time import monotonic

import structlog
from rich.console import Console
from segment.analytics.client import Client as SegmentClient

from cli.campaign import read_text
from cli.client import ApiClient
from cli.demo.cast import Performance
from cli.demo.check import failures
from cli.demo.person import Person, World
from cli.demo.receiver import Receiver
from cli.demo.scenarios import SCENARIOS
from cli.demo.screen import live, print_addresses, tell
from cli.dev_stack import DevPorts, DevStack
from cli.target import Target
from domain.errors import InvalidRequestError
from domain.durations import format_duration
from runtime.temporal import connect
from store.database import Database

EXAMPLES = Path(__file__).parents[2] / "examples"
CAPS = "frequency-caps.yaml"
# Where the example's webhook leads; the demo has a receiver of its own.
CRM = "https://crm.example.com/hooks/sojourn"
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SETTLE_SECONDS = 15.0
LOG_LINES = 20
DONE, FAILED, INTERRUPTED = 0, 1, 130


async def run(*, once: bool) -> int:
    """Show the demo; the exit status. Unless `once`, it stays up until the first signal."""
    stop = asyncio.Event()
    for number in STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    demo = Demo(Console(highlight=False), once=once)
    showing = asyncio.create_task(demo.show())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([showing, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not showing.done():
        demo.console.print("Stopping.")
        showing.cancel()
    await asyncio.wait([showing])
    if not showing.cancelled():
        showing.result()
    return demo.status


class Demo:
    """One run of the demo. `status` is the exit status, once that is known."""

    def __init__(self, console: Console, *, once: bool) -> None:
        self.console = console
        self.status = INTERRUPTED
        self._once = once

    async def show(self) -> None:
        """Start everything, play all scenarios at once, check, and stay up unless it is for once."""
        if not EXAMPLES.is_dir():
            raise InvalidRequestError(f"the demo needs the examples of a checkout, and {EXAMPLES} is not there")
        # The demo is closed in itself: no setting of a real deployment may lead it there.
        for name in [name for name in os.environ if name.upper().startswith("SOJOURN_")]:
            del os.environ[name]
        ports = DevPorts() if self._once else DevPorts(api=8080, temporal_ui=8233, inbox=8025)
        with tempfile.TemporaryDirectory(prefix="sojourn-demo-") as made:
            folder = Path(made)
            folder.chmod(0o755)  # the embedded servers may have to run as a user of their own
            _log_to(folder / "log")
            self.console.print("Starting PostgreSQL, Temporal, an inbox, the API and a worker …")
            async with DevStack(folder, ports=ports, durable=False) as stack, _world(stack) as world:
                await asyncio.to_thread(_publish, world, self.console)
                performances = await self._play(world)
                wrong = await _settled(world, performances)
                self.status = FAILED if wrong else DONE
                self._report(wrong, folder / "log")
                if not self._once:
                    self._lead(stack)
                    await stack.serve()

    async def _play(self, world: World) -> list[Performance]:
        performances = [Performance(scenario, Person(scenario.user, world)) for scenario in SCENARIOS]
        began = monotonic()
        self.console.print(f"{len(performances)} users, reported by segment-analytics-python:\n")
        with live(self.console, performances):
            await asyncio.gather(*(self._perform(performance) for performance in performances))
        skipped = sum((performance.person.ahead for performance in performances), timedelta())
        passed = format_duration(int(skipped.total_seconds()))
        mails = len(world.inbox.messages)
        self.console.print(
            f"\n{mails} mails, {len(world.receiver.calls)} webhook; {passed} of the users' time "
            f"in {monotonic() - began:.0f} s. Times count from the start of the journey."
        )
        return performances

    async def _perform(self, performance: Performance) -> None:
        scenario, person = performance.scenario, performance.person
        try:
            await scenario.play(person)
            await person.sees(*scenario.verdicts)
        except Exception as error:  # noqa: BLE001 - whatever it was, it is this user's failed expectation
            performance.error = str(error) or type(error).__name__
        performance.is_over = True
        tell(self.console, performance)

    def _report(self, wrong: Sequence[str], log: Path) -> None:
        if not wrong:
            self.console.print("Everything is as expected.")
            return
        self.console.print(f"\n{len(wrong)} expectations failed:")
        for line in wrong:
            self.console.print(f"  {line}", markup=False, soft_wrap=True)
        said = log.read_text().splitlines()[-LOG_LINES:]
        if said:
            self.console.print("\nThe log ended with:")
            self.console.print("\n".join(said), markup=False, soft_wrap=True)

    def _lead(self, stack: DevStack) -> None:
        """Where to look around."""
        inbox = stack.inbox
        self.console.print("\nLook around:")
        print_addresses(
            self.console,
            [
                ("API reference", f"{stack.api_url}/docs"),
                ("its admin key", stack.settings.admin_key.get_secret_value()),
                ("Temporal UI", f"{stack.settings.temporal_ui_url}/namespaces/{stack.settings.temporal_namespace}"),
                ("Inbox", inbox.url if inbox else ""),
            ],
        )
        self.console.print("Ctrl-C stops everything and removes its data.")


@asynccontextmanager
async def _world(stack: DevStack) -> AsyncIterator[World]:
    settings, inbox = stack.settings, stack.inbox
    if inbox is None:
        raise RuntimeError("the demo has an inbox of its own")
    async with AsyncExitStack() as parts:
        receiver = await Receiver.start(settings.webhook_signing_secret.get_secret_value())
        parts.push_async_callback(receiver.stop)
        yield World(
            segment=SegmentClient(
                settings.write_key.get_secret_value(),
                host=stack.api_url,
                sync_mode=True,
                proxies={"no_proxy": "localhost"},  # a proxy has no way to this machine's own loopback
            ),
            api=parts.enter_context(ApiClient(Target(stack.api_url, settings.admin_key.get_secret_value()))),
            temporal=await connect(settings.temporal_address, settings.temporal_namespace),
            database=await parts.enter_async_context(Database(settings.database_url.get_secret_value(), pool_size=2)),
            inbox=inbox,
            receiver=receiver,
        )


def _publish(world: World, console: Console) -> None:
    """What `sojourn caps apply`, `campaign apply` and `campaign start` do with the examples."""
    caps = world.api.put_caps(CAPS, read_text(EXAMPLES / CAPS))
    templates = {file.name: read_text(file) for file in sorted((EXAMPLES / "templates").glob("*.liquid"))}
    templates = {name: text.replace(CRM, world.receiver.url) for name, text in templates.items()}
    started = []
    for file in sorted(EXAMPLES.glob("*.yaml")):
        if file.name != CAPS:
            published = world.api.publish(file.name, read_text(file), templates)
            world.api.change(published["key"], "start", {})
            started.append(str(published["key"]))
    rules = ", ".join(str(rule["name"]) for rule in caps["rules"])
    console.print(f"Campaigns running: {', '.join(started)}. Frequency caps: {rules}.")


async def _settled(world: World, performances: Sequence[Performance]) -> list[str]:
    """Let what is still under way come to its end, look at everybody once more, and say what is wrong."""
    deadline = monotonic() + SETTLE_SECONDS
    running = await _running(world)
    while running and monotonic() < deadline:
        await asyncio.sleep(0.2)
        running = await _running(world)
    for performance in performances:
        await performance.person.look()
    return failures(
        performances,
        world.inbox.messages,
        world.receiver.calls,
        refused_calls=world.receiver.refused,
        running_journeys=running,
        has_empty_outbox=await world.has_empty_outbox(),
    )


async def _running(world: World) -> int:
    return (await world.temporal.count_workflows("ExecutionStatus = 'Running'")).count


def _log_to(file: Path) -> None:
    """Keep the log out of the picture; its end is shown where something went wrong."""
    logging.basicConfig(level=logging.WARNING, filename=file)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file.open("a", buffering=1)))
