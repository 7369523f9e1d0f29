"""What the database and Temporal say has happened, as values that the auditor can compare."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.chaos.pages import Reading
from tests.chaos.providers import Arrival
from tests.chaos.reporter import Forgery, Report


@dataclass(frozen=True, slots=True)
class Note:
    """One change, written down in its own transaction; `at` is the machine's clock, in seconds since 1970.

    `seq` is the order of changes that hold a lock in common: of one journey and its messages, of one person's ledger,
    of a campaign, or a provider's pause, and whatever is authorised or claimed meanwhile.
    """

    seq: int
    at: float
    kind: Literal["campaigns", "journeys", "messages", "decisions", "provider_pauses"]
    row: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JourneyRow:
    id: str
    campaign: str
    version: int
    user: str
    ref: str
    workflow_id: str
    state: str
    outcome: str | None


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message of the ledger, and the kinds of reports that its row has."""

    id: str
    journey_id: str
    channel: str
    category: str
    state: str
    reason: str | None
    detail: str | None
    attempts: int
    provider: str | None = None
    reported: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class WorkflowEnd:
    """How a workflow stands in Temporal: its status, its result if it has one, and the version that it is on."""

    status: str
    result: str | None
    version: int | None


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A profile: its user id, the address of its traits, and the users and devices whose calls are about it."""

    user: str | None
    email: str | None
    users: Sequence[str]
    devices: Sequence[str]


@dataclass(frozen=True, slots=True)
class History:
    """All of it. `ahead` is how far the machine's clock is ahead of the monotonic one, in seconds.

    `stored` counts the events by message id. `astray` counts events, by the user whom they name and the user of the
    profile that they are kept for, where these are not the same. `migrations` counts, over all of them, what became of
    journeys, as the operations say it. `waiting` says what was still under way when nobody waited any longer.

    `reported` counts the events of reports by message and name, and `suppressed` are the addresses that nothing is sent
    to any more. `inbox` are the messages that wait for pages or were given to them, and `readings` what pages read.
    """

    ahead: float
    stored: Counter[str]
    journeys: Sequence[JourneyRow]
    messages: Sequence[MessageRow]
    notes: Sequence[Note]
    workflows: Mapping[str, WorkflowEnd]
    arrivals: Sequence[Arrival]
    migrations: Mapping[str, int] = field(default_factory=dict)
    waiting: Mapping[str, int] = field(default_factory=dict)
    people: Sequence[PersonRow] = ()
    astray: Mapping[tuple[str, str | None], int] = field(default_factory=dict)
    reports: Sequence[Report] = ()
    forgeries: Sequence[Forgery] = ()
    reported: Mapping[tuple[str, str], int] = field(default_factory=dict)
    suppressed: Collection[str] = ()
    inbox: Collection[str] = ()
    readings: Sequence[Reading] = ()
