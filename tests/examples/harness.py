"""A stage for the examples: people who walk a campaign of `examples/` at once, each by a clock of their own.

A story is a coroutine function that has somebody do things, and says at its end what their whole timeline must be.
`play` tells all stories of a campaign at once.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from hashlib import sha256
from itertools import count, zip_longest
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from temporalio.client import WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from cli.demo.receiver import Receiver
from cli.demo.zones import zone_where_it_is
from cli.documents import templates_beside
from tests.harness import PATIENCE, Harness, ahead

EXAMPLES = Path(__file__).parents[2] / "examples"
WEBHOOKS = ("https://crm.example.com/hooks/sojourn", "https://app.example.com/hooks/messages")
WORKDAYS, WEEKEND, EVERY_DAY = range(5), range(5, 7), range(7)
# A journey's clock goes on while it acts in our own time, which is long on a busy machine.
TOLERANCE = timedelta(minutes=5)


NEWSLETTER = """
key: newsletter
name: Newsletter
entry: {event: Price Dropped}
steps:
  - {id: until, delay: {date: entry.properties.at, if_past: go_on}}
  - {id: promo, send: {channel: email, template: note}}
"""


class Line(NamedTuple):
    """One line of a timeline, and when it must be by the journey's clock; None where that does not matter."""

    text: str
    at: datetime | None = None


def sent(step: str, template: str, title: str, at: datetime | None, channel: str = "email") -> list[Line]:
    """The lines of a message that went at once. `title` is the subject of a mail, the action of a webhook."""
    provider = {"email": "smtp", "webhook": "http"}[channel]
    return [Line(f"{step}: granted, by {provider}", at), Line(f"{step}: {channel} {template} sent “{title}”")]


def shown(step: str, template: str, title: str, at: datetime | None, became: str) -> list[Line]:
    """The lines of a message of the inbox with its title, and what became of it there."""
    return [Line(f"{step}: granted, by in_app", at), Line(f"{step}: in_app {template} sent, {became} “{title}”")]


def opened(step: str, lines: Sequence[Line]) -> list[Line]:
    """Those lines, once the message of a step was opened."""
    told = f"{step}: "
    return [
        Line(text.replace(" sent “", " sent (opened) “") if text.startswith(told) else text, at) for text, at in lines
    ]


def next_clock(after: datetime, timezone: str, clock: time, days: Collection[int] = EVERY_DAY) -> datetime:
    """The first instant from `after` on at which clocks there show this time, on one of these weekdays (Monday 0)."""
    zone = ZoneInfo(timezone)
    at = datetime.combine(after.astimezone(zone), clock, zone)
    while at < after or at.weekday() not in days:
        at += timedelta(days=1)  # by local clocks: the same time of the next day
    return at.astimezone(UTC)


def window_opens(at: datetime, timezone: str, opens: time, closes: time, days: Collection[int] = EVERY_DAY) -> datetime:
    """`at` where clocks there show a time between these on one of these weekdays, else when they do next."""
    local = at.astimezone(ZoneInfo(timezone))
    is_open = opens <= local.time() < closes and local.weekday() in days
    return at if is_open else next_clock(at, timezone, opens, days)


def drawn(below: int, *names: str) -> int:
    """The number from 0 to less than `below` that is drawn for these names."""
    text = "".join(f"{len(name)}:{name}" for name in names)
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big") * below >> 64


