"""The whole engine in one process, on real servers, driven over HTTP as its users drive it."""

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import httpx
import psycopg
from fastapi import FastAPI
from pydantic import SecretStr
from temporalio.api.enums.v1 import EventType
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client, ScheduleHandle, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import TimeSkipper

import wiring
import worker
from api.app import create_app
from application.catalogue import Catalogue
from application.inbox import Inboxes, InboxView
from application.page_inboxes import PageInboxes
from domain.people.identity import Identity
from domain.sending.inbox import InboxMessage
from runtime.embedded.inbox import Inbox
from runtime.schedules import schedule_id
from runtime.temporal import connect
from settings import Settings
from store.database import Database
from tests import generated
from tests.patience import PATIENCE as PATIENCE
from tests.rows import Rows
from tests.servers import TemporalServer

WRITE_KEY, ADMIN_KEY = generated.WRITE_KEY, generated.ADMIN_KEY

# What is left of a skip when a rest ends must outlast what the journey does then: once it has passed, the server skips
# the whole of the next rest with it.
MARGIN = timedelta(seconds=10)

MARKER = EventType.EVENT_TYPE_MARKER_RECORDED
LOCAL_ACTIVITY = "core_local_activity"

MAIL = """---
channel: email
subject: "A note for {{ profile.traits.first_name | default: 'you' }}"
from: Example Shop <hello@example.com>
text: "Cart {{ entry.properties.cart_id | default: 'none' }}"
---
<p>Cart {{ entry.properties.cart_id | default: 'none' }}
{% if unsubscribe_url %}<a href="{{ unsubscribe_url }}">Unsubscribe</a>{% endif %}</p>
"""


