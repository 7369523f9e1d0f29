"""HubSpot: what it is asked for a call, what its replies mean, and which tasks its callbacks complete."""

import hmac
import json
from base64 import b64encode
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from channels.call.hubspot import Hubspot
from channels.call.hubspot_reports import TaskReader
from domain.errors import InvalidRequestError, UnavailableError, UnverifiedCallbackError
from domain.sending.delivery import ACCOUNT, Accepted, Ambiguous, Delivery, Outbound, Rejected, Unavailable
from domain.sending.reports import Callback, ProviderReport
from tests.channels.messages import AT, CALL, MAIL, PHONE
from tests.channels.recorded_callbacks import HAPPENED, MESSAGE, NOW, SECRET
from tests.channels.servers import HANG_UP, Service, answer, listening

UPSERT, OWNERS = "POST /crm/v3/objects/tasks/batch/upsert", "GET /crm/v3/owners?email=eva%40shop.example&limit=1"
MISSING_PROPERTY = Unavailable(
    ACCOUNT, "hubspot: tasks have no property `sojourn_message_id`: create it, with unique values", 300
)
WRITTEN = {"status": "COMPLETE", "results": [{"id": "512", "new": True}]}
URL = "https://sojourn.example.com/v1/callbacks/crm"


def said(body: Any, status: int = 200, **headers: str) -> bytes:
    return answer(status, json.dumps(body).encode(), **headers)


def refused(status: int, category: str) -> bytes:
    return said({"category": category, "message": "Ada"}, status)


async def deliver(changes: dict[str, bytes | str] | None = None, *messages: Outbound) -> tuple[list[Delivery], Service]:
    usual = {UPSERT: said(WRITTEN), OWNERS: said({"results": [{"id": "99"}]})}
    service = Service(replies={**usual, **(changes or {})})
    async with listening(service.talk) as port:
        account = Hubspot("token", f"http://127.0.0.1:{port}")
        deliveries = [await account.deliver(message, PHONE) for message in messages or (CALL,)]
        await account.close()
    return deliveries, service


def owned(owner: str | None) -> Outbound:
    return replace(CALL, content={**CALL.content, "owner": owner})


async def test_a_call_is_a_task_under_the_id_of_its_message() -> None:
    deliveries, service = await deliver(None, owned("99"))
    assert deliveries == [Accepted("512")]
    [request] = service.requests
    assert request.headers["authorization"] == "Bearer token"
    due = round((AT + timedelta(hours=2)).timestamp() * 1_000)
    assert json.loads(request.body) == {
        "inputs": [
            {
                "id": MAIL.message_id,
                "idProperty": "sojourn_message_id",
                "properties": {
                    "sojourn_message_id": MAIL.message_id,
                    "hs_task_subject": "Call Ada",
                    "hs_task_body": "<p><b>+4915123456789</b></p><p>Say &lt;hello&gt;.<br>Ask about the demo.</p>",
                    "hs_timestamp": str(due),
                    "hs_task_type": "CALL",
                    "hubspot_owner_id": "99",
                },
            }
        ]
    }


async def test_an_owner_is_looked_up_once_and_a_task_may_have_none() -> None:
    _, service = await deliver(None, owned("Eva@Shop.Example"), owned("eva@shop.example"), owned(None))
    assert [request.line.removesuffix(" HTTP/1.1") for request in service.requests] == [OWNERS, *[UPSERT] * 3]
    owners = [
        json.loads(request.body)["inputs"][0]["properties"].get("hubspot_owner_id") for request in service.requests[1:]
    ]
    assert owners == ["99", "99", None]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (said({"results": []}), Rejected("recipient_refused", "hubspot knows no owner with this address")),
        (said({}, 401), Unavailable(ACCOUNT, "the provider answered 401", 300)),
        (said({}, 500), Unavailable("http_500", "hubspot answered 500 to a look-up")),
        (answer(200, b"<html>"), Unavailable("http_200", "hubspot answered 200 to a look-up")),
        (HANG_UP, Unavailable("connection", "RemoteProtocolError")),
    ],
)
async def test_a_look_up_that_fails_has_written_nothing(reply: bytes | str, expected: Delivery) -> None:
    deliveries, service = await deliver({OWNERS: reply}, owned("eva@shop.example"))
    assert (deliveries, len(service.requests)) == ([expected], 1)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (
            said({"category": "VALIDATION_ERROR", "message": "Ada"}, 400),
            Rejected("message_refused", "hubspot: VALIDATION_ERROR"),
        ),
        (
            said({"errors": [{"category": "MISSING"}]}, 207),
            Rejected("message_refused", "hubspot: MISSING"),
        ),
        (
            said({"category": "RATE_LIMITS"}, 429, Retry_After="9"),
            Unavailable("http_429", "the provider answered 429", 9),
        ),
        (said({}, 404), MISSING_PROPERTY),
        (said({"category": "CONFLICT"}, 409), Unavailable("http_409", "hubspot: an earlier attempt is being taken")),
        (said({}, 403), Unavailable(ACCOUNT, "the provider answered 403", 300)),
        (said({}, 502), Ambiguous("the provider answered 502")),
        (HANG_UP, Ambiguous("RemoteProtocolError")),
    ],
)
async def test_a_reply_means_one_thing(reply: bytes | str, expected: Delivery) -> None:
    deliveries, _ = await deliver({UPSERT: reply})
    assert deliveries == [expected]


