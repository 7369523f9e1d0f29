"""Events handed to an ingest as an API process has it, without HTTP."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from application.ingest import Ingest, IngestResult
from application.ingest_claims import BatchPart
from domain.tracking.event import CallType, Event

Query = Callable[..., Awaitable[list[dict[str, Any]]]]

# A task has the context of the one that started it.
_COUNTED: ContextVar[list[str] | None] = ContextVar("counted", default=None)

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)


def event(
    type: CallType,
    user: str | None,
    *,
    anonymous: str | None = None,
    name: str | None = None,
    at: datetime = AT,
    **data: Any,
) -> Event:
    """An event as it comes out of the decoder."""
    return Event(
        id=uuid4(),
        message_id=str(uuid4()),
        type=type,
        name=name,
        user_id=user,
        anonymous_id=anonymous,
        properties=data,
        context={},
        timestamp=at,
    )


@contextmanager
def statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The statements that this task and those that it starts send meanwhile, without the worker's."""
    sent: list[str] = []
    execute = psycopg.AsyncCursor.execute

    async def counted(self: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        if _COUNTED.get() is sent and query not in ("BEGIN", "COMMIT"):
            sent.append(str(query))
        return await execute(self, query, *arguments, **options)

    token = _COUNTED.set(sent)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(psycopg.AsyncCursor, "execute", counted)
            yield sent
    finally:
        _COUNTED.reset(token)


def sizes_of_parts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many events each transaction was to take, from now on; all but those that were too many are committed."""
    sizes: list[int] = []
    ingest_part = Ingest._ingest_part

    async def counted(self: Ingest, part: BatchPart) -> IngestResult:
        sizes.append(len(part.events))
        return await ingest_part(self, part)

    monkeypatch.setattr(Ingest, "_ingest_part", counted)
    return sizes
