"""The demo: the servers, the campaigns, the users, the check."""

import asyncio
import logging
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import structlog
from rich.console import Console
from segment.analytics.client import Client as SegmentClient

from cli.client import ApiClient
from cli.demo.cast import CAMPAIGNS, Performance
from cli.demo.check import deviations, failures
from cli.demo.person import DemoPerson, World
from cli.demo.receiver import Receiver
from cli.demo.scenarios import SCENARIOS
from cli.demo.screen import live, tell
from cli.dev_stack import DevPorts, DevStack
from cli.documents import campaign_document, read_text
from cli.signals import run_until_signalled
from cli.target import API_KEY, API_URL, Target
from domain.errors import InvalidRequestError
from domain.people.stage_flow import format_share
from runtime.temporal import connect
from store.database import Database

EXAMPLES = Path(__file__).parents[2] / "examples"
# Documents of the deployment, by their route. Each is applied before the campaigns that read it.
DOCUMENTS = {
    "frequency-caps": "caps/frequency-caps.yaml",
    "computed": "lifecycles/shop/computed.yaml",
    "lifecycle": "lifecycles/shop/lifecycle.yaml",
}
# The campaigns of the shop, which begin once the users are through theirs, and its documents. The pages of one visitor
# would soon reach the caps of the examples.
SHOP_CAMPAIGNS = (
    "first-session-tour",
    "cart-card",
    "delivery-delayed",
    "home-by-department",
    "pricing-discount",
    "feature-announcement",
    "checkout-survey",
)
SHOP_CAPS = "rules: [{name: on-the-page, limit: 50, per: 1d, channels: [in_app]}]\n"
PAGE_TRIGGERS = "page-triggers/page-triggers.yaml"
# The URL of the example's webhook; the demo has a receiver of its own.
CRM = "https://crm.example.com/hooks/sojourn"
# Where bounces, complaints and replies come to.
SETTLE_SECONDS = 15.0
RUNNING_JOURNEYS = "WorkflowType = 'Journey' AND ExecutionStatus = 'Running'"
LOG, LOG_LINES = "log", 20
DONE, FAILED, INTERRUPTED = 0, 1, 130


def run(*, once: bool) -> int:
    """Show the demo; return the exit status. Stay up until a signal unless `once`."""
    with tempfile.TemporaryDirectory(prefix="sojourn-demo-") as made:
        # The embedded servers may run as another user, who must be able to enter.
        folder = Path(made)
        folder.chmod(0o755)
        # The folder outlives the event loop, and so any thread that still writes there.
        return asyncio.run(_show_inbox(Demo(Console(highlight=False), folder, once=once)))


async def _show_inbox(demo: "Demo") -> int:
    # The tracking client and the API's are blocking: each user may wait for one in a thread.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2 * len(SCENARIOS)))
    await run_until_signalled(demo.show())
    return demo.status


