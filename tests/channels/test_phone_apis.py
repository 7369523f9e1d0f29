"""The APIs of providers of messages to phones: what each is asked, and what its replies mean."""

import json
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from channels.provider_kind import ProviderContext
from channels.sms.twilio import open_twilio
from domain.sending.delivery import (
    ACCOUNT,
    Accepted,
    Ambiguous,
    Delivery,
    Outbound,
    Rejected,
    Unavailable,
)
from domain.sending.outbound_secrets import BoundSecret
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.twilio import TwilioModel
from tests.channels import provider_specs
from tests.channels.deliveries import deliver_by, request_of
from tests.channels.messages import AT, NUMBER, TEXT
from tests.channels.phone_accounts import ACCOUNT as TWILIO_ACCOUNT
from tests.channels.phone_accounts import APPLICATION, CALLBACK_URL, KEY, NAMES, RSA_KEY, SERVICE, TOKEN, open_account
from tests.channels.servers import Receiver, Request, answer, listening

FORM = "application/x-www-form-urlencoded"


async def deliver(name: str, receiver: Receiver, message: Outbound = TEXT, to: str = NUMBER) -> Delivery:
    return await deliver_by(partial(open_account, name), receiver, message, to)


async def requested(name: str, message: Outbound = TEXT) -> Request:
    return await request_of(partial(open_account, name), message, NUMBER)


async def form_of(message: Outbound = TEXT) -> dict[str, str]:
    fields = parse_qs((await requested("twilio", message)).body.decode(), strict_parsing=True)
    return {name: value for name, [value] in fields.items()}


async def read(name: str, status: int, body: Any = None, **headers: str) -> Delivery:
    return await deliver(name, Receiver(answer(status, json.dumps(body or {}).encode(), **headers)))


# Requests


async def test_twilio_gets_a_form_that_names_the_message_in_its_callback() -> None:
    request = await requested("twilio")
    assert request.line == f"POST /2010-04-01/Accounts/{TWILIO_ACCOUNT}/Messages.json HTTP/1.1"
    assert request.headers["content-type"] == FORM
    assert request.headers["authorization"] == "Basic " + b64encode(f"{KEY}:{TOKEN}".encode()).decode()
    assert await form_of() == {
        "To": NUMBER,
        "MessagingServiceSid": SERVICE,
        "Body": TEXT.content["text"],
        "StatusCallback": f"{CALLBACK_URL}?message_id={TEXT.message_id}",
        "ValidityPeriod": "300",
    }


@pytest.mark.parametrize(
    ("left", "seconds"), [(timedelta(days=7), "36000"), (timedelta(seconds=90), "90"), (timedelta(), "1")]
)
async def test_twilio_gives_up_when_the_message_expires(left: timedelta, seconds: str) -> None:
    assert (await form_of(replace(TEXT, expires_at=AT + left)))["ValidityPeriod"] == seconds


async def test_twilio_s_request_fits_its_published_document() -> None:
    path = "/2010-04-01/Accounts/{AccountSid}/Messages.json"
    fields: dict[str, Any] = await form_of()
    fields["ValidityPeriod"] = int(fields["ValidityPeriod"])
    assert provider_specs.list_faults("twilio", path, fields, FORM) == []
    assert provider_specs.list_faults("twilio", path, {**fields, "MessagingServiceSid": "MG1"}, FORM) != []
    assert provider_specs.list_faults("twilio", path, {**fields, "unheard_of": "3"}, FORM) != []


async def test_an_agent_of_rcs_has_a_number_that_falls_back() -> None:
    model = TwilioModel.model_validate(
        {
            "kind": "twilio",
            "channel": "sms",
            "account": TWILIO_ACCOUNT,
            "token": {"env": "SOJOURN_SECRET_TOKEN"},
            "from": "rcs:example_shop_agent",
            "fallback_from": "+15005550006",
        }
    )
    secrets = ProviderSecrets([BoundSecret(TOKEN, place="SOJOURN_SECRET_TOKEN")])
    account = open_twilio(model, ProviderContext(secrets, callback_url=CALLBACK_URL))
    fields = parse_qs(account.request(TEXT, NUMBER).content.decode())
    assert (fields["From"], fields["FallbackFrom"]) == (["rcs:example_shop_agent"], ["+15005550006"])
    path = "/2010-04-01/Accounts/{AccountSid}/Messages.json"
    sent = {name: value for name, [value] in fields.items() if name != "ValidityPeriod"}
    assert provider_specs.list_faults("twilio", path, sent, FORM) == []


