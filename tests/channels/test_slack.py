"""Slack: what it is asked, and what its answers mean, which are all 200."""

import json
from typing import Any

import pytest

from channels.slack.slack import SlackApi
from domain.sending.delivery import ACCOUNT, Accepted, Ambiguous, Delivery, Outbound, Rejected, Unavailable
from tests.channels.messages import MAIL, slack
from tests.channels.servers import HANG_UP, Receiver, Service, answer, listening

CHANNEL, COLLEAGUE = slack("#sales"), slack("Eva@Shop.Example")
TAKEN = {"ok": True, "channel": "C1", "ts": "1503435956.000247"}
FOUND = {"ok": True, "user": {"id": "U1"}}
LOOK_UP = "GET /api/users.lookupByEmail?email=eva%40shop.example HTTP/1.1"


def said(body: Any, status: int = 200, **headers: str) -> bytes:
    return answer(status, json.dumps(body).encode(), **headers)


async def deliver(receiver: Receiver, *messages: Outbound) -> list[Delivery]:
    async with listening(receiver.talk) as port:
        account = SlackApi("xoxb-token", f"http://127.0.0.1:{port}")
        deliveries = [await account.deliver(message, "") for message in messages]
        await account.close()
    return deliveries


async def test_a_text_is_posted_with_the_id_of_its_message() -> None:
    receiver = Receiver(said(TAKEN))
    assert await deliver(receiver, CHANNEL) == [Accepted("C1 1503435956.000247")]
    [request] = receiver.requests
    assert request.line == "POST /api/chat.postMessage HTTP/1.1"
    assert request.headers["authorization"] == "Bearer xoxb-token"
    assert json.loads(request.body) == {
        "channel": "#sales",
        "text": "Ada wants a demo",
        "metadata": {"event_type": "sojourn_message", "event_payload": {"message_id": MAIL.message_id}},
    }


async def test_a_colleague_is_looked_up_once() -> None:
    service = Service(replies={"GET": said(FOUND), "POST": said(TAKEN)})
    deliveries = await deliver(service, COLLEAGUE, COLLEAGUE, slack("eva@shop.example"))
    assert all(isinstance(delivery, Accepted) for delivery in deliveries)
    lines = [request.line for request in service.requests]
    assert lines == [LOOK_UP, *["POST /api/chat.postMessage HTTP/1.1"] * 3]
    assert json.loads(service.requests[1].body)["channel"] == "U1"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("channel_not_found", Rejected("message_refused", "slack: channel_not_found")),
        ("is_archived", Rejected("message_refused", "slack: is_archived")),
        ("msg_too_long", Rejected("message_refused", "slack: msg_too_long")),
        ("invalid_auth", Unavailable(ACCOUNT, "slack: invalid_auth", 300)),
        ("token_revoked", Unavailable(ACCOUNT, "slack: token_revoked", 300)),
        ("missing_scope", Unavailable(ACCOUNT, "slack: missing_scope", 300)),
        ("not_in_channel", Unavailable("deferred", "slack: not_in_channel", 300)),
        ("service_unavailable", Unavailable("busy", "slack: service_unavailable")),
        ("fatal_error", Ambiguous("slack: fatal_error")),
    ],
)
async def test_an_error_means_one_thing(code: str, expected: Delivery) -> None:
    assert await deliver(Receiver(said({"ok": False, "error": code})), CHANNEL) == [expected]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (said({"ok": False, "error": "ratelimited"}, 429, Retry_After="30"), Unavailable),
        (answer(200, b"<html>"), Accepted),
        (answer(500), Ambiguous),
        (answer(302), Unavailable),
    ],
)
async def test_other_replies_go_by_the_rules_of_all(reply: bytes, kind: type[Delivery]) -> None:
    assert [type(delivery) for delivery in await deliver(Receiver(reply), CHANNEL)] == [kind]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (said({"ok": False, "error": "users_not_found"}), Rejected("recipient_refused", "slack: users_not_found")),
        (said({"ok": False, "error": "invalid_auth"}), Unavailable(ACCOUNT, "slack: invalid_auth", 300)),
        (said({}, 429, Retry_After="30"), Unavailable("http_429", "the provider answered 429", 30)),
        (said({"ok": False, "error": "fatal_error"}), Unavailable("http_200", "slack answered 200 to a look-up")),
        (answer(500), Unavailable("http_500", "slack answered 500 to a look-up")),
        (HANG_UP, Unavailable("connection", "RemoteProtocolError")),
    ],
)
async def test_a_look_up_that_fails_has_posted_nothing(reply: bytes | str, expected: Delivery) -> None:
    service = Service(replies={"GET": reply})
    assert await deliver(service, COLLEAGUE) == [expected]
    assert [request.line for request in service.requests] == [LOOK_UP]


async def test_the_token_is_tried_without_posting() -> None:
    receiver = Receiver(said({"ok": True, "team": "Shop"}))
    async with listening(receiver.talk) as port:
        account = SlackApi("xoxb-token", f"http://127.0.0.1:{port}")
        assert await account.check() is None
        receiver.reply = said({"ok": False, "error": "invalid_auth"})
        assert await account.check() == Unavailable(ACCOUNT, "slack: invalid_auth", 300)
        await account.close()
    assert {request.line for request in receiver.requests} == {"GET /api/auth.test HTTP/1.1"}
