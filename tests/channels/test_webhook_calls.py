"""Requests that are no signed events: sent as they are written, with secrets that only their hosts ever see."""

import gzip
import json
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from standardwebhooks import Webhook

from channels.webhook.http import MAX_REPLY_BYTES, WebhookHttp
from domain.sending.delivery import Accepted, Ambiguous, Delivery, Outbound, Rejected, Unavailable
from domain.sending.outbound_secrets import BoundSecret
from domain.sending.saved_values import SavedReply
from domain.templates.template_sets import load
from tests.channels.messages import MAIL, call, hook
from tests.channels.servers import HANG_UP, Receiver, answer, listening, server_tls, trusting_tls
from tests.channels.test_webhook import SECRET
from tests.domain.templates.sources import variables

VALUE = "s3cret-value/with+signs"
KEY = {"key": BoundSecret(VALUE, ("127.0.0.1", "localhost"))}


async def deliver(message: Outbound, **options: Any) -> Delivery:
    return await WebhookHttp([SECRET], True, **options).deliver(message, "")


def rendered(template: str, port: int, scheme: str = "http") -> Outbound:
    """The message of a template whose URL has PORT in it."""
    sets, problems = load({"t.liquid": template.replace("PORT", str(port)).replace("http:", f"{scheme}:")})
    assert problems == []
    content = sets["t"].render(variables(name="Ana"), None)
    return replace(MAIL, content=content, unsubscribe_url=None)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_body_goes_out_as_it_is_and_unsigned(method: str) -> None:
    receiver = Receiver(answer(200))
    async with listening(receiver.talk) as port:
        body = {"text": "ü", "list": [1, None, True]}
        message = call(f"http://127.0.0.1:{port}/x", method, body=body, headers={"X-Region": "eu"})
        assert await deliver(message) == Accepted(None)
    (request,) = receiver.requests
    assert request.line == f"{method} /x HTTP/1.1"
    assert json.loads(request.body) == body
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-region"] == "eu"
    assert request.headers["idempotency-key"] == MAIL.message_id
    assert request.headers["accept-encoding"] == "identity"
    assert not [name for name in request.headers if name.startswith("webhook-")]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_call_without_a_body_has_none(method: str) -> None:
    receiver = Receiver(answer(200))
    async with listening(receiver.talk) as port:
        assert await deliver(call(f"http://127.0.0.1:{port}/x?a=b%2Fc", method)) == Accepted(None)
    (request,) = receiver.requests
    assert request.line == f"{method} /x?a=b%2Fc HTTP/1.1"
    assert request.body == b""
    assert "content-type" not in request.headers


async def test_an_author_may_set_the_content_type() -> None:
    receiver = Receiver(answer(200))
    async with listening(receiver.talk) as port:
        headers = {"Content-Type": "application/merge-patch+json", "User-Agent": "Shop"}
        await deliver(call(f"http://127.0.0.1:{port}/x", "PATCH", body={}, headers=headers))
    assert receiver.requests[0].headers["content-type"] == "application/merge-patch+json"
    assert receiver.requests[0].headers["user-agent"] == "Shop"


async def test_a_signed_event_may_have_headers_too() -> None:
    receiver = Receiver()
    async with listening(receiver.talk) as port:
        message = hook(f"http://127.0.0.1:{port}/")
        await deliver(replace(message, content={**message.content, "headers": {"Authorization": "Bearer x"}}))
    (request,) = receiver.requests
    assert request.headers["authorization"] == "Bearer x"
    assert Webhook(SECRET).verify(request.body, request.headers)


