"""What every channel promises, whatever it speaks: one delivery for each fate of a message, and never an exception."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from channels.call.hubspot import Hubspot
from channels.chat.chatwoot import ChatwootInbox
from channels.chat.intercom import Intercom
from channels.console import Console
from channels.email.smtp import Smtp
from channels.post.lob import Lob
from channels.slack.slack import SlackApi
from channels.webhook.http import WebhookHttp
from domain.sending.delivery import (
    Accepted,
    Ambiguous,
    Keyed,
    Never,
    Outbound,
    Provider,
    Rejected,
    Repeats,
    Replaces,
    Unavailable,
)
from tests.channels import phone_accounts
from tests.channels.email_accounts import open_account
from tests.channels.messages import (
    ADDRESS,
    CALL,
    CARD,
    CHAT,
    MAIL,
    NUMBER,
    PHONE,
    POSTAL_ADDRESS,
    TEXT,
    hook,
    post,
    slack,
)
from tests.channels.servers import HANG_UP, TIME_OUT, Receiver, Service, answer, fall_silent, listening, scripted_smtp
from tests.channels.test_webhook import SECRET

Server = AbstractAsyncContextManager[int]

# No test waits for so long, however busy the machine is.
PATIENCE = 60.0


@dataclass(frozen=True)
class Adapter:
    """A channel under test: how to make it and its message for a port, and a provider for each fate."""

    name: str
    repeats: Repeats
    channel: Callable[..., Provider]
    message: Callable[[int], Outbound]
    providers: dict[str, Callable[[], Server]]
    address: str = ADDRESS


def email(port: int) -> Provider:
    return Smtp("127.0.0.1", port, security="none", seconds=PATIENCE)


def webhook(_: int) -> Provider:
    return WebhookHttp([SECRET], True, seconds=PATIENCE)


def console(port: int) -> Provider:
    return Console(f"http://127.0.0.1:{port}", seconds=PATIENCE)


def smtp(**script: str) -> Callable[[], Server]:
    return lambda: listening(scripted_smtp(**script))


def http(reply: bytes | str) -> Callable[[], Server]:
    return lambda: listening(Receiver(reply).talk)


@asynccontextmanager
async def mute() -> AsyncIterator[int]:
    async def silent(*_: Any) -> None:
        await fall_silent(TIME_OUT)

    async with listening(silent) as port:
        yield port


EMAIL_APIS: dict[str, Repeats] = {
    "brevo": Keyed(900.0),
    "mailgun": Never(),
    "postmark": Never(),
    "resend": Keyed(86_400.0),
    "sendgrid": Never(),
    "ses": Never(),
}
API_FATES: dict[str, Callable[[], Server]] = {
    "accepts": http(answer(200, b'{"ErrorCode": 0}')),
    "rejects": http(answer(422, b'{"ErrorCode": 300}')),
    "is busy": http(answer(503)),
    "loses the answer": http(HANG_UP),
    "never answers": http(TIME_OUT),
}
# The status by which each accepts a message.
PHONE_APIS = {"twilio": 201, "vonage": 202, "aws_sms": 200, "whatsapp": 200}


def sending(line: str, look_ups: dict[str, bytes | str]) -> dict[str, Callable[[], Server]]:
    """Those of a provider that answers look-ups, and to the message itself as its fate has it."""

    def serve(reply: bytes | str) -> Callable[[], Server]:
        return lambda: listening(Service(replies={**look_ups, line: reply}).talk)

    return {
        "accepts": serve(answer(200, b'{"id": 1}')),
        "rejects": serve(answer(422, b'{"errors": [{"code": "refused"}]}')),
        "is busy": serve(answer(503)),
        "loses the answer": serve(HANG_UP),
        "never answers": serve(TIME_OUT),
    }


ADAPTERS = [
    Adapter(
        "smtp",
        Never(),
        email,
        lambda _: MAIL,
        {
            "accepts": smtp(),
            "rejects": smtp(RCPT="550 no such user"),
            "is busy": smtp(RCPT="451 come again"),
            "hangs up early": smtp(CONNECT=HANG_UP),
            "loses the answer": smtp(DOT=HANG_UP),
            "never answers": smtp(DOT=TIME_OUT),
            "never greets": mute,
        },
    ),
    Adapter(
        "http",
        Keyed(),
        webhook,
        lambda port: hook(f"http://127.0.0.1:{port}/"),
        {
            "accepts": http(answer(200)),
            "rejects": http(answer(422)),
            "is busy": http(answer(503)),
            "loses the answer": http(HANG_UP),
            "never answers": http(TIME_OUT),
        },
    ),
    Adapter(
        "console",
        Replaces(),
        console,
        lambda _: MAIL,
        {
            "accepts": http(answer(200)),
            "rejects": http(answer(422)),
            "is busy": http(answer(503)),
            "loses the answer": http(HANG_UP),
            "never answers": http(TIME_OUT),
        },
    ),
    *(
        Adapter(
            name,
            repeats,
            partial(open_account, name, seconds=PATIENCE),
            lambda _: MAIL,
            API_FATES,
        )
        for name, repeats in EMAIL_APIS.items()
    ),
    *(
        Adapter(
            name,
            Never(),
            partial(phone_accounts.open_account, name, seconds=PATIENCE),
            lambda _: TEXT,
            {
                "accepts": http(answer(accepted)),
                "rejects": http(answer(400, b'{"code": 21617}')),
                "is busy": http(answer(503)),
                "loses the answer": http(HANG_UP),
                "never answers": http(TIME_OUT),
            },
            NUMBER,
        )
        for name, accepted in PHONE_APIS.items()
    ),
]
ADAPTERS += [
    Adapter(
        "lob",
        Keyed(86_400.0),
        lambda port: Lob("test_token", "adr_1", base=f"http://127.0.0.1:{port}", seconds=PATIENCE),
        lambda _: post(CARD),
        API_FATES,
        POSTAL_ADDRESS.encode(),
    ),
    Adapter(
        "slack",
        Never(),
        lambda port: SlackApi("xoxb-token", f"http://127.0.0.1:{port}", PATIENCE),
        lambda _: slack("#sales"),
        API_FATES | {"rejects": http(answer(200, b'{"ok": false, "error": "is_archived"}'))},
    ),
    Adapter(
        "intercom",
        Never(),
        lambda port: Intercom("token", "814", f"http://127.0.0.1:{port}", PATIENCE),
        lambda _: CHAT,
        sending("POST /messages", {"POST /contacts/search": answer(200, b'{"data": [{"id": "c-1"}]}')}),
    ),
    Adapter(
        "hubspot",
        Keyed(),
        lambda port: Hubspot("token", f"http://127.0.0.1:{port}", PATIENCE),
        lambda _: CALL,
        API_FATES | {"rejects": http(answer(400, b'{"category": "VALIDATION_ERROR"}'))},
        PHONE,
    ),
    Adapter(
        "chatwoot",
        Keyed(),
        lambda port: ChatwootInbox("token", 7, 3, f"http://127.0.0.1:{port}", PATIENCE),
        lambda _: CHAT,
        sending(
            "POST /api/v1/accounts/7/conversations",
            {
                "GET": answer(200, b'{"payload": []}'),
                "POST /api/v1/accounts/7/contacts": answer(
                    200, b'{"payload": {"contact": {"id": 5}, "contact_inbox": {"source_id": "s"}}}'
                ),
            },
        ),
    ),
]
FATES = {
    "accepts": Accepted,
    "rejects": Rejected,
    "is busy": Unavailable,
    "hangs up early": Unavailable,
    "never greets": Unavailable,
    "loses the answer": Ambiguous,
    "never answers": Ambiguous,
}
CASES = [pytest.param(adapter, fate, id=f"{adapter.name}-{fate}") for adapter in ADAPTERS for fate in adapter.providers]


@pytest.mark.parametrize(("adapter", "fate"), CASES)
async def test_each_fate_is_one_delivery(adapter: Adapter, fate: str) -> None:
    async with adapter.providers[fate]() as port:
        delivery = await adapter.channel(port).deliver(adapter.message(port), adapter.address)
    assert type(delivery) is FATES[fate]


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter.name)
async def test_nobody_there_is_unavailable(adapter: Adapter, refused_port: int) -> None:
    assert isinstance(
        await adapter.channel(refused_port).deliver(adapter.message(refused_port), adapter.address), Unavailable
    )


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter.name)
async def test_one_channel_delivers_many_messages_at_once(adapter: Adapter) -> None:
    async with adapter.providers["accepts"]() as port:
        channel = adapter.channel(port)
        deliveries = await asyncio.gather(*(channel.deliver(adapter.message(port), adapter.address) for _ in range(20)))
    assert all(isinstance(delivery, Accepted) for delivery in deliveries)


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter.name)
async def test_a_cancelled_delivery_is_cancelled_and_not_an_outcome(adapter: Adapter) -> None:
    async with adapter.providers["never answers"]() as port:
        task = asyncio.create_task(adapter.channel(port).deliver(adapter.message(port), adapter.address))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter.name)
def test_a_channel_says_who_it_is(adapter: Adapter) -> None:
    channel = adapter.channel(1)
    assert (channel.name, channel.repeats) == (adapter.name, adapter.repeats)


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter.name)
@pytest.mark.parametrize("fate", ["rejects", "is busy", "loses the answer"])
async def test_what_is_told_names_nobody(adapter: Adapter, fate: str) -> None:
    async with adapter.providers[fate]() as port:
        delivery = await adapter.channel(port).deliver(adapter.message(port), adapter.address)
    assert "ana@example.com" not in repr(delivery)
    assert "Harbour" not in repr(delivery)
    assert NUMBER not in repr(delivery)
