"""The callbacks of the inbox of `sojourn dev`: only its secret proves them, and each is what a provider would say."""

import json
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace
from standardwebhooks import Webhook

from channels.provider_kind import ProviderContext
from channels.registry import open_provider, open_reader
from domain.channels.kinds import CHANNELS
from domain.errors import InvalidRequestError, UnverifiedCallbackError
from domain.sending.delivery import RecallingProvider, TakenBack
from domain.sending.incoming_texts import IncomingText
from domain.sending.outbound_secrets import BoundSecret, SecretRefusal
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.reports import Callback, IncomingReport, ProviderReport, ReportReader
from domain.sending.routes import DEFAULT_PROVIDERS, DEVELOPMENT_PROVIDERS, DeployedProviders, ProviderRule

KEY = "whsec_" + b64encode(b"a key of the tests, of 32 bytes.").decode()
OTHER = "whsec_" + b64encode(b"another key of the tests, longer").decode()
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
MESSAGE = UUID("0b9ad2d8-7a5e-5a44-9b7e-0d4cf1f0f3aa")
INBOX = ProviderSecrets([BoundSecret(KEY, place="SOJOURN_SECRET_INBOX")])


def reader_of(channel: str) -> ReportReader:
    reader = open_reader(DEVELOPMENT_PROVIDERS[channel], INBOX)
    assert reader is not None
    return reader


def called(body: Any, key: str = KEY, id: str = "r-1") -> Callback:
    content = json.dumps(body).encode()
    signature = Webhook(key).sign(id, NOW, content.decode())
    headers = {"webhook-id": id, "webhook-timestamp": str(int(NOW.timestamp())), "webhook-signature": signature}
    return Callback("POST", "http://localhost:8080/v1/callbacks/inbox-chat", headers, content)


async def read(channel: str, **report: Any) -> IncomingReport:
    [incoming] = await reader_of(channel)(called({"message_id": str(MESSAGE), **report}), NOW)
    return incoming


async def test_a_bounce_is_a_hard_one_and_a_rating_has_its_number() -> None:
    bounced, rated = await read("post", kind="bounced"), await read("chat", kind="rated", rating=4)
    assert isinstance(bounced, ProviderReport)
    assert isinstance(rated, ProviderReport)
    assert (bounced.kind, bounced.bounce, bounced.message_id, bounced.at) == ("bounced", "hard", MESSAGE, NOW)
    assert (rated.kind, rated.data, rated.event_id) == ("rated", {"rating": 4}, "r-1")


async def test_a_reply_by_phone_is_a_text_of_the_number_and_elsewhere_a_report() -> None:
    text = await read("sms", kind="replied", text="Stop", address="+4915112345678")
    said = await read("chat", kind="replied", text="For ten?")
    assert isinstance(text, IncomingText)
    assert (text.sender, text.text, text.meaning) == ("+4915112345678", "Stop", "stop")
    assert isinstance(said, ProviderReport)
    assert (said.kind, said.data) == ("replied", {"text": "For ten?"})


async def test_what_another_has_signed_or_changed_is_refused() -> None:
    report = {"kind": "opened", "message_id": str(MESSAGE)}
    for callback in (
        called(report, OTHER),
        replace(called(report), body=called({**report, "kind": "bounced"}).body),
        replace(called(report), headers={}),
    ):
        with pytest.raises(UnverifiedCallbackError):
            await reader_of("chat")(callback, NOW)


@pytest.mark.parametrize("body", [[], {"kind": "opened"}, {"kind": "sold", "message_id": str(MESSAGE)}, None])
async def test_a_body_of_another_form_is_refused(body: Any) -> None:
    with pytest.raises(InvalidRequestError):
        await reader_of("chat")(called(body), NOW)


def test_without_a_secret_there_are_no_callbacks() -> None:
    settings = {"kind": "console", "channel": "chat"}
    assert open_reader(ProviderRule("shown", "console", "chat", settings), ProviderSecrets()) is None
    named = {**settings, "callback_secret": {"env": "SOJOURN_SECRET_OTHER"}}
    with pytest.raises(SecretRefusal):
        open_reader(ProviderRule("shown", "console", "chat", named), INBOX)


def test_the_inbox_delivers_each_channel_that_the_document_leaves_out() -> None:
    texts = ProviderRule("twilio", "twilio", "sms", {})
    found = DeployedProviders([texts], DEVELOPMENT_PROVIDERS)
    assert found.channels == set(CHANNELS)
    assert found.find_providers("sms") == (texts,)
    assert found.find_named("inbox-sms") is None
    assert found.find_named("inbox-chat") == found.find("chat", "inbox-chat") == DEVELOPMENT_PROVIDERS["chat"]
    for channel, provider in DEFAULT_PROVIDERS.items():
        assert found.find_providers(channel) == (provider,)
    assert DeployedProviders().channels == set(DEFAULT_PROVIDERS)


async def test_the_inbox_takes_letters_back_and_nothing_else() -> None:
    context = ProviderContext(INBOX, smtp={"host": "127.0.0.1", "port": 25})
    providers = {name: open_provider(rule, context) for name, rule in DEVELOPMENT_PROVIDERS.items()}
    recalling = {name: one for name, one in providers.items() if isinstance(one, RecallingProvider)}
    assert list(recalling) == ["post"]
    assert await recalling["post"].recall(str(MESSAGE), None) == TakenBack()
