"""Pages of people: they read the inbox again and again, and report what became of its messages.

A report is repeated until it is acknowledged, as the script on web pages does it.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import httpx
import jwt

from tests.chaos.reporter import FIRST_PAUSE, LONGEST_PAUSE, MAX_ANSWER, RETRIED, TIMEOUT, TWICE, Report, ReportKind

ORIGIN = "https://shop.example"
REACTIONS: dict[ReportKind, str] = {"opened": "shown", "clicked": "clicked", "dismissed": "dismissed"}
# Of messages that follow one another: a short run has all of them, whatever its ids are.
COURSES: tuple[tuple[ReportKind, ...], ...] = (
    ("opened", "clicked"),
    ("opened", "dismissed"),
    (),
    ("opened",),
    ("opened", "clicked", "dismissed"),
)
# Beyond what a clock of the service may be off.
TOKEN_SECONDS = 6 * 3_600
PAUSE = 0.4


@dataclass(frozen=True, slots=True)
class Reading:
    """What a page was told that it may show, by one monotonic clock. The last one of each user is after all else."""

    user: str
    asked: float
    answered: float
    open: frozenset[str]
    is_last: bool = False


class Pages:
    """Those of all users. `readings` and `reports` are the record."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.readings: list[Reading] = []
        self.reports: list[Report] = []
        self._urls = itertools.cycle(urls)
        self._http = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)
        self._key = self._secret = ""
        self._users: set[str] = set()
        self._met: set[str] = set()
        self._numbers = itertools.count()
        self._courses = itertools.cycle(COURSES)
        self._tasks: set[asyncio.Task[None]] = set()

    def take_key(self, *, token: str, token_secret: str) -> None:
        """Read and report with this key from now on."""
        self._key, self._secret = token, token_secret

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()

    def visit(self, user: str, seconds: float) -> None:
        """Have a person look at a page for so long."""
        self._start(self._look(user, seconds))

    async def read(self, user: str, *, is_last: bool = False) -> Reading | None:
        """Read the inbox of a user once; None without an answer."""
        self._users.add(user)
        asked = monotonic()
        answer = await self._ask("GET", "messages", user)
        if answer is None or answer.status_code != httpx.codes.OK:
            return None
        reading = Reading(user, asked, monotonic(), frozenset(answer.json()["open"]), is_last)
        self.readings.append(reading)
        return reading

    async def read_well(self, user: str, *, is_last: bool = False) -> Reading:
        """Read the inbox of a user, until there is an answer."""
        while True:
            if (reading := await self.read(user, is_last=is_last)) is not None:
                return reading
            await asyncio.sleep(LONGEST_PAUSE)

    async def react(self, user: str, message_id: str, kind: ReportKind, *, is_twice: bool = False) -> None:
        """Report a reaction until that is acknowledged, perhaps by two requests at once."""
        id = f"page-{next(self._numbers)}"
        report = Report("in_app", kind, message_id, user, id, monotonic())
        self.reports.append(report)
        item = {"message_id": message_id, "kind": REACTIONS[kind], "at": datetime.now(UTC).isoformat()}
        await asyncio.gather(*(self._report(report, item) for _ in range(1 + is_twice)))

    async def look_at_last(self) -> None:
        """Wait for all that is under way, and read each inbox once more."""
        while self._tasks:
            await asyncio.gather(*self._tasks)
        for user in sorted(self._users):
            await self.read_well(user, is_last=True)

    async def _look(self, user: str, seconds: float) -> None:
        end = monotonic() + seconds
        while monotonic() < end:
            reading = await self.read(user)
            for message_id in () if reading is None else reading.open - self._met:
                self._met.add(message_id)
                self._start(self._meet(user, message_id))
            await asyncio.sleep(PAUSE)

    async def _meet(self, user: str, message_id: str) -> None:
        """Have a person see a message, and do something about it, or overlook it."""
        rolls = random.Random(message_id)
        for kind in next(self._courses):
            await asyncio.sleep(rolls.uniform(0, PAUSE))
            await self.react(user, message_id, kind, is_twice=rolls.random() < TWICE)

    async def _report(self, report: Report, item: dict[str, str]) -> None:
        pause = FIRST_PAUSE
        while True:
            body = {"reactions": [item], "sent_at": datetime.now(UTC).isoformat()}
            answer = await self._ask("POST", "reactions", report.user, body)
            if answer is not None and answer.is_success:
                assert answer.json() == {"accepted": 1, "left_out": []}, (report, answer.text)
                report.acknowledged = report.acknowledged or monotonic()
                return
            if answer is not None and answer.status_code < MAX_ANSWER and answer.status_code not in RETRIED:
                raise AssertionError(f"{report} was answered {answer.status_code}")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _ask(self, method: str, path: str, user: str, body: Any = None) -> httpx.Response | None:
        """Ask one of the APIs; None if there was no answer."""
        claims = {"sub": user, "aud": "sojourn", "exp": time.time() + TOKEN_SECONDS}
        token = jwt.encode(claims, self._secret, "HS256")
        headers = {"Origin": ORIGIN, "X-Write-Key": self._key, "Authorization": f"Bearer {token}"}
        url = f"{next(self._urls)}/v1/client/{path}"
        try:
            return await self._http.request(method, url, json=body, headers=headers)
        except httpx.TransportError:
            return None

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        # One that failed is kept for `look_at_last`.
        if task.cancelled() or task.exception() is None:
            self._tasks.discard(task)