class Demo:
    """One run of the demo. `status` is the exit status, once known."""

    def __init__(self, console: Console, folder: Path, *, once: bool) -> None:
        self.console = console
        self.status = INTERRUPTED
        self._folder = folder
        self._once = once

    async def show(self) -> None:
        """Start everything, play all scenarios at once, check, and stay up unless `once`."""
        if not EXAMPLES.is_dir():
            raise InvalidRequestError(f"the demo needs the examples of a checkout, and {EXAMPLES} is not there")
        # The demo is isolated: no setting of a real deployment may affect it.
        for name in [name for name in os.environ if name.upper().startswith("SOJOURN_")]:
            del os.environ[name]
        ports = DevPorts() if self._once else DevPorts(api=8080, temporal_ui=8233, inbox=8025, shop=8090)
        _log_to(self._folder / LOG)
        self._say("Starting PostgreSQL, Temporal, an inbox, the API and a worker …")
        async with DevStack(self._folder, ports=ports, durable=False) as stack, _world(stack) as world:
            self._say(await asyncio.to_thread(_publish, world))
            performances = await self._play(world)
            wrong = await _wait_until_settled(world, performances)
            self._say(_describe_lives(await asyncio.to_thread(world.lifecycle_flow)))
            self.status = FAILED if wrong else DONE
            self._report(wrong)
            self._say(await asyncio.to_thread(_open_shop, world))
            if not self._once:
                self._lead(stack)
                await stack.serve()

    async def _play(self, world: World) -> list[Performance]:
        performances = [Performance(scenario, DemoPerson(scenario.user, world)) for scenario in SCENARIOS]
        began = monotonic()
        self._say(
            f"{len(performances)} users, reported by segment-analytics-python. "
            "Times count from the start of each journey, by its own clock.\n"
        )
        with live(self.console, performances):
            await asyncio.gather(*(self._perform(performance) for performance in performances))
        days = sum((performance.person.ahead for performance in performances), timedelta()).days
        mails, calls = len(world.inbox.messages), len(world.receiver.calls)
        self._say(
            f"\n{mails} mails and {calls} signed webhook{'' if calls == 1 else 's'} in {monotonic() - began:.0f} s, "
            f"and {days} days by the clocks of all journeys together."
        )
        return performances

    async def _perform(self, performance: Performance) -> None:
        scenario, person = performance.scenario, performance.person
        try:
            await scenario.play(person)
            with suppress(TimeoutError):  # the check says what is missing
                await person.sees(*scenario.verdicts)
        except Exception as error:  # noqa: BLE001 - whatever it was, it is this user's failed expectation
            performance.error = str(error) or type(error).__name__
        performance.is_over = True
        tell(self.console, performance)

    def _say(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)

    def _report(self, wrong: Sequence[str]) -> None:
        if not wrong:
            self._say("Everything is as expected.")
            return
        self._say(f"\n{len(wrong)} expectations failed:")
        for line in wrong:
            self._say(f"  {line}")
        said = (self._folder / LOG).read_text().splitlines()[-LOG_LINES:]
        if said:
            self._say("\nThe log ended with:")
            self._say("\n".join(said))

    def _lead(self, stack: DevStack) -> None:
        """Print the addresses to look at."""
        key = stack.settings.admin_key.get_secret_value()
        sojourn = sys.argv[0] if Path(sys.argv[0]).name == "sojourn" else "sojourn"
        self._say("\nLook around:")
        rows = {
            "Console": f"{stack.api_url}/console",
            "Shop": stack.shop_url,
            "Temporal UI": f"{stack.settings.temporal_ui_url}/namespaces/{stack.settings.temporal_namespace}/workflows",
            "Inbox": stack.inbox.url if stack.inbox else "",
            "API reference": f"{stack.api_url}/docs",
            "Admin key": key,
            "One user": f"{API_URL}={stack.api_url} {API_KEY}={key} {sojourn} explain lea",
            "": "(decisions by the clock of the journey, which ran ahead; events, mails and exits by ours)",
        }
        for name, where in rows.items():
            self._say(f"  {name:<15}{where}")
        self._say("Ctrl-C stops everything and removes its data.")


@asynccontextmanager
async def _world(stack: DevStack) -> AsyncIterator[World]:
    settings, inbox = stack.settings, stack.inbox
    if inbox is None:
        raise RuntimeError("the demo has an inbox of its own")
    async with AsyncExitStack() as parts:
        receiver = await Receiver.start(settings.webhook_signing_secrets[0])
        parts.push_async_callback(receiver.stop)
        segment = SegmentClient(
            settings.write_key.get_secret_value(),
            host=stack.api_url,
            upload_interval=0.05,
            max_retries=4,
            max_rate_limit_duration=10,
            proxies={"no_proxy": "localhost"},  # a proxy has no way to this machine's own loopback
        )
        # In a thread, since this process serves the API that it waits for.
        parts.push_async_callback(asyncio.to_thread, segment.shutdown)
        yield World(
            segment=segment,
            api=parts.enter_context(ApiClient(Target(stack.api_url, settings.admin_key.get_secret_value()))),
            mail_api=parts.enter_context(ApiClient(Target(stack.api_url, settings.write_key.get_secret_value()))),
            temporal=await connect(settings.temporal_address, settings.temporal_namespace),
            database=await parts.enter_async_context(Database(settings.database_url.get_secret_value(), pool_size=2)),
            inbox=inbox,
            receiver=receiver,
        )