@dataclass
class Harness:
    """What a test holds in its hands."""

    settings: Settings
    app: FastAPI
    http: httpx.AsyncClient
    database: Database
    temporal: Client
    skipper: TimeSkipper
    inbox: Inbox

    async def track(self, user: str, event: str, properties: Mapping[str, Any] | None = None, **more: Any) -> str:
        """Report an event; its message id."""
        message_id = str(uuid4())
        item = {"messageId": message_id, "userId": user, "event": event, "properties": dict(properties or {}), **more}
        await self.post("track", item)
        return str(item["messageId"])

    async def identify(self, user: str, **traits: Any) -> None:
        await self.post("identify", {"messageId": str(uuid4()), "userId": user, "traits": traits})

    async def post(self, call: str, body: Mapping[str, Any]) -> httpx.Response:
        response = await self._answer("POST", f"/v1/{call}", json=body, auth=(WRITE_KEY, ""))
        response.raise_for_status()
        return response

    async def admin(self, method: str, path: str, body: Any = None) -> Any:
        response = await self.act(method, path, body)
        assert response.is_success, response.text
        return response.json() if response.content else None

    async def act(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """The answer to whoever has the admin key, whatever it is."""
        return await self._answer(method, path, json=body, headers={"Authorization": f"Bearer {ADMIN_KEY}"})

    async def publish(self, source: str, templates: Mapping[str, str] | None = None) -> str:
        """Publish a campaign; its key."""
        published = await self.admin(
            "POST",
            "/v1/campaigns",
            {"file": "campaign.yaml", "source": source, "templates": dict(templates or {"note.liquid": MAIL})},
        )
        return str(published["key"])

    async def run_campaign(self, source: str, templates: Mapping[str, str] | None = None) -> str:
        """Publish and start a campaign; its key."""
        key = await self.publish(source, templates)
        await self.admin("POST", f"/v1/campaigns/{key}/start")
        return key

    async def put_caps(self, source: str) -> None:
        await self.admin("PUT", "/v1/frequency-caps", {"file": "caps.yaml", "source": source})

    async def timeline(self, user: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await self.admin("GET", f"/v1/users/{user}/timeline?limit=500"))["items"]
        return items

    @property
    def journeys(self) -> Rows:
        return Rows("journeys", self.query, self.until)

    @property
    def messages(self) -> Rows:
        return Rows("messages", self.query, self.until)

    @property
    def decisions(self) -> Rows:
        return Rows("decisions", self.query, self.until)

    async def until_put_off(self) -> list[dict[str, Any]]:
        """Wait until an attempt of a message has been put off; the messages of which one was."""
        return await self.until("SELECT * FROM messages WHERE attempts > 0 AND state = 'reserved'")

    async def query(self, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        async with self.database.transaction() as connection:
            cursor = await connection.execute(sql, parameters)
            rows: list[dict[str, Any]] = await cursor.fetchall()
            return rows

    async def until(self, sql: str, *parameters: Any, seconds: float = PATIENCE) -> list[dict[str, Any]]:
        """Wait until a query finds something; what it finds."""
        async for is_last in looks(seconds):
            if rows := await self._queried(sql, *parameters):
                return rows
            assert not is_last, f"never found: {sql} {parameters}"
        raise AssertionError("there is a last look")

    async def _answer(self, method: str, path: str, **request: Any) -> httpx.Response:
        """The answer; asked for again, as clients do, while it is 503: on a busy machine connections are waited for."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while True:
            response = await self.http.request(method, path, **request)
            if response.status_code != HTTPStatus.SERVICE_UNAVAILABLE or asyncio.get_running_loop().time() > deadline:
                return response
            await asyncio.sleep(float(response.headers["Retry-After"]))

    async def _queried(self, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        try:
            return await self.query(sql, *parameters)
        except psycopg.OperationalError:
            # The database has been away: its old connections are found dead one by one.
            return []

    async def journey(self, user: str, campaign: str | None = None) -> WorkflowHandle[Any, Any]:
        """The workflow of a user's newest journey, once it has been started."""
        [row] = await self.until(
            """
            SELECT workflow_id FROM (
              SELECT workflow_id FROM journeys JOIN profiles ON profiles.id = profile_id
              WHERE user_id = %s AND (%s::text IS NULL OR campaign_key = %s)
              ORDER BY journeys.id DESC LIMIT 1) AS newest
            WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.workflow_id = newest.workflow_id)
            """,
            user,
            campaign,
            campaign,
        )
        return self.temporal.get_workflow_handle(row["workflow_id"], result_type=str)

    async def schedule(self, campaign: str) -> ScheduleHandle:
        """The schedule of a campaign's audience, once it is there."""
        handle = self.temporal.get_schedule_handle(schedule_id(campaign))
        async for is_last in looks(PATIENCE):
            if await is_there(handle):
                break
            assert not is_last, f"no schedule ever came: {handle.id}"
        return handle

    async def skip(self, handle: WorkflowHandle[Any, Any], **duration: float) -> None:
        """Let time pass for one journey (`minutes=30`). What was signalled before has been heard before."""
        await handle.query("__stack_trace")
        await self.skipper.fast_forward(handle, timedelta(**duration) + MARGIN)

    async def forget_campaigns(self) -> None:
        """The next test has other campaigns of the same keys, and so workflows of the same ids."""
        for row in await self._queried("SELECT key FROM campaigns"):
            with suppress(RPCError):
                await self.temporal.get_workflow_handle(f"campaign/{row['key']}").terminate()

    async def rests(self, handle: WorkflowHandle[Any, Any], step: str) -> None:
        """Wait until a journey rests at a step. What the database says of a step, it says before the journey hears."""
        async for is_last in looks(PATIENCE):
            metadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
            now, _, _ = metadata.current_details.partition("\n")
            if re.match(rf"\*\*(Waiting|Deferred|Held)\*\* at `{re.escape(step)}`", now):
                return
            assert not is_last, f"never rested at {step}: {now}"

    async def ended(self, user: str) -> dict[str, Any]:
        """The user's newest journey, once it has ended."""
        [row] = await self.until(
            """
            SELECT journeys.* FROM journeys JOIN profiles ON profiles.id = profile_id
            WHERE user_id = %s AND state <> 'active' ORDER BY journeys.id DESC LIMIT 1
            """,
            user,
        )
        return row


_AHEAD: ContextVar[timedelta] = ContextVar("ahead", default=timedelta(0))


@contextmanager
def ahead(by: timedelta) -> Iterator[None]:
    """What is reported meanwhile arrives so much later: by the clocks of journeys that have skipped so much.

    Each journey skips by itself, and so does each of those who report here at once. The deployment has one clock.
    """
    token = _AHEAD.set(by)
    try:
        yield
    finally:
        _AHEAD.reset(token)


class _Services(wiring.Services):
    """An API whose clock runs ahead for those who report from a clock of their own."""

    async def now(self) -> datetime:
        return await wiring.Services.now(self) + _AHEAD.get()


class _Inboxes(Inboxes):
    """Inboxes as of the clock of those who ask."""

    async def read(self, who: Identity, at: datetime, **options: Any) -> InboxView:
        return await super().read(who, at + _AHEAD.get(), **options)

    async def read_slots(self, who: Identity, names: Collection[str], at: datetime) -> dict[str, InboxMessage | None]:
        return await super().read_slots(who, names, at + _AHEAD.get())


@asynccontextmanager
async def _services(settings: Settings) -> AsyncIterator[wiring.Services]:
    async with wiring.services(settings) as services:
        known = {field.name: getattr(services, field.name) for field in fields(services)}
        inboxes = _Inboxes(services.database, Catalogue(settings.timezone), settings.timezone)
        yield _Services(**known | {"page_inboxes": PageInboxes(services.database, inboxes)})


@asynccontextmanager
async def open_harness(
    database_url: str,
    temporal: TemporalServer,
    *,
    is_working: bool = True,
    temporal_settings: Mapping[str, Any] | None = None,
    **overrides: Any,
) -> AsyncIterator[Harness]:
    """An API, a worker with its relay and an inbox on these servers, on a task queue of their own.

    `temporal_settings` replace how the processes reach Temporal. `is_working=False` leaves the worker out: the test has
    processes of its own for it.
    """
    inbox = await Inbox.start()
    settings = Settings(
        **{
            "database_url": SecretStr(database_url),
            "temporal_address": temporal.address,
            "temporal_namespace": temporal.namespace,
            "task_queue": f"test-{uuid4()}",
            "write_key": SecretStr(WRITE_KEY),
            "admin_key": SecretStr(ADMIN_KEY),
            "public_url": "https://sojourn.example.com",
            "link_secret": SecretStr(generated.LINK_SECRET),
            "smtp_host": "127.0.0.1",
            "smtp_port": inbox.smtp_port,
            "smtp_security": "none",
            "webhook_signing_secret": SecretStr(generated.SIGNING_SECRET),
            "webhook_allow_private_addresses": True,
            **overrides,
            **(temporal_settings or {}),
        }
    )
    app = create_app(settings, _services)
    stop, ready = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task((worker.run if is_working else _idle)(settings, stop=stop, ready=ready))
    client = await connect(temporal.address, temporal.namespace)
    try:
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://sojourn.example.com") as http,
            Database(database_url, pool_size=4) as database,
        ):
            await ready.wait()
            harness = Harness(settings, app, http, database, client, TimeSkipper(client), inbox)
            try:
                yield harness
            finally:
                # Nobody wakes them then.
                stop.set()
                await running
                await harness.forget_campaigns()
    finally:
        stop.set()
        await running
        await inbox.stop()


async def _idle(_: Settings, *, stop: asyncio.Event, ready: asyncio.Event) -> None:
    ready.set()
    await stop.wait()


async def looks(seconds: float) -> AsyncIterator[bool]:
    """Looks at something that is waited for, at first often; each says whether it is the last."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while (waited := loop.time() - began) < seconds:
        yield False
        await asyncio.sleep(min(0.25, max(0.02, waited / 4)))
    yield True


async def until_blocked(holder: psycopg.AsyncConnection[Any]) -> None:
    """Wait until another session waits for a lock of this one."""
    blocked = "SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    async for is_last in looks(PATIENCE):
        if await (await holder.execute(blocked)).fetchone() is not None:
            return
        assert not is_last, "nobody ever waited"


async def is_begun(handle: WorkflowHandle[Any, Any]) -> bool:
    """Whether Temporal has this workflow."""
    return await _is_known(handle)


async def is_there(schedule: ScheduleHandle) -> bool:
    """Whether there is this schedule."""
    return await _is_known(schedule)


async def _is_known(handle: WorkflowHandle[Any, Any] | ScheduleHandle) -> bool:
    try:
        await handle.describe()
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        return False
    return True


def actions(history: Any) -> int:
    """Billable actions of a history, as Temporal counts them: https://docs.temporal.io/cloud/actions."""
    billable = {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
        EventType.EVENT_TYPE_TIMER_STARTED,
        EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
        EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
        MARKER,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
        EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED,
    }
    counted = sum(event.event_type in billable for event in history.events)
    markers = [event.marker_recorded_event_attributes for event in history.events if event.event_type == MARKER]
    local = [marker.workflow_task_completed_event_id for marker in markers if marker.marker_name == LOCAL_ACTIVITY]
    # Local activities of one workflow task are one action together.
    return counted - len(local) + len(set(local))


def now() -> datetime:
    return datetime.now(UTC)


def ago(**duration: float) -> str:
    """The instant that was so long ago, as a client writes it."""
    return (now() - timedelta(**duration)).isoformat()
