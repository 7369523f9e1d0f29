"""A user of the demo: what a scenario can have them do, and what is known of them."""

import asyncio
import re
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from segment.analytics.client import Client as SegmentClient
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import TimeSkipper

from cli.client import ApiClient
from cli.demo.receiver import Receiver
from cli.demo.story import Arrival, StoryItem, StoryVerdict, active_journeys, verdicts
from cli.demo.zones import zone_where_it_is
from domain.errors import UnavailableError
from runtime.embedded.inbox import Inbox
from store import outbox
from store.database import Database

LOOK_SECONDS = 0.15
LOOKS = 3
WAIT_SECONDS = 60.0
# What is left of a skip when a rest ends must outlast what the journey does then: once it has passed, the server skips
# the whole of the next rest with it.
MARGIN = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class World:
    """What all users of the demo share: the tracking client, the API, their mailboxes and the receiver of webhooks."""

    segment: SegmentClient
    api: ApiClient
    temporal: Client
    database: Database
    inbox: Inbox
    receiver: Receiver
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def arrivals(self) -> dict[str, Arrival]:
        """What has really arrived, by message id."""
        mails = {str(mail.message["X-Sojourn-Message"]): Arrival("mail", mail.subject) for mail in self.inbox.messages}
        calls = {call.message_id: Arrival("webhook", str(call.data["action"])) for call in self.receiver.calls}
        return mails | calls

    async def wait_until_relayed(self) -> None:
        """Wait until Temporal has been told everything."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                if await self.has_empty_outbox():
                    return
                await asyncio.sleep(LOOK_SECONDS / 3)

    async def has_empty_outbox(self) -> bool:
        # One at a time: twenty users who look at once would wait for connections until that fails.
        async with self.looking, self.database.transaction() as connection:
            return await outbox.is_empty(connection)


@dataclass(slots=True)
class DemoPerson:
    """One user.

    `verdicts` is what the API last said of them, `ahead` how much time their journeys' clocks skipped. They live where
    it is the afternoon, unless a scenario has them live elsewhere: messages may go then, and a day later.
    """

    id: str
    world: World
    verdicts: list[StoryVerdict] = field(default_factory=list)
    ahead: timedelta = timedelta(0)
    _skips: list[tuple[datetime, timedelta]] = field(default_factory=list)
    timezone: str = field(default_factory=lambda: zone_where_it_is(15, datetime.now(UTC)))

    @property
    def address(self) -> str:
        return f"{self.id}@example.com"

    async def signs_up(self, *, anonymous_id: str | None = None, **traits: Any) -> None:
        """With an address, a first name and a time zone, unless `traits` say otherwise."""
        known = {"email": self.address, "first_name": self.id.capitalize(), "timezone": self.timezone} | traits
        told = {name: value for name, value in known.items() if value is not None}
        await self.changes(anonymous_id=anonymous_id, **told)

    async def changes(self, *, anonymous_id: str | None = None, **traits: Any) -> None:
        """Have it reported that these traits are others now."""
        self.world.segment.identify(self.id, traits, anonymous_id=anonymous_id)
        await self._wait_until_reported()

    async def does(
        self,
        event: str,
        properties: Mapping[str, Any] | None = None,
        *,
        minutes_ago: float = 0,
        message_id: str | None = None,
        anonymous_id: str | None = None,
    ) -> None:
        """Have it reported, as happening now or some minutes ago. Returns once it was acknowledged."""
        self.world.segment.track(
            None if anonymous_id else self.id,
            event,
            dict(properties or {}),
            anonymous_id=anonymous_id,
            message_id=message_id,
            timestamp=datetime.now(UTC) - timedelta(minutes=minutes_ago),
        )
        await self._wait_until_reported()

    async def waits(self, **duration: float) -> None:
        """Let so much time pass on the clocks of all journeys of this user."""
        length = timedelta(**duration)
        # An event still on its way would find the journey's clock moved on already.
        await self.world.wait_until_relayed()
        journeys = active_journeys(await self._items())
        await asyncio.gather(*(self._skip(workflow_id, length) for workflow_id in journeys))
        self.ahead += length
        self._skips.append((datetime.now(UTC), self.ahead))

    async def sees(self, *expected: str) -> None:
        """Wait until all of these are among the verdicts. Raises TimeoutError, which says what there is instead."""
        wanted = Counter(expected)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while True:
                    if not wanted - Counter(map(str, await self.look())):
                        return
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            raise TimeoutError(f"waited in vain for {', '.join(expected)}") from None

    async def look(self) -> list[StoryVerdict]:
        """Ask the API what has become of this user."""
        self.verdicts = verdicts(await self._items(), self.world.arrivals(), self._by_their_clock)
        return self.verdicts

    async def clicks_unsubscribe(self) -> None:
        """As mail programs do (RFC 8058), with what stands in the newest mail of this user."""
        mail = next(mail for mail in reversed(self.world.inbox.messages) if self.address in mail.recipients)
        [url] = re.findall(r"<(https?://[^>]+)>", str(mail.message["List-Unsubscribe"]))
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.post(url, data={"List-Unsubscribe": "One-Click"})
        answer.raise_for_status()

    def mail_server_says_later(self) -> None:
        """From now on the mail server answers 451 to mails for this user."""
        self.world.inbox.greylist.add(self.address)

    def mail_server_accepts(self) -> None:
        """From now on it takes them again."""
        self.world.inbox.greylist.discard(self.address)

    async def _wait_until_reported(self) -> None:
        """Wait until the client has brought to the API what it holds; it sends again what was not acknowledged."""
        await asyncio.to_thread(self.world.segment.flush)

    async def _items(self) -> list[StoryItem]:
        for _ in range(LOOKS):
            with suppress(UnavailableError):  # the API has just closed the idle connection that this came by
                return await self._timeline()
        return await self._timeline()

    async def _timeline(self) -> list[StoryItem]:
        timeline = await asyncio.to_thread(self.world.api.get, "users", self.id, "timeline", limit=500)
        items: list[StoryItem] = timeline["items"]
        return items

    async def _skip(self, workflow_id: str, length: timedelta) -> None:
        handle = self.world.temporal.get_workflow_handle(workflow_id)
        try:
            await TimeSkipper(self.world.temporal).fast_forward(handle, length + MARGIN)
        except RPCError as error:
            # It was over before its clock could be moved.
            if error.status != RPCStatusCode.NOT_FOUND:
                raise

    def _by_their_clock(self, at: datetime) -> datetime:
        """An instant of ours by the clock of this user's journeys, as far as that was ahead then."""
        return at + next((ahead for since, ahead in reversed(self._skips) if since <= at), timedelta(0))

    def now(self) -> datetime:
        """What time it is by the clock of this user's journeys."""
        return datetime.now(UTC) + self.ahead