@pytest.mark.parametrize(
    ("method", "status", "outcome"),
    [
        *((method, status, Ambiguous) for method in ("POST", "PATCH") for status in (500, 502, 504, 507)),
        *((method, status, Unavailable) for method in ("GET", "PUT", "DELETE") for status in (500, 502, 504)),
        *((method, status, Unavailable) for method in ("POST", "PATCH", "PUT") for status in (408, 425, 429, 503)),
        *((method, status, Rejected) for method in ("POST", "PATCH", "GET") for status in (302, 400, 401, 404)),
        *((method, status, Accepted) for method in ("POST", "PATCH", "GET") for status in (200, 201, 204)),
    ],
)
async def test_a_server_error_does_not_prove_that_nothing_happened(
    method: str, status: int, outcome: type[Delivery]
) -> None:
    receiver = Receiver(answer(status))
    async with listening(receiver.talk) as port:
        content: dict[str, Any] = {} if method in ("GET", "DELETE") else {"body": {}}
        assert isinstance(await deliver(call(f"http://127.0.0.1:{port}/x", method, **content)), outcome)


CALL = """---
channel: webhook
method: POST
url: "http://127.0.0.1:PORT/hooks/{{ secrets.key }}?k={{ secrets.key }}"
headers: {Authorization: "Bearer {{ secrets.key }}"}
body: {token: "{{ secrets.key }}", name: "{{ entry.properties.name }}"}
---
"""


async def test_secrets_are_put_in_at_last() -> None:
    receiver = Receiver(answer(200))
    async with listening(receiver.talk) as port:
        message = rendered(CALL, port)
        assert await deliver(message, secrets=KEY) == Accepted(None)
    (request,) = receiver.requests
    assert request.line == "POST /hooks/s3cret-value/with%2Bsigns?k=s3cret-value%2Fwith%2Bsigns HTTP/1.1"
    assert request.headers["authorization"] == f"Bearer {VALUE}"
    assert json.loads(request.body) == {"token": VALUE, "name": "Ana"}
    assert VALUE not in repr(message)
    assert VALUE not in json.dumps(message.content)


@pytest.mark.parametrize(
    ("secrets", "reason", "said"),
    [
        ({}, "secret_missing", "set SOJOURN_SECRET_KEY and SOJOURN_SECRET_KEY_HOSTS=127.0.0.1, or add the files"),
        ({"key": BoundSecret(VALUE)}, "secret_refused", "set SOJOURN_SECRET_KEY_HOSTS=127.0.0.1, or write that to"),
        ({"key": BoundSecret(VALUE, ("hooks.example.com",))}, "secret_refused", "bound to hooks.example.com"),
        ({"key": BoundSecret(VALUE, ("127.0.0.1.example.com",))}, "secret_refused", "may not go to 127.0.0.1"),
    ],
)
async def test_a_secret_goes_to_its_hosts_only(secrets: Any, reason: str, said: str) -> None:
    receiver = Receiver(answer(200))
    async with listening(receiver.talk) as port:
        delivery = await deliver(rendered(CALL, port), secrets=secrets)
    assert isinstance(delivery, Rejected)
    assert delivery.reason == reason
    assert said in delivery.detail
    assert VALUE not in delivery.detail
    assert receiver.requests == []


async def test_a_secret_goes_by_https_beyond_this_machine() -> None:
    template = CALL.replace("127.0.0.1:PORT", "api.example.com")
    secrets = {"key": BoundSecret(VALUE, ("api.example.com",))}
    delivery = await deliver(rendered(template, 0), secrets=secrets)
    assert delivery == Rejected("secret_refused", "the secret 'key' goes by https only")


async def test_a_value_with_quotes_and_blanks_is_sent_and_never_quoted() -> None:
    """The library quotes a header that it refuses as Python would write it."""
    value = '"it\'s" a \\ secret'
    receiver = Receiver(b"HTTP/1.1 2x0 " + value.encode() + b"\r\n\r\n")
    front = "channel: webhook\nurl: http://127.0.0.1:PORT/\nheaders: {X-Key: ' {{ secrets.key }} '}\nbody: {}"
    async with listening(receiver.talk) as port:
        delivery = await deliver(
            rendered(f"---\n{front}\n---\n", port), secrets={"key": BoundSecret(value, ("127.0.0.1",))}
        )
    assert receiver.requests[0].headers["x-key"] == value
    assert delivery == Ambiguous("RemoteProtocolError: illegal status line")


