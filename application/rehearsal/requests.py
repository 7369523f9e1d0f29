"""Request backtests, and show their reports. A process of a worker runs them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from msgspec import Struct, convert, to_builtins
from msgspec.structs import replace

from application.documents import Documents
from domain.access import Actor
from domain.errors import ConflictError, NotFoundError
from domain.rehearsal.difference_text import write_difference
from domain.rehearsal.given_documents import GivenDocument, GivenText
from domain.rehearsal.limits import NO_LIMITS, BacktestLimits
from domain.rehearsal.report import Others
from domain.rehearsal.report_text import write_report
from domain.rehearsal.stored_report import PersonPart, join_report, read_report
from store import audit, backtests, operations, segments
from store.backtests import StoredBacktest
from store.database import Connection, Database
from store.history_reads import find_users

# Open ones, which run one after the other.
MAX_OPEN: Final = 20


class BacktestRequest(Struct, frozen=True):
    """The documents and the options of a backtest, as they are kept.

    The `documents` take the place of what runs, and are compared with `against`: documents, none for what runs alone,
    or None for no comparison. `last` is in seconds.
    """

    documents: Sequence[GivenDocument] = ()
    against: Sequence[GivenDocument] | None = None
    last: int = 30 * 86_400
    others: Others = "simulate"
    sample: float = 1.0
    segment: str | None = None
    limits: BacktestLimits = NO_LIMITS


class BacktestView(Struct, frozen=True):
    """A backtest with its request; the report and the people once it is done."""

    backtest: StoredBacktest
    request: BacktestRequest
    report: dict[str, Any] | None = None
    people: Sequence[PersonPart] = ()


class Backtests:
    """Requests backtests, and shows them."""

    def __init__(self, database: Database, documents: Documents) -> None:
        self._database = database
        self._documents = documents

    async def request(
        self,
        texts: Sequence[GivenText],
        against: Sequence[GivenText] | None,
        options: BacktestRequest,
        users: Sequence[str],
        *,
        by: Actor,
    ) -> BacktestView:
        """Check the documents, and request a backtest of them with these options.

        With `users` only these are simulated, and traced. Raises InvalidDocumentError, NotFoundError for a segment or a
        user that does not exist, and ConflictError while too many are open.
        """
        given = await self._documents.backtest(texts) if texts else []
        other = await self._documents.backtest(against) if against else []
        request = replace(options, documents=given, against=None if against is None else other)
        async with self._database.transaction() as connection:
            await _require_known(connection, request.segment, users)
            if (number := await backtests.count_open(connection)) >= MAX_OPEN:
                said = f"{number} backtests are open, and they run one after the other: wait for one, or cancel it"
                raise ConflictError(said, open=number)
            until = connection.clock.now()
            parameters = {"files": [one.file for one in texts], "last": request.last, "others": request.others}
            operation = await operations.insert_for_deployment(connection, "backtest", parameters, requested_by=by.name)
            await backtests.insert(
                connection, operation.id, to_builtins(request), until - timedelta(seconds=request.last), until, users
            )
            await audit.record(connection, by, "backtest.request", str(operation.id), parameters)
            return _view(await _get_or_raise(connection, operation.id))

    async def list(self, *, limit: int, before: UUID | None) -> list[BacktestView]:
        """Return the latest, newest first, without their reports."""
        async with self._database.transaction() as connection:
            return [_view(one) for one in await backtests.list_latest(connection, limit, before)]

    async def get(self, id: UUID, *, by: Actor) -> BacktestView:
        """Return one with its report, and record the look. Raises NotFoundError."""
        async with self._database.transaction() as connection:
            found = await _get_or_raise(connection, id)
            report = await backtests.read_report(connection, id)
            people = await backtests.list_people(connection, id)
            if people:
                await audit.record_look(connection, by, "backtest.read", str(id))
            for user in sorted({one.user_id for one in people if one.part == "trace"}):
                await audit.record_look(connection, by, "user.read", user)
        return BacktestView(found, _read(found), None if report is None else join_report(report, people), people)

    async def write(self, id: UUID) -> str:
        """Return the report in Markdown, which names no person.

        Raises NotFoundError, and ConflictError until it is there.
        """
        async with self._database.transaction() as connection:
            found = await _get_or_raise(connection, id)
            kept = await backtests.read_report(connection, id)
        if kept is None:
            raise ConflictError(f"backtest {id} is {found.state}, and has no report", state=found.state)
        report = read_report(kept)
        return write_report(report) if report.difference is None else write_difference(report, report.difference)


async def _require_known(connection: Connection, segment: str | None, users: Sequence[str]) -> None:
    if segment is not None:
        known = sorted(one.definition.key for one in await segments.load(connection))
        if segment not in known:
            said = f"there is no segment {segment}; segments: {', '.join(known) or 'none'}"
            raise NotFoundError(said, segments=known)
    found = await find_users(connection, users)
    if missing := [user for user in users if user not in found]:
        raise NotFoundError(f"nothing was ever reported of the user {missing[0]}")


async def _get_or_raise(connection: Connection, id: UUID) -> StoredBacktest:
    found = await backtests.find(connection, id)
    if found is None:
        raise NotFoundError(f"there is no backtest {id}", backtest=str(id))
    return found


def _view(found: StoredBacktest) -> BacktestView:
    return BacktestView(found, _read(found))


def _read(found: StoredBacktest) -> BacktestRequest:
    return convert(found.request, BacktestRequest)
