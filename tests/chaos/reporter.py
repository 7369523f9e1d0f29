"""Reports of the two providers about their mails: several times, in any order, early; and forged ones.

A report is repeated until it is acknowledged. A forged one says that a mail bounced or was complained about.
"""

import asyncio
import itertools
import json
import random
from base64 import b64encode
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Literal

import httpx
from standardwebhooks import Webhook

from tests import generated
from tests.chaos.providers import Arrival

ReportingName = Literal["keyless", "keyed"]
ReportKind = Literal["delivered", "opened", "clicked", "dismissed", "bounced", "complained"]
# How a report is forged: without or with another secret, signed for another body or long ago, or by the other provider
# under its own secret, which is taken and concerns none of its messages.
Manner = Literal["bare", "other-secret", "changed", "old", "foreign"]
MANNERS: Mapping[ReportingName, Sequence[Manner]] = {
    "keyless": ("bare", "other-secret", "foreign"),
    "keyed": ("bare", "other-secret", "changed", "old", "foreign"),
}
OTHER: Mapping[ReportingName, ReportingName] = {"keyless": "keyed", "keyed": "keyless"}

# Whose mails bounce, and who complains about them, by how their user ids begin.
BOUNCING, COMPLAINING = "bounces", "complains"
OPENED, CLICKED, TWICE, EARLY, FORGED = 0.3, 0.2, 0.2, 0.3, 0.3
# Reports come within so many seconds of the hand-over. A provider that reports early waits so long to answer.
LATEST, EARLY_SECONDS = 2.0, 0.5
# Beyond what a clock of the service may be off.
OLD = timedelta(hours=3)
EARLIER = timedelta(seconds=30)
TIMEOUT = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
# Which answers are worth another attempt, also a refusal: a clock of the service may be off.
RETRIED = frozenset({401, 408, 409, 425, 429})
MAX_ANSWER = 500
LINK = "https://example.com/offer"


@dataclass(slots=True)
class Report:
    """One report, by one monotonic clock: when it was first sent, and first acknowledged, if ever."""

    provider: ReportingName | Literal["in_app"]
    kind: ReportKind
    message_id: str
    user: str
    id: str
    sent: float
    acknowledged: float | None = None

    @property
    def is_refusal(self) -> bool:
        """Whether nothing more may be sent to the address."""
        return self.kind in ("bounced", "complained")


@dataclass(frozen=True, slots=True)
class Forgery:
    """A report that no provider made about this message, and the status that it was answered with."""

    provider: ReportingName
    manner: Manner
    message_id: str
    status: int

    @property
    def is_refused(self) -> bool:
        return self.status == httpx.codes.UNAUTHORIZED


