"""Messages of any channel in the inbox of `sojourn dev`, with secrets by name."""

import json
from datetime import timedelta
from typing import Final

import httpx

from channels.console_reports import open_reader
from channels.provider_kind import ProviderContext, ProviderKind
from domain.channels.kinds import CHANNELS
from domain.sending.delivery import (
    Accepted,
    Ambiguous,
    Delivery,
    Outbound,
    Recall,
    Rejected,
    Replaces,
    TakenBack,
    Unavailable,
)
from domain.sending.providers.console import ConsoleModel
from domain.sending.saved_values import SavedReply

TOTAL_SECONDS: Final = 10.0


class Console:
    """Posts messages to the inbox, which keeps one for each message id and address."""

    name = "console"
    repeats = Replaces()

    def __init__(self, inbox: str, *, seconds: float = TOTAL_SECONDS) -> None:
        self._url = f"{inbox.rstrip('/')}/api/messages"
        self._seconds = seconds

    def account(self, message: Outbound) -> str:
        return "inbox"

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        """Post the message."""
        posted = {"message_id": message.message_id, "address": address, "content": dict(message.content)}
        if message.report_url is not None:
            posted["report_url"] = message.report_url
        body = json.dumps(posted)
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=self._seconds) as client:
                reply = await client.post(self._url, content=body, headers={"Content-Type": "application/json"})
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return Unavailable("connection", "the inbox does not answer: start `sojourn dev`, or correct its address")
        except httpx.HTTPError as error:
            return Ambiguous(f"the inbox: {type(error).__name__}")
        if reply.is_success:
            return Accepted(None, _no_reply(message))
        if reply.is_client_error:
            return Rejected("message_refused", f"the inbox answers {reply.status_code}")
        return Unavailable("deferred", f"the inbox answers {reply.status_code}")

    async def check(self) -> Unavailable | None:
        """Ask the inbox for its messages."""
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=self._seconds) as client:
                (await client.get(self._url)).raise_for_status()
        except httpx.HTTPError as error:
            return Unavailable("connection", f"the inbox: {type(error).__name__}")
        return None

    async def close(self) -> None:
        """Each message has a connection of its own."""


def _no_reply(message: Outbound) -> SavedReply:
    """Say that the values which the message is to take from a reply are missing."""
    if not (names := message.content.get("save")):
        return SavedReply()
    return SavedReply(dict.fromkeys(names), f"not saved: {', '.join(names)} (the provider `console` has no reply)")


class RecallingConsole(Console):
    """The inbox for messages that take time to make, and can be taken back."""

    recall_seconds = timedelta(days=1).total_seconds()

    async def recall(self, message_id: str, provider_id: str | None) -> Recall:
        """Take the piece back; the ledger says so, and the inbox shows it."""
        return TakenBack()


def open_console(settings: ConsoleModel, context: ProviderContext) -> Console:
    """Open the provider; no connection is made yet."""
    return (RecallingConsole if CHANNELS[settings.channel].can_recall else Console)(context.inbox)


KIND = ProviderKind(ConsoleModel, open_console, open_reader=open_reader)
