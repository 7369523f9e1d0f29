"""A deployment where changes for many people wait for another person."""

from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from application.approval_gate import ApprovalGate
from store.database import Database
from tests.api.fakes import ADMIN_KEY, SETTINGS, WRITE_KEY
from tests.api.live import client_of, open_live
from tests.races import race_at_registry

ABOVE = 3
PEOPLE = 5
AUDIENCE = """key: {key}
name: News
entry: {{audience: {{where: 'profile.traits.plan == "{plan}"', rate: 100{again}}}}}
steps: [{{id: rest, delay: {rest}}}]
"""


@dataclass
class Office:
    """A deployment where more than ABOVE people need two persons, and the keys of some persons."""

    app: FastAPI
    database: Database
    root: httpx.AsyncClient
    people: dict[str, httpx.AsyncClient] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def gate(self) -> ApprovalGate:
        return ApprovalGate(self.database, "UTC", ABOVE)

    async def hire(self, name: str, *scopes: str, by: str | None = None) -> httpx.AsyncClient:
        maker = self.people[by] if by else self.root
        answer = await maker.post("/v1/keys", json={"name": name, "scopes": scopes or ["admin"]})
        assert answer.status_code == 201, answer.text
        self.ids[name] = answer.json()["id"]
        client = self.people[name] = client_of(self.app, answer.json()["token"])
        return client

    async def log_in(self, name: str) -> str:
        """Open a session by the key of a person; the name of its page among the people."""
        page = f"{name}'s page" if f"{name}'s page" not in self.people else f"{name}'s second page"
        _, _, key = self.people[name].headers["Authorization"].partition(" ")
        headers = {"Origin": SETTINGS.public_url}
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://sojourn.test", headers=headers
        )
        answer = await client.post("/v1/session", json={"key": key})
        assert answer.status_code == 201, answer.text
        # Cookies of a client are for one address, and not for HTTP where they are `Secure`.
        client.headers["Cookie"] = answer.headers["set-cookie"].partition(";")[0]
        self.people[page] = client
        return page

    async def know(self, number: int, plan: str = "trial", prefix: str = "u", event: str | None = None) -> None:
        calls: list[dict[str, Any]] = [
            {"type": "identify", "userId": f"{prefix}{one}", "traits": {"plan": plan}} for one in range(number)
        ]
        if event is not None:
            calls += [{"type": "track", "userId": f"{prefix}{one}", "event": event} for one in range(number)]
        async with client_of(self.app, WRITE_KEY) as tracker:
            answer = await tracker.post("/v1/batch", json={"batch": calls})
            assert answer.is_success, answer.text

    async def publish(self, source: str) -> None:
        answer = await self.root.post("/v1/campaigns", json=document(source))
        assert answer.is_success, answer.text

    async def move(self, who: str, verb: str, body: Any = None, key: str = "news", **headers: str) -> httpx.Response:
        return await self.people[who].post(f"/v1/campaigns/{key}/{verb}", json=body, headers=headers)

    async def foresees(self, key: str, source: str, **how: str) -> Any:
        """The approval that the plan of a document tells."""
        answer = await self.move("Ada", "plan", {**document(source), **how}, key)
        assert answer.status_code == 200, answer.text
        return answer.json()["approval"]

    async def waits(self, who: str, verb: str = "start", body: Any = None, key: str = "news") -> dict[str, Any]:
        """What a change waits for."""
        answer = await self.move(who, verb, body, key)
        assert answer.status_code == 202, answer.text
        approval: dict[str, Any] = answer.json()["approval"]
        return approval

    async def decide(self, who: str, approval: dict[str, Any], verb: str = "approve", **headers: str) -> httpx.Response:
        return await self.people[who].post(f"/v1/approvals/{approval['id']}/{verb}", headers=headers)

    async def state_of(self, approval: dict[str, Any]) -> str:
        return str((await self.root.get(f"/v1/approvals/{approval['id']}")).json()["state"])

    async def campaign(self, key: str = "news") -> dict[str, Any]:
        found: dict[str, Any] = (await self.root.get(f"/v1/campaigns/{key}")).json()
        return found

    async def query(self, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        async with self.database.transaction() as connection:
            return await (await connection.execute(sql, parameters)).fetchall()

    async def actions(self, key: str = "news") -> list[tuple[str, str]]:
        entries = (await self.root.get("/v1/audit-log", params={"target": key})).json()["entries"]
        return [(one["action"], one["actor_name"]) for one in reversed(entries)]


def document(source: str, **more: Any) -> dict[str, Any]:
    return {"file": "news.yaml", "source": source, "templates": {}, **more}


def audience(key: str = "news", plan: str = "trial", again: str = "", rest: str = "30d") -> str:
    return AUDIENCE.format(key=key, plan=plan, again=again, rest=rest)


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[Office]:
    async with (
        open_live(database_url, approval_above=ABOVE) as app,
        Database(database_url, pool_size=4) as database,
        client_of(app, ADMIN_KEY) as root,
    ):
        office = Office(app, database, root)
        for name in ("Ada", "Bob"):
            await office.hire(name)
        yield office
        for client in office.people.values():
            await client.aclose()


@pytest.fixture
async def asked(office: Office) -> dict[str, Any]:
    """A campaign for PEOPLE, whose start Ada has requested."""
    await office.know(PEOPLE)
    await office.publish(audience())
    return await office.waits("Ada")


async def raced(
    office: Office, *requests: Coroutine[Any, Any, httpx.Response], is_in_order: bool = False
) -> list[httpx.Response]:
    """Let requests meet at the registry's lock, perhaps in their order."""
    return await race_at_registry(office.database.url, *requests, is_in_order=is_in_order)