def _set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass(frozen=True, slots=True)
class Reporter:
    """Posts reports to the first of the APIs that takes them; `reports` and `forgeries` are the record of it.

    `may_go` is cleared to hold reports back.
    """

    urls: Sequence[str]
    reports: list[Report] = field(default_factory=list)
    forgeries: list[Forgery] = field(default_factory=list)
    may_go: asyncio.Event = field(default_factory=_set_event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _http: httpx.AsyncClient = field(
        default_factory=lambda: httpx.AsyncClient(timeout=TIMEOUT, trust_env=False), repr=False
    )
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def report(self, arrival: Arrival) -> None:
        """Begin to report about a mail that was taken; wait a little, where that is to come before the answer."""
        rolls = random.Random(f"{arrival.ref}/{arrival.provider}")
        provider = _reporting(arrival)
        kinds = _draw_kinds(arrival.user, rolls)
        told = [
            self._start(self._tell(provider, kind, arrival, rolls.uniform(0, LATEST), is_twice=rolls.random() < TWICE))
            for kind in kinds[1:]
        ]
        is_early = rolls.random() < EARLY
        delay = 0.0 if is_early else rolls.uniform(0, LATEST)
        first = self._start(self._tell(provider, kinds[0], arrival, delay, is_twice=rolls.random() < TWICE))
        told.append(first)
        if rolls.random() < FORGED:
            self._start(self.forge(arrival, rolls.choice(MANNERS[provider])))
        if is_early:
            await asyncio.wait([first], timeout=EARLY_SECONDS)

    async def forge(self, arrival: Arrival, manner: Manner) -> None:
        """Say in this manner that a mail has bounced, or that its recipient complains."""
        provider = _reporting(arrival)
        if manner == "foreign":
            provider = OTHER[provider]
        kind: ReportKind = "complained" if next(self._numbers) % 2 else "bounced"
        id = f"forged-{next(self._numbers)}"
        body = write_report(provider, kind, arrival.message_id, id)
        pause = FIRST_PAUSE
        while True:
            status = await self._post(provider, body, _forge_headers(provider, manner, id, body))
            if status is not None and status < MAX_ANSWER and status != httpx.codes.TOO_MANY_REQUESTS:
                self.forgeries.append(Forgery(provider, manner, arrival.message_id, status))
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def finish(self, seconds: float) -> None:
        """Wait until all has been acknowledged, at most so long."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        failures = [
            one for one in await asyncio.gather(*self._tasks, return_exceptions=True) if isinstance(one, Exception)
        ]
        await self._http.aclose()
        if failures:
            raise ExceptionGroup("reports failed", failures)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[None]) -> None:
        # One that failed is kept for `stop`.
        if not task.cancelled() and task.exception() is None:
            self._tasks.discard(task)

    async def _tell(
        self, provider: ReportingName, kind: ReportKind, arrival: Arrival, delay: float, *, is_twice: bool
    ) -> None:
        await asyncio.sleep(delay)
        await self.may_go.wait()
        id = f"r-{next(self._numbers)}"
        report = Report(provider, kind, arrival.message_id, arrival.user, id, monotonic())
        self.reports.append(report)
        body = write_report(provider, kind, arrival.message_id, id)
        if is_twice:
            await asyncio.gather(self._repeat(report, provider, body), self._repeat(report, provider, body))
            await asyncio.sleep(LATEST / 2)
        await self._repeat(report, provider, body)

    async def _repeat(self, report: Report, provider: ReportingName, body: bytes) -> None:
        """Post a report until it is acknowledged."""
        pause = FIRST_PAUSE
        while True:
            status = await self._post(provider, body, sign(provider, report.id, body))
            if status == httpx.codes.OK:
                report.acknowledged = report.acknowledged or monotonic()
                return
            if status is not None and status < MAX_ANSWER and status not in RETRIED:
                raise AssertionError(f"{report} was answered {status}")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _post(self, provider: ReportingName, body: bytes, headers: Mapping[str, str]) -> int | None:
        """Post to one of the APIs; None if there was no answer."""
        url = self.urls[next(self._numbers) % len(self.urls)]
        try:
            answer = await self._http.post(f"{url}/v1/callbacks/{provider}", content=body, headers=headers)
        except httpx.TransportError:
            return None
        return answer.status_code


def hook_secret(name: str) -> str:
    """The secret by which a provider's reports are verified."""
    return generated.signing_secret(f"reports of {name}") if name == "keyed" else generated.secret(f"reports of {name}")


def write_report(provider: ReportingName, kind: ReportKind, message_id: str, id: str) -> bytes:
    """A report as the provider writes it, with an id of its own."""
    # No person clicks as soon as these do: a delivery is some time ago.
    at = (datetime.now(UTC) - (EARLIER if kind == "delivered" else timedelta())).isoformat()
    if provider == "keyed":
        bounce = {"bounce": {"type": "Permanent", "subType": "General"}} if kind == "bounced" else {}
        click = {"click": {"link": LINK}} if kind == "clicked" else {}
        data = {"email_id": message_id, "tags": {"message_id": message_id}, **bounce, **click}
        return json.dumps({"type": f"email.{kind}", "created_at": at, "data": data}).encode()
    records = {
        "delivered": {"RecordType": "Delivery", "DeliveredAt": at},
        "opened": {"RecordType": "Open", "ReceivedAt": at},
        "clicked": {"RecordType": "Click", "ReceivedAt": at, "OriginalLink": LINK},
        "bounced": {"RecordType": "Bounce", "Type": "HardBounce", "BouncedAt": at},
        "complained": {"RecordType": "SpamComplaint", "Type": "SpamComplaint", "BouncedAt": at},
    }
    # Postmark names bounces and complaints by a number of its own, and the others not at all.
    about = {"MessageID": message_id, "Metadata": {"message_id": message_id}, "Details": id}
    number = {"ID": id} if kind in ("bounced", "complained") else {}
    return json.dumps({**records[kind], **about, **number}).encode()


def sign(provider: ReportingName, id: str, body: bytes, at: datetime | None = None) -> Mapping[str, str]:
    """The headers that prove whose a report is."""
    return _sign(provider, hook_secret(provider), id, body, at or datetime.now(UTC))


def _sign(provider: ReportingName, secret: str, id: str, body: bytes, at: datetime) -> Mapping[str, str]:
    if provider == "keyless":
        return {"authorization": f"Basic {b64encode(f'postmark:{secret}'.encode()).decode()}"}
    return {
        "svix-id": id,
        "svix-timestamp": str(int(at.timestamp())),
        "svix-signature": Webhook(secret).sign(id, at, body.decode()),
    }


def _forge_headers(provider: ReportingName, manner: Manner, id: str, body: bytes) -> Mapping[str, str]:
    now = datetime.now(UTC)
    match manner:
        case "bare":
            return {}
        case "other-secret":
            other = generated.signing_secret("forger") if provider == "keyed" else generated.secret("forger")
            return _sign(provider, other, id, body, now)
        case "changed":
            return _sign(provider, hook_secret(provider), id, body + b" ", now)
        case "old":
            return _sign(provider, hook_secret(provider), id, body, now - OLD)
        case "foreign":
            return _sign(provider, hook_secret(provider), id, body, now)


def _reporting(arrival: Arrival) -> ReportingName:
    if arrival.provider not in ("keyless", "keyed"):
        raise ValueError(f"{arrival.provider} reports nothing")
    return arrival.provider


def _draw_kinds(user: str, rolls: random.Random) -> list[ReportKind]:
    """What comes of a mail."""
    if user.startswith(BOUNCING):
        return ["bounced"]
    if user.startswith(COMPLAINING):
        return ["delivered", "complained"]
    kinds: list[ReportKind] = ["delivered"]
    if rolls.random() < OPENED:
        kinds.append("opened")
    if rolls.random() < CLICKED:
        kinds.append("clicked")
    return kinds
