"""Lob: what it is asked, what its replies mean, and how a piece is taken back."""

import json
from base64 import b64encode
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace as changed

from channels.post.lob import Lob
from domain.people.postal_addresses import EnvelopeAddress
from domain.sending.delivery import (
    ACCOUNT,
    Accepted,
    Ambiguous,
    Delivery,
    Outbound,
    Recall,
    Rejected,
    TakenBack,
    TooLate,
    Unavailable,
)
from tests.channels import provider_specs
from tests.channels.messages import AT, CARD, LETTER, MAIL, POSTAL_ADDRESS, post
from tests.channels.servers import HANG_UP, Receiver, Request, Service, answer, listening

TOKEN, SENDER = "test_token", "adr_210a8d4b0b76d77b"
DAY = timedelta(days=1)
BERLIN = EnvelopeAddress("Ada Lovelace", "Torstraße 1", "DE", city="Berlin", zip="10119")
AVENUE = "1200 Avenue of the Americas and of all that is beyond, Tower 7"
LONG = changed(POSTAL_ADDRESS, name="A" * 60, line1=f"{AVENUE} West", line2="B")
PSC, LTR = "psc_1", "ltr_1"


def lob(port: int, print_after: timedelta | None = None) -> Lob:
    return Lob(TOKEN, SENDER, print_after, f"http://127.0.0.1:{port}")


async def deliver(
    receiver: Receiver, message: Outbound, to: EnvelopeAddress = POSTAL_ADDRESS, print_after: timedelta | None = None
) -> Delivery:
    async with listening(receiver.talk) as port:
        account = lob(port, print_after)
        delivery = await account.deliver(message, to.encode())
        await account.close()
        return delivery


async def requested(message: Outbound, to: EnvelopeAddress = POSTAL_ADDRESS, **options: Any) -> Request:
    receiver = Receiver(answer(200, b'{"id": "psc_1"}'))
    assert await deliver(receiver, message, to, **options) == Accepted(PSC)
    [request] = receiver.requests
    return request


async def recall(replies: dict[str, bytes | str], provider_id: str | None = PSC) -> tuple[Recall, list[str]]:
    service = Service(replies=replies)
    async with listening(service.talk) as port:
        account = lob(port)
        taken = await account.recall(MAIL.message_id, provider_id)
        await account.close()
    return taken, [request.line.removesuffix(" HTTP/1.1") for request in service.requests]


async def test_a_postcard_goes_under_the_key_of_its_message() -> None:
    request = await requested(post(CARD))
    assert request.line == "POST /v1/postcards HTTP/1.1"
    assert request.headers["authorization"] == "Basic " + b64encode(b"test_token:").decode()
    assert request.headers["idempotency-key"] == MAIL.message_id
    assert json.loads(request.body) == {
        "to": {
            "name": "Ada Lovelace",
            "address_line1": "1 Harbour Street",
            "address_city": "New York",
            "address_state": "NY",
            "address_zip": "10001",
            "address_country": "US",
        },
        "from": SENDER,
        "use_type": "marketing",
        "metadata": {"message_id": MAIL.message_id},
        "front": CARD["front"],
        "back": CARD["back"],
        "size": "6x9",
    }


async def test_a_letter_waits_for_its_day_and_is_operational_where_nobody_can_unsubscribe() -> None:
    request = await requested(replace(post(LETTER), unsubscribe_url=None), print_after=DAY)
    body = json.loads(request.body)
    assert request.line == "POST /v1/letters HTTP/1.1"
    assert (body["use_type"], body["color"], body["file"]) == ("operational", False, LETTER["file"])
    assert datetime.fromisoformat(body["send_date"]) == AT + DAY


@pytest.mark.parametrize("to", [POSTAL_ADDRESS, BERLIN, LONG], ids=["us", "abroad", "long"])
@pytest.mark.parametrize(("path", "content"), [("/postcards", CARD), ("/letters", LETTER)])
async def test_a_request_fits_the_published_document(to: EnvelopeAddress, path: str, content: dict[str, Any]) -> None:
    body = json.loads((await requested(post(content), to, print_after=DAY)).body)
    assert provider_specs.list_faults("lob", path, body) == []
    assert provider_specs.list_faults("lob", path, {**body, "to": {**body["to"], "address_line1": 3}}) != []
    assert provider_specs.list_faults("lob", path, {**body, "use_type": "advertisement"}) != []