@dataclass
class Walker:
    """Somebody in a story. They live where it is the afternoon, unless the story has them live elsewhere."""

    id: str
    harness: Harness
    receiver: Receiver
    timezone: str = field(default_factory=lambda: zone_where_it_is(15, datetime.now(UTC)))
    ahead: timedelta = timedelta(0)

    def now(self) -> datetime:
        """What time it is by the clocks of this person's journeys."""
        return datetime.now(UTC) + self.ahead

    async def signs_up(self, **traits: Any) -> None:
        """With an address, a first name and a time zone; without those that `traits` say are None."""
        known = {"email": f"{self.id}@example.com", "first_name": "Ada", "timezone": self.timezone} | traits
        await self.changes(**{name: value for name, value in known.items() if value is not None})

    async def changes(self, **traits: Any) -> None:
        """Have it reported that these traits are others now."""
        with ahead(self.ahead):
            await self.harness.identify(self.id, **traits)

    async def visits(self, page: str, *, is_known: bool = True) -> None:
        """Have a visit of a page reported; by the browser alone, whose anonymous id is theirs, if not known there."""
        with ahead(self.ahead):
            await self.harness.post("page", {"name": page, "userId" if is_known else "anonymousId": self.id})

    async def logs_in(self, **traits: Any) -> None:
        """Have it reported whose browser this is."""
        with ahead(self.ahead):
            await self.harness.post("identify", {"userId": self.id, "anonymousId": self.id, "traits": traits})

    async def does(self, event: str, **properties: Any) -> None:
        """Have it reported, as happening now by the clocks of this person's journeys."""
        with ahead(self.ahead):
            await self.harness.track(self.id, event, properties)

    async def has_visited(self, *events: str, ended: timedelta, **traits: Any) -> None:
        """Have a visit reported that ended so long ago: all at once, as a phone does that was away.

        Its session is over when it arrives, so that what comes later would belong to no session.
        """
        traits = {"email": f"{self.id}@example.com", "first_name": "Ada", "timezone": self.timezone} | traits
        items: list[dict[str, Any]] = [{"type": "identify", "traits": traits}]
        items += [{"type": "track", "event": event} for event in events]
        at = datetime.now(UTC) + self.ahead - ended
        since = [timedelta(seconds=number + 1 - len(items)) for number in range(len(items))]
        batch = [
            {"userId": self.id, "timestamp": (at + before).isoformat()} | item
            for item, before in zip(items, since, strict=True)
        ]
        with ahead(self.ahead):
            await self.harness.post("batch", {"batch": batch})

    async def gets_two_mails(self, at: datetime | None = None) -> list[Line]:
        """Two mails of another campaign, now or then, after which the daily cap is reached; their lines."""
        lines: list[Line] = []
        for _ in range(2):
            await self.does("Price Dropped", at=at.isoformat() if at else None)
            handle = await self.harness.journey(self.id, "newsletter")
            if at is not None:
                await self.harness.skip(handle, seconds=(at - datetime.now(UTC)).total_seconds() + 60)
            await handle.result()
            rested = ["past"] if at is None else ["waiting", "over"]
            lines += [
                *(Line("Price Dropped"), Line("entered newsletter"), *(Line(f"until: {how}") for how in rested)),
                *sent("promo", "note", "A note for Ada", at),
                Line("newsletter is over: completed"),
            ]
        return lines

    async def opens(self, step: str) -> None:
        """Have it reported that they opened the mail of this step."""
        [message] = [item for item in await self._items() if item["kind"] == "message" and item["step"] == step]
        await self.does("Email Opened", message_id=message["data"]["message_id"])

    async def waits(self, **duration: float) -> None:
        """Let so much time pass on the clocks of all journeys of this person (`days=3`)."""
        length = timedelta(**duration)
        await asyncio.gather(
            *(self._skip(journey, length) for journey, state in await self._journeys() if state == "active")
        )
        self.ahead += length

    async def sees(self, text: str) -> None:
        """Wait until the timeline has this line."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while text not in (told := [line.text for line in await self.timeline()]):
            assert asyncio.get_running_loop().time() < deadline, f"{self.id} never saw “{text}”, but {told}"
            await asyncio.sleep(0.05)

    async def time_of(self, text: str) -> datetime:
        """The time of the first line with this text."""
        return next(line.at for line in await self.timeline() if line.text == text and line.at is not None)

    async def drawn_as(self, arm: str, seed: str, weights: Mapping[str, int]) -> None:
        """Become somebody, not heard of before, whom this split sends there."""
        name = self.id
        for number in count():
            self.id = f"{name}-{number}"
            await self.signs_up()
            [row] = await self.harness.query("SELECT id FROM profiles WHERE user_id = %s", self.id)
            place = drawn(sum(weights.values()), seed, str(row["id"]))
            ways = [way for way, weight in weights.items() for _ in range(weight)]
            if ways[place] == arm:
                return

    async def timeline(self) -> list[Line]:
        """Everything that is known of this person, in its order."""
        arrived = await self._arrived()
        return [Line(_text(item, arrived), datetime.fromisoformat(item["at"])) for item in await self._items()]

    async def comes_to_an_end(self) -> None:
        """Wait until no journey of this person goes on."""
        for journey, _ in await self._journeys():
            handle = await self._told(journey)
            try:
                with _if_it_is_there():
                    await asyncio.wait_for(handle.result(), PATIENCE)
            except TimeoutError:
                told = [line.text for line in await self.timeline()]
                raise AssertionError(f"{journey} goes on; there is {told}") from None

    async def _items(self) -> list[dict[str, Any]]:
        return await self.harness.timeline(self.id)

    async def _journeys(self) -> list[tuple[str, str]]:
        """The workflow ids and states of all journeys."""
        rows = await self.harness.query(
            "SELECT workflow_id, state FROM journeys WHERE profile_id IN ("
            "SELECT profile_id FROM identities WHERE value = %s) ORDER BY journeys.id",
            self.id,
        )
        return [(row["workflow_id"], row["state"]) for row in rows]

    async def _skip(self, workflow_id: str, length: timedelta) -> None:
        handle = await self._told(workflow_id)
        with _if_it_is_there():
            await self.harness.skip(handle, seconds=length.total_seconds())

    async def _told(self, workflow_id: str) -> WorkflowHandle[Any, Any]:
        """The workflow of a journey, once it was told what was reported before."""
        await self.harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE workflow_id = %s)", workflow_id)
        return self.harness.temporal.get_workflow_handle(workflow_id)

    async def _arrived(self) -> dict[str, str]:
        """What this person has really got, by message id: subjects of mails, actions of webhooks, titles of others."""
        in_inbox = await self.harness.query(
            "SELECT message_id, content ->> 'title' AS title FROM inbox"
            " WHERE profile_id IN (SELECT profile_id FROM identities WHERE value = %s)",
            self.id,
        )
        address = f"{self.id}@example.com"
        mails = [mail for mail in self.harness.inbox.messages if mail.recipients == (address,)]
        calls = [
            call for call in self.receiver.calls if self.id in (call.data["user_id"], call.data.get("anonymous_id"))
        ]
        return {
            **{str(mail.message["X-Sojourn-Message"]): mail.subject for mail in mails},
            **{call.message_id: str(call.data["action"]) for call in calls},
            **{str(row["message_id"]): row["title"] for row in in_inbox},
        }


Story = Callable[[Walker], Awaitable[Sequence[Line]]]
Told = dict[str, list[str]]


@dataclass
class ExampleHarness:
    """The harness, and a receiver of webhooks."""

    harness: Harness
    receiver: Receiver

    async def compute(self) -> None:
        """Apply the computed traits of `examples/`."""
        source = (EXAMPLES / "computed" / "computed.yaml").read_text()
        await self.harness.admin("PUT", "/v1/computed", {"file": "computed.yaml", "source": source})

    async def publish(self, example: str, changes: Mapping[str, str] | None = None) -> None:
        """Start a campaign of `examples/`, whose webhooks lead to the receiver here.

        `changes` are texts of its file, such as dates, and what is to stand there instead.
        """
        source = (EXAMPLES / f"{example}.yaml").read_text()
        for text, instead in (changes or {}).items():
            assert text in source
            source = source.replace(text, instead)
        templates = templates_beside(EXAMPLES / "any.yaml")
        for url in WEBHOOKS:
            templates = {name: text.replace(url, self.receiver.url) for name, text in templates.items()}
        await self.harness.run_campaign(source, templates)

    async def play(self, *stories: Story) -> tuple[Told, Told]:
        """Tell all stories at once: the timelines that came of them, and those that they say there must be.

        Both also count, under "arrived", what arrived at all.
        """
        played = await asyncio.gather(*(self._perform(story) for story in stories))
        arrived = Counter(mail.subject for mail in self.harness.inbox.messages)
        arrived += Counter(str(call.data["action"]) for call in self.receiver.calls)
        in_inbox = await self.harness.query("SELECT content ->> 'title' AS title FROM inbox")
        arrived += Counter(row["title"] for row in in_inbox)
        wanted = Counter(line.text.split("“")[1][:-1] for _, _, lines in played for line in lines if "“" in line.text)
        return (
            {"arrived": _counted(arrived), **{name: _written(lines, wished) for name, lines, wished in played}},
            {"arrived": _counted(wanted), **{name: _written(wished, wished) for name, _, wished in played}},
        )

    async def _perform(self, story: Story) -> tuple[str, Sequence[Line], Sequence[Line]]:
        name = getattr(story, "__name__", "").replace("_", "-")
        walker = Walker(name, self.harness, self.receiver)
        wanted = await story(walker)
        await walker.comes_to_an_end()
        return name, await walker.timeline(), wanted


@asynccontextmanager
async def open_example_harness(harness: Harness) -> AsyncIterator[ExampleHarness]:
    """With the caps of `examples/`, and a campaign that reaches them."""
    receiver = await Receiver.start(harness.settings.webhook_signing_secrets[0])
    try:
        await harness.run_campaign(NEWSLETTER)
        await harness.put_caps((EXAMPLES / "caps" / "frequency-caps.yaml").read_text())
        yield ExampleHarness(harness, receiver)
    finally:
        await receiver.stop()


@contextmanager
def _if_it_is_there() -> Iterator[None]:
    """A journey may be over before its clock could be moved; one that one batch began and ended has no workflow."""
    try:
        yield
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise


def _text(item: dict[str, Any], arrived: dict[str, str]) -> str:
    """The API's own words, without what is another each time."""
    match item["kind"], item["outcome"]:
        case "send", "deferred" | "refused" | "held":
            return f"{item['step']}: {item['outcome']}: {item['reason']}"
        case "entry", "refused":
            return f"not let into {item['campaign']}: {item['reason']}"
        case "delay" | "branch" | "repeat", outcome:
            return f"{item['step']}: {outcome}"
        case "message", "sent":
            return f"{item['summary']} “{arrived.get(item['data']['message_id'], 'and did not arrive')}”"
        case _:
            return str(item["summary"])


def _written(lines: Sequence[Line], wanted: Sequence[Line]) -> list[str]:
    """Lines with their times where the wanted ones have one; with the wanted time itself where it is kept."""
    return [_one(line, other) for line, other in zip_longest(lines, wanted[: len(lines)])]


def _one(line: Line, wanted: Line | None) -> str:
    if wanted is None or wanted.at is None or line.at is None:
        return line.text
    kept = timedelta(0) <= line.at - wanted.at < TOLERANCE
    return f"{(wanted.at if kept else line.at).astimezone(UTC):%a %d %b %H:%M} {line.text}"


def _counted(arrived: Counter[str]) -> list[str]:
    return [f"{count} “{title}”" for title, count in sorted(arrived.items())]
