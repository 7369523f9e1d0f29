"""All of Sojourn in one process with real servers, for `sojourn dev` and tests.

A server whose setting the environment gives is not embedded: SOJOURN_DATABASE_URL, SOJOURN_TEMPORAL_ADDRESS and
SOJOURN_SMTP_HOST each name a real one. The demo uses it as well.
"""

import asyncio
import base64
import json
import os
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from secrets import token_bytes
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import psycopg
from temporalio.client import Client

import wiring
import worker
from api.app import create_app
from api.server import server_options
from channels.console_reports import REPORTS_NAME, REPORTS_VARIABLE
from cli.dev_folder import DevFolder
from cli.dev_path import path_line
from cli.dev_settings import EMBEDDED_MAIL, EMBEDDED_TEMPORAL, RECEIVING
from cli.shop.key import ShopKeys
from cli.shop.script import fetch_script
from cli.shop.site import create_shop
from domain.access import ConsoleEdit
from domain.errors import UnavailableError
from domain.sending.outbound_secrets import BoundSecret
from runtime.embedded.audience_clock import AudienceClock, keep_running_audiences
from runtime.embedded.http import HttpServer
from runtime.embedded.inbox import Inbox
from runtime.embedded.inbox_reactions import InboxRecipient
from runtime.embedded.ports import LOOPBACK, get_port, listen
from runtime.embedded.postgres import EmbeddedPostgres
from runtime.embedded.temporal import EmbeddedTemporal
from runtime.embedded.workflow_clock import with_deployment_time
from runtime.tasks import cancel_and_wait
from runtime.temporal import SEARCH_ATTRIBUTES
from settings import Settings
from store.database import Database
from store.forward import clock_ahead
from store.message_origins import MessageOrigin, find_origins
from store.migrate import upgrade

POOL_SIZE = 2


@dataclass(frozen=True, slots=True)
class DevPorts:
    """The preferred ports. A free one is used if it is None or taken."""

    api: int | None = None
    postgres: int | None = None
    temporal: int | None = None
    temporal_ui: int | None = None
    smtp: int | None = None
    inbox: int | None = None
    shop: int | None = None


