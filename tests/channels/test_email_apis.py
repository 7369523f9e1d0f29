"""The APIs of e-mail providers: what each is asked, and what its replies mean."""

import json
from base64 import b64decode, b64encode
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from threading import get_ident
from typing import Any
from urllib.parse import parse_qsl

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from channels.email.content import encode
from domain.sending.attachment import Attachment
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
from tests.channels import provider_specs
from tests.channels.deliveries import deliver_by, request_of
from tests.channels.email_accounts import NAMES, TOKEN, open_account
from tests.channels.messages import ADDRESS, MAIL, mail
from tests.channels.servers import Receiver, Request, answer, listening

FULL = mail(**{"from": "Füße, Söhne <hello@shop.example.com>"}, reply_to="Help <help@example.com>")


# So large that it is encoded in a thread.
PDF = bytes(range(256)) * 300
ATTACHED = mail(
    attachments=[
        Attachment("terms.pdf", "application/pdf", PDF),
        Attachment("invite.ics", 'text/calendar; charset="utf-8"; method=REQUEST', b"BEGIN:VCALENDAR\r\n"),
    ]
)


async def deliver(name: str, receiver: Receiver, message: Outbound = MAIL, to: str = ADDRESS) -> Delivery:
    return await deliver_by(partial(open_account, name), receiver, message, to)


async def requested(name: str, message: Outbound = MAIL) -> Request:
    return await request_of(partial(open_account, name), message, ADDRESS)


async def body_of(name: str, message: Outbound = MAIL) -> Any:
    return json.loads((await requested(name, message)).body)


async def read(name: str, status: int, body: Any = None, **headers: str) -> Delivery:
    written = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    return await deliver(name, Receiver(answer(status, written, **headers)))


# Requests


@pytest.mark.parametrize(
    ("name", "line", "header", "value"),
    [
        ("brevo", "POST /v3/smtp/email HTTP/1.1", "api-key", TOKEN),
        (
            "mailgun",
            "POST /v3/shop.example.com/messages HTTP/1.1",
            "authorization",
            "Basic " + b64encode(f"api:{TOKEN}".encode()).decode(),
        ),
        ("postmark", "POST /email HTTP/1.1", "x-postmark-server-token", TOKEN),
        ("resend", "POST /emails HTTP/1.1", "authorization", f"Bearer {TOKEN}"),
        ("sendgrid", "POST /v3/mail/send HTTP/1.1", "authorization", f"Bearer {TOKEN}"),
    ],
)
async def test_the_account_is_named_in_a_header(name: str, line: str, header: str, value: str) -> None:
    request = await requested(name)
    assert (request.line, request.headers[header]) == (line, value)
    assert TOKEN.encode() not in request.body


async def test_resend_gets_a_mail_with_its_key() -> None:
    request = await requested("resend", FULL)
    assert request.headers["idempotency-key"] == MAIL.message_id
    assert json.loads(request.body) == {
        "from": '"Füße, Söhne" <hello@shop.example.com>',
        "to": [ADDRESS],
        "subject": "Grüße, Ana",
        "html": MAIL.content["html"],
        "text": MAIL.content["text"],
        "reply_to": ['"Help" <help@example.com>'],
        "headers": HEADERS,
        "tags": [{"name": "message_id", "value": MAIL.message_id}],
    }


HEADERS = {
    "X-Sojourn-Message": MAIL.message_id,
    "List-Unsubscribe": f"<{MAIL.unsubscribe_url}>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
}


async def test_postmark_gets_a_mail_for_its_stream() -> None:
    body = await body_of("postmark", FULL)
    assert body["MessageStream"] == "broadcast"
    assert body["Metadata"] == {"message_id": MAIL.message_id}
    assert body["ReplyTo"] == '"Help" <help@example.com>'
    assert {one["Name"]: one["Value"] for one in body["Headers"]} == HEADERS
    assert "ReplyTo" not in await body_of("postmark")


async def test_sendgrid_gets_its_arguments_by_recipient() -> None:
    body = await body_of("sendgrid", FULL)
    assert body["personalizations"] == [{"to": [{"email": ADDRESS}], "custom_args": {"message_id": MAIL.message_id}}]
    assert body["from"] == {"email": "hello@shop.example.com", "name": "Füße, Söhne"}
    assert body["reply_to"] == {"email": "help@example.com", "name": "Help"}
    assert body["headers"] == HEADERS


@pytest.mark.parametrize(("text", "types"), [("", ["text/html"]), ("Hi", ["text/plain", "text/html"])])
async def test_sendgrid_gets_no_empty_part(text: str, types: list[str]) -> None:
    body = await body_of("sendgrid", mail(text=text))
    assert [one["type"] for one in body["content"]] == types
    assert provider_specs.list_faults("sendgrid", "/mail/send", body) == []


async def test_mailgun_gets_a_form() -> None:
    request = await requested("mailgun", FULL)
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    fields = dict(parse_qsl(request.body.decode(), strict_parsing=True))
    assert fields.pop("h:Reply-To") == '"Help" <help@example.com>'
    assert {name.removeprefix("h:"): value for name, value in fields.items() if name.startswith("h:")} == HEADERS
    assert (fields["to"], fields["v:message_id"], fields["text"]) == (ADDRESS, MAIL.message_id, MAIL.content["text"])


