import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from channels.resolver import Resolver
from channels.webhook.http import MAX_REPLY_BYTES, WebhookHttp, read_reply
from domain.sending.delivery import Accepted, Ambiguous, Delivery, Outbound, Rejected, Unavailable
from tests.channels.messages import MAIL, hook
from tests.channels.servers import (
    HANG_UP,
    TIME_OUT,
    Receiver,
    answer,
    fall_silent,
    listening,
    server_tls,
    trusting_tls,
)

SECRET = "whsec_" + base64.b64encode(b"a secret between us two").decode()


async def deliver(message: Outbound, *, allow: bool = True, **options: Any) -> Delivery:
    return await WebhookHttp([SECRET], allow, **options).deliver(message, "")


async def answered(reply: bytes | str, **options: Any) -> tuple[Delivery, Receiver]:
    receiver = Receiver(reply)
    async with listening(receiver.talk) as port:
        return await deliver(hook(f"http://127.0.0.1:{port}/hook"), **options), receiver


async def test_a_message_arrives_signed() -> None:
    receiver = Receiver()
    async with listening(receiver.talk) as port:
        assert await deliver(hook(f"http://localhost:{port}/hook?a=1")) == Accepted(None)
    (request,) = receiver.requests
    assert request.line == "POST /hook?a=1 HTTP/1.1"
    assert request.headers["host"] == f"localhost:{port}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["idempotency-key"] == request.headers["webhook-id"] == MAIL.message_id
    # The verifier compares the signature's time with the real one.
    assert Webhook(SECRET).verify(request.body, request.headers) == {
        "type": "sojourn.message",
        "timestamp": "2026-11-02T10:30:00Z",
        "data": {"user": "u1", "note": "ü\u2028"},
    }


async def test_while_secrets_rotate_each_receiver_may_have_either() -> None:
    """As https://www.standardwebhooks.com has it: one signature for each secret, the newest first."""
    newest = "whsec_" + base64.b64encode(b"the secret that comes next").decode()
    receiver = Receiver()
    async with listening(receiver.talk) as port:
        channel = WebhookHttp([newest, SECRET], True)
        assert await channel.deliver(hook(f"http://localhost:{port}/"), "") == Accepted(None)
    (request,) = receiver.requests
    assert len(request.headers["webhook-signature"].split(" ")) == 2
    for secret in (newest, SECRET):
        assert Webhook(secret).verify(request.body, request.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + base64.b64encode(b"a secret of somebody else").decode()).verify(
            request.body, request.headers
        )


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_success_is_accepted(status: int) -> None:
    delivery, _ = await answered(answer(status))
    assert delivery == Accepted(None)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 507])
async def test_what_may_pass_is_unavailable(status: int) -> None:
    delivery, _ = await answered(answer(status))
    assert delivery == Unavailable(f"http_{status}", f"the receiver answered {status}", None)


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422])
async def test_what_will_stay_is_rejected(status: int) -> None:
    delivery, _ = await answered(answer(status))
    assert delivery == Rejected(f"http_{status}", f"the receiver answered {status}")


