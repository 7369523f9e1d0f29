"""The APIs of e-mail providers: the request that each of them gets."""

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
    Outbound,
)
from tests.channels import provider_specs
from tests.channels.deliveries import request_of
from tests.channels.email_accounts import TOKEN, open_account
from tests.channels.messages import ADDRESS, MAIL, mail
from tests.channels.servers import Request

FULL = mail(**{"from": "Füße, Söhne <hello@shop.example.com>"}, reply_to="Help <help@example.com>")


# So large that it is encoded in a thread.
PDF = bytes(range(256)) * 300
ATTACHED = mail(
    attachments=[
        Attachment("terms.pdf", "application/pdf", PDF),
        Attachment("invite.ics", 'text/calendar; charset="utf-8"; method=REQUEST', b"BEGIN:VCALENDAR\r\n"),
    ]
)


async def requested(name: str, message: Outbound = MAIL) -> Request:
    return await request_of(partial(open_account, name), message, ADDRESS)


async def body_of(name: str, message: Outbound = MAIL) -> Any:
    return json.loads((await requested(name, message)).body)


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
