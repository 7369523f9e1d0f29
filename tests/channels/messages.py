"""Messages for the tests to send."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.people.postal_addresses import EnvelopeAddress
from domain.sending.delivery import Outbound

AT = datetime(2026, 11, 2, 10, 30, tzinfo=UTC)
ADDRESS = "ana@example.com"
NUMBER = "+4915112345678"
MAIL = Outbound(
    message_id="0b9c3a52-6a0e-5b6e-9d57-3a2f6f6f6f60",
    content={
        "from": "Example Shop <hello@shop.example.com>",
        "reply_to": None,
        "subject": "Grüße, Ana",
        "text": "Hallo Ana\n.\n..\nBis bald\n",
        "html": "<p>Hallo <b>Ana</b></p>",
    },
    at=AT,
    unsubscribe_url="https://example.com/u/" + "t" * 300,
)


TEXT = replace(
    MAIL,
    content={"text": "Grüße, Ana: 20 € & more", "segments": 1},
    unsubscribe_url=None,
    expires_at=AT + timedelta(minutes=5),
)


def mail(**content: Any) -> Outbound:
    return replace(MAIL, content={**MAIL.content, **content})


POSTAL_ADDRESS = EnvelopeAddress("Ada Lovelace", "1 Harbour Street", "US", city="New York", state="NY", zip="10001")
CARD = {"format": "postcard", "size": "6x9", "front": "<h1>We miss you</h1>", "back": "<p>Ten per cent off</p>"}
LETTER = {"format": "letter", "ink": "black", "file": "<p>Dear Ada</p>"}


def post(content: Mapping[str, Any]) -> Outbound:
    """A postcard or a letter."""
    return replace(MAIL, content=content)


def slack(to: str) -> Outbound:
    """A text for Slack."""
    return replace(MAIL, content={"to": to, "text": "Ada wants a demo"}, unsubscribe_url=None)


CHAT = replace(MAIL, content={"text": "Any questions?"})


PHONE = "+4915123456789"
CALL = replace(
    MAIL,
    content={"subject": "Call Ada", "script": "Say <hello>.\nAsk about the demo.", "owner": None, "due_seconds": 7_200},
)


def hook(url: str, data: Any = None) -> Outbound:
    data = {"user": "u1", "note": "ü\u2028"} if data is None else data
    return call(url, "POST", data=data)


def call(url: str, method: str, **content: Any) -> Outbound:
    """A webhook's message: `headers`, and `data` or `body`, as its template has rendered them."""
    return replace(MAIL, content={"method": method, "url": url, "headers": {}, **content}, unsubscribe_url=None)