NOW = datetime(2026, 11, 2, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        ("0", 0.0),
        (format_datetime(NOW + timedelta(minutes=5), usegmt=True), 300.0),
        (format_datetime(NOW - timedelta(minutes=5), usegmt=True), 0.0),
        ("Mon, 02 Nov 2026 10:31:00 -0000", 60.0),
        ("-5", None),
        ("soon", None),
        ("9" * 400, None),
        ("٣", None),
        ("Fri, 31 Dec 99999999999999999999 23:59:59 +0000", None),
        ("Fri, 31 Dec 2027 23:59:59 +99999999999999", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(retry_after: str | None, seconds: float | None) -> None:
    reply = read_reply(503, retry_after, NOW, is_repeatable=True)
    assert reply == Unavailable("http_503", "the receiver answered 503", seconds)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    secret = Receiver()
    async with listening(secret.talk) as port:
        delivery, _ = await answered(answer(status, Location=f"http://127.0.0.1:{port}/secret"))
    assert isinstance(delivery, Rejected)
    assert secret.requests == []


async def test_nobody_listening_is_no_delivery(refused_port: int) -> None:
    delivery = await deliver(hook(f"http://127.0.0.1:{refused_port}/"))
    assert isinstance(delivery, Unavailable)
    assert delivery.reason == "connection"


async def test_a_name_without_address_is_no_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: Any, **__: Any) -> Any:
        raise OSError("Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    assert isinstance(await deliver(hook("http://nowhere.example.com/")), Unavailable)


@pytest.mark.parametrize("reply", [HANG_UP, b"HTTP/1.1 200", b"nonsense\r\n\r\n"])
async def test_an_answer_lost_is_ambiguous(reply: bytes | str) -> None:
    delivery, receiver = await answered(reply)
    assert isinstance(delivery, Ambiguous)
    assert len(receiver.requests) == 1


async def test_no_answer_in_time_is_ambiguous() -> None:
    delivery, _ = await answered(TIME_OUT)
    assert isinstance(delivery, Ambiguous)


async def test_no_handshake_in_time_is_no_delivery() -> None:
    async def silent(*_: Any) -> None:
        await fall_silent(TIME_OUT)

    async with listening(silent) as port:
        delivery = await deliver(hook(f"https://localhost:{port}/"))
    assert isinstance(delivery, Unavailable)


async def test_a_body_that_never_ends_changes_nothing() -> None:
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n" + b"x" * (4 * MAX_REPLY_BYTES)
    delivery, _ = await answered(endless)
    assert delivery == Accepted(None)


async def test_a_body_that_stops_changes_nothing() -> None:
    delivery, _ = await answered(b"HTTP/1.1 404 No\r\nContent-Length: 10\r\n\r\nabc")
    assert isinstance(delivery, Rejected)


async def test_tls_is_checked_against_the_name_and_not_the_address() -> None:
    receiver = Receiver()
    async with listening(receiver.talk, server_tls()) as port:
        message = hook(f"https://localhost:{port}/")
        assert await deliver(message, tls_context=trusting_tls()) == Accepted(None)
        assert isinstance(await deliver(message), Unavailable)
    assert len(receiver.requests) == 1


HOSTS = [
    "localhost", "LOCALHOST", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0.0.0.0", "0", "[::1]",  # noqa: S104
    "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
]  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
async def test_loopback_by_any_name_is_blocked(host: str) -> None:
    receiver = Receiver()
    async with listening(receiver.talk) as port:
        delivery = await deliver(hook(f"http://{host}:{port}/"), allow=False)
    assert isinstance(delivery, Rejected)
    assert delivery.reason == "blocked_address"
    assert receiver.requests == []


@pytest.mark.parametrize("host", ["169.254.169.254", "10.0.0.1", "192.168.0.1", "[fd00:ec2::254]", "[fe80::1]"])
async def test_private_networks_are_blocked(host: str) -> None:
    delivery = await deliver(hook(f"http://{host}/latest/meta-data/"), allow=False)
    assert isinstance(delivery, Rejected)
    assert delivery.reason == "blocked_address"


@pytest.mark.parametrize("found", [["127.0.0.1"], ["1.1.1.1", "127.0.0.1"], ["::ffff:10.0.0.1"]])
async def test_a_public_name_for_a_private_address_is_blocked(found: list[str]) -> None:
    delivery = await deliver(hook("http://rebound.example.com/"), allow=False, resolver=Resolver(lambda _: found))
    assert isinstance(delivery, Rejected)
    assert delivery.reason == "blocked_address"


async def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    """A name server that answers differently the second time gets no second question."""
    asked: list[str] = []

    def once(host: str) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    receiver = Receiver()
    async with listening(receiver.talk) as port:
        url = f"http://shop.example.com:{port}/"
        assert await deliver(hook(url), resolver=Resolver(once)) == Accepted(None)
    assert asked == ["shop.example.com"]
    assert receiver.requests[0].headers["host"] == f"shop.example.com:{port}"


async def test_the_next_address_of_a_name_is_tried() -> None:
    resolver = Resolver(lambda _: ["127.0.0.9", "127.0.0.1"])
    receiver = Receiver()
    async with listening(receiver.talk) as port:
        assert await deliver(hook(f"http://shop.example.com:{port}/"), resolver=resolver) == Accepted(None)
    assert len(receiver.requests) == 1


async def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch, refused_port: int) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{refused_port}")
    delivery, receiver = await answered(answer(200))
    assert delivery == Accepted(None)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/hook",
        "ftp://example.com/",
        "http://",
        "https:///x",
        "file:///etc/passwd",
        "http://exa mple.com/",
        "http://[::1/",
        "http://a..example.com/",
        f"http://{'a' * 64}.example.com/",
        "http://example.com:99999/",
        "http://example.com:0/",
    ],
)
async def test_what_is_no_url_is_rejected(url: str) -> None:
    delivery = await deliver(hook(url))
    assert isinstance(delivery, Rejected)
    assert delivery.reason == "invalid_message"


async def test_what_is_no_json_is_rejected() -> None:
    delivery = await deliver(hook("https://example.com/", {"value": float("nan")}))
    assert isinstance(delivery, Rejected)
    assert delivery.reason == "invalid_message"


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_not base64!", "whsec_ü"])
def test_a_secret_that_signs_nothing_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_ and base64"):
        WebhookHttp([secret], False)


async def test_values_stay_inside_of_their_strings() -> None:
    receiver = Receiver()
    nasty = {"note": '","admin":true,"x":"', "break": "\r\nX-Evil: 1", "lone": "\ud800"}
    async with listening(receiver.talk) as port:
        assert await deliver(hook(f"http://127.0.0.1:{port}/", nasty)) == Accepted(None)
    assert json.loads(receiver.requests[0].body)["data"] == nasty
    assert "x-evil" not in receiver.requests[0].headers
