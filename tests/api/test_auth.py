import base64
import json
from typing import Any

import httpx
import pytest

from application.keys import EnvironmentKey, NewKey
from domain.access import Scope
from tests.api.fakes import ADMIN_KEY, WRITE_KEY, FakeServices

BATCH: dict[str, Any] = {"batch": [{"type": "page", "userId": "u"}]}


def basic(user: str, password: str = "") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("header", "body_key", "status"),
    [
        (basic(WRITE_KEY), None, 200),
        (basic(WRITE_KEY, "ignored"), None, 200),
        ("basic " + basic(WRITE_KEY).split()[1], None, 200),
        (f"Bearer {WRITE_KEY}", None, 200),
        (f"bearer  {WRITE_KEY} ", None, 200),
        (None, WRITE_KEY, 200),
        (basic(WRITE_KEY), "wrong", 200),
        (None, None, 401),
        (None, "", 401),
        (None, "wrong", 401),
        (None, 3, 401),
        (None, "schlüssel", 401),
        (None, ADMIN_KEY, 403),
        (basic(""), WRITE_KEY, 401),
        (basic("wrong"), WRITE_KEY, 401),
        (basic(ADMIN_KEY), None, 403),
        (basic(WRITE_KEY + "x"), None, 401),
        ("Bearer", None, 401),
        ("Bearer schlüssel", None, 401),
        ("Basic not/base64!", None, 401),
        (f"Digest {WRITE_KEY}", None, 401),
        (WRITE_KEY, None, 401),
    ],
)
async def test_the_write_key(
    anyone: httpx.AsyncClient, services: FakeServices, header: str | None, body_key: object, status: int
) -> None:
    body = BATCH if body_key is None else BATCH | {"writeKey": body_key}
    headers = [(b"Authorization", header.encode("latin-1"))] if header else []
    answer = await anyone.post("/v1/batch", content=json.dumps(body), headers=headers)
    assert answer.status_code == status
    assert services.ingest.calls == (1 if status == 200 else 0)
    if status == 401:
        assert answer.json()["code"] == "unauthorized"
        assert answer.headers["www-authenticate"].startswith("Bearer")
    if status == 403:
        assert (answer.json()["code"], answer.json()["scope"]) == ("forbidden", "ingest")
    assert WRITE_KEY not in answer.text


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"Bearer {ADMIN_KEY}", 200),
        (basic(ADMIN_KEY), 200),
        (None, 401),
        (f"Bearer {WRITE_KEY}", 403),
        (basic("", ADMIN_KEY), 401),
        ("Bearer ", 401),
    ],
)
@pytest.mark.parametrize("path", ["/v1/campaigns", "/v1/users/u/timeline", "/v1/frequency-caps"])
async def test_the_admin_key(anyone: httpx.AsyncClient, header: str | None, status: int, path: str) -> None:
    answer = await anyone.get(path, headers={"Authorization": header} if header else {})
    assert answer.status_code == status


async def test_a_stranger_learns_nothing_of_a_body(anyone: httpx.AsyncClient) -> None:
    assert (await anyone.post("/v1/batch", content=b"not json")).status_code == 401


async def test_the_key_is_found_in_a_batch_with_a_fault(anyone: httpx.AsyncClient, services: FakeServices) -> None:
    body = f'{{"batch": [{{"type": "page", "userId": "u", "x": NaN}}], "writeKey": "{WRITE_KEY}"}}'
    answer = await anyone.post("/v1/batch", content=body)
    assert answer.status_code == 200
    assert len(services.ingest.rejects) == 1


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/unsubscribe/good", "/openapi.json"])
async def test_some_pages_are_for_everyone(anyone: httpx.AsyncClient, path: str) -> None:
    assert (await anyone.get(path)).status_code == 200


def test_keys_do_not_show() -> None:
    assert "secret" not in repr(EnvironmentKey.of("SOJOURN_ADMIN_KEY", "secret", Scope.ADMIN))
    assert NewKey.__repr__ is object.__repr__
