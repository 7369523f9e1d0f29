"""With a browser key and without a token, no route of the API says anything about any person."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import jwt
import pytest

from tests.api.inboxes import follow, put, serve
from tests.api.shop import SHOP, Shop, open_shop, token

# What the known person of the shop, or a message to them, could be told by.
SECRET = "Only for the victim"
PRIVATE = (SECRET, "victim@example.com", "fMEP0vJqS0:victim")
# The other routes know neither the header of the token nor that of the anonymous id: these stand for all callers.
EVERYWHERE = ("the key alone", "the key as that of a server", "the anonymous id of the person", "a token unsigned")
STREAM = "/v1/client/stream"


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[Shop]:
    async with open_shop(database_url) as shop:
        topics = {"file": "topics.yaml", "source": "topics:\n  - {key: news, name: News}\n"}
        assert (await shop.operator.put("/v1/topics", json=topics)).is_success
        device = {"kind": "token", "value": "fMEP0vJqS0:victim"}
        mine = shop.token("u-victim")
        assert (await shop.ask("PUT", "devices/d-1", user_token=mine, json=device)).is_success
        await put(shop.database_url, "u-victim", title=SECRET, shape="slot", placement="hero")
        await put(shop.database_url, "u-victim", title=SECRET)
        yield shop


def callers(shop: Shop) -> dict[str, dict[str, str]]:
    """Everyone who is not the known person, by the headers that they send beside the key."""
    mine = shop.key["token_secret"]
    unsigned = jwt.encode({"sub": "u-victim", "aud": "sojourn", "exp": 2**31}, "", "none")
    tokens = {
        "of another key": token(shop.other["token_secret"], "u-victim"),
        "expired": token(mine, "u-victim", exp=1),
        "too long": token(mine, "u-victim", exp=2**31),
        "unsigned": unsigned,
        "unsigned, with a signature": f"{unsigned}{token(mine, 'u-evil').rpartition('.')[2]}",
        "of another algorithm": token(mine, "u-victim", "HS512"),
        "of another audience": token(mine, "u-victim", aud="shop"),
        "of another user": token(mine, "u-evil"),
    }
    return {
        "the key alone": {},
        "the key as that of a server": {"Authorization": f"Bearer {shop.key['token']}"},
        "the anonymous id of the person": {"X-Anonymous-Id": "a-victim"},
        "the user id as an anonymous one": {"X-Anonymous-Id": "u-victim"},
        "an invented anonymous id": {"X-Anonymous-Id": "a-evil"},
        **{f"a token {name}": {"Authorization": f"Bearer {one}"} for name, one in tokens.items()},
        "a token expired, with the anonymous id": {
            "Authorization": f"Bearer {tokens['expired']}",
            "X-Anonymous-Id": "a-victim",
        },
        "the person's own token, in the page of another": {
            "Authorization": f"Bearer {shop.token('u-victim')}",
            "Origin": "https://evil.example",
        },
    }


def requests(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every operation, with the known person wherever a person can be named."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if path == STREAM:
                continue
            url, params = path, {"user_id": "u-victim", "anonymous_id": "a-victim", "names": "hero"}
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path":
                    example = "u-victim" if parameter["name"] == "user_id" else parameter["schema"]["examples"][0]
                    url = url.replace(f"{{{parameter['name']}}}", str(example))
            yield method, url, {"params": params if method == "get" else {}}


async def test_no_route_tells_anyone_else_about_a_person(shop: Shop, subtests: pytest.Subtests) -> None:
    document = (await shop.operator.get("/openapi.json")).json()
    before = await shop.victim()
    asked = 0
    for name, headers in callers(shop).items():
        with subtests.test(name):
            for method, url, request in requests(document):
                if name not in EVERYWHERE and not url.startswith("/v1/client/"):
                    continue
                body: dict[str, Any] = {"json": {}} if method in ("post", "put", "patch") else {}
                answer = await shop.call(method, url, headers=headers, **request, **body)
                assert not any(told in answer.text for told in PRIVATE if told not in url), (method, url, answer.text)
                assert answer.status_code < 500, (method, url, answer.text)
                asked += 1
    assert asked > 500
    assert await shop.victim() == before


async def test_no_stream_tells_anyone_else_about_a_person(shop: Shop) -> None:
    async with serve(shop.app) as served:
        for name, headers in callers(shop).items():
            origin = headers.get("Origin", SHOP)
            async with follow(served.url, shop.key["token"], headers={**headers, "Origin": origin}) as page:
                if page.response.status_code == 200:
                    assert await page.next("open") == {"open": [], "seq": 0}, name
                    assert name in ("a token of another user",) or "X-Anonymous-Id" in headers
                else:
                    assert page.response.status_code in (400, 401, 403), name


async def test_the_person_themselves_is_told(shop: Shop) -> None:
    """The secret that the others were not told is there."""
    answer = await shop.ask("GET", "messages", user_token=shop.token("u-victim"))
    assert SECRET in answer.text
    assert (await shop.ask("GET", "preferences", user_token=shop.token("u-victim"))).is_success