async def test_the_token_and_the_property_are_tried_without_writing() -> None:
    service = Service(replies={"GET /crm/v3/properties/tasks/sojourn_message_id": said({"hasUniqueValue": True})})
    async with listening(service.talk) as port:
        account = Hubspot("token", f"http://127.0.0.1:{port}")
        assert await account.check() is None
        service.replies = {"GET": answer(403)}
        refused = await account.check()
        service.replies = {"GET": answer(404)}
        missing = await account.check()
        await account.close()
    assert refused == Unavailable(ACCOUNT, "the provider answered 403", 300)
    assert missing == MISSING_PROPERTY


# Callbacks


def change(task: str, value: str = "COMPLETED", **more: Any) -> dict[str, Any]:
    return {
        "eventId": 100 + int(task),
        "subscriptionType": "object.propertyChange",
        "objectTypeId": "0-27",
        "objectId": int(task),
        "propertyName": "hs_task_status",
        "propertyValue": value,
        "occurredAt": int(HAPPENED.timestamp() * 1_000),
        **more,
    }


def signed(events: Any, at: datetime = NOW, secret: str = SECRET, **changes: Any) -> Callback:
    content, time = json.dumps(events).encode(), str(int(at.timestamp() * 1_000))
    digest = hmac.new(secret.encode(), b"POST" + URL.encode() + content + time.encode(), sha256).digest()
    headers = {"x-hubspot-signature-v3": b64encode(digest).decode(), "x-hubspot-request-timestamp": time}
    fields = {"method": "POST", "url": URL, "headers": headers, "body": content} | changes
    return Callback(**fields)


async def read(callback: Callback, tasks: bytes | str = b"") -> tuple[list[ProviderReport], Service]:
    found = {
        "results": [{"id": "512", "properties": {"sojourn_message_id": str(MESSAGE)}}, {"id": "513", "properties": {}}]
    }
    service = Service(replies={"POST /crm/v3/objects/tasks/batch/read": tasks or said(found)})
    async with listening(service.talk) as port:
        return await TaskReader(SECRET, "token", f"http://127.0.0.1:{port}")(callback, NOW), service


async def test_a_completed_task_is_a_completed_call() -> None:
    [report], service = await read(signed([change("512"), change("513"), change("514", "IN_PROGRESS")]))
    assert (report.kind, report.message_id, report.at, report.provider_id) == ("completed", MESSAGE, HAPPENED, "512")
    [request] = service.requests
    assert json.loads(request.body) == {"properties": ["sojourn_message_id"], "inputs": [{"id": "512"}, {"id": "513"}]}


@pytest.mark.parametrize("event", [change("512", "DEFERRED"), change("512", propertyName="hs_task_body"), 7, {}, None])
async def test_other_events_read_no_task(event: Any) -> None:
    reports, service = await read(signed([event]))
    assert (reports, service.requests) == ([], [])


@pytest.mark.parametrize(
    "changes",
    [
        {"body": b"[]"},
        {"method": "PUT"},
        {"url": URL + "?x=1"},
        {"headers": {}},
        {"headers": {"x-hubspot-request-timestamp": "1796126400000", "x-hubspot-signature-v3": "x"}},
    ],
)
async def test_a_changed_callback_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UnverifiedCallbackError):
        await read(signed([change("512")], **changes))


async def test_an_old_callback_and_one_of_another_are_refused() -> None:
    for callback in (
        signed([], NOW - timedelta(minutes=6)),
        signed([], NOW + timedelta(minutes=6)),
        signed([], secret="another"),
    ):
        with pytest.raises(UnverifiedCallbackError):
            await read(callback)
    with pytest.raises(InvalidRequestError):
        await read(signed({}))


@pytest.mark.parametrize("tasks", [answer(500), answer(401), answer(200, b"<html>"), HANG_UP])
async def test_while_tasks_cannot_be_read_hubspot_is_to_repeat(tasks: bytes | str) -> None:
    with pytest.raises(UnavailableError):
        await read(signed([change("512")]), tasks)
