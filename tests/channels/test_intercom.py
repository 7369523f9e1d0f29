"""Intercom: what it is asked for a message, and what its replies mean."""

import json
from dataclasses import replace
from typing import Any

import pytest

from channels.chat.intercom import Intercom
from domain.sending.delivery import ACCOUNT, Accepted, Ambiguous, Delivery, Outbound, Rejected, Unavailable
from tests.channels.messages import ADDRESS, CHAT, MAIL
from tests.channels.servers import HANG_UP, Service, answer, listening

SEARCH, SEND, MARK = "POST /contacts/search", "POST /messages", "PUT /conversations/77"
FOUND = {"data": [{"id": "c-1", "role": "user"}]}


def said(body: Any, status: int = 200, **headers: str) -> bytes:
    return answer(status, json.dumps(body).encode(), **headers)


async def deliver(changes: dict[str, bytes | str] | None = None, message: Outbound = CHAT) -> tuple[Delivery, Service]:
    usual = {SEARCH: said(FOUND), SEND: said({"id": "m-1", "conversation_id": "77"}), MARK: said({})}
    service = Service(replies={**usual, **(changes or {})})
    async with listening(service.talk) as port:
        account = Intercom("token", "814", f"http://127.0.0.1:{port}")
        delivery = await account.deliver(message, ADDRESS)
        await account.close()
    return delivery, service


async def test_a_message_goes_to_the_contact_and_its_conversation_is_marked() -> None:
    message = replace(CHAT, content={"text": "5 < 7 & more\nAny questions?"})
    delivery, service = await deliver(message=message)
    assert delivery == Accepted("77")
    search, sent, marked = service.requests
    assert json.loads(search.body)["query"] == {"field": "email", "operator": "=", "value": ADDRESS}
    assert json.loads(sent.body) == {
        "message_type": "in_app",
        "body": "5 &lt; 7 &amp; more<br>Any questions?",
        "from": {"type": "admin", "id": "814"},
        "to": {"type": "user", "id": "c-1"},
        "create_conversation_without_contact_reply": True,
    }
    assert marked.line == f"{MARK} HTTP/1.1"
    assert json.loads(marked.body) == {"custom_attributes": {"sojourn_message_id": MAIL.message_id}}
    assert {request.headers["authorization"] for request in service.requests} == {"Bearer token"}


async def test_a_lead_is_named_as_one() -> None:
    _, service = await deliver({SEARCH: said({"data": [{"id": "c-2", "role": "lead"}]})})
    assert json.loads(service.requests[1].body)["to"] == {"type": "lead", "id": "c-2"}


@pytest.mark.parametrize("mark", [answer(500), answer(404), HANG_UP])
async def test_a_mark_that_fails_changes_no_acceptance(mark: bytes | str) -> None:
    delivery, _ = await deliver({MARK: mark})
    assert delivery == Accepted("77")


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (said({"data": []}), Rejected("recipient_refused", "intercom knows no contact with this address")),
        (said({}, 401), Unavailable(ACCOUNT, "the provider answered 401", 300)),
        (said({}, 429, X_RateLimit_Reset="0"), Unavailable("http_429", "intercom answered 429", 0)),
        (said({}, 500), Unavailable("http_500", "intercom answered 500 to a search")),
        (answer(200, b"<html>"), Unavailable("http_200", "intercom answered 200 to a search")),
        (HANG_UP, Unavailable("connection", "RemoteProtocolError")),
    ],
)
async def test_a_search_that_fails_has_sent_nothing(reply: bytes | str, expected: Delivery) -> None:
    delivery, service = await deliver({SEARCH: reply})
    assert delivery == expected
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (
            said({"errors": [{"code": "parameter_invalid", "message": "Ana"}]}, 422),
            Rejected("message_refused", "intercom: parameter_invalid"),
        ),
        (said({}, 403), Unavailable(ACCOUNT, "the provider answered 403", 300)),
        (said({}, 502), Ambiguous("the provider answered 502")),
        (said({"id": "m-1"}), Accepted("m-1")),
        (HANG_UP, Ambiguous("RemoteProtocolError")),
    ],
)
async def test_a_reply_means_one_thing(reply: bytes | str, expected: Delivery) -> None:
    delivery, service = await deliver({SEND: reply})
    assert delivery == expected
    assert len(service.requests) == 2


async def test_the_token_is_tried_without_sending() -> None:
    service = Service(replies={"GET /me": said({"type": "admin"})})
    async with listening(service.talk) as port:
        account = Intercom("token", "814", f"http://127.0.0.1:{port}")
        assert await account.check() is None
        service.replies = {"GET": answer(401)}
        assert await account.check() == Unavailable(ACCOUNT, "the provider answered 401", 300)
        await account.close()
