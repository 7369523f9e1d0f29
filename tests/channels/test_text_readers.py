"""Callbacks of providers of messages to phones: reports, texts of people, and forgeries."""

import hmac
import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import jwt
import pytest
from msgspec.structs import replace

from channels.registry import open_reader
from channels.signatures import verify_twilio
from domain.errors import InvalidRequestError, UnverifiedCallbackError
from domain.sending.incoming_texts import IncomingText
from domain.sending.outbound_secrets import BoundSecret
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.reports import Callback, ProviderReport, ReportReader
from domain.sending.routes import ProviderRule
from tests.channels import sns_topic

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
HAPPENED = NOW - timedelta(minutes=1)
MESSAGE = UUID("0b9ad2d8-7a5e-5a44-9b7e-0d4cf1f0f3aa")
SECRET = "the-auth-token-of-the-account-1234"
URL = "https://sojourn.example.com/v1/callbacks/texts"
SECRETS = ProviderSecrets(
    [BoundSecret(SECRET, place="SOJOURN_SECRET_HOOK"), BoundSecret("token", place="SOJOURN_SECRET_TOKEN")]
)
TWILIO = {
    "kind": "twilio",
    "channel": "sms",
    "account": "AC" + "0" * 32,
    "token": {"env": "SOJOURN_SECRET_TOKEN"},
    "from": "+15005550006",
    "callback_secret": {"env": "SOJOURN_SECRET_HOOK"},
}


def reader_of(settings: Mapping[str, Any] = TWILIO) -> ReportReader:
    reader = open_reader(ProviderRule("texts", settings["kind"], "sms", dict(settings)), SECRETS)
    assert reader is not None
    return reader


def sign(url: str, fields: Mapping[str, str], secret: str = SECRET) -> str:
    """The signature by Twilio's page: the URL, and each field with its value by the names in order."""
    text = url
    for name in sorted(fields):
        text += name + fields[name]
    return b64encode(hmac.new(secret.encode(), text.encode(), "sha1").digest()).decode()


def called(url: str = f"{URL}?message_id={MESSAGE}", *, signed_url: str | None = None, **fields: str) -> Callback:
    body = urlencode(fields).encode()
    return Callback("POST", url, {"x-twilio-signature": sign(signed_url or url, fields)}, body)


def status(state: str, **more: str) -> Callback:
    return called(MessageSid="SM1", MessageStatus=state, To="+4915112345678", From="+15005550006", **more)


