"""Firebase: its requests by the published document, its codes, and the token of the service account."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import jsonschema_rs
import pytest

from channels.google_token import GoogleToken
from channels.push.fcm import SCOPE, Fcm, build_message
from domain.sending.delivery import ACCOUNT, Accepted, Ambiguous, Delivery, Rejected, Unavailable
from tests.channels.messages import MAIL
from tests.channels.provider_specs import read
from tests.channels.pushes import FULL, PUSH, REPORT_URL, device, push_to
from tests.channels.servers import HANG_UP, TIME_OUT, Receiver, answer, listening
from tests.channels.test_ad_platforms import KEY

# No test waits for so long, however busy the machine is.
PATIENCE = 60.0
ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"


@asynccontextmanager
async def firebase(reply: bytes | str) -> AsyncIterator[tuple[Fcm, Receiver, Receiver]]:
    tokens = Receiver(answer(200, b'{"access_token": "t", "expires_in": 3599}'))
    messages = Receiver(reply)
    async with listening(tokens.talk) as token_port, listening(messages.talk) as port:
        token = GoogleToken(KEY, SCOPE, f"http://127.0.0.1:{token_port}/token", PATIENCE)
        provider = Fcm("shop", token, f"http://127.0.0.1:{port}", PATIENCE)
        yield provider, messages, tokens
        await provider.close()


def error(status: int, *details: dict[str, Any]) -> bytes:
    return answer(status, json.dumps({"error": {"code": status, "message": "words", "details": details}}).encode())


def code(status: int, name: str) -> bytes:
    return error(status, {"@type": ERROR, "errorCode": name})


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (answer(200, b'{"name": "projects/shop/messages/7"}'), Accepted("projects/shop/messages/7")),
        (code(404, "UNREGISTERED"), Rejected("unregistered", "fcm: UNREGISTERED", "address")),
        (code(400, "INVALID_ARGUMENT"), Rejected("invalid_argument", "fcm: INVALID_ARGUMENT", "address")),
        (error(400, {"@type": BAD_REQUEST}), Rejected("http_400", "the provider answered 400")),
        (
            error(400, {"@type": ERROR, "errorCode": "INVALID_ARGUMENT"}, {"@type": BAD_REQUEST}),
            Rejected("http_400", "the provider answered 400"),
        ),
        # By code, never by text or status: a wrong project must not delete the devices of another.
        (error(404), Rejected("http_404", "the provider answered 404")),
        (code(403, "SENDER_ID_MISMATCH"), Unavailable(ACCOUNT, "fcm: SENDER_ID_MISMATCH", 300.0)),
        (code(401, "THIRD_PARTY_AUTH_ERROR"), Unavailable(ACCOUNT, "fcm: THIRD_PARTY_AUTH_ERROR", 300.0)),
        (code(429, "QUOTA_EXCEEDED"), Unavailable("http_429", "fcm: QUOTA_EXCEEDED", 60.0)),
        (code(503, "UNAVAILABLE"), Unavailable("http_503", "the provider answered 503")),
        (code(500, "INTERNAL"), Ambiguous("the provider answered 500")),
        (answer(401), Unavailable(ACCOUNT, "the provider answered 401", 300.0)),
        (HANG_UP, Ambiguous("RemoteProtocolError")),
        (TIME_OUT, Ambiguous("timed out")),
    ],
)
async def test_each_answer_is_one_delivery(reply: bytes | str, expected: Delivery) -> None:
    async with firebase(reply) as (provider, messages, _):
        assert await provider.deliver(push_to(device("t1")), "t1") == expected
    [request] = messages.requests
    assert request.line == "POST /v1/projects/shop/messages:send HTTP/1.1"
    assert request.headers["authorization"] == "Bearer t"


async def test_one_token_serves_many_and_a_refused_one_is_not_used_again() -> None:
    async with firebase(answer(401)) as (provider, messages, tokens):
        await provider.deliver(push_to(device("t1")), "t1")
        messages.reply = answer(200, b"{}")
        for _ in range(3):
            await provider.deliver(push_to(device("t1")), "t1")
        assert await provider.check() is None
    assert len(tokens.requests) == 2


async def test_a_refused_account_hands_nothing_over() -> None:
    async with firebase(answer(200)) as (provider, messages, tokens):
        tokens.reply = answer(400, b'{"error": "invalid_grant"}')
        delivery = await provider.deliver(push_to(device("t1")), "t1")
    assert isinstance(delivery, Unavailable)
    assert (delivery.reason, messages.requests) == (ACCOUNT, [])


def test_a_notification_is_for_all_systems() -> None:
    built = build_message(replace(PUSH, content=FULL, device=device("f1", kind="fid")), "f1")
    assert (built["fid"], "token" in built) == ("f1", False)
    assert built["data"] == {
        "cart": "c-9",
        "message_id": MAIL.message_id,
        "report_url": REPORT_URL,
        "url": "https://shop.example.com/cart",
        "image": "https://img.example.com/c.png",
        "actions": '[{"id":"buy","title":"Buy it","url":"https://shop.example.com/buy"}]',
    }
    assert (built["android"]["ttl"], built["android"]["collapseKey"]) == ("21600s", "cart c-9")
    assert built["apns"]["headers"]["apns-collapse-id"] == "cart c-9"


@pytest.mark.parametrize("content", [PUSH.content, FULL])
def test_requests_are_those_of_the_published_document(content: dict[str, Any]) -> None:
    validator = jsonschema_rs.Draft202012Validator(_schema())
    built = build_message(replace(PUSH, content=content), "t1")
    assert [error.message for error in validator.iter_errors(built)] == []
    assert not validator.is_valid({**built, "colour": "red"})
    assert not validator.is_valid({**built, "data": {"count": 1}})
    assert not validator.is_valid({**built, "android": {"priority": "URGENT"}})


def _schema() -> dict[str, Any]:
    """The document of discovery as JSON Schema, which allows nothing that it does not know."""
    schemas = read("fcm.v1")["schemas"]
    return {"$ref": "#/$defs/Message", "$defs": {name: _converted(one) for name, one in schemas.items()}}


def _converted(one: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in one:
        return {"$ref": f"#/$defs/{one['$ref']}"}
    if one.get("type") == "any":
        return {}
    found: dict[str, Any] = {key: one[key] for key in ("type", "enum") if key in one}
    if "items" in one:
        found["items"] = _converted(one["items"])
    if one.get("type") == "object":
        found["properties"] = {name: _converted(each) for name, each in one.get("properties", {}).items()}
        more = one.get("additionalProperties")
        found["additionalProperties"] = _converted(more) if more else False
    return found
