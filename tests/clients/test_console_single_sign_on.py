"""Single sign-on in a browser: the console, a provider on another origin, and back again."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from api.app import create_app
from domain.access import Role
from tests.api.fakes import SETTINGS
from tests.api.inboxes import serve
from tests.api.issuer import CLIENT_ID, CLIENT_SECRET, Issuer, open_issuer
from tests.clients.axe import find_faults
from tests.clients.devtools import Session, devtools

BUTTON = "[...document.querySelectorAll('a.button')].find(one => one.innerText.includes('single sign-on'))"
SIGN_OUT = "[...document.querySelectorAll('button')].find(one => one.innerText === 'Sign out')"


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with open_issuer() as issuer:
        # Another site than the console's.
        issuer.url = issuer.url.replace("127.0.0.1", "localhost")
        yield issuer


@pytest.fixture
async def page(database_url: str, issuer: Issuer, tmp_path: Path) -> AsyncIterator[tuple[Session, str]]:
    apps: list[ASGIApp] = []

    async def serve_later(scope: Scope, receive: Receive, send: Send) -> None:
        await apps[0](scope, receive, send)

    # Its own address is among its settings.
    async with serve(serve_later) as served, devtools(tmp_path) as tools:
        settings = SETTINGS.model_copy(
            update={
                "database_url": SecretStr(database_url),
                "public_url": served.url,
                "oidc_issuer": issuer.url,
                "oidc_client_id": CLIENT_ID,
                "oidc_client_secret": SecretStr(CLIENT_SECRET),
                "oidc_roles": {"journey-admins": Role.ADMIN},
            }
        )
        app = create_app(settings)
        apps.append(app)
        async with app.router.lifespan_context(app):
            page = await tools.page(await tools.person())
            await page.call("Runtime.enable")
            yield page, served.url


async def test_a_person_logs_in_comes_back_and_logs_out(page: tuple[Session, str], issuer: Issuer) -> None:
    browser, url = page
    await browser.open(f"{url}/console/audit-log?limit=20")
    await browser.until(f"!!({BUTTON})")
    assert await find_faults(browser) == []
    await browser.run(f"({BUTTON}).click()")
    await browser.until("!!document.querySelector('#log-in')")
    assert (await browser.run("location.href")).startswith(f"{issuer.url}/log-in?")
    await browser.run("document.querySelector('#log-in').click()")
    await browser.until("document.querySelector('main h1')?.innerText === 'Audit log'")
    assert await browser.run("location.pathname + location.search") == "/console/audit-log?limit=20"
    await browser.until("document.body.innerText.includes('Ada Lovelace')")
    # Neither cookie is for scripts, and that of the attempt is gone.
    assert await browser.run("document.cookie") == ""
    cookies = (await browser.call("Network.getCookies", urls=[url]))["cookies"]
    assert [(one["name"], one["httpOnly"], one["secure"], one["sameSite"]) for one in cookies] == [
        ("__Host-sojourn", True, True, "Strict")
    ]
    await browser.run(f"({SIGN_OUT}).click()")
    await browser.until(f"!!({BUTTON})")
    assert (await browser.call("Network.getCookies", urls=[url]))["cookies"] == []


async def test_a_refused_person_reads_why_and_how_to_go_on(page: tuple[Session, str], issuer: Issuer) -> None:
    browser, url = page
    issuer.person = {"sub": "eve", "name": "Eve", "groups": ["staff"]}
    await browser.open(f"{url}/console")
    await browser.until(f"!!({BUTTON})")
    await browser.run(f"({BUTTON}).click()")
    await browser.until("!!document.querySelector('#log-in')")
    await browser.run("document.querySelector('#log-in').click()")
    await browser.until("document.querySelector('h1')?.innerText === 'You are not logged in'")
    assert "SOJOURN_OIDC_ROLES" in await browser.run("document.body.innerText")
    assert await find_faults(browser) == []
    await browser.run("document.querySelector('a[href=\"/v1/session/oidc\"]').click()")
    await browser.until("!!document.querySelector('#log-in')")
