"""Receive the callbacks of configured providers: verify, read, and apply together."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime
from random import randint
from time import monotonic
from typing import Final

import psycopg
import structlog

from application.catalogue import Catalogue
from application.reports import Reports
from domain.errors import NotFoundError, OverloadedError, SojournError, UnavailableError, UnverifiedCallbackError
from domain.sending.bookings import BookingReport, CalendarRule
from domain.sending.incoming_texts import IncomingText, MarketingChoice
from domain.sending.ledger_marks import hold_click
from domain.sending.outbound_secrets import SecretRefusal
from domain.sending.reports import Callback, ProviderReport, ReportReader
from domain.sending.routes import DeployedProviders, ProviderRule
from store.database import Database
from store.transaction_metrics import Increments, Metric

# A change of the document counts after this time at the latest.
PROVIDERS_SECONDS: Final = 1.0
# Reports of callbacks that wait for their transaction; further ones are refused, and providers repeat them.
MAX_WAITING: Final = 5_000
# Reports that are applied together.
MAX_TOGETHER: Final = 1_000
# Transactions of reports begin so long after one another, in seconds: those that come meanwhile share the next one. The
# second is for many: it costs each of them less, while a provider that sends one after another is not slowed by it.
INTERVAL: Final = 0.1
BUSY_INTERVAL: Final = 0.25
# So many callbacks in one transaction are many.
BUSY: Final = 25
LATEST: Final = 5
# So many callbacks are read at a turn before other requests have theirs.
READ_AT_ONCE: Final = 25

_log = structlog.get_logger(__name__)

# An account that has callbacks.
ReportingRule = ProviderRule | CalendarRule
# Opens the reader of an account; None if its kind sends no callbacks. Raises SecretRefusal.
OpenReader = Callable[[ReportingRule], ReportReader | None]
# Answers the query by which an account verifies the address of its callbacks; None if it asks nothing. Raises
# UnverifiedCallbackError and SecretRefusal.
AnswerChallenge = Callable[[ReportingRule, Mapping[str, str]], str | None]
# Receives the text message of a person, or their choice, once however often it comes.
ReceiveText = Callable[[ProviderRule, IncomingText | MarketingChoice], Awaitable[None]]
# Receives the report of a booking, once however often it comes.
ReceiveBooking = Callable[[CalendarRule, BookingReport], Awaitable[None]]


class Callbacks:
    """Receives callbacks. Once `receive` returns, their reports are in force.

    `now` is the time of the world, by which signatures are judged, whatever the deployment's clock says.
    """

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        groups: "ReportGroups",
        receive_text: ReceiveText,
        receive_booking: ReceiveBooking,
        open_reader: OpenReader,
        answer_challenge: AnswerChallenge,
        count: Callable[[Increments], None],
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._groups = groups
        self._receive_text = receive_text
        self._receive_booking = receive_booking
        self._open_reader = open_reader
        self._answer_challenge = answer_challenge
        self._count = count
        self._now = now
        self._deployed: tuple[float, DeployedProviders] | None = None
        self._loading: asyncio.Task[DeployedProviders] | None = None
        self._readers: dict[str, tuple[ReportingRule, ReportReader | SojournError]] = {}

    async def check(self, provider: str, query: Mapping[str, str]) -> str | None:
        """Return the answer to the provider that verifies the address, if the query asks.

        Raises NotFoundError unless there is such a provider, with callbacks, and UnverifiedCallbackError.
        """
        rule, _ = await self._find_reader(provider)
        try:
            return self._answer_challenge(rule, query)
        except UnverifiedCallbackError:
            self._count({(Metric.CALLBACK, (provider, "unverified")): 1})
            raise
        except SecretRefusal as refusal:
            raise _refuse(rule, refusal) from refusal

    async def wait_turn(self) -> None:
        """Wait for the turn at which callbacks are read and applied."""
        await self._groups.wait_turn()

    async def receive(self, provider: str, callback: Callback) -> None:
        """Apply the reports of a callback.

        Raises NotFoundError, UnverifiedCallbackError, and UnavailableError or psycopg.OperationalError if the provider
        is to repeat it.
        """
        rule, reader = await self._find_reader(provider)
        try:
            received = await reader(callback, self._now())
        except UnverifiedCallbackError:
            self._count({(Metric.CALLBACK, (provider, "unverified")): 1})
            raise
        reports = [one for one in received if isinstance(one, ProviderReport)]
        if isinstance(rule, ProviderRule):
            reports = [hold_click(rule.channel, one) for one in reports]
        await self._groups.apply(provider, reports)
        for one in received:
            if isinstance(one, IncomingText | MarketingChoice) and isinstance(rule, ProviderRule):
                await self._receive_text(rule, one)
            elif isinstance(one, BookingReport) and isinstance(rule, CalendarRule):
                await self._receive_booking(rule, one)
        self._count({(Metric.CALLBACK, (provider, "taken")): 1})

    async def _find_reader(self, provider: str) -> tuple[ReportingRule, ReportReader]:
        deployed = await self._load_providers()
        rule = deployed.find_named(provider) or deployed.calendars.get(provider)
        if rule is None:
            raise NotFoundError("there is no such provider")
        known = self._readers.get(provider)
        if known is None or known[0] != rule:
            known = self._readers[provider] = rule, self._open(rule)
        if isinstance(known[1], SojournError):
            raise known[1]
        return rule, known[1]

    def _open(self, rule: ReportingRule) -> ReportReader | SojournError:
        try:
            reader = self._open_reader(rule)
        except SecretRefusal as refusal:
            return _refuse(rule, refusal)
        return NotFoundError("this provider has no callbacks") if reader is None else reader

    async def _load_providers(self) -> DeployedProviders:
        """Return the providers in force.

        One load serves all callbacks that come during it, however slow it is.
        """
        if self._deployed is not None and monotonic() - self._deployed[0] <= PROVIDERS_SECONDS:
            return self._deployed[1]
        if self._loading is None or self._loading.done():
            # It belongs to no request.
            self._loading = asyncio.create_task(self._load(), context=Context())
        # The client of one callback may leave, and others wait for the same load.
        return await asyncio.shield(self._loading)

    async def _load(self) -> DeployedProviders:
        began = monotonic()
        async with self._database.transaction() as connection:
            providers = await self._catalogue.load_providers(connection)
        self._deployed = began, providers
        return providers


def _refuse(rule: ReportingRule, refusal: SecretRefusal) -> UnavailableError:
    """Log why callbacks cannot be verified, and refuse them without the reason."""
    _log.error("failed to open callbacks", provider=rule.name, reason=refusal.detail)
    return UnavailableError("the callbacks of this provider cannot be verified for now", retry_after=60)


@dataclass(slots=True, eq=False)
class _Group:
    """The reports of one callback. `applied` is cancelled if its client leaves."""

    reports: Sequence[ProviderReport]
    applied: asyncio.Future[None]


class ReportGroups:
    """Applies the reports of concurrent callbacks together: one transaction at a time.

    Most callbacks have one report. A transaction for each would slow the ingest of events. The first after a rest goes
    at once. Each has its own room for those that wait, so that a flood of some callers refuses no others.
    """

    def __init__(self, database: Database, reports: Reports) -> None:
        self._database = database
        self._reports = reports
        # By provider, in the order in which they come; the provider that is served goes to the end.
        self._queues: dict[str, dict[_Group, None]] = {}
        self._waiting = 0
        self._work: asyncio.Task[None] | None = None
        self._began = float("-inf")
        self._interval = INTERVAL
        self._turn: asyncio.Task[None] | None = None
        # Those that wait for it.
        self._readers: deque[asyncio.Future[None]] = deque()

    async def apply(self, provider: str, reports: Sequence[ProviderReport]) -> None:
        """Apply reports, with those that wait. Raises OverloadedError if too many do.

        The first of each id counts.
        """
        if not reports:
            return
        first: dict[str, ProviderReport] = {}
        for one in reports:
            first.setdefault(one.event_id, one)
        reports = list(first.values())
        if self._waiting + len(reports) > MAX_WAITING and self._waiting:
            raise OverloadedError(
                "too many reports are waiting; the same callback may be sent again",
                retry_after=randint(1, LATEST),  # noqa: S311 -- not a secret
            )
        group = _Group(reports, asyncio.get_running_loop().create_future())
        self._queues.setdefault(provider, {})[group] = None
        self._waiting += len(reports)
        if self._work is None or self._work.done():
            # It belongs to no request: the client of one may leave, and others wait for the same transaction.
            self._work = asyncio.create_task(self._apply_all(), context=Context())
        try:
            await group.applied
        finally:
            self._waiting -= len(reports)
            self._queues.get(provider, {}).pop(group, None)

    async def wait_turn(self) -> None:
        """Wait until the next transaction may begin.

        Callbacks that are read then, one after another, cost less than if each were read as it comes between other
        work: the processor has their code in its caches.
        """
        self._begin_turn()
        goes_on: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._readers.append(goes_on)
        await goes_on

    def _begin_turn(self) -> asyncio.Task[None]:
        if self._turn is None or self._turn.done():
            # It belongs to no request either.
            self._turn = asyncio.create_task(self._let_read(), context=Context())
        return self._turn

    async def _let_read(self) -> None:
        await asyncio.sleep(self._began + self._interval - monotonic())
        while self._readers:
            for _ in range(min(READ_AT_ONCE, len(self._readers))):
                goes_on = self._readers.popleft()
                # Its client may have left.
                if not goes_on.done():
                    goes_on.set_result(None)
            await asyncio.sleep(0)

    async def _apply_all(self) -> None:
        while self._queues:
            # Those that are read at this turn take part in it.
            await asyncio.shield(self._begin_turn())
            await asyncio.sleep(0)
            self._began = monotonic()
            provider, groups = self._take_oldest()
            self._interval = BUSY_INTERVAL if len(groups) >= BUSY else INTERVAL
            if not groups:
                # Their clients have left.
                continue
            error = await self._try(provider, groups)
            is_alone = len(groups) == 1 or isinstance(error, psycopg.OperationalError | SojournError)
            for group in groups:
                own = error if error is None or is_alone else await self._try(provider, [group])
                _end(group.applied, own)

    def _take_oldest(self) -> tuple[str, list[_Group]]:
        """Take the oldest groups of the next provider, as many as are applied together."""
        provider = next(iter(self._queues))
        queue = self._queues.pop(provider)
        taken: list[_Group] = []
        number = 0
        for group in queue:
            number += len(group.reports)
            if taken and number > MAX_TOGETHER:
                break
            taken.append(group)
        for group in taken:
            del queue[group]
        if queue:
            self._queues[provider] = queue
        return provider, taken

    async def _try(self, provider: str, groups: Sequence[_Group]) -> Exception | None:
        reports = [report for group in groups for report in group.reports]
        try:
            await self._reports.apply(provider, reports, received_at=await self._database.now())
        except Exception as error:  # noqa: BLE001 -- each caller raises it
            return error
        return None


def _end(applied: asyncio.Future[None], error: Exception | None) -> None:
    if applied.done():
        # Its client has left.
        return
    if error is None:
        applied.set_result(None)
    else:
        applied.set_exception(error)