async def test_a_redirect_takes_no_secret_along() -> None:
    other = Receiver(answer(200))
    async with listening(other.talk) as away:
        receiver = Receiver(answer(307, Location=f"http://localhost:{away}/"))
        async with listening(receiver.talk) as port:
            assert isinstance(await deliver(rendered(CALL, port), secrets=KEY), Rejected)
    assert other.requests == []


async def test_a_secret_goes_by_tls() -> None:
    receiver = Receiver(answer(200))
    async with listening(receiver.talk, server_tls()) as port:
        template = CALL.replace("127.0.0.1", "localhost")
        message = rendered(template, port, "https")
        assert await deliver(message, secrets=KEY, tls_context=trusting_tls()) == Accepted(None)
    assert receiver.requests[0].headers["authorization"] == f"Bearer {VALUE}"


@pytest.mark.parametrize("reply", [HANG_UP, b"HTTP/1.1 " + VALUE.encode() + b"\r\n\r\n", b"x" * 10])
async def test_no_failure_repeats_a_secret(reply: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The library quotes what a receiver says, and a receiver may say back what it has got."""
    receiver = Receiver(reply)
    async with listening(receiver.talk) as port:
        delivery = await deliver(rendered(CALL, port), secrets=KEY)
    assert isinstance(delivery, Ambiguous)
    assert VALUE not in repr(delivery)
    assert VALUE not in "".join(capsys.readouterr())


SAVE = {"ticket": "reply.json.ticket.id", "note": "reply.json.note"}


async def saved(reply: bytes, template: str | None = None, **options: Any) -> SavedReply:
    receiver = Receiver(reply)
    async with listening(receiver.talk) as port:
        url = f"http://127.0.0.1:{port}/x"
        message = call(url, "POST", body={}, save=SAVE) if template is None else rendered(template, port)
        delivery = await deliver(message, **options)
    assert isinstance(delivery, Accepted), delivery
    return delivery.saved


async def test_a_reply_is_saved_by_its_paths() -> None:
    body = json.dumps({"ticket": {"id": 7}, "note": ["a"], "more": 1}).encode()
    assert await saved(answer(201, body)) == SavedReply({"ticket": 7, "note": ["a"]})


@pytest.mark.parametrize(
    "reply",
    [
        answer(200, b"x" * (10 * 1024 * 1024)),
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n" + b"x" * (4 * MAX_REPLY_BYTES),
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        answer(200, gzip.compress(b'{"note": 1}', mtime=0), Content_Encoding="gzip"),
        answer(200, b"<html>"),
        answer(204),
    ],
)
async def test_a_reply_that_cannot_be_read_changes_no_outcome(reply: bytes) -> None:
    found = await saved(reply)
    assert found.values == {"ticket": None, "note": None}
    assert "nothing saved: the reply " in (found.detail or "")


async def test_the_reply_of_a_failure_is_not_saved() -> None:
    receiver = Receiver(answer(404, b'{"note": 1}'))
    async with listening(receiver.talk) as port:
        delivery = await deliver(call(f"http://127.0.0.1:{port}/x", "POST", body={}, save=SAVE))
    assert delivery == Rejected("http_404", "the receiver answered 404")


async def test_a_secret_that_is_echoed_is_not_saved() -> None:
    saving = CALL.replace("body:", "save: {all: reply.json}\nbody:")
    path, query = quote(VALUE, safe="/"), quote(VALUE, safe="")
    echo = {"said": f"got {VALUE}!", VALUE: [VALUE, {"deep": VALUE}], "url": f"/hooks/{path}?k={query}"}
    found = await saved(answer(200, json.dumps(echo).replace("/", "\\/").encode()), saving, secrets=KEY)
    assert found.values["all"] == {
        "said": "got [secret key]!",
        "[secret key]": ["[secret key]", {"deep": "[secret key]"}],
        "url": "/hooks/[secret key]?k=[secret key]",
    }
