import httpx
import pytest

from application.unsubscribe import UnsubscribeView
from domain.errors import UnavailableError
from tests.api.fakes import FakeServices, FakeUnsubscribe


async def test_get_only_asks(anyone: httpx.AsyncClient, services: FakeServices) -> None:
    answer = await anyone.get("/unsubscribe/good")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert '<form method="post">' in answer.text
    assert "no more e-mail messages" in answer.text
    assert services.unsubscribe.done == []


@pytest.mark.parametrize(
    "body", [b"List-Unsubscribe=One-Click", b"", b"x" * 1000], ids=["one click", "nothing", "anything"]
)
async def test_post_unsubscribes(anyone: httpx.AsyncClient, services: FakeServices, body: bytes) -> None:
    answer = await anyone.post(
        "/unsubscribe/good", content=body, headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code == 200
    assert "You are unsubscribed" in answer.text
    assert services.unsubscribe.done == ["good"]
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_bad_link_is_told_to_a_person(anyone: httpx.AsyncClient, services: FakeServices, method: str) -> None:
    answer = await anyone.request(method, "/unsubscribe/forged")
    assert answer.status_code == 404
    assert "This link does not work" in answer.text
    assert services.unsubscribe.done == []


async def test_the_page_keeps_its_address_to_itself(anyone: httpx.AsyncClient) -> None:
    headers = (await anyone.get("/unsubscribe/good")).headers
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]


async def test_a_service_away_asks_to_come_again(anyone: httpx.AsyncClient, services: FakeServices) -> None:
    class Away(FakeUnsubscribe):
        async def __call__(self, token: str, *, everything: bool = False) -> UnsubscribeView:
            raise UnavailableError("no database")

    services.unsubscribe = Away()
    answer = await anyone.post("/unsubscribe/good")
    assert answer.status_code == 503
    assert "Please try again" in answer.text
