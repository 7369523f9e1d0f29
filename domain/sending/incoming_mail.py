"""Mails that come back: what each of them is."""

from typing import Final, Literal
from uuid import UUID

from msgspec import Struct

from domain.people.addresses import Mailbox
from domain.sending.reports import ProviderReport

# The text of a mail stands at its beginning; the rest are attachments.
MAX_READ_BYTES: Final = 1024 * 1024

# The result of a mail: a refused one is its sender's again, and an unassigned one is kept among the rejects.
MailOutcome = Literal["reported", "replied", "unsubscribed", "automatic", "unassigned", "refused"]


class ReportedByMail(Struct, frozen=True):
    """A mail server's report about a message: a bounce, a delay, a complaint."""

    report: ProviderReport


class Replied(Struct, frozen=True):
    """A person's reply. `author` is where to answer; None if its headers name no one."""

    report: ProviderReport
    author: Mailbox | None


class AskedToUnsubscribe(Struct, frozen=True):
    """A mail to the address by which the recipient of a message unsubscribes."""

    message_id: UUID


class Automatic(Struct, frozen=True):
    """A mail that no person wrote and that reports nothing, such as a vacation reply."""


class Unassigned(Struct, frozen=True):
    """A mail about no message of ours; its sender can be told, unless it is a report."""

    why: str
    is_refusable: bool = True


IncomingMail = ReportedByMail | Replied | AskedToUnsubscribe | Automatic | Unassigned
