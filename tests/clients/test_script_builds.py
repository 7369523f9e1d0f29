"""The builds of the script: their addresses, their size, and pages whose tag is of another release than the API."""

import itertools
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from hashlib import sha384
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from api.app import create_app
from api.page_scripts import FOLDER, PageScripts, describe_scripts
from api.script_builds import HASH_DIGITS, KEPT, NAMES, ScriptBuilds
from tests.api.fakes import SETTINGS
from tests.api.inboxes import serve
from tests.api.live import client_of, open_live
from tests.api.shop import open_shop
from tests.clients.devtools import devtools
from tests.clients.page_world import BANNER, World, until_shown
from tests.clients.shop_front import open_front
from tests.databases import database_of
from tests.servers import PostgresServer

ROOT = Path(__file__).parents[2]
# As they are sent. The first is for every page, the second for those with a message to show.
MAX_COMPRESSED = 10_000
HOUR = "public, max-age=3600"
MOVING = re.findall(r"^<script src=.*/sojourn\.js.*$", (ROOT / "docs" / "browser.md").read_text(), re.MULTILINE)[0]
FOR_EVER = "public, max-age=31536000, immutable"


async def test_the_api_serves_them_with_their_hashes() -> None:
    async with client_of(create_app(SETTINGS), "") as http:
        told = (await http.get("/v1/scripts")).json()
        for script, name in zip(told["scripts"], NAMES, strict=True):
            body = (FOLDER / f"{name}.js").read_bytes()
            address = f"/{name}-{sha384(body).hexdigest()[:HASH_DIGITS]}.js"
            assert script["url"] == SETTINGS.public_url.rstrip("/") + address
            answer = await http.get(address)
            assert answer.content == body
            assert answer.headers["cache-control"] == FOR_EVER
            assert answer.headers["content-encoding"] == "gzip"
            assert answer.headers["access-control-allow-origin"] == "*"
            assert script["integrity"] == f"sha384-{b64encode(sha384(answer.content).digest()).decode()}"
            assert script["integrity"] in told["policy"]
            plain = await http.get(address, headers={"Accept-Encoding": "identity"})
            assert plain.content == answer.content
            assert script["compressed_bytes"] <= MAX_COMPRESSED
        moving, worker = await http.get("/sojourn.js"), await http.get("/sojourn-sw.js")
        assert (moving.content, moving.headers["cache-control"]) == ((FOLDER / "sojourn.js").read_bytes(), HOUR)
        assert (worker.content, worker.headers["cache-control"]) == ((FOLDER / "sojourn-sw.js").read_bytes(), HOUR)
        for address in ("/sojourn-0123456789abcdef0123.js", "/sojourn-views.js"):
            other = await http.get(address)
            assert (other.status_code, other.headers["cache-control"]) == (404, "no-store")
    # The first names the second by its hash, so that no other build is loaded.
    first, second = told["scripts"]
    for name in (second["integrity"], second["url"].rpartition("/")[2]):
        assert name.encode() in (FOLDER / "sojourn.js").read_bytes()
    assert first["integrity"] in told["tag"]
    assert first["url"] in told["tag"]


def test_releases_are_kept() -> None:
    """Those of the changelog, from the oldest that is kept: `make keep-scripts` keeps another one."""
    released = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    kept = {one.parent.name for one in FOLDER.glob(f"{KEPT}/*/*.js")}
    assert kept == set(released[: len(kept)])
    assert bool(kept) == bool(released)
    builds = ScriptBuilds(FOLDER)
    for version in kept:
        first, second = ((FOLDER / KEPT / version / f"{name}.js").read_bytes() for name in NAMES)
        address = f"{NAMES[1]}-{sha384(second).hexdigest()[:HASH_DIGITS]}.js"
        assert address.encode() in first
        assert builds.find(address) is not None


# An upgrade


