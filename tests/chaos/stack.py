"""The whole service as its operator would run it: two APIs, two workers with their relays, and real servers.

API and workers reach PostgreSQL through a proxy. The last API and the last worker have a clock that jumps.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from temporalio.client import Client

from runtime.embedded.ports import LOOPBACK, free_port
from runtime.embedded.temporal import EmbeddedTemporal
from runtime.temporal import SEARCH_ATTRIBUTES, connect
from settings import Settings
from store.migrate import upgrade
from tests import generated
from tests.chaos import launch, mail_apis
from tests.chaos.disk import Disk, small_disk
from tests.chaos.evidence import keep_journal
from tests.chaos.mail_apis import MailApi
from tests.chaos.parts import Postgres, Service, Supervisor, Temporal, answers
from tests.chaos.providers import HookProvider, HttpServer, Log, MailProvider
from tests.chaos.reporter import Reporter, ReportingName
from tests.harness import ADMIN_KEY, PATIENCE, WRITE_KEY

TASK_QUEUE = "chaos"


@dataclass(slots=True)
class Stack:
    """What a run holds in its hands. `clock` is the file by which the clocks are put off."""

    folder: Path
    clock: Path
    disk: Disk
    postgres: Postgres
    temporal: Temporal
    client: Client
    apis: list[Service]
    workers: list[Service]
    urls: list[str]
    log: Log
    hook: HookProvider
    mail: MailProvider
    mails: Mapping[ReportingName, MailApi]
    reporter: Reporter
    supervisor: Supervisor


@asynccontextmanager
async def open_stack(folder: Path, mutant: str | None = None, each: int = 2) -> AsyncIterator[Stack]:
    """Start everything in an empty folder that all users may enter; stop everything, whatever happens.

    `each` is how many APIs and how many workers there are; `mutant` breaks them all.
    """
    async with AsyncExitStack() as parts:
        disk = parts.enter_context(small_disk(folder / "postgres"))
        ports = [free_port() for _ in range(each)]
        urls = [f"http://{LOOPBACK}:{port}" for port in ports]
        log, reporter = Log(), Reporter(urls)
        parts.push_async_callback(reporter.stop)
        hook, mail = HookProvider(log), MailProvider(log)
        mails: Mapping[ReportingName, MailApi] = {name: MailApi(name, log, reporter) for name in mail_apis.NAMES}
        providers: list[HttpServer | MailProvider] = [hook, mail, *mails.values()]
        for provider in providers:
            await provider.start()
            parts.push_async_callback(provider.stop)
        postgres = Postgres(disk.folder)
        await postgres.proxy.start()
        parts.push_async_callback(postgres.proxy.stop)
        supervisor = Supervisor()
        parts.push_async_callback(supervisor.stop)
        await supervisor.add(postgres)
        await asyncio.to_thread(upgrade, postgres.url)
        await keep_journal(postgres.url)
        server = await EmbeddedTemporal.start(folder / "temporal", ui=False, search_attributes=SEARCH_ATTRIBUTES)
        temporal = Temporal(server, folder / "temporal")
        await supervisor.add(temporal)
        settings = _settings(postgres, temporal)
        clock = folder / "clock"
        clocks = {launch.CLOCK: str(clock)}
        common = {
            **mail_apis.variables(),
            **{launch.MAIL_API + name: api.url for name, api in mails.items()},
            **({} if mutant is None else {launch.MUTANT: mutant}),
        }
        last = each - 1
        apis = [
            Service(
                *(f"api-{number}", settings, ["api", "--port", str(port)], folder / f"api-{number}.log"),
                common | (clocks if number == last else {}),
            )
            for number, port in enumerate(ports)
        ]
        workers = [
            Service(
                *(f"worker-{number}", settings, ["worker"], folder / f"worker-{number}.log"),
                common | (clocks if number == last else {}),
            )
            for number in range(each)
        ]
        for service in (*apis, *workers):
            await supervisor.add(service)
        if not all(await asyncio.gather(*(answers(url, PATIENCE) for url in urls))):
            raise RuntimeError(f"an API did not start; see {folder}/api-*.log")
        client = await connect(temporal.server.address, "default")
        yield Stack(
            *(folder, clock, disk, postgres, temporal, client, apis, workers, urls),
            *(log, hook, mail, mails, reporter, supervisor),
        )


def _settings(postgres: Postgres, temporal: Temporal) -> Settings:
    given: dict[str, Any] = {
        "database_url": SecretStr(postgres.proxied_url),
        "temporal_address": temporal.server.address,
        "task_queue": TASK_QUEUE,
        "write_key": SecretStr(WRITE_KEY),
        "admin_key": SecretStr(ADMIN_KEY),
        "public_url": "https://sojourn.example.com",
        "link_secret": SecretStr(generated.LINK_SECRET),
        "webhook_signing_secret": SecretStr(generated.SIGNING_SECRET),
        "webhook_allow_private_addresses": True,
    }
    return Settings(**given)
