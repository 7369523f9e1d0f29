"""Text messages of people, as callbacks have them."""

from datetime import datetime, timedelta

from domain.people.phone_numbers import parse_phone
from domain.sending.incoming_texts import IncomingText, Word


def read_text(
    event_id: str,
    sender: str | None,
    text: str | None,
    at: datetime,
    provider_id: str,
    word: Word | None = None,
    *,
    age: timedelta = timedelta(0),
    is_chat: bool = False,
) -> IncomingText | None:
    """Return a person's text; None if it is from no number."""
    if (number := read_sender(sender)) is None:
        return None
    return IncomingText(
        event_id=event_id,
        sender=number,
        text=text or "",
        at=at,
        provider_id=provider_id or None,
        word=word,
        age=age,
        is_chat=is_chat,
    )


def read_sender(sender: str | None) -> str | None:
    """Return a person's number in E.164; None for a short code, or a name."""
    number = parse_phone(f"+{(sender or '').rpartition(':')[2].lstrip('+')}")
    return None if number is None else number.e164