def write_builds(folder: Path, mark: str) -> None:
    """Write the scripts as another release would have them."""
    folder.mkdir(parents=True)
    first, second = ((FOLDER / f"{name}.js").read_text() for name in NAMES)
    changed = f"{second}\n/* {mark} */\n"
    for digest in (lambda text: sha384(text.encode()).hexdigest()[:HASH_DIGITS], _integrity):
        assert digest(second) in first
        first = first.replace(digest(second), digest(changed))
    (folder / f"{NAMES[0]}.js").write_text(first)
    (folder / f"{NAMES[1]}.js").write_text(changed)


def _integrity(text: str) -> str:
    return b64encode(sha384(text.encode()).digest()).decode()


class Upgrade:
    """Two releases of the API behind one address, which answer in turns; those for scripts are counted."""

    def __init__(self, before: FastAPI, after: FastAPI) -> None:
        self._apps = {"before": before, "after": after}
        self._others = itertools.cycle(self._apps.values())
        self._turns: Iterator[str] = iter(())
        # Each script that was asked for, with the release that answered.
        self.asked: list[tuple[str, str]] = []

    def begin(self, first: str) -> None:
        """Let this release answer the first page."""
        self._turns = itertools.cycle(self._apps if first == "before" else reversed(self._apps))
        self.asked.clear()

    def describe(self, url: str) -> dict[str, PageScripts]:
        return {name: describe_scripts(app.state.script_builds, url) for name, app in self._apps.items()}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        app = next(self._others)
        if scope["path"].startswith("/sojourn"):
            name = next(self._turns)
            self.asked.append((scope["path"], name))
            app = self._apps[name]
        await app(scope, receive, send)


@pytest.fixture(scope="module")
async def upgrade(
    postgres: PostgresServer, migrated: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Upgrade, World]]:
    folder = tmp_path_factory.mktemp("scripts")
    write_builds(folder / "before", "before")
    write_builds(folder / "after", "after")
    write_builds(folder / "after" / KEPT / "1.0.0", "before")
    async with (
        database_of(postgres, migrated) as url,
        open_shop(url) as shop,
        open_live(url, rate_limit_address=0) as other,
        devtools(tmp_path_factory.mktemp("browser")) as tools,
    ):
        shop.app.state.script_builds = ScriptBuilds(folder / "before")
        other.state.script_builds = ScriptBuilds(folder / "after")
        both = Upgrade(shop.app, other)
        async with serve(both) as served:
            with open_front(served.url, both.describe(served.url)["before"]) as front:
                shop.key = await shop.create_key(name="front", origins=[front.url])
                yield both, World(shop, front, tools)


@pytest.mark.takes_long
@pytest.mark.parametrize(
    ("tag", "first", "views"),
    [
        ("before", "before", ["after"]),
        ("before", "after", ["before"]),
        ("moving", "before", ["after"]),
        # The release before has no build of the one after: it is asked for again.
        ("moving", "after", ["before", "after"]),
        ("after", "after", ["before", "after"]),
    ],
)
async def test_a_page_of_either_release_shows_messages_during_an_upgrade(
    upgrade: tuple[Upgrade, World], tag: str, first: str, views: list[str]
) -> None:
    both, world = upgrade
    url = world.front.api
    described = both.describe(url)
    tags = {name: scripts.tag for name, scripts in described.items()}
    tags["moving"] = MOVING.replace("https://journeys.example", url)
    # By the address, so that the policy allows the scripts of both.
    policy = f"script-src {url}/; connect-src {url}; img-src https:"
    world.front.scripts = PageScripts(scripts=[], tag=tags[tag], policy=policy)
    visitor = await world.person()
    await visitor.put("banner", **BANNER)
    both.begin(first)
    page = await visitor.open()
    await until_shown(page, "banner")
    first_build, *second_builds = both.asked
    assert first_build[1] == first
    own = described[first if tag == "moving" else tag].scripts[1].url.removeprefix(url)
    assert second_builds == [(own, name) for name in views]
