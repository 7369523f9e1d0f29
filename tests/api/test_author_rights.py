"""A key that writes documents, such as an assistant's, lets nobody in and sends nothing without another person."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from domain.access import Scope
from domain.deployment_documents import DEPLOYMENT_DOCUMENTS
from tests.api.fakes import ADMIN_KEY, WRITE_KEY
from tests.api.live import client_of, open_live

SOURCE = "key: news\nname: News\nentry: {event: Signed Up}\nsteps: [{id: rest, delay: 30d}]\n"
SECOND = SOURCE.replace("30d", "31d")
# They take no key, or the key in their body.
PUBLIC = re.compile(r"/(c|confirm|p|preferences|survey|unsubscribe)/|/v1/(callbacks/|m$|session$)")
# They change nothing.
ANSWERS = re.compile(r"/(plan|graph|preview|what-if)$")
DOCUMENTS = {
    "POST /v1/attachments",
    "POST /v1/campaigns",
    "POST /v1/segments/apply",
    "PUT /v1/segments/{key}",
    "DELETE /v1/segments/{key}",
    "PUT /v1/templates/{channel}/{template}",
    *(f"PUT /v1/{kind}" for kind in DEPLOYMENT_DOCUMENTS),
}
# What lets users in by them waits for another person: tested below.
WAITING = {"POST /v1/apply", "POST /v1/campaigns/{key}/apply", "POST /v1/campaigns/{key}/request-start"}


@dataclass
class Desk:
    """A deployment without a number of people that need an approval."""

    app: FastAPI
    root: httpx.AsyncClient
    author: httpx.AsyncClient

    async def run(self, source: str = SOURCE) -> None:
        for path, body in (("campaigns", document(source)), ("campaigns/news/start", None)):
            answer = await self.root.post(f"/v1/{path}", json=body)
            assert answer.is_success, answer.text

    async def campaign(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.root.get("/v1/campaigns/news")).json()
        return found

    async def enter(self, user: str) -> None:
        async with client_of(self.app, WRITE_KEY) as tracker:
            answer = await tracker.post("/v1/track", json={"userId": user, "event": "Signed Up"})
            assert answer.is_success, answer.text

    async def journeys(self) -> list[tuple[int, str]]:
        found = (await self.root.get("/v1/journeys", params={"campaign": "news"})).json()["journeys"]
        return sorted((one["version"], one["state"]) for one in found)


def document(source: str, **more: Any) -> dict[str, Any]:
    return {"file": "news.yaml", "source": source, "templates": {}, **more}


async def key_of(root: httpx.AsyncClient, scope: Scope) -> str:
    answer = await root.post("/v1/keys", json={"name": f"{scope} alone", "scopes": [scope]})
    return str(answer.json()["token"])


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    async with (
        open_live(database_url) as app,
        client_of(app, ADMIN_KEY) as root,
        client_of(app, await key_of(root, Scope.AUTHOR)) as author,
    ):
        yield Desk(app, root, author)


@pytest.mark.parametrize(("scope", "changes"), [(Scope.READ, set()), (Scope.AUTHOR, DOCUMENTS | WAITING)])
async def test_the_changes_that_a_key_is_admitted_to(desk: Desk, scope: Scope, changes: set[str]) -> None:
    """A new route that a key of this scope opens is judged here: what it starts waits for another person."""
    admitted = set()
    async with client_of(desk.app, await key_of(desk.root, scope)) as client:
        for path, methods in desk.app.openapi()["paths"].items():
            address = re.sub(r"{[^}]*}", str(UUID(int=1)), path)
            for method in methods.keys() - {"get"}:
                if PUBLIC.match(path) or ANSWERS.search(path):
                    continue
                answer = await client.request(method, address, json={})
                if answer.status_code not in (401, 403):
                    admitted.add(f"{method.upper()} {path}")
    assert admitted == changes


@pytest.mark.parametrize("in_flight", ["keep", "migrate", "exit"])
@pytest.mark.parametrize("path", ["campaigns/news/apply", "apply"])
async def test_a_version_of_a_campaign_that_runs_waits(desk: Desk, path: str, in_flight: str) -> None:
    await desk.run()
    await desk.enter("ada")
    body = document(SECOND, in_flight=in_flight)
    answer = await desk.author.post(f"/v1/{path}", json={"campaigns": [body]} if path == "apply" else body)
    assert answer.status_code == 202, answer.text
    campaign = await desk.campaign()
    assert (campaign["latest_version"], campaign["running_version"]) == (2, 1)
    assert (campaign["approval"]["action"], campaign["approval"]["requested_by"]) == ("start", "author alone")
    await desk.enter("bob")
    assert await desk.journeys() == [(1, "active"), (1, "active")]
    # One who may start it need not wait.
    answer = await desk.root.post("/v1/campaigns/news/apply", json=body)
    assert (answer.status_code, (await desk.campaign())["running_version"]) == (200, 2)


async def test_a_version_that_would_begin_at_once_waits(desk: Desk) -> None:
    """The schedule of a campaign that begins later is not gone around by a version without one."""
    later = datetime.now(UTC) + timedelta(days=1)
    await desk.run(f"{SOURCE}schedule: {{starts_at: {later:%Y-%m-%dT%H:%M:%SZ}}}\n")
    answer = await desk.author.post("/v1/campaigns/news/apply", json=document(SECOND))
    assert (answer.status_code, (await desk.campaign())["state"]) == (202, "scheduled")


async def test_a_request_for_a_version_that_runs_ends_no_journeys(desk: Desk) -> None:
    await desk.run()
    await desk.enter("ada")
    await desk.root.post("/v1/campaigns/news/apply", json=document(SECOND))
    await desk.enter("bob")
    before = await desk.campaign()
    for in_flight in ("migrate", "exit"):
        answer = await desk.author.post("/v1/campaigns/news/request-start", json={"in_flight": in_flight})
        assert (answer.status_code, answer.json()["approval"]["parameters"]) == (202, {"in_flight": in_flight})
    # It lets users in already: nothing is changed, and what waits still does.
    answer = await desk.author.post("/v1/campaigns/news/request-start")
    assert answer.status_code == 200, answer.text
    after = await desk.campaign()
    assert (after["revision"], after["approval"]["state"]) == (before["revision"], "waiting")
    assert await desk.journeys() == [(1, "active"), (2, "active")]


async def test_documents_start_nothing(desk: Desk) -> None:
    """Neither that of a campaign, nor a segment, nor a template of single messages."""
    await desk.author.post("/v1/campaigns", json=document(SOURCE))
    answer = await desk.author.post("/v1/campaigns/news/apply", json=document(SOURCE))
    assert (answer.status_code, answer.json()["state"], (await desk.campaign())["approval"]) == (200, "draft", None)
    await desk.enter("ada")
    assert await desk.journeys() == []
    for path in ("start", "resume", "pause"):
        assert (await desk.author.post(f"/v1/campaigns/news/{path}")).status_code == 403
    for path in ("send", "campaigns/news/test-send", "journeys/bulk/skip"):
        assert (await desk.author.post(f"/v1/{path}", json={})).status_code in (403, 404)
