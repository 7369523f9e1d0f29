"""Each trouble of a provider is what its name says, to the channel that meets it and in the provider's log."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from channels.email.api import EmailApi
from channels.email.postmark import Postmark
from channels.email.resend import Resend
from channels.email.smtp import Smtp
from channels.webhook.http import WebhookHttp
from domain.sending.delivery import Accepted, Ambiguous, Delivery, Rejected, Unavailable
from tests.channels.messages import ADDRESS, MAIL, hook
from tests.channels.test_webhook import SECRET
from tests.chaos.mail_apis import ApiMode, MailApi
from tests.chaos.providers import Arrival, HookMode, HookProvider, Log, MailMode, MailProvider
from tests.chaos.reporter import Reporter

# More than a provider needs that answers; the tests of one that hangs wait for it.
SECONDS = 0.5
DATA = {"campaign": "cart", "user": "u1", "ref": "r1"}
NOTE = replace(MAIL, content={**MAIL.content, "subject": "cart u1 r1"})


@asynccontextmanager
async def hooks() -> AsyncIterator[HookProvider]:
    provider = HookProvider(Log())
    await provider.start()
    yield provider
    await provider.stop()


@asynccontextmanager
async def mails() -> AsyncIterator[MailProvider]:
    provider = MailProvider(Log())
    await provider.start()
    yield provider
    await provider.stop()


async def posted(provider: HookProvider, data: dict[str, str] | None = None) -> Delivery:
    channel = WebhookHttp([SECRET], allow_private_addresses=True, seconds=SECONDS)
    return await channel.deliver(hook(provider.url, data or DATA), "")


async def mailed(provider: MailProvider) -> Delivery:
    return await Smtp("127.0.0.1", provider.port, security="none", seconds=SECONDS).deliver(NOTE, ADDRESS)


@pytest.mark.parametrize(
    ("mode", "delivery", "effects"),
    [
        ("well", Accepted, ["done", "again"]),
        ("429", Unavailable, ["refused", "done"]),
        ("500", Unavailable, ["none", "done"]),
        ("resets", Ambiguous, ["none", "done"]),
        ("drops", Ambiguous, ["done", "again"]),
        ("hangs", Ambiguous, ["done", "again"]),
    ],
)
async def test_a_webhook_meets_trouble_and_is_repeated(
    mode: HookMode, delivery: type[Delivery], effects: list[str]
) -> None:
    async with hooks() as provider:
        provider.turn(mode)
        assert isinstance(await posted(provider), delivery)
        provider.turn("well")
        # Whoever hung is dealt with first.
        assert await posted(provider) == Accepted(None)
    assert [arrival.effect for arrival in provider.log.arrivals] == effects


async def test_a_provider_that_is_asked_for_too_much_says_when_to_come_again() -> None:
    async with hooks() as provider:
        provider.turn("429")
        delivery = await posted(provider)
    assert isinstance(delivery, Unavailable)
    assert delivery.retry_after == 1


async def test_a_key_that_comes_with_another_content_is_refused() -> None:
    async with hooks() as provider:
        provider.turn("500")
        await posted(provider)
        provider.turn("well")
        delivery = await posted(provider, {**DATA, "ref": "r2"})
    assert isinstance(delivery, Rejected)


@pytest.mark.parametrize(
    ("mode", "delivery", "deliveries"),
    [("well", Accepted, 2), ("4xx", Unavailable, 1), ("drops", Ambiguous, 2), ("hangs", Ambiguous, 2)],
)
async def test_a_mail_meets_trouble_and_is_repeated(mode: MailMode, delivery: type[Delivery], deliveries: int) -> None:
    async with mails() as provider:
        provider.turn(mode)
        assert isinstance(await mailed(provider), delivery)
        provider.turn("well")
        assert isinstance(await mailed(provider), Accepted)
    assert [arrival.effect for arrival in provider.log.arrivals] == ["done"] * deliveries
    assert {(arrival.message_id, arrival.ref) for arrival in provider.log.arrivals} == {(MAIL.message_id, "r1")}


class Silent(Reporter):
    """Reports nothing."""

    async def report(self, arrival: Arrival) -> None:
        return None


@pytest.mark.parametrize(
    ("mode", "delivery", "keyless", "keyed"),
    [
        ("well", Accepted, ["done", "done"], ["done", "again"]),
        ("drops", Ambiguous, ["done", "done"], ["done", "again"]),
        ("hangs", Ambiguous, ["done", "done"], ["done", "again"]),
        ("500", Ambiguous, ["done", "done"], ["done", "again"]),
        ("401", Unavailable, ["refused", "done"], ["refused", "done"]),
        ("429", Unavailable, ["refused", "done"], ["refused", "done"]),
    ],
)
async def test_an_api_meets_trouble_and_is_asked_again(
    mode: ApiMode, delivery: type[Delivery], keyless: list[str], keyed: list[str]
) -> None:
    for name, effects in (("keyless", keyless), ("keyed", keyed)):
        api = MailApi(name, Log(), Silent([]))  # type: ignore[arg-type]
        await api.start()
        try:
            api.turn(mode)
            assert isinstance(await asked(api), delivery)
            api.turn("well")
            assert isinstance(await asked(api), Accepted)
        finally:
            await api.stop()
        assert [arrival.effect for arrival in api.log.arrivals] == effects
        assert {(arrival.provider, arrival.message_id) for arrival in api.log.arrivals} == {(name, MAIL.message_id)}


async def asked(api: MailApi) -> Delivery:
    """As another attempt does it, which knows of no pause that the provider has asked for."""
    adapter: EmailApi = (
        Postmark("token", "outbound", api.url, SECONDS) if api.name == "keyless" else Resend("token", api.url, SECONDS)
    )
    try:
        return await adapter.deliver(NOTE, ADDRESS)
    finally:
        await adapter.close()
