"""The scripts of Segment and RudderStack, unmodified, in a real browser on a page of another origin.

Sources: @segment/analytics-next and @rudderstack/analytics-js from npm. The browser is Debian's Chromium.
"""

import asyncio
import json
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt
import psycopg
import pytest
from psycopg.rows import dict_row

from tests.api.fakes import ADMIN_KEY
from tests.api.live import ApiProcess, api_process
from tests.databases import database_of
from tests.harness import PATIENCE, looks
from tests.servers import PostgresServer

HERE = Path(__file__).parent
MODULES = HERE / "node" / "node_modules"
FOLDERS = {
    "/segment/": MODULES / "@segment" / "analytics-next" / "dist",
    "/rudder/": MODULES / "@rudderstack" / "analytics-js" / "dist" / "npm" / "modern" / "bundled",
    "/": HERE / "browser",
}
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


class Pages(ThreadingHTTPServer):
    """The web server of a shop, which takes the results of its pages."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.results: list[dict[str, Any]] = []
        self.token = ""


class _Handler(SimpleHTTPRequestHandler):
    server: Pages

    def translate_path(self, path: str) -> str:
        name = urlsplit(path).path
        prefix = next(prefix for prefix in FOLDERS if name.startswith(prefix))
        return str(FOLDERS[prefix] / name.removeprefix(prefix))

    def do_GET(self) -> None:
        if self.path != "/token":
            super().do_GET()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.token.encode())

    def do_POST(self) -> None:
        self.server.results.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@contextmanager
def open_pages() -> Iterator[Pages]:
    with Pages() as pages:
        thread = Thread(target=pages.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield pages
        finally:
            pages.shutdown()
            thread.join()


@asynccontextmanager
async def browser(folder: Path, url: str) -> AsyncIterator[None]:
    """A browser that opens this page."""
    command = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if command is None:
        if "CI" in os.environ:
            pytest.fail("the tests of browsers need Chromium: apt install chromium-headless-shell")
        pytest.skip("no Chromium: apt install chromium-headless-shell")
    process = await asyncio.create_subprocess_exec(
        command,
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"),
        *("--no-first-run", "--no-proxy-server", f"--user-data-dir={folder}", "--remote-debugging-port=0", url),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        # Debian's command starts the browser as a child, which would outlive it.
        start_new_session=True,
    )
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


@pytest.fixture(scope="module")
async def api(postgres: PostgresServer, migrated: str) -> AsyncIterator[tuple[ApiProcess, str]]:
    async with database_of(postgres, migrated) as url, api_process(url) as api:
        yield api, url


@pytest.mark.takes_long
async def test_the_scripts_work_unchanged_on_a_page_of_another_origin(
    api: tuple[ApiProcess, str], tmp_path: Path
) -> None:
    process, database_url = api
    with open_pages() as pages:
        port = pages.server_address[1]
        async with process.client(ADMIN_KEY) as admin:
            made = await admin.post(
                "/v1/keys", json={"name": "shop", "kind": "browser", "origins": [f"http://127.0.0.1:{port}"]}
            )
            key = made.json()
        claims = {"sub": "b-user", "aud": "sojourn", "exp": time.time() + 3_600, "groups": ["acme"]}
        token = pages.token = jwt.encode(claims, key["token_secret"], "HS256")
        told = {"api": process.url, "key": key["token"], "name": "b"}

        def page(host: str, cases: str, *frames: str) -> str:
            return f"http://{host}:{port}/page.html?{urlencode({**told, 'cases': cases, 'frame': frames}, doseq=True)}"

        # RudderStack's script has one way to report in a page.
        frames = page("127.0.0.1", "beacon"), page("localhost", "foreign")
        async with browser(tmp_path, page("127.0.0.1", "segment,rudder,plain", *frames)):
            async for is_last in looks(PATIENCE):
                events = await stored(database_url)
                if len(pages.results) == 3 and len(events) >= EXPECTED.total():
                    break
                assert not is_last, (pages.results, EXPECTED - count(events), count(events) - EXPECTED)
        results = {name: value for one in pages.results for name, value in one["results"].items()}
        assert [failure for one in pages.results for failure in one["failures"]] == []
    assert results == {
        "beacon": True,
        "keepalive": {"success": True},
        "metrics": 204,
        "wrong": 401,
        # No other path answers a page.
        "read": "TypeError",
        # A page may read why it is refused, so that its script rests.
        "foreign": 403,
    }
    assert count(events) == EXPECTED
    assert {each["trust"] for each in events if each["user_id"]} == {"verified"}
    traits = await query(database_url, "SELECT traits FROM profiles WHERE user_id = 'b-user'")
    assert traits == [{"traits": {"plan": "pro", "size": 7}}]
    assert token[-20:] not in str(await query(database_url, "SELECT events::text FROM events"))
    assert not await query(database_url, "SELECT 1 FROM events WHERE anonymous_id = 'b-foreign'")


EXPECTED = Counter(
    {
        ("page", "Pricing", None): 3,
        ("track", "Anonymous", "segment"): 1,
        ("identify", None, None): 3,
        ("group", None, None): 1,
        ("alias", None, None): 1,
        ("screen", "Basket", None): 1,
        ("track", "Known", "segment"): 1,
        ("track", "Anonymous", "rudder"): 1,
        ("track", "Beacon", "rudder"): 1,
        ("track", "Anonymous", "beacon"): 1,
        ("track", "Known", "fetch"): 1,
    }
)


def count(events: list[dict[str, Any]]) -> Counter[tuple[Any, ...]]:
    return Counter((each["type"], each["name"], each["properties"].get("by")) for each in events)


async def stored(database_url: str) -> list[dict[str, Any]]:
    return await query(database_url, "SELECT * FROM events ORDER BY recorded_at")


async def query(database_url: str, sql: str) -> list[dict[str, Any]]:
    async with await psycopg.AsyncConnection.connect(database_url, row_factory=dict_row) as connection:
        return await (await connection.execute(sql)).fetchall()
