"""A recorded callback: signed by keys of the tests, and the report that it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from domain.sending.reports import Bounce, ReportKind

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
HAPPENED = NOW - timedelta(minutes=1)
MESSAGE = UUID("0b9ad2d8-7a5e-5a44-9b7e-0d4cf1f0f3aa")
LINK = "https://shop.example/cart?id=1&x=%20"
SECRET = "a-secret-of-the-tests-1234"


@dataclass(frozen=True)
class Told:
    """The report that a callback is."""

    kind: ReportKind
    bounce: Bounce | None = None
    is_machine: bool = False
    link: str | None = None
    user_agent: str | None = None


Sign = Callable[[bytes, datetime], tuple[bytes, Mapping[str, str]]]


@dataclass(frozen=True)
class Recorded:
    """A provider's callbacks: `sign` returns the body and the headers of a request at a time.

    `secret` is its callback secret, and `another` one of another account. `is_body_signed` is false where anyone who
    holds a request can change its body.
    """

    name: str
    settings: dict[str, Any]
    secret: str
    another: str
    sign: Sign
    callbacks: list[tuple[Any, Told | None]]
    channel: str = "email"
    is_timed: bool = True
    is_body_signed: bool = True
    more: dict[str, Any] = field(default_factory=dict)