def _publish(world: World) -> str:
    """Apply the documents and campaigns of the examples, and start these."""
    applied = {kind: _apply(world, kind, file, read_text(EXAMPLES / file)) for kind, file in DOCUMENTS.items()}
    started = [_start(world, key) for key in CAMPAIGNS]
    caps = ", ".join(str(rule["name"]) for rule in applied["frequency-caps"])
    stages = " > ".join(str(stage["key"]) for stage in applied["lifecycle"])
    return f"Campaigns running: {', '.join(started)}. Frequency caps: {caps}. Life cycle: {stages}."


def _open_shop(world: World) -> str:
    """Start the campaigns whose messages the shop shows."""
    _apply(world, "frequency-caps", "shop-caps.yaml", SHOP_CAPS)
    triggers = _apply(world, "page-triggers", PAGE_TRIGGERS, read_text(EXAMPLES / PAGE_TRIGGERS))
    started = [_start(world, key) for key in SHOP_CAMPAIGNS]
    return f"Campaigns of the shop: {', '.join(started)}. Page triggers: {len(triggers)}."


def _apply(world: World, kind: str, file: str, source: str) -> list[dict[str, Any]]:
    """Apply a document of the deployment; return its rules."""
    rules: list[dict[str, Any]] = world.api.put(kind, body={"file": file, "source": source})["rules"]
    return rules


def _start(world: World, name: str) -> str:
    """Publish and start a campaign of the examples; return its key."""
    file = f"{name}.yaml"
    key, document = campaign_document(EXAMPLES / file)
    templates = {name: text.replace(CRM, world.receiver.url) for name, text in document["templates"].items()}
    world.api.post("campaigns", body={**document, "file": f"examples/{file}", "templates": templates})
    world.api.post("campaigns", key, "start")
    return key


async def _wait_until_settled(world: World, performances: Sequence[Performance]) -> list[str]:
    """Let pending work finish, read all users again, and return the failures."""
    deadline = monotonic() + SETTLE_SECONDS
    running = await _running_journeys(world)
    while running and monotonic() < deadline:
        await asyncio.sleep(0.2)
        running = await _running_journeys(world)
    for performance in performances:
        await performance.person.look()
    return failures(
        performances,
        world.inbox.messages,
        world.receiver.calls,
        refused_calls=world.receiver.refused,
        running_journeys=running,
        has_empty_outbox=await world.has_empty_outbox(),
        deviations=deviations(await asyncio.to_thread(world.lifecycle_flow)),
    )


def _describe_lives(flow: Mapping[str, Any]) -> str:
    """Return the result of `sojourn lifecycle diff` in a line."""
    moves = sum(move["moves"] for move in flow["moves"])
    said = [f"{format_share(flow['designed_share'])} as designed", *(move["text"] for move in flow["deviations"])]
    return f"Life cycle: {moves} moves, {'; '.join(said)}."


async def _running_journeys(world: World) -> int:
    return (await world.temporal.count_workflows(RUNNING_JOURNEYS)).count


def _log_to(file: Path) -> None:
    """Hide the log; its end is shown after a failure."""
    logging.basicConfig(level=logging.WARNING, filename=file)
    # A mail server that says "later" is part of the show.
    logging.getLogger("temporalio.activity").setLevel(logging.ERROR)
    structlog.configure(
        processors=[*structlog.get_config()["processors"][:-1], structlog.dev.ConsoleRenderer(colors=False)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(file.open("a", buffering=1)),
    )
