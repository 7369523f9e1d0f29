"""Chatwoot: what it is asked for a message, and what its replies mean."""

import json
from typing import Any

import pytest

from channels.chat.chatwoot import ChatwootInbox
from domain.sending.delivery import ACCOUNT, Accepted, Ambiguous, Delivery, Rejected, Unavailable
from tests.channels.messages import ADDRESS, CHAT, MAIL
from tests.channels.servers import HANG_UP, Service, answer, listening

ROOT = "/api/v1/accounts/7"
SEARCH = f"GET {ROOT}/contacts/search?q=ana%40example.com"
CONVERSATIONS, INBOXES, BEGIN = (
    f"{ROOT}/contacts/5/conversations",
    f"{ROOT}/contacts/5/contact_inboxes",
    f"POST {ROOT}/conversations",
)
MADE = {"payload": {"contact": {"id": 5}, "contact_inbox": {"source_id": "s-5", "inbox": {"id": 3}}}}


def contact(*inboxes: tuple[int, str], email: str = "Ana@Example.com") -> dict[str, Any]:
    return {"id": 5, "email": email, "contact_inboxes": [{"source_id": s, "inbox": {"id": id}} for id, s in inboxes]}


def said(body: Any, status: int = 200) -> bytes:
    return answer(status, json.dumps(body).encode())


def replies(**changes: bytes | str) -> dict[str, bytes | str]:
    """Those of an account that knows the contact, who has no conversation yet."""
    usual: dict[str, bytes | str] = {
        "search": said({"payload": [contact((9, "s-9"), (3, "s-3"))]}),
        "conversations": said({"payload": []}),
        "begin": said({"id": 42}),
        "make": said(MADE),
        "join": said({"source_id": "s-7", "inbox": {"id": 3}}),
    }
    usual |= changes
    return {
        SEARCH: usual["search"],
        f"GET {CONVERSATIONS}": usual["conversations"],
        BEGIN: usual["begin"],
        f"POST {ROOT}/contacts ": usual["make"],
        f"POST {INBOXES}": usual["join"],
    }


async def deliver(**changes: bytes | str) -> tuple[Delivery, Service]:
    service = Service(replies=replies(**changes))
    async with listening(service.talk) as port:
        account = ChatwootInbox("agent-token", 7, 3, f"http://127.0.0.1:{port}/")
        delivery = await account.deliver(CHAT, ADDRESS)
        await account.close()
    return delivery, service


def lines(service: Service) -> list[str]:
    return [request.line.removesuffix(" HTTP/1.1") for request in service.requests]


async def test_a_message_begins_a_conversation_with_a_known_contact() -> None:
    delivery, service = await deliver()
    assert delivery == Accepted("42")
    assert lines(service) == [SEARCH, f"GET {CONVERSATIONS}", BEGIN]
    assert {request.headers["api_access_token"] for request in service.requests} == {"agent-token"}
    assert json.loads(service.requests[-1].body) == {
        "source_id": "s-3",
        "inbox_id": 3,
        "contact_id": 5,
        "custom_attributes": {"sojourn_message_id": MAIL.message_id},
        "message": {"content": "Any questions?"},
    }


@pytest.mark.parametrize("found", [[], [contact((3, "s-3"), email="ana@example.com.evil")]])
async def test_an_unknown_contact_is_made(found: list[Any]) -> None:
    delivery, service = await deliver(search=said({"payload": found}))
    assert delivery == Accepted("42")
    assert lines(service) == [SEARCH, f"POST {ROOT}/contacts", f"GET {CONVERSATIONS}", BEGIN]
    assert json.loads(service.requests[1].body) == {"inbox_id": 3, "email": ADDRESS}
    assert json.loads(service.requests[-1].body)["source_id"] == "s-5"


async def test_a_contact_of_other_inboxes_joins_this_one() -> None:
    delivery, service = await deliver(search=said({"payload": [contact((9, "s-9"))]}))
    assert delivery == Accepted("42")
    assert json.loads(service.requests[-1].body)["source_id"] == "s-7"


async def test_a_message_that_has_begun_its_conversation_begins_no_other() -> None:
    own = {"id": 41, "custom_attributes": {"sojourn_message_id": MAIL.message_id}}
    other = {"id": 40, "custom_attributes": {"sojourn_message_id": "another"}}
    delivery, service = await deliver(conversations=said({"payload": [other, own]}))
    assert delivery == Accepted("41")
    assert BEGIN not in lines(service)


@pytest.mark.parametrize("place", ["search", "conversations"])
@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (answer(401), ACCOUNT),
        (answer(503), "http_503"),
        (answer(500), "http_500"),
        (answer(404), ACCOUNT),
        (HANG_UP, "connection"),
        # It says nothing of the conversations that there are: another one could be the second of the message.
        (answer(200, b"<html>"), "http_200"),
        (said({"payload": {}}), "http_200"),
        (said({"payload": [7]}), "http_200"),
    ],
)
async def test_a_look_up_that_fails_has_begun_nothing(place: str, reply: bytes | str, reason: str) -> None:
    delivery, service = await deliver(**{place: reply})
    assert isinstance(delivery, Unavailable)
    assert delivery.reason == reason
    assert BEGIN not in lines(service)


async def test_the_conversation_of_the_message_is_found_among_long_ones() -> None:
    own = {"id": 41, "custom_attributes": {"sojourn_message_id": MAIL.message_id}}
    delivery, service = await deliver(conversations=said({"payload": [{"messages": ["x" * 5_000]}] * 19 + [own]}))
    assert delivery == Accepted("41")
    assert BEGIN not in lines(service)


@pytest.mark.parametrize("inboxes", [7, "x", [7], [{"inbox": "x"}], [{"inbox": {"id": 3}, "source_id": []}]])
async def test_a_contact_without_readable_inboxes_joins_this_one(inboxes: Any) -> None:
    delivery, service = await deliver(search=said({"payload": [{**contact(), "contact_inboxes": inboxes}]}))
    assert delivery == Accepted("42")
    assert f"POST {INBOXES}" in lines(service)


async def test_an_answer_without_an_id_begins_nothing() -> None:
    delivery, _ = await deliver(search=said({"payload": [{"email": ADDRESS}]}), make=said({}))
    assert delivery == Unavailable("http_200", "chatwoot answered without an id")


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (answer(422, b"{}"), Rejected("message_refused", "chatwoot answered 422")),
        (answer(502), Ambiguous("the provider answered 502")),
        (answer(200, b"<html>"), Accepted(None)),
        (HANG_UP, Ambiguous("RemoteProtocolError")),
    ],
)
async def test_a_reply_means_one_thing(reply: bytes | str, expected: Delivery) -> None:
    delivery, _ = await deliver(begin=reply)
    assert delivery == expected


async def test_the_token_is_tried_by_the_inbox() -> None:
    service = Service(replies={f"GET {ROOT}/inboxes/3": answer(200, b"{}")})
    async with listening(service.talk) as port:
        account = ChatwootInbox("agent-token", 7, 3, f"http://127.0.0.1:{port}")
        assert await account.check() is None
        service.replies = {"GET": answer(401)}
        refused = await account.check()
        await account.close()
    assert isinstance(refused, Unavailable)
    assert refused.reason == ACCOUNT