class DevStack:
    """The running stack, as an asynchronous context manager.

    Attributes, from entering on:
        settings: the settings of API and worker.
        api_url: the address of the API.
        database: a few connections of its own, for development only.
        postgres, temporal, inbox: the embedded servers; None for one that the environment replaces.
        shop: the server of the shop, whose pages show in-app messages.
    """

    settings: Settings
    api_url: str
    database: Database
    shop: HttpServer
    postgres: EmbeddedPostgres | None = None
    temporal: EmbeddedTemporal | None = None
    inbox: Inbox | None = None

    def __init__(
        self,
        data: Path,
        *,
        ports: DevPorts | None = None,
        durable: bool = True,
    ) -> None:
        """
        Args:
            data: the folder that keeps databases and keys between runs; one stack at a time.
            ports: the ports wished for; by default all are free ones.
            durable: False gives up safety against a crash of the machine for speed. For tests.
        """
        self.folder = DevFolder(data)
        self._ports = ports or DevPorts()
        self._durable = durable
        self._parts = AsyncExitStack()
        self._inbox_secret = "whsec_" + base64.b64encode(token_bytes(32)).decode()

    async def __aenter__(self) -> Self:
        """Start the parts, each after those it needs.

        Raises:
            ConflictError: another stack runs in the folder.
            ValidationError: a setting of the environment is not valid; no server was started.
            EmbeddedServerError: an embedded server did not start.
        """
        async with AsyncExitStack() as parts:
            parts.enter_context(self.folder.claim())
            self._check_settings()
            facts = await self._database(parts) | await self._temporal(parts) | await self._mail(parts)
            bound = listen(self._ports.api)
            parts.callback(bound.close)
            facts |= {"api_host": LOOPBACK, "api_port": get_port(bound)}
            self.api_url = f"http://localhost:{get_port(bound)}"
            self.settings = self._settings(facts)
            await asyncio.to_thread(upgrade, self.settings.database_url.get_secret_value())
            self.database = await parts.enter_async_context(
                Database(self.settings.database_url.get_secret_value(), pool_size=POOL_SIZE)
            )
            if self.inbox is not None:
                journey_url = wiring.journey_url(self.settings)
                write_key = self.settings.write_key.get_secret_value()
                recipient = InboxRecipient(self.api_url, write_key, self._inbox_secret)
                await self.inbox.show(self._inbox_page, self._find_origins, journey_url, path_line(), recipient)
            api = await HttpServer.start(create_app(self.settings), bound, **server_options(self.settings))
            parts.push_async_callback(api.stop)
            self.shop = await self._open_shop()
            parts.push_async_callback(self.shop.stop)
            await self._work(parts)
            await self._run_audiences(parts)
            self.folder.announce(self._announcement())
            self._parts = parts.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the parts in reverse order, even if one fails."""
        await self._parts.__aexit__(kind, error, trace)

    async def serve(self) -> None:
        """Run until cancelled, or until the worker ends by itself, which it should not.

        Raises:
            Exception: the worker's own error, or RuntimeError if it had none.
        """
        await asyncio.wait([self._worker])
        self._worker.result()
        raise RuntimeError("the worker ended by itself")

    async def clock_ahead(self) -> timedelta:
        """How far `sojourn dev forward` has moved the time of this stack."""
        async with self.database.transaction() as connection:
            return await clock_ahead(connection)

    async def _database(self, parts: AsyncExitStack) -> dict[str, Any]:
        if _is_given("database_url"):
            return {}
        self.postgres = await EmbeddedPostgres.start(
            self.folder.path / "postgres",
            port=self._ports.postgres,
            durable=self._durable,
            has_adjustable_clock=True,
        )
        parts.push_async_callback(self.postgres.stop)
        return {"database_url": self.postgres.url}

    async def _temporal(self, parts: AsyncExitStack) -> dict[str, Any]:
        if _is_given("temporal_address"):
            return {}
        self.temporal = await EmbeddedTemporal.start(
            self.folder.path / "temporal",
            port=self._ports.temporal,
            ui_port=self._ports.temporal_ui,
            search_attributes=SEARCH_ATTRIBUTES,
        )
        parts.push_async_callback(self.temporal.stop)
        return {
            **EMBEDDED_TEMPORAL,
            "temporal_address": self.temporal.address,
            "temporal_ui_url": self.temporal.ui_url,
        }

    async def _mail(self, parts: AsyncExitStack) -> dict[str, Any]:
        if _is_given("smtp_host"):
            return {}
        self._inbox_page = listen(self._ports.inbox)
        parts.callback(self._inbox_page.close)
        self.inbox = await Inbox.start(self._ports.smtp, folder=self.folder.path / "inbox")
        parts.push_async_callback(self.inbox.stop)
        return {**EMBEDDED_MAIL, "smtp_port": self.inbox.smtp_port}

    async def _open_shop(self) -> HttpServer:
        bound = listen(self._ports.shop)
        origins = tuple(f"http://{host}:{get_port(bound)}" for host in ("localhost", LOOPBACK))
        keys = ShopKeys(self.folder.path, self.api_url, self.settings.admin_key.get_secret_value(), origins)
        shop = create_shop(self.api_url, await fetch_script(self.api_url), keys.find)
        return await HttpServer.start(shop, bound)

    @property
    def shop_url(self) -> str:
        """The address of the shop."""
        return f"http://localhost:{self.shop.port}"

    def _check_settings(self) -> None:
        """Refuse what the worker would refuse, before servers start."""
        facts: dict[str, Any] = {} if _is_given("temporal_address") else dict(EMBEDDED_TEMPORAL)
        if not _is_given("database_url"):
            facts["database_url"] = f"postgresql://{LOOPBACK}/sojourn"
        self._read_settings(facts)

    def _settings(self, facts: Mapping[str, Any]) -> Settings:
        return self._read_settings(facts, public_url=self.api_url, **self._inbox_settings())

    def _inbox_settings(self) -> dict[str, Any]:
        """Return what leads messages to the inbox, and reactions back from it."""
        if self.inbox is None:
            return {}
        secret = BoundSecret(self._inbox_secret, (LOOPBACK,), REPORTS_VARIABLE)
        return {
            **RECEIVING,
            "inbox_url": f"http://{LOOPBACK}:{get_port(self._inbox_page)}",
            "webhook_secrets": {REPORTS_NAME: secret},
        }

    def _read_settings(self, facts: Mapping[str, Any], **more: Any) -> Settings:
        """Choose settings: those of the parts that run here, the developer's, a default."""
        defaults = {
            **self.folder.keys(),
            **more,
            "webhook_allow_private_addresses": True,  # what a developer has to call listens on this machine
            "console_edit": ConsoleEdit.APPLY,  # their documents are not shared with anyone
        }
        wanted = {name: value for name, value in defaults.items() if not _is_given(name)}
        # Builds are not promoted here.
        return Settings.model_validate({**wanted, **facts, "build_id": None})

    def _announcement(self) -> dict[str, str]:
        """Describe this run for other commands; time moves only in embedded servers."""
        admin, write = self.settings.admin_key, self.settings.write_key
        about = {"api_url": self.api_url, "admin_key": admin.get_secret_value(), "write_key": write.get_secret_value()}
        if self.postgres is not None and self.temporal is not None:
            about |= {"database_url": self.postgres.url, "temporal_address": self.temporal.address}
        if self.inbox is not None:
            about["smtp_port"] = str(self.inbox.smtp_port)
        secrets = self.settings.webhook_secrets
        about["secrets"] = json.dumps({name: one.hosts for name, one in secrets.items() if name != REPORTS_NAME})
        return about

    async def _connect_temporal(self, settings: Settings) -> Client:
        """Connect a client whose workflows begin at the deployment's time."""
        return with_deployment_time(await wiring.connect_temporal(settings), self.clock_ahead)

    async def _run_audiences(self, parts: AsyncExitStack) -> None:
        """Run audiences by the deployment's time from now on."""
        client = await wiring.connect_temporal(self.settings)
        running = asyncio.create_task(keep_running_audiences(self.database, AudienceClock(client)))
        parts.push_async_callback(cancel_and_wait, running)

    async def _find_origins(self, message_ids: Collection[UUID]) -> Mapping[UUID, MessageOrigin]:
        try:
            async with self.database.transaction() as connection:
                return await find_origins(connection, message_ids)
        except (psycopg.OperationalError, UnavailableError):
            return {}  # the messages are shown without them

    async def _work(self, parts: AsyncExitStack) -> None:
        stop, ready = asyncio.Event(), asyncio.Event()
        self._worker = asyncio.create_task(
            worker.run(self.settings, stop=stop, ready=ready, connect=self._connect_temporal)
        )

        async def finish() -> None:
            ended_early = self._worker.done()
            stop.set()
            await asyncio.wait([self._worker])
            if not ended_early:
                self._worker.result()

        parts.push_async_callback(finish)
        readiness = asyncio.create_task(ready.wait())
        try:
            await asyncio.wait([self._worker, readiness], return_when=asyncio.FIRST_COMPLETED)
        finally:
            readiness.cancel()
        if self._worker.done():
            self._worker.result()
            raise RuntimeError("the worker ended before it was ready")


def _is_given(setting: str) -> bool:
    variable = f"SOJOURN_{setting.upper()}"
    return variable in os.environ or f"{variable}_FILE" in os.environ
