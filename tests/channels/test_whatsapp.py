"""WhatsApp by the Cloud API and by Twilio: what each is asked, what its replies and its callbacks mean."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import pytest
from msgspec.structs import replace as changed

from channels.phone_api import PhoneApi
from channels.registry import answer_challenge, open_reader
from channels.sms.twilio import Twilio
from channels.whatsapp.cloud import WhatsAppCloud
from domain.errors import InvalidDocumentError, InvalidRequestError, UnverifiedCallbackError
from domain.sending.delivery import ACCOUNT, Accepted, Delivery, Outbound, Rejected, Unavailable
from domain.sending.incoming_texts import IncomingText, MarketingChoice
from domain.sending.outbound_secrets import BoundSecret
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers_document import parse_providers
from domain.sending.reports import ProviderReport, ReportReader
from domain.sending.routes import ProviderRule
from tests.channels import provider_specs, test_text_readers
from tests.channels.deliveries import deliver_by, request_of
from tests.channels.messages import NUMBER, TEXT
from tests.channels.phone_accounts import ACCOUNT as TWILIO_ACCOUNT
from tests.channels.phone_accounts import CALLBACK_URL, KEY, TOKEN
from tests.channels.servers import Receiver, Request, answer
from tests.channels.whatsapp_callbacks import (
    AN_HOUR,
    NUMBER_ID,
    WRITER,
    called,
    change,
    choice,
    message,
    status,
    value_of,
)

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
MESSAGE = UUID("0b9ad2d8-7a5e-5a44-9b7e-0d4cf1f0f3aa")
SECRET = "the-secret-of-the-app-1234"
SECRETS = ProviderSecrets([BoundSecret(SECRET, place=f"SOJOURN_SECRET_{name}") for name in ("TOKEN", "APP", "VERIFY")])
SETTINGS = {
    "kind": "whatsapp",
    "channel": "whatsapp",
    "number": NUMBER_ID,
    "token": {"env": "SOJOURN_SECRET_TOKEN"},
    "callback_secret": {"env": "SOJOURN_SECRET_APP"},
    "verify_token": {"env": "SOJOURN_SECRET_VERIFY"},
}
SID = "HX" + "0" * 32
FREE = replace(TEXT, content={"text": "Grüße, Ana: 20 €"})
TEMPLATE = {
    "name": "cart_reminder",
    "language": "de",
    "header": {"image": "https://example.com/c-1.png"},
    "variables": {"2": "c-1", "1": "Ana"},
    "buttons": [{"index": 1, "url": "cart/c-1"}, {"index": 2, "payload": "STOP"}],
}


def templated(**template: Any) -> Outbound:
    return replace(TEXT, content={"template": template or TEMPLATE})


def open_account(name: str, port: int, *, is_marketing: bool) -> PhoneApi:
    base = f"http://127.0.0.1:{port}"
    if name == "whatsapp":
        return WhatsAppCloud(TOKEN, NUMBER_ID, base, is_marketing=is_marketing)
    return Twilio(TWILIO_ACCOUNT, (KEY, TOKEN), {"From": "whatsapp:+1"}, CALLBACK_URL, base, scheme="whatsapp:")


async def deliver(name: str, receiver: Receiver, message: Outbound, *, is_marketing: bool = False) -> Delivery:
    return await deliver_by(partial(open_account, name, is_marketing=is_marketing), receiver, message, NUMBER)


async def requested(name: str, message: Outbound, *, is_marketing: bool = False) -> Request:
    return await request_of(partial(open_account, name, is_marketing=is_marketing), message, NUMBER)


# Requests


async def test_a_template_is_filled_by_components_that_fit_the_published_document() -> None:
    request = await requested("whatsapp", templated())
    assert request.line == f"POST /v23.0/{NUMBER_ID}/messages HTTP/1.1"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    body = json.loads(request.body)
    assert body == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": NUMBER,
        "type": "template",
        "template": {
            "name": "cart_reminder",
            "language": {"policy": "deterministic", "code": "de"},
            "components": [
                {
                    "type": "header",
                    "parameters": [{"type": "image", "image": {"link": "https://example.com/c-1.png"}}],
                },
                {"type": "body", "parameters": [{"type": "text", "text": "Ana"}, {"type": "text", "text": "c-1"}]},
                {
                    "type": "button",
                    "sub_type": "url",
                    "index": "1",
                    "parameters": [{"type": "text", "text": "cart/c-1"}],
                },
                {
                    "type": "button",
                    "sub_type": "quick_reply",
                    "index": "2",
                    "parameters": [{"type": "payload", "payload": "STOP"}],
                },
            ],
        },
        "biz_opaque_callback_data": TEXT.message_id,
    }
    # The document knows the callback data by its pages alone.
    known = {key: value for key, value in body.items() if key != "biz_opaque_callback_data"}
    assert list_faults(known) == []
    assert list_faults({**known, "recipient_type": "person"}) != []
    assert list_faults({**known, "template": {**body["template"], "language": "de"}}) != []
    assert list_faults({**known, "template": {**body["template"], "components": [{"type": "foot"}]}}) != []
    parameters = provider_specs.read("whatsapp")["components"]["parameters"]
    agent = parameters["UserAgent"]["schema"]
    assert provider_specs.matches(agent, request.headers["user-agent"])
    assert not provider_specs.matches(agent, "Sojourn")


def list_faults(body: Mapping[str, Any]) -> list[str]:
    return provider_specs.list_schema_faults("whatsapp", "TemplateMessage", body)


async def test_named_values_are_sent_by_their_names_and_a_bare_template_has_none() -> None:
    named = await requested("whatsapp", templated(name="a", language="en", variables={"first_name": "Ana"}))
    [component] = json.loads(named.body)["template"]["components"]
    assert component["parameters"] == [{"type": "text", "parameter_name": "first_name", "text": "Ana"}]
    bare = json.loads((await requested("whatsapp", templated(name="a", language="en"))).body)
    assert bare["template"] == {"name": "a", "language": {"policy": "deterministic", "code": "en"}}


async def test_a_free_text_is_a_text() -> None:
    body = json.loads((await requested("whatsapp", FREE)).body)
    assert (body["type"], body["text"]) == ("text", {"body": "Grüße, Ana: 20 €"})


@pytest.mark.parametrize(
    ("message", "is_marketing", "endpoint"),
    [
        (replace(templated(), unsubscribe_url="https://example.com/u"), True, "marketing_messages"),
        (replace(templated(), unsubscribe_url="https://example.com/u"), False, "messages"),
        (templated(), True, "messages"),
        (replace(FREE, unsubscribe_url="https://example.com/u"), True, "messages"),
    ],
)
async def test_marketing_by_templates_may_have_an_endpoint_of_its_own(
    message: Outbound, is_marketing: bool, endpoint: str
) -> None:
    request = await requested("whatsapp", message, is_marketing=is_marketing)
    assert request.line == f"POST /v23.0/{NUMBER_ID}/{endpoint} HTTP/1.1"


async def test_twilio_gets_a_content_with_its_variables_or_a_text() -> None:
    request = await requested("twilio", templated(content_sid=SID, variables={"1": "Ana"}))
    form = dict(parse_qsl(request.body.decode()))
    assert (form["To"], form["From"]) == (f"whatsapp:{NUMBER}", "whatsapp:+1")
    assert (form["ContentSid"], json.loads(form["ContentVariables"])) == (SID, {"1": "Ana"})
    assert "Body" not in form
    text = dict(parse_qsl((await requested("twilio", FREE)).body.decode()))
    assert (text["Body"], "ContentSid" in text) == ("Grüße, Ana: 20 €", False)
    path = "/2010-04-01/Accounts/{AccountSid}/Messages.json"
    media_type = "application/x-www-form-urlencoded"
    known: dict[str, Any] = {**form, "ValidityPeriod": int(form["ValidityPeriod"])}
    assert provider_specs.list_faults("twilio", path, known, media_type) == []
    assert provider_specs.list_faults("twilio", path, {**known, "ContentSid": "cart"}, media_type) != []


@pytest.mark.parametrize(("name", "template"), [("twilio", TEMPLATE), ("whatsapp", {"content_sid": SID})])
async def test_a_template_of_another_provider_is_refused_before_a_call(name: str, template: dict[str, Any]) -> None:
    receiver = Receiver()
    delivery = await deliver(name, receiver, templated(**template))
    assert isinstance(delivery, Rejected)
    assert (delivery.reason, receiver.requests) == ("invalid_message", [])


# Replies


@pytest.mark.parametrize(
    ("name", "code", "expected"),
    [
        *(("whatsapp", code, (ACCOUNT, 300.0)) for code in (190, 10, 131031, 131042)),
        *(("whatsapp", code, ("deferred", None)) for code in (4, 80007, 130429)),
        ("whatsapp", 131056, ("deferred", 6.0)),
        ("whatsapp", 131048, ("deferred", 300.0)),
        ("whatsapp", 131026, Rejected("recipient_refused", "whatsapp: error 131026", "address")),
        ("whatsapp", 131050, Rejected("marketing_stopped", "whatsapp: error 131050", "address")),
        ("whatsapp", 131047, Rejected("window", "whatsapp: error 131047")),
        ("whatsapp", 131049, Rejected("message_refused", "whatsapp: error 131049")),
        ("whatsapp", 132001, Rejected("template_refused", "whatsapp: error 132001")),
        ("whatsapp", 132015, Rejected("template_refused", "whatsapp: error 132015")),
        ("whatsapp", 100, Rejected("message_refused", "whatsapp: error 100")),
        ("twilio", 63016, Rejected("window", "twilio: error 63016")),
        ("twilio", 63024, Rejected("recipient_refused", "twilio: error 63024", "address")),
        ("twilio", 21656, Rejected("template_refused", "twilio: error 21656")),
        ("twilio", 63018, ("deferred", None)),
    ],
)
async def test_an_error_is_read_by_its_number(name: str, code: int, expected: Delivery | tuple[str, float]) -> None:
    # The text of an error may say anything.
    error = {"code": code, "message": "(#131026) Message undeliverable to +4915112345678"}
    body = {"error": error} if name == "whatsapp" else error
    delivery = await deliver(name, Receiver(answer(400, json.dumps(body).encode())), FREE)
    if isinstance(expected, tuple):
        assert isinstance(delivery, Unavailable)
        assert (delivery.reason, delivery.retry_after) == expected
    else:
        assert delivery == expected


async def test_the_id_of_whatsapp_is_kept() -> None:
    accepted = answer(200, b'{"messages": [{"id": "wamid.1", "message_status": "accepted"}]}')
    assert await deliver("whatsapp", Receiver(accepted), FREE) == Accepted("wamid.1")


# Callbacks


def reader_of(settings: Mapping[str, Any] = SETTINGS) -> ReportReader:
    reader = open_reader(rule_of(settings), SECRETS)
    assert reader is not None
    return reader


def rule_of(settings: Mapping[str, Any] = SETTINGS) -> ProviderRule:
    return ProviderRule("whatsapp", settings["kind"], "whatsapp", dict(settings))


async def read(data: Any) -> list[Any]:
    return list(await reader_of()(called(data, SECRET), NOW))


@pytest.mark.parametrize(
    ("state", "code", "kind", "bounce"),
    [
        ("sent", None, "accepted", None),
        ("delivered", None, "delivered", None),
        ("read", None, "opened", None),
        ("failed", 131026, "bounced", "hard"),
        # Not today: nothing against the number.
        ("failed", 131049, "bounced", "content"),
        ("failed", 131047, "bounced", "content"),
        ("failed", 132001, "bounced", "content"),
    ],
)
async def test_a_status_is_a_report(state: str, code: int | None, kind: str, bounce: str | None) -> None:
    [report] = await read(status(state, "wamid.1", MESSAGE, NOW - AN_HOUR, code))
    assert isinstance(report, ProviderReport)
    assert (report.kind, report.bounce, report.message_id, report.provider_id) == (kind, bounce, MESSAGE, "wamid.1")
    assert (report.event_id, report.at) == (f"wamid.1 {state}", NOW - AN_HOUR)
    assert report.detail == (None if code is None else f"error {code}")
    assert WRITER not in repr(report)


async def test_marketing_that_the_person_has_stopped_ends_their_consent() -> None:
    failed, stopped = await read(status("failed", "wamid.1", MESSAGE, NOW, 131050))
    assert (failed.kind, failed.bounce) == ("bounced", "content")
    assert (stopped.kind, stopped.message_id, stopped.event_id) == ("unsubscribed", MESSAGE, "wamid.1 stopped")


@pytest.mark.parametrize(
    ("content", "text", "meaning"),
    [
        ({"text": "Stop!"}, "Stop!", "stop"),
        ({"text": "Cancel my order, please"}, "Cancel my order, please", None),
        ({"text": "opt-out"}, "opt-out", "stop"),
        ({"button": {"text": "No more offers", "payload": "STOP"}}, "No more offers", "stop"),
        (
            {"interactive": {"type": "button_reply", "button_reply": {"id": "yes", "title": "Yes, please"}}},
            "Yes, please",
            None,
        ),
        ({"image": {"id": "1", "caption": "this one"}}, "this one", None),
        ({"location": {"latitude": 1, "longitude": 2}}, "", None),
    ],
)
async def test_a_message_of_a_person_is_read(content: dict[str, Any], text: str, meaning: str | None) -> None:
    [found] = await read(message("wamid.9", NOW - AN_HOUR, **content))
    assert isinstance(found, IncomingText)
    assert (found.sender, found.text, found.meaning, found.event_id) == (f"+{WRITER}", text, meaning, "text wamid.9")
    assert found.age == AN_HOUR


@pytest.mark.parametrize(("value", "is_wanted"), [("stop", False), ("resume", True)])
async def test_a_choice_about_marketing_is_read(value: str, is_wanted: bool) -> None:
    [found] = await read(choice(value, NOW - AN_HOUR))
    assert isinstance(found, MarketingChoice)
    assert (found.sender, found.is_wanted, found.age) == (f"+{WRITER}", is_wanted, AN_HOUR)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"entry": None},
        {"entry": [{"changes": [{"value": "x"}]}]},
        change(value={"metadata": {"phone_number_id": "1"}, "statuses": [{"id": "wamid.1", "status": "sent"}]}),
        value_of(statuses=[{"id": "wamid.1", "status": "warning"}, {"status": "sent"}, 3]),
        value_of(messages=[{"id": "wamid.1", "from": "shop", "type": "text"}, {"id": "wamid.2", "type": "reaction"}]),
        value_of(user_preferences=[{"wa_id": WRITER, "category": "utility", "value": "stop"}]),
    ],
)
async def test_a_callback_without_anything_of_ours_is_none(data: Any) -> None:
    assert await read(data) == []


async def test_a_strange_time_is_now() -> None:
    for written in ("", "x", "9" * 30, None, "²"):
        data = message("wamid.1", NOW, text="Hi")
        data["entry"][0]["changes"][0]["value"]["messages"][0]["timestamp"] = written
        [found] = await read(data)
        assert found.age == timedelta(0)


async def test_a_forgery_is_refused() -> None:
    genuine = called(status("delivered", "wamid.1", MESSAGE, NOW), SECRET)
    forged = [
        changed(genuine, headers={}),
        changed(genuine, headers={"x-hub-signature-256": "sha256="}),
        changed(genuine, headers={"x-hub-signature-256": "sha256=ü"}),
        changed(genuine, headers={"x-hub-signature-256": genuine.headers["x-hub-signature-256"][7:]}),
        changed(genuine, body=genuine.body + b" "),
        changed(genuine, headers=called(genuine.body, "another").headers),
    ]
    for callback in forged:
        with pytest.raises(UnverifiedCallbackError):
            await reader_of()(callback, NOW)
    assert len(await reader_of()(genuine, NOW)) == 1
    with pytest.raises(InvalidRequestError):
        await read(b"[]")


def test_the_app_that_knows_the_token_gets_its_challenge() -> None:
    asked = {"hub.mode": "subscribe", "hub.verify_token": SECRET, "hub.challenge": "1158201444"}
    assert answer_challenge(rule_of(), asked, SECRETS) == "1158201444"
    assert answer_challenge(rule_of(), {}, SECRETS) is None
    for token in ("", "another", SECRET[:-1], "ü\ud800"):
        with pytest.raises(UnverifiedCallbackError):
            answer_challenge(rule_of(), {**asked, "hub.verify_token": token}, SECRETS)


async def test_twilio_reads_messages_and_reports_of_whatsapp() -> None:
    body = {"MessageSid": "SM2", "SmsStatus": "received", "From": f"whatsapp:{NUMBER}", "Body": "Cancel my order"}
    [text] = await test_text_readers.reader_of()(test_text_readers.called(test_text_readers.URL, **body), NOW)
    assert isinstance(text, IncomingText)
    assert (text.sender, text.meaning) == (NUMBER, None)
    pressed = test_text_readers.called(test_text_readers.URL, **body, ButtonPayload="STOP")
    [text] = await test_text_readers.reader_of()(pressed, NOW)
    assert isinstance(text, IncomingText)
    assert text.meaning == "stop"
    for code, bounce in (("63024", "hard"), ("63049", "content")):
        callback = test_text_readers.status("undelivered", ErrorCode=code)
        [report] = await test_text_readers.reader_of()(callback, NOW)
        assert isinstance(report, ProviderReport)
        assert report.bounce == bounce


# Settings


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("kind: whatsapp, channel: sms, number: '106540352242922', token: {env: SOJOURN_SECRET_A}", "whatsapp"),
        ("kind: whatsapp, channel: whatsapp, number: '+49151', token: {env: SOJOURN_SECRET_A}", "number"),
        (
            "kind: whatsapp, channel: whatsapp, number: '106540352242922', token: {env: SOJOURN_SECRET_A}, "
            "verify_token: {env: SOJOURN_SECRET_B}",
            "callbacks need both `callback_secret` and `verify_token`",
        ),
        (
            f"kind: twilio, channel: whatsapp, account: {TWILIO_ACCOUNT}, token: {{env: SOJOURN_SECRET_A}}, from: SHOP",
            "WhatsApp sends from a number",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: str, said: str) -> None:
    with pytest.raises(InvalidDocumentError) as refused:
        parse_providers(f"providers:\n  a: {{{settings}}}\n", "providers.yaml")
    assert said in str(refused.value.problems)