async def test_brevo_gets_the_key_among_the_headers() -> None:
    body = await body_of("brevo", FULL)
    assert body["headers"] == {
        **HEADERS,
        "idempotencyKey": MAIL.message_id,
        "X-Mailin-custom": MAIL.message_id,
    }
    assert body["replyTo"] == {"email": "help@example.com", "name": "Help"}


async def test_ses_gets_a_whole_mail_that_fits_the_service_s_model() -> None:
    request = await requested("ses", FULL)
    body = json.loads(request.body)
    assert request.line == "POST /v2/email/outbound-emails HTTP/1.1"
    assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/eu-west-1/ses/aws4_request" in request.headers["authorization"]
    assert body["EmailTags"] == [{"Name": "message_id", "Value": MAIL.message_id}]
    assert body["ConfigurationSetName"] == "sojourn"
    written = message_from_bytes(b64decode(body["Content"]["Raw"]["Data"]), policy=policy.default)
    assert isinstance(written, EmailMessage)
    assert (written["To"], written["Subject"]) == (ADDRESS, "Grüße, Ana")
    # RFC 2047: a name that is not of ASCII is in encoded words, also where the request itself names a sender.
    assert (str(written["From"]), "FromEmailAddress" in body) == ('"Füße, Söhne" <hello@shop.example.com>', False)
    assert written["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    model = ServiceModel(Loader().load_service_model("sesv2", "service-2"))
    shape = model.operation_model("SendEmail").input_shape
    body["Content"]["Raw"]["Data"] = b64decode(body["Content"]["Raw"]["Data"])
    assert ParamValidator().validate(body, shape).generate_report() == ""
    assert ParamValidator().validate({**body, "EmailTags": "x"}, shape).generate_report() != ""


@pytest.mark.parametrize(("name", "path"), [("resend", "/emails"), ("sendgrid", "/mail/send")])
@pytest.mark.parametrize("message", [MAIL, FULL, ATTACHED], ids=["least", "full", "attached"])
async def test_a_request_fits_the_published_document(name: str, path: str, message: Outbound) -> None:
    body = await body_of(name, message)
    assert provider_specs.list_faults(name, path, body) == []
    assert provider_specs.list_faults(name, path, {**body, "from": 3}) != []
    assert provider_specs.list_faults(name, path, {**body, "unheard_of": 3}) != []


# The member of the request that lists files, and the members of one with its name, its data and its type.
ATTACHMENTS = {
    "brevo": ("attachment", "name", "content", None),
    "postmark": ("Attachments", "Name", "Content", "ContentType"),
    "resend": ("attachments", "filename", "content", "content_type"),
    "sendgrid": ("attachments", "filename", "content", "type"),
}


@pytest.mark.parametrize("name", ATTACHMENTS)
async def test_a_mail_without_attachments_has_no_list_of_them(name: str) -> None:
    assert ATTACHMENTS[name][0] not in await body_of(name)


@pytest.mark.parametrize("name", ATTACHMENTS)
async def test_attachments_go_out_in_base64(name: str) -> None:
    listed, named, data, kind = ATTACHMENTS[name]
    files = (await body_of(name, ATTACHED))[listed]
    assert [(file[named], b64decode(file[data], validate=True)) for file in files] == [
        (one.name, one.data) for one in ATTACHED.content["attachments"]
    ]
    assert kind is None or [file[kind] for file in files] == [one.media_type for one in ATTACHED.content["attachments"]]


async def test_mailgun_gets_attachments_as_parts_of_a_form() -> None:
    request = await requested("mailgun", ATTACHED)
    form = message_from_bytes(
        f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode() + request.body, policy=policy.HTTP
    )
    parts = [(part.get_param("name", header="content-disposition"), part) for part in form.iter_parts()]
    assert [part.get_payload(decode=True) for name, part in parts if name == "text"] == [
        ATTACHED.content["text"].encode()
    ]
    files = [part for name, part in parts if name == "attachment"]
    assert [file.get_filename() for file in files] == ["terms.pdf", "invite.ics"]
    assert files[0].get_payload(decode=True) == PDF


async def test_ses_gets_attachments_within_the_mail() -> None:
    body = json.loads((await requested("ses", ATTACHED)).body)
    written = message_from_bytes(b64decode(body["Content"]["Raw"]["Data"]), policy=policy.default)
    assert [part.get_content_type() for part in written.walk()] == [
        *("multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/pdf", "text/calendar"),
    ]
    assert isinstance(written, EmailMessage)
    pdf, calendar = written.iter_attachments()
    assert (pdf.get_filename(), pdf.get_content()) == ("terms.pdf", PDF)
    assert calendar.get_param("method") == "REQUEST"


async def test_large_files_are_encoded_beside_the_event_loop() -> None:
    assert await encode(MAIL, get_ident) == get_ident()
    assert await encode(ATTACHED, get_ident) != get_ident()


# Replies


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
