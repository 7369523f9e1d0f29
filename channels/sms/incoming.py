"""Text messages of people, as callbacks have them."""

from datetime import datetime

from domain.people.phone_numbers import parse_phone
from domain.sending.incoming_texts import IncomingText, Word


def read_text(
    event_id: str, sender: str | None, text: str | None, at: datetime, provider_id: str, word: Word | None = None
) -> IncomingText | None:
    """Return a person's text; None if it is from no number."""
    number = parse_phone(f"+{(sender or '').rpartition(':')[2].lstrip('+')}")
    if number is None:
        # Another short code, or a name.
        return None
    return IncomingText(
        event_id=event_id, sender=number.e164, text=text or "", at=at, provider_id=provider_id or None, word=word
    )
