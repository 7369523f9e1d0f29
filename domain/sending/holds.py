"""Holds of all marketing to a person, until an instant, an event or a release."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from msgspec import Struct

from domain.errors import InvalidRequestError
from domain.sending.caps import is_transactional

# The longest hold: one that was forgotten ends by itself.
MAX_HOLD: Final = timedelta(days=366)
# How soon a message is asked about again that the hold of a segment or an area has held.
RECHECK: Final = timedelta(hours=1)
HoldState = Literal["open", "released", "expired"]


class Hold(Struct, frozen=True):
    """An open hold. `subject` says of whose people: `user`, or a segment or an area.

    `area` is the key of an area, whose people are not selected yet. `why` is the text of the operator who placed it.
    """

    id: UUID
    subject: str
    until: datetime
    why: str
    area: str | None = None

    def asked_again_at(self, at: datetime) -> datetime:
        """Return when to ask again about a held message: people leave groups."""
        return self.until if self.subject == "user" else min(self.until, at + RECHECK)


def find_hold(holds: Sequence[Hold], category: str, at: datetime) -> Hold | None:
    """Return the last hold to end that holds such a message; None if none does."""
    if is_transactional(category):
        return None
    return max((hold for hold in holds if hold.until > at), key=lambda hold: (hold.until, hold.id), default=None)


def check_end(until: datetime, now: datetime) -> None:
    """Raise InvalidRequestError unless a new hold may last until this instant."""
    if until <= now:
        raise InvalidRequestError(f"the hold would be over already: it is {now:%Y-%m-%dT%H:%M:%SZ}", until=until)
    if until > now + MAX_HOLD:
        raise InvalidRequestError(
            f"a hold lasts at most {MAX_HOLD.days} days: until {now + MAX_HOLD:%Y-%m-%dT%H:%M:%SZ}", until=until
        )


def state_of(until: datetime, ended_at: datetime | None, now: datetime) -> HoldState:
    """Return the state of a hold."""
    if ended_at is not None:
        return "released"
    return "open" if until > now else "expired"