async def test_vonage_gets_a_message_that_names_it_in_a_token_of_the_application() -> None:
    request = await requested("vonage")
    assert request.line == "POST /v1/messages HTTP/1.1"
    assert json.loads(request.body) == {
        "message_type": "text",
        "channel": "sms",
        "to": NUMBER.lstrip("+"),
        "from": "447700900000",
        "text": TEXT.content["text"],
        "client_ref": TEXT.message_id,
        "webhook_url": CALLBACK_URL,
        "webhook_version": "v1",
        "ttl": 300,
    }
    scheme, token = request.headers["authorization"].split()
    claims = jwt.decode(token, RSA_KEY.public_key(), algorithms=["RS256"])
    assert (scheme, claims["application_id"], claims["exp"] - claims["iat"]) == ("Bearer", APPLICATION, 900)
    assert len(claims["jti"]) == 36


async def test_aws_gets_a_message_that_fits_the_service_s_model() -> None:
    request = await requested("aws_sms")
    assert request.headers["x-amz-target"] == "PinpointSMSVoiceV2.SendTextMessage"
    assert request.headers["content-type"] == "application/x-amz-json-1.0"
    assert "/eu-west-1/sms-voice/aws4_request" in request.headers["authorization"]
    body = json.loads(request.body)
    assert body["Context"] == {"message_id": TEXT.message_id}
    assert (body["MessageType"], body["TimeToLive"]) == ("TRANSACTIONAL", 300)
    marketing = json.loads((await requested("aws_sms", replace(TEXT, unsubscribe_url="https://example.com/u"))).body)
    assert marketing["MessageType"] == "PROMOTIONAL"
    model = ServiceModel(Loader().load_service_model("pinpoint-sms-voice-v2", "service-2"))
    shape = model.operation_model("SendTextMessage").input_shape
    assert ParamValidator().validate(body, shape).generate_report() == ""
    assert ParamValidator().validate({**body, "TimeToLive": "x"}, shape).generate_report() != ""


# Replies


