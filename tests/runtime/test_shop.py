"""The shop of `sojourn dev`: one script tag under a strict policy, tokens of its users, and a key that is kept."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import jwt
import pytest

from cli.shop.key import FILE, ShopKey, ShopKeys
from cli.shop.script import Script
from cli.shop.site import PAGES, PEOPLE, create_shop
from tests.api.fakes import ADMIN_KEY
from tests.api.live import ApiProcess, api_process

API = "http://localhost:8080"
SCRIPT = Script(f"{API}/sojourn-0f1e2d.js", "sha384-of-the-script")
ORIGINS = ("http://localhost:8090", "http://127.0.0.1:8090")
KEY = ShopKey("sj_key", "secret-of-the-tokens-of-this-shop", ORIGINS)


async def find_key() -> ShopKey:
    return KEY


@pytest.fixture
async def visitor() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_shop(API, SCRIPT, find_key))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGINS[0], follow_redirects=True) as client:
        yield client


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_has_one_tag_of_sojourn_and_nothing_inline(visitor: httpx.AsyncClient, path: str) -> None:
    answer = await visitor.get(path)
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", answer.text, re.DOTALL)
    assert [source for _, source in scripts] == ["", ""]
    assert f'src="{SCRIPT.url}"' in scripts[0][0]
    assert 'integrity="sha384-of-the-script" crossorigin="anonymous" defer' in scripts[0][0]
    assert 'data-key="sj_key"' in scripts[0][0]
    assert "data-user-token" not in scripts[0][0]
    assert not re.search(r'\son\w+="|\sstyle="|<style|javascript:', answer.text)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert (policy["default-src"], policy["script-src"]) == ("'none'", f"'self' {API}")
    assert "unsafe" not in str(policy)
    for file in re.findall(r'(?:href|src)="(/shop\.\w+)"', answer.text):
        assert (await visitor.get(file)).is_success


async def test_the_server_signs_who_is_logged_in(visitor: httpx.AsyncClient) -> None:
    page = await visitor.post("/login", data={"user": "ada"})
    [token] = re.findall(r'data-user-token="([^"]+)"', page.text)
    claims = jwt.decode(token, KEY.token_secret, ["HS256"], audience="sojourn")
    assert claims["sub"] == "ada"
    assert 'value="ada" aria-pressed=true' in page.text
    assert "data-user-token" not in (await visitor.post("/login", data={"user": ""})).text
    for nobody in ("<b>", "root", ""):
        assert nobody not in PEOPLE
        assert "data-user-token" not in (await visitor.post("/login", data={"user": nobody})).text


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[ApiProcess]:
    async with api_process(database_url) as process:
        yield process


async def test_a_key_is_made_on_the_first_visit_and_kept(api: ApiProcess, tmp_path: Path) -> None:
    made = await ShopKeys(tmp_path, api.url, ADMIN_KEY, ORIGINS).find()
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    again = ShopKeys(tmp_path, api.url, ADMIN_KEY, ORIGINS)
    assert await again.find() == await again.find() == made
    # Another port is another origin, and a key that was revoked makes no page work.
    other = await ShopKeys(tmp_path, api.url, ADMIN_KEY, ("http://localhost:8091",)).find()
    assert other.token != made.token
    async with api.client(ADMIN_KEY) as admin:
        keys = (await admin.get("/v1/keys")).json()["keys"]
        assert [one["kind"] for one in keys] == ["browser", "browser"]
        for one in keys:
            assert (await admin.delete(f"/v1/keys/{one['id']}")).is_success
    assert (await ShopKeys(tmp_path, api.url, ADMIN_KEY, ("http://localhost:8091",)).find()).token != other.token