async def test_a_long_line_goes_on_in_the_second() -> None:
    to = json.loads((await requested(post(CARD), LONG)).body)["to"]
    assert (to["address_line1"], to["address_line2"]) == (
        AVENUE,
        "West, B",
    )


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        (200, {"id": "psc_9"}, {}, Accepted("psc_9")),
        (200, None, {}, Accepted(None)),
        (
            422,
            {"error": {"code": "failed_deliverability_strictness", "message": "1 Harbour Street"}},
            {},
            Rejected("recipient_refused", "lob: failed_deliverability_strictness", "address"),
        ),
        (
            422,
            {"error": {"code": "address_length_exceeds_limit"}},
            {},
            Rejected("recipient_refused", "lob: address_length_exceeds_limit", "address"),
        ),
        (
            422,
            {"error": {"code": "invalid_file"}},
            {},
            Rejected("message_refused", "lob: invalid_file"),
        ),
        (422, {"error": {"code": "payment_method_unverified"}}, {}, (ACCOUNT, 300)),
        (401, {"error": {"code": "invalid_api_key"}}, {}, (ACCOUNT, 300)),
        (403, {"error": {"code": "unauthorized"}}, {}, (ACCOUNT, 300)),
        (409, {"error": {"code": "conflict"}}, {}, ("http_409", None)),
        (429, {"error": {"code": "rate_limit_exceeded"}}, {"X_Rate_Limit_Reset": "0"}, ("http_429", 0)),
        (503, {"error": {"code": "service_unavailable"}}, {}, ("http_503", None)),
    ],
)
async def test_a_reply_means_one_thing(
    status: int, body: Any, headers: dict[str, str], expected: Delivery | tuple[str, float | None]
) -> None:
    delivery = await deliver(Receiver(answer(status, json.dumps(body).encode(), **headers)), post(CARD))
    if isinstance(expected, tuple):
        assert isinstance(delivery, Unavailable)
        assert (delivery.reason, delivery.retry_after) == expected
    else:
        assert delivery == expected
    assert "Harbour" not in repr(delivery)


async def test_an_error_of_the_server_may_follow_the_acceptance() -> None:
    assert isinstance(await deliver(Receiver(answer(502)), post(CARD)), Ambiguous)


async def test_what_is_no_postal_address_is_rejected_before_a_call() -> None:
    receiver = Receiver()
    async with listening(receiver.talk) as port:
        delivery = await lob(port).deliver(post(CARD), "1 Harbour Street")
    assert isinstance(delivery, Rejected)
    assert (delivery.reason, receiver.requests) == ("invalid_address", [])


@pytest.mark.parametrize(("id", "path"), [(PSC, "postcards"), (LTR, "letters")])
async def test_a_piece_is_taken_back_by_its_id(id: str, path: str) -> None:
    assert await recall({"DELETE": answer(200, b'{"deleted": true}')}, id) == (
        TakenBack(),
        [f"DELETE /v1/{path}/{id}"],
    )


async def test_a_piece_that_is_not_there_is_not_printed() -> None:
    taken, _ = await recall({"DELETE": answer(404)})
    assert taken == TakenBack()


async def test_a_printed_piece_is_too_late() -> None:
    refused = answer(422, b'{"error": {"code": "not_deletable", "message": "Ada"}}')
    taken, lines = await recall({"DELETE": refused, "GET": answer(200, b'{"id": "psc_1"}')})
    assert taken == TooLate("lob: not_deletable")
    assert lines == ["DELETE /v1/postcards/psc_1", "GET /v1/postcards/psc_1"]


@pytest.mark.parametrize("known", [answer(200, b'{"id": "psc_1", "deleted": true}'), answer(404)])
async def test_a_repeated_recall_finds_that_the_first_has_worked(known: bytes) -> None:
    taken, _ = await recall({"DELETE": answer(422, b'{"error": {"code": "not_deletable"}}'), "GET": known})
    assert taken == TakenBack()


@pytest.mark.parametrize(
    ("replies", "kind"),
    [
        ({"DELETE": answer(503, Retry_After="7")}, Unavailable),
        ({"DELETE": answer(401)}, Unavailable),
        ({"DELETE": answer(418)}, Unavailable),
        ({"DELETE": answer(502)}, Ambiguous),
        ({"DELETE": HANG_UP}, Ambiguous),
        ({"DELETE": answer(422), "GET": answer(500)}, Ambiguous),
    ],
)
async def test_a_recall_without_a_certain_answer_is_repeated(
    replies: dict[str, bytes | str], kind: type[Unavailable | Ambiguous]
) -> None:
    taken, _ = await recall(replies)
    assert type(taken) is kind


async def test_a_piece_whose_id_was_lost_is_found_by_its_message() -> None:
    found = {"data": [{"id": PSC}]}
    taken, lines = await recall(
        {
            "GET /v1/postcards": answer(200, json.dumps(found).encode()),
            "GET /v1/letters": answer(200, b'{"data": []}'),
            "DELETE": answer(200, b"{}"),
        },
        None,
    )
    query = f"?metadata%5Bmessage_id%5D={MAIL.message_id}"
    assert taken == TakenBack()
    assert lines == [f"GET /v1/postcards{query}", f"GET /v1/letters{query}", "DELETE /v1/postcards/psc_1"]


async def test_a_search_that_fails_finds_nothing_out() -> None:
    taken, _ = await recall({"GET": answer(500)}, None)
    assert isinstance(taken, Ambiguous)
    taken, _ = await recall({"GET": answer(200, b"[]")}, None)
    assert isinstance(taken, Unavailable)


async def test_the_account_is_tried_without_printing() -> None:
    receiver = Receiver(answer(200, b'{"data": []}'))
    async with listening(receiver.talk) as port:
        account = lob(port)
        assert await account.check() is None
        receiver.reply = answer(401)
        refused = await account.check()
        await account.close()
    assert isinstance(refused, Unavailable)
    assert refused.reason == ACCOUNT


@pytest.mark.parametrize(("print_after", "seconds"), [(None, 300), (DAY, 86_400)])
def test_a_piece_can_be_taken_back_until_it_is_printed(print_after: timedelta | None, seconds: float) -> None:
    assert lob(1, print_after).recall_seconds == seconds