def test_the_example_of_twilio_s_library_is_verified() -> None:
    fields = {
        "CallSid": ["CA1234567890ABCDE"],
        "Digits": ["1234"],
        "From": ["+14158675309"],
        "To": ["+18005551212"],
        "Caller": ["+14158675309"],
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    headers = {"x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="}
    verify_twilio("12345", headers, url, fields)
    verify_twilio("12345", headers, url.replace(".com/", ".com:443/"), fields)
    with pytest.raises(UnverifiedCallbackError):
        verify_twilio("12345", headers, url, {**fields, "Digits": ["1235"]})


@pytest.mark.parametrize(
    ("state", "code", "kind", "bounce"),
    [
        ("sent", None, "accepted", None),
        ("delivered", None, "delivered", None),
        ("read", None, "opened", None),
        ("undelivered", "30003", "bounced", "soft"),
        ("undelivered", "30005", "bounced", "soft"),
        ("undelivered", "30007", "bounced", "content"),
        ("failed", "30008", "bounced", "soft"),
        ("failed", "30004", "bounced", "content"),
        ("failed", None, "bounced", "soft"),
        ("canceled", None, "failed", None),
    ],
)
async def test_a_state_is_a_report(state: str, code: str | None, kind: str, bounce: str | None) -> None:
    callback = status(state, **({"ErrorCode": code} if code else {}))
    [report] = await reader_of()(callback, NOW)
    assert isinstance(report, ProviderReport)
    assert (report.kind, report.bounce, report.message_id, report.provider_id) == (kind, bounce, MESSAGE, "SM1")
    assert report.event_id == f"SM1 {state}"
    assert "4915112345678" not in repr(report)
    assert await reader_of()(callback, NOW) == [report]


@pytest.mark.parametrize("state", ["queued", "accepted", "scheduled", "sending", "unheard_of"])
async def test_a_state_on_the_way_is_none(state: str) -> None:
    assert list(await reader_of()(status(state), NOW)) == []


@pytest.mark.parametrize("opt_out", [None, "STOP", "START", "HELP", "OTHER"])
async def test_a_text_of_a_person_is_read(opt_out: str | None) -> None:
    more = {} if opt_out is None else {"OptOutType": opt_out}
    callback = called(
        URL, MessageSid="SM2", SmsStatus="received", From="+4915112345678", To="+15005550006", Body="Ja, gern", **more
    )
    word: Any = opt_out.lower() if opt_out in ("STOP", "START", "HELP") else None
    assert await reader_of()(callback, NOW) == [
        IncomingText(
            event_id="text SM2", sender="+4915112345678", text="Ja, gern", at=NOW, provider_id="SM2", word=word
        )
    ]


async def test_a_text_from_no_number_is_none() -> None:
    for sender in ("12345", "SHOP", "", "+"):
        callback = called(URL, MessageSid="SM3", SmsStatus="received", From=sender, Body="Hi")
        assert list(await reader_of()(callback, NOW)) == []


@pytest.mark.parametrize(
    ("configured", "signed"),
    [
        (URL, URL.replace(".com/", ".com:443/")),
        (URL.replace(".com/", ".com:443/"), URL),
        (URL.replace(".com/", ".com:8443/"), URL),
        (URL.replace(".com/", ".com:8443/"), URL.replace(".com/", ".com:8443/")),
    ],
)
async def test_the_port_may_be_signed_or_not(configured: str, signed: str) -> None:
    callback = called(configured, signed_url=signed, MessageSid="SM1", MessageStatus="sent")
    assert len(await reader_of()(callback, NOW)) == 1


async def test_a_forgery_is_refused() -> None:
    genuine = status("delivered")
    forged = [
        replace(genuine, headers={}),
        replace(genuine, headers={"x-twilio-signature": ""}),
        replace(genuine, headers={"x-twilio-signature": "ü"}),
        replace(genuine, url=f"{URL}?message_id={UUID(int=1)}"),
        replace(genuine, url=URL),
        replace(genuine, url=genuine.url.replace("sojourn.example.com", "evil.example.com")),
        replace(genuine, body=genuine.body.replace(b"delivered", b"failed")),
        replace(genuine, body=genuine.body + b"&ErrorCode=30005"),
        replace(genuine, body=b"\xff\xfe"),
        replace(genuine, body=b"&".join(b"a=1" for _ in range(300))),
        replace(genuine, headers={"x-twilio-signature": sign(genuine.url, {}, "another")}),
    ]
    for callback in forged:
        with pytest.raises(UnverifiedCallbackError):
            await reader_of()(callback, NOW)
    assert len(await reader_of()(genuine, NOW)) == 1


# Vonage

VONAGE = {
    "kind": "vonage",
    "channel": "sms",
    "application": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab",
    "key": {"env": "SOJOURN_SECRET_TOKEN"},
    "from": "+447700900000",
    "callback_secret": {"env": "SOJOURN_SECRET_HOOK"},
}


def by_vonage(body: Any, *, secret: str = SECRET, at: datetime = NOW, **claims: Any) -> Callback:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    claims = {"iat": int(at.timestamp()), "jti": "j1", "payload_hash": sha256(content).hexdigest()} | claims
    return Callback("POST", URL, {"authorization": f"Bearer {jwt.encode(claims, secret, 'HS256')}"}, content)


def state_of_vonage(status: str, **more: Any) -> dict[str, Any]:
    return {
        "message_uuid": "v1",
        "client_ref": str(MESSAGE),
        "status": status,
        "timestamp": "2026-12-01T11:59:00Z",
        "to": "4915112345678",
        **more,
    }


def error(code: str) -> dict[str, Any]:
    return {"error": {"type": f"https://developer.vonage.com/api-errors/messages#{code}", "detail": "…"}}


@pytest.mark.parametrize(
    ("status", "more", "kind", "bounce"),
    [
        ("submitted", {}, "accepted", None),
        ("delivered", {}, "delivered", None),
        ("read", {}, "opened", None),
        ("rejected", error("1300"), "bounced", "hard"),
        ("rejected", error("1120"), "bounced", "content"),
        ("undeliverable", error("1050"), "bounced", "soft"),
        ("undeliverable", {}, "bounced", "soft"),
    ],
)
async def test_a_state_of_vonage_is_a_report(status: str, more: dict[str, Any], kind: str, bounce: str | None) -> None:
    [report] = await reader_of(VONAGE)(by_vonage(state_of_vonage(status, **more)), NOW)
    assert isinstance(report, ProviderReport)
    assert (report.kind, report.bounce, report.message_id, report.at) == (kind, bounce, MESSAGE, HAPPENED)
    assert "4915112345678" not in repr(report)


async def test_a_text_by_vonage_is_read() -> None:
    body = {"message_uuid": "v2", "from": "4915112345678", "to": "447700900000", "text": "Stop", "channel": "sms"}
    [text] = await reader_of(VONAGE)(by_vonage(body), NOW)
    assert isinstance(text, IncomingText)
    assert (text.sender, text.meaning, text.event_id) == ("+4915112345678", "stop", "text v2")


async def test_a_forgery_of_vonage_is_refused() -> None:
    body = state_of_vonage("delivered")
    genuine = by_vonage(body)
    forged = [
        replace(genuine, headers={}),
        replace(genuine, headers={"authorization": "Bearer x.y.z"}),
        replace(genuine, body=genuine.body + b" "),
        by_vonage(body, secret="another-secret-of-the-tests-1234"),
        by_vonage(body, payload_hash="0" * 64),
        by_vonage(body, payload_hash=None),
        by_vonage(body, iat=None),
        by_vonage(body, at=NOW - timedelta(minutes=6)),
        by_vonage(body, at=NOW + timedelta(minutes=6)),
        replace(genuine, headers={"authorization": f"Bearer {jwt.encode({'iat': int(NOW.timestamp())}, '', 'none')}"}),
    ]
    for callback in forged:
        with pytest.raises(UnverifiedCallbackError):
            await reader_of(VONAGE)(callback, NOW)
    with pytest.raises(InvalidRequestError):
        await reader_of(VONAGE)(by_vonage(b"[]"), NOW)


# AWS

AWS_SMS = {
    "kind": "aws_sms",
    "channel": "sms",
    "region": "eu-west-1",
    "key": {"env": "SOJOURN_SECRET_TOKEN"},
    "secret": {"env": "SOJOURN_SECRET_TOKEN"},
    "from": "+447700900000",
    "topics": [sns_topic.TOPIC],
}


async def published(event: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    async def fetch(url: str) -> bytes:
        assert url == sns_topic.CERTIFICATE_URL
        return sns_topic.certificate(sns_topic.KEY)

    monkeypatch.setattr("channels.sns.fetch_url", fetch)
    body, headers = sns_topic.by_sns(json.dumps(event).encode(), NOW)
    return list(await reader_of(AWS_SMS)(Callback("POST", URL, headers, body), NOW))


@pytest.mark.parametrize(
    ("type", "kind", "bounce"),
    [
        ("TEXT_SENT", "accepted", None),
        ("TEXT_DELIVERED", "delivered", None),
        ("TEXT_INVALID", "bounced", "hard"),
        ("TEXT_UNREACHABLE", "bounced", "soft"),
        ("TEXT_CARRIER_UNREACHABLE", "bounced", "soft"),
        ("TEXT_BLOCKED", "bounced", "content"),
        ("TEXT_SPAM", "bounced", "content"),
    ],
)
async def test_an_event_of_aws_is_a_report(
    type: str, kind: str, bounce: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = {
        "eventType": type,
        "eventTimestamp": int(HAPPENED.timestamp() * 1000),
        "destinationPhoneNumber": "+4915112345678",
        "messageId": "a1",
        "context": {"message_id": str(MESSAGE)},
    }
    [report] = await published(event, monkeypatch)
    assert (report.kind, report.bounce, report.message_id, report.at) == (kind, bounce, MESSAGE, HAPPENED)
    assert "4915112345678" not in repr(report)
    assert await published({**event, "eventType": "TEXT_QUEUED"}, monkeypatch) == []


async def test_a_text_by_aws_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    event = {
        "originationNumber": "+4915112345678",
        "destinationNumber": "+447700900000",
        "messageKeyword": "KEYWORD",
        "messageBody": "Ja, gern",
        "inboundMessageId": "i1",
    }
    [text] = await published(event, monkeypatch)
    assert (text.sender, text.text, text.meaning, text.provider_id) == ("+4915112345678", "Ja, gern", None, "i1")


def test_without_the_auth_token_there_is_no_reader() -> None:
    settings = {name: value for name, value in TWILIO.items() if name != "callback_secret"}
    assert open_reader(ProviderRule("texts", "twilio", "sms", settings), SECRETS) is None
