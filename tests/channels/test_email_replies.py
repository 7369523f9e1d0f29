"""The meaning of the replies of e-mail providers' APIs, and of what is refused before a call."""

import json
from functools import partial
from typing import Any

import pytest

from domain.sending.delivery import (
    ACCOUNT,
    Accepted,
    Ambiguous,
    Delivery,
    Keyed,
    Never,
    Outbound,
    Rejected,
    Unavailable,
)
from tests.channels.deliveries import deliver_by
from tests.channels.email_accounts import NAMES, open_account
from tests.channels.messages import ADDRESS, MAIL, mail
from tests.channels.servers import Receiver, answer, listening


async def deliver(name: str, receiver: Receiver, message: Outbound = MAIL, to: str = ADDRESS) -> Delivery:
    return await deliver_by(partial(open_account, name), receiver, message, to)


async def read(name: str, status: int, body: Any = None, **headers: str) -> Delivery:
    written = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    return await deliver(name, Receiver(answer(status, written, **headers)))


@pytest.mark.parametrize(
    ("name", "status", "body", "headers", "expected"),
    [
        ("resend", 200, {"id": "r1"}, {}, Accepted("r1")),
        ("resend", 409, {"name": "invalid_idempotent_request"}, {}, Accepted(None)),
        ("resend", 409, {"name": "concurrent_idempotent_requests"}, {}, ("http_409", None)),
        ("resend", 429, {"name": "daily_quota_exceeded"}, {}, (ACCOUNT, 300)),
        ("resend", 429, {"name": "rate_limit_exceeded"}, {"retry_after": "2"}, ("http_429", 2)),
        ("resend", 403, {"name": "validation_error"}, {}, (ACCOUNT, 300)),
        ("resend", 422, {"name": "validation_error"}, {}, Rejected("message_refused", "resend: validation_error")),
        ("postmark", 200, {"ErrorCode": 0, "MessageID": "p1"}, {}, Accepted("p1")),
        (
            "postmark",
            422,
            {"ErrorCode": 406, "Message": "inactive"},
            {},
            Rejected("recipient_refused", "postmark: error 406", "address"),
        ),
        (
            "postmark",
            422,
            {"ErrorCode": 300, "Message": "Invalid 'To' address"},
            {},
            Rejected("recipient_refused", "postmark: error 300", "address"),
        ),
        (
            "postmark",
            422,
            {"ErrorCode": 300, "Message": "Invalid 'From' address"},
            {},
            Rejected("message_refused", "postmark: error 300"),
        ),
        ("postmark", 422, {"ErrorCode": 412, "Message": "pending"}, {}, (ACCOUNT, 300)),
        ("postmark", 401, {"ErrorCode": 10, "Message": "bad token"}, {}, (ACCOUNT, 300)),
        ("postmark", 503, {"ErrorCode": 100, "Message": "maintenance"}, {}, ("deferred", None)),
        ("postmark", 403, b"<html>forbidden</html>", {}, ("http_403", None)),
        ("sendgrid", 202, b"", {"X_Message_Id": "s1"}, Accepted("s1")),
        (
            "sendgrid",
            400,
            {"errors": [{"field": "personalizations.0.to.0.email", "message": "not valid"}]},
            {},
            Rejected("recipient_refused", "sendgrid: personalizations.0.to.0.email", "address"),
        ),
        (
            "sendgrid",
            400,
            {"errors": [{"field": "subject", "message": "required"}]},
            {},
            Rejected("message_refused", "sendgrid: subject"),
        ),
        ("sendgrid", 413, {"errors": [{"field": None}]}, {}, Rejected("http_413", "the provider answered 413")),
        ("sendgrid", 429, {}, {"X_RateLimit_Reset": "0"}, ("http_429", 0)),
        ("mailgun", 200, {"id": "<m1>"}, {}, Accepted("<m1>")),
        ("mailgun", 404, {"message": "Domain not found"}, {}, (ACCOUNT, 300)),
        (
            "mailgun",
            400,
            {"message": "'to' parameter is not a valid address. please check documentation"},
            {},
            Rejected("recipient_refused", "mailgun: the address is not valid", "address"),
        ),
        ("mailgun", 400, {"message": "'from' is missing"}, {}, Rejected("http_400", "the provider answered 400")),
        ("brevo", 201, {"messageId": "b1"}, {}, Accepted("b1")),
        ("brevo", 400, {"code": "duplicate_parameter", "message": "Duplicate idempotencyKey"}, {}, Accepted(None)),
        (
            "brevo",
            400,
            {"code": "duplicate_parameter", "message": "to is given twice"},
            {},
            Rejected("message_refused", "brevo: duplicate_parameter"),
        ),
        ("brevo", 400, {"code": "invalid_parameter"}, {}, Rejected("message_refused", "brevo: invalid_parameter")),
        ("brevo", 402, {"code": "not_enough_credits"}, {}, (ACCOUNT, 300)),
        ("brevo", 429, {}, {"x_sib_ratelimit_reset": "7"}, ("http_429", 7)),
        ("ses", 200, {"MessageId": "e1"}, {}, Accepted("e1")),
        ("ses", 429, {}, {"x_amzn_errortype": "TooManyRequestsException:http://a"}, ("http_429", None)),
        ("ses", 400, {}, {"x_amzn_errortype": "LimitExceededException"}, (ACCOUNT, 300)),
        ("ses", 400, {"__type": "com.amazonaws#SendingPausedException"}, {}, (ACCOUNT, 300)),
        ("ses", 404, {}, {"x_amzn_errortype": "NotFoundException"}, (ACCOUNT, 300)),
        (
            "ses",
            400,
            {"message": "Email address is not verified. ana@example.com"},
            {"x_amzn_errortype": "MessageRejected"},
            (ACCOUNT, 300),
        ),
        (
            "ses",
            400,
            {"message": "virus"},
            {"x_amzn_errortype": "MessageRejected"},
            Rejected("message_refused", "ses: MessageRejected"),
        ),
        ("ses", 403, {"message": "signature"}, {"x_amzn_errortype": "InvalidSignatureException"}, (ACCOUNT, 300)),
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
    assert "ana@" not in repr(delivery)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("status", [500, 502, 504])
async def test_an_error_of_the_server_may_follow_the_acceptance(name: str, status: int) -> None:
    assert isinstance(await read(name, status), Ambiguous)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("status", [401, 402, 403])
async def test_a_fault_of_the_account_costs_no_message(name: str, status: int) -> None:
    delivery = await read(name, status, {"ErrorCode": 10})
    assert isinstance(delivery, Unavailable)
    assert delivery.reason == ACCOUNT


@pytest.mark.parametrize("name", NAMES)
async def test_a_repetition_is_safe_only_where_the_provider_knows_the_key(name: str) -> None:
    expected = {"resend": Keyed(86_400.0), "brevo": Keyed(900.0)}
    assert open_account(name, 1).repeats == expected.get(name, Never())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("message", "to", "reason"),
    [
        (MAIL, "no address", "invalid_address"),
        (MAIL, "jörg@example.com", "invalid_address"),
        (mail(subject="A\r\nBcc: eve@example.com"), ADDRESS, "invalid_message"),
        (mail(**{"from": "E\nve <eve@example.com>"}), ADDRESS, "invalid_message"),
        (mail(reply_to="jörg@example.com"), ADDRESS, "invalid_message"),
    ],
)
async def test_what_no_mail_can_hold_is_rejected_before_a_call(
    name: str, message: Outbound, to: str, reason: str
) -> None:
    receiver = Receiver()
    delivery = await deliver(name, receiver, message, to)
    assert isinstance(delivery, Rejected)
    assert (delivery.reason, receiver.requests) == (reason, [])


@pytest.mark.parametrize("name", NAMES)
async def test_the_account_is_tried_without_sending(name: str) -> None:
    receiver = Receiver(answer(200, b'{"SendingEnabled": true}'))
    async with listening(receiver.talk) as port:
        account = open_account(name, port)
        assert await account.check() is None
        receiver.reply = answer(401, b'{"ErrorCode": 10, "name": "validation_error"}')
        refused = await account.check()
        await account.close()
    assert isinstance(refused, Unavailable)
    assert refused.reason == ACCOUNT
    assert all(request.line.startswith("GET ") for request in receiver.requests)


async def test_ses_says_that_sending_is_disabled_and_resend_takes_a_key_that_only_sends() -> None:
    async with listening(Receiver(answer(200, b'{"SendingEnabled": false}')).talk) as port:
        account = open_account("ses", port)
        assert await account.check() == Unavailable(ACCOUNT, "ses: sending is disabled for this account")
        await account.close()
    async with listening(Receiver(answer(401, b'{"name": "restricted_api_key"}')).talk) as port:
        account = open_account("resend", port)
        assert await account.check() is None
        await account.close()
