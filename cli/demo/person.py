"""A user of the demo, with the actions of scenarios."""

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
from runtime.embedded import mailbox
from runtime.embedded.inbox import Inbox
from runtime.embedded.mail import ReceivedMail
from store import clock, outbox
from store.database import Database

LOOK_SECONDS = 0.15
LOOKS = 3
WAIT_SECONDS = 60.0
# Until the verdict of a click or an opening is final.
VERDICT = timedelta(seconds=61)
# The rest of a skip after a wait ends must outlast the journey's reaction: once it has passed, the server skips the
# whole next wait.
MARGIN = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class World:
    """The shared parts of the demo: tracking client, API, mailboxes, webhook receiver.

    `mail_api` is the API by the key of the shop's mail server.
    """

    segment: SegmentClient
    api: ApiClient
    mail_api: ApiClient
    temporal: Client
    database: Database
    inbox: Inbox
    receiver: Receiver
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def arrivals(self) -> dict[str, Arrival]:
        """Return the received messages, by message id."""
        mails = {str(mail.message["X-Sojourn-Message"]): Arrival("mail", mail.subject) for mail in self.inbox.messages}
        calls = {call.message_id: Arrival("webhook", str(call.data["action"])) for call in self.receiver.calls}
        return mails | calls

    def lifecycle_flow(self) -> dict[str, Any]:
        """Read how people moved through the life cycle."""
        return self.api.get("lifecycle", "flow")

    async def passes_verdicts(self) -> None:
        """Move the deployment's clock past the verdicts of all clicks so far.

        The clocks of journeys stay behind by as much: the check tolerates it.
        """
        async with self.database.transaction() as connection:
            await clock.advance(connection, VERDICT)

    async def take_mail(self, mail: bytes, *, recipient: str, sender: str) -> None:
        """Hand over a mail that comes back, as the mail server of the shop does."""
        await asyncio.to_thread(
            self.mail_api.deliver,
            "mails",
            content=mail,
            content_type="message/rfc822",
            recipient=recipient,
            sender=sender,
        )

    async def wait_until_relayed(self) -> None:
        """Wait until the outbox is empty."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                if await self.has_empty_outbox():
                    return
                await asyncio.sleep(LOOK_SECONDS / 3)

    async def has_empty_outbox(self) -> bool:
        # One at a time: twenty concurrent users would run out of connections.
        async with self.looking, self.database.transaction() as connection:
            return await outbox.is_empty(connection)


@dataclass(slots=True)
class DemoPerson:
    """One user.

    `verdicts` are the latest of the API, `ahead` how much time the user's journeys have skipped. By default users live
    where it is the afternoon: messages may go then, and a day later.
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
        """Sign up with an address, a first name and a time zone, or with `traits`."""
        known = {"email": self.address, "first_name": self.id.capitalize(), "timezone": self.timezone} | traits
        told = {name: value for name, value in known.items() if value is not None}
        await self.changes(anonymous_id=anonymous_id, **told)

    async def changes(self, *, anonymous_id: str | None = None, **traits: Any) -> None:
        """Report changed traits."""
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
        """Report an event, now or some minutes ago; return once it is acknowledged."""
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
        """Let time pass on the clocks of all journeys of this user."""
        length = timedelta(**duration)
        # An event still on its way would find the journey's clock moved.
        await self.world.wait_until_relayed()
        journeys = active_journeys(await self._list_items())
        await asyncio.gather(*(self._skip(workflow_id, length) for workflow_id in journeys))
        self.ahead += length
        self._skips.append((datetime.now(UTC), self.ahead))

    async def sees(self, *expected: str) -> None:
        """Wait for verdicts. Raises TimeoutError with the present ones."""
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
        """Read this user's timeline."""
        self.verdicts = verdicts(await self._list_items(), self.world.arrivals(), self._by_their_clock)
        return self.verdicts

    async def clicks_unsubscribe(self) -> None:
        """Unsubscribe as mail programs do (RFC 8058), with the link of the newest mail."""
        mail = self.newest_mail()
        [url] = re.findall(r"<(https?://[^>]+)>", str(mail.message["List-Unsubscribe"]))
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.post(url, data={"List-Unsubscribe": "One-Click"})
        answer.raise_for_status()

    def newest_mail(self) -> ReceivedMail:
        """Return the last mail that came to this user."""
        return next(mail for mail in reversed(self.world.inbox.messages) if self.address in mail.recipients)

    async def opens(self) -> None:
        """Open the newest mail. It is an opening once its verdict is final."""
        # Within two seconds of its arrival only machines do.
        await self.world.passes_verdicts()
        await mailbox.open_mail(self.newest_mail())
        await self.world.passes_verdicts()

    async def clicks(self) -> None:
        """Follow a link of the newest mail, to a page that confirms it."""
        await mailbox.click_link(self.newest_mail())

    async def is_behind_a_scanner(self) -> None:
        """Let the scanner of a mail server follow all links of the newest mail."""
        await mailbox.scan_mail(self.newest_mail())
        await self.world.passes_verdicts()

    async def answers(self, text: str) -> None:
        """Answer the newest mail."""
        mail = self.newest_mail()
        answer = mailbox.reply(mail, text)
        await self.world.take_mail(answer, recipient=mailbox.reply_address(mail), sender=self.address)

    async def bounces(self) -> None:
        """Let the mail server report that the newest mail had no mailbox to go to."""
        mail = self.newest_mail()
        await self.world.take_mail(mailbox.bounce(mail), recipient=mail.sender, sender="")

    async def complains(self) -> None:
        """Call the newest mail spam."""
        mail = self.newest_mail()
        await self.world.take_mail(mailbox.complaint(mail), recipient=mail.sender, sender="")

    def mail_server_says_later(self) -> None:
        """Let the mail server answer 451 to mails for this user."""
        self.world.inbox.greylist.add(self.address)

    def mail_server_accepts(self) -> None:
        """Let the mail server accept mails for this user again."""
        self.world.inbox.greylist.discard(self.address)

    async def _wait_until_reported(self) -> None:
        """Wait until the client's queue is acknowledged; it repeats failed calls."""
        await asyncio.to_thread(self.world.segment.flush)

    async def _list_items(self) -> list[StoryItem]:
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
            # It ended before its clock could be moved.
            if error.status != RPCStatusCode.NOT_FOUND:
                raise

    def _by_their_clock(self, at: datetime) -> datetime:
        """Convert our time to the clock of this user's journeys at that time."""
        return at + next((ahead for since, ahead in reversed(self._skips) if since <= at), timedelta(0))

    def now(self) -> datetime:
        """Return the time by the clock of this user's journeys."""
        return datetime.now(UTC) + self.ahead