@pytest.mark.parametrize(
    ("name", "status", "body", "headers", "expected"),
    [
        ("twilio", 201, {"sid": "SM1", "status": "accepted"}, {}, Accepted("SM1")),
        ("twilio", 400, {"code": 21211}, {}, Rejected("recipient_refused", "twilio: error 21211", "address")),
        ("twilio", 400, {"code": 21614}, {}, Rejected("recipient_refused", "twilio: error 21614", "address")),
        ("twilio", 400, {"code": 21610}, {}, Rejected("opted_out", "twilio: error 21610", "address")),
        # A region without permission costs its messages alone.
        ("twilio", 400, {"code": 21408}, {}, Rejected("message_refused", "twilio: error 21408")),
        ("twilio", 400, {"code": 21612}, {}, Rejected("message_refused", "twilio: error 21612")),
        ("twilio", 400, {"code": 21617}, {}, Rejected("message_refused", "twilio: error 21617")),
        ("twilio", 400, {"code": 21606}, {}, (ACCOUNT, 300)),
        ("twilio", 401, {"code": 20003}, {}, (ACCOUNT, 300)),
        *(("twilio", 400, {"code": code}, {}, (ACCOUNT, 300)) for code in (21603, 21701, 21705)),
        # An account or a subaccount that is not there.
        ("twilio", 404, {"code": 20404}, {}, (ACCOUNT, 300)),
        ("twilio", 404, {}, {}, (ACCOUNT, 300)),
        ("twilio", 429, {"code": 20429}, {"retry_after": "3"}, ("deferred", None)),
        ("twilio", 429, {}, {"retry_after": "3"}, ("http_429", 3)),
        ("twilio", 400, {"code": 21611}, {}, ("deferred", None)),
        ("vonage", 202, {"message_uuid": "v1"}, {}, Accepted("v1")),
        ("vonage", 422, {"title": "Invalid"}, {}, Rejected("message_refused", "vonage: the message is not valid")),
        ("vonage", 402, {"title": "Low balance"}, {}, (ACCOUNT, 300)),
        ("vonage", 429, {}, {"retry_after": "2"}, ("http_429", 2)),
        ("aws_sms", 200, {"MessageId": "a1"}, {}, Accepted("a1")),
        ("aws_sms", 400, {"__type": "ThrottlingException"}, {}, ("http_429", None)),
        ("aws_sms", 400, {"__type": "com.amazonaws#ServiceQuotaExceededException"}, {}, (ACCOUNT, 300)),
        ("aws_sms", 400, {"__type": "AccessDeniedException"}, {}, (ACCOUNT, 300)),
        ("aws_sms", 400, {"__type": "ResourceNotFoundException"}, {}, (ACCOUNT, 300)),
        ("aws_sms", 400, {"__type": "ConflictException", "Reason": "RESOURCE_NOT_ACTIVE"}, {}, (ACCOUNT, 300)),
        # In the sandbox.
        (
            "aws_sms",
            400,
            {"__type": "ConflictException", "Reason": "DESTINATION_PHONE_NUMBER_NOT_VERIFIED"},
            {},
            (ACCOUNT, 300),
        ),
        *(
            ("aws_sms", 400, {"__type": f"com.amazon.coral.service#{error}"}, {}, (ACCOUNT, 300))
            for error in (
                *("UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException"),
                *("IncompleteSignatureException", "MissingAuthenticationTokenException", "ExpiredTokenException"),
            )
        ),
        (
            "aws_sms",
            400,
            {"__type": "ConflictException", "Reason": "DESTINATION_PHONE_NUMBER_OPTED_OUT"},
            {},
            Rejected("opted_out", "aws_sms: ConflictException DESTINATION_PHONE_NUMBER_OPTED_OUT", "address"),
        ),
        (
            "aws_sms",
            400,
            {"Reason": "CANNOT_PARSE"},
            {"x_amzn_errortype": "ValidationException:http://a"},
            Rejected("message_refused", "aws_sms: ValidationException CANNOT_PARSE"),
        ),
    ],
)
async def test_a_reply_means_one_thing(
    name: str, status: int, body: Any, headers: dict[str, str], expected: Delivery | tuple[str, float | None]
) -> None:
    delivery = await read(name, status, body, **headers)
    if isinstance(expected, tuple):
        assert isinstance(delivery, Unavailable)
        assert (delivery.reason, delivery.retry_after) == expected
    else:
        assert delivery == expected


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("status", [500, 502, 504])
async def test_an_error_of_the_server_may_follow_the_acceptance(name: str, status: int) -> None:
    assert isinstance(await read(name, status), Ambiguous)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("status", [401, 402, 403])
async def test_a_fault_of_the_account_costs_no_message(name: str, status: int) -> None:
    delivery = await read(name, status)
    assert isinstance(delivery, Unavailable)
    assert delivery.reason == ACCOUNT


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("to", ["0151 12345678", "ana@example.com", "+49", "", "+49 151 12345678"])
async def test_a_number_that_is_not_in_e164_is_rejected_before_a_call(name: str, to: str) -> None:
    receiver = Receiver()
    assert await deliver(name, receiver, to=to) == Rejected(
        "invalid_address", "the recipient's address is not a phone number in E.164"
    )
    assert receiver.requests == []


@pytest.mark.parametrize("name", NAMES)
async def test_the_account_is_tried_without_sending(name: str) -> None:
    receiver = Receiver(answer(200, b"{}"))
    async with listening(receiver.talk) as port:
        account = open_account(name, port)
        assert await account.check() is None
        receiver.reply = answer(401, b"{}")
        refused = await account.check()
        await account.close()
    assert isinstance(refused, Unavailable)
    assert refused.reason == ACCOUNT
    assert all("Messages" not in request.line for request in receiver.requests)
    assert all("Send" not in request.headers.get("x-amz-target", "") for request in receiver.requests)
