"""A deployment with a known person, and the pages of a shop that hold nothing but a browser key."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import jwt
import psycopg
from fastapi import FastAPI
from psycopg.rows import dict_row

from tests.api.fakes import ADMIN_KEY, WRITE_KEY
from tests.api.live import client_of, open_live

SHOP = "https://shop.example"
CAMPAIGN = {
    "file": "welcome.yaml",
    "source": "key: welcome\nname: Welcome\nentry: {event: Signed Up, reentry: always}\n"
    "exit: [{event: Order Completed}]\nsteps:\n- {id: rest, delay: 1h}\n"
    "- {id: contact, update_profile: {email: {cel: entry.properties.contact}, seen: {cel: entry.properties.contact}}}\n"
    "- {id: hello, send: {channel: email, template: note, category: transactional}}\n",
    "templates": {"note.liquid": "---\nchannel: email\nsubject: S\nfrom: a@example.com\ntext: T\n---\nH\n"},
}


class Shop:
    """A deployment with a known person, a browser key, and another one."""

    def __init__(self, app: FastAPI, operator: httpx.AsyncClient, database_url: str) -> None:
        self.app, self.operator, self.database_url = app, operator, database_url
        self.key: dict[str, Any] = {}
        self.other: dict[str, Any] = {}

    async def open(self) -> None:
        self.key, self.other = await self.create_key(), await self.create_key(name="other")
        assert (await self.operator.post("/v1/campaigns", json=CAMPAIGN)).is_success
        assert (await self.operator.post("/v1/campaigns/welcome/start")).is_success
        traits = {"email": "victim@example.com", "plan": "pro", "consent": {"email": True}, "timezone": "Europe/Berlin"}
        await self.serve("identify", userId="u-victim", anonymousId="a-victim", traits=traits)
        await self.serve("track", userId="u-victim", anonymousId="a-victim", event="Signed Up", messageId="m-1")

    async def create_key(self, **more: Any) -> dict[str, Any]:
        body = {"name": "shop", "kind": "browser", "origins": [SHOP], **more}
        answer = await self.operator.post("/v1/keys", json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def report(self, kind: str, call: Any, *, key: str | None = None, **request: Any) -> httpx.Response:
        """Report as a page does."""
        body = call if isinstance(call, bytes) else json.dumps(call).encode()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://sojourn.test") as client:
            headers = {"Origin": SHOP, "X-Write-Key": key or self.key["token"], **request.pop("headers", {})}
            return await client.post(f"/v1/{kind}", content=body, headers=headers, **request)

    async def ask(
        self, method: str, path: str, *, user_token: str | None = None, anonymous_id: str | None = None, **request: Any
    ) -> httpx.Response:
        """Ask the client API as a page does."""
        headers = {**request.pop("headers", {})}
        if user_token is not None:
            headers["Authorization"] = f"Bearer {user_token}"
        if anonymous_id is not None:
            headers["X-Anonymous-Id"] = anonymous_id
        return await self.call(method, f"/v1/client/{path}", headers=headers, **request)

    async def call(self, method: str, path: str, *, headers: dict[str, str], **request: Any) -> httpx.Response:
        """Call any path from a page with the browser key."""
        given = {"Origin": SHOP, "X-Write-Key": self.key["token"], **headers}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://sojourn.test") as client:
            return await client.request(method, path, headers=given, **request)

    def token(self, user: str, **claims: Any) -> str:
        """Return a user token, as the server of the customer signs it."""
        return token(self.key["token_secret"], user, **claims)

    async def serve(self, kind: str, **call: Any) -> Any:
        """Report as the server of the customer does."""
        async with client_of(self.app, WRITE_KEY) as client:
            answer = await client.post(f"/v1/{kind}", json=call)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def query(self, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        async with await psycopg.AsyncConnection.connect(self.database_url, row_factory=dict_row) as connection:
            return await (await connection.execute(sql, parameters)).fetchall()

    async def victim(self) -> list[Any]:
        """Everything that the database says of the known person and their journeys, but the history of events."""
        [profile] = await self.query(
            "SELECT id, to_jsonb(profiles)::text AS row FROM profiles WHERE user_id = 'u-victim'"
        )
        tables = await self.query(
            "SELECT relname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid WHERE attname = 'profile_id'"
            " AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'events' ORDER BY relname"
        )
        moved = "SELECT * FROM outbox WHERE workflow_id IN (SELECT workflow_id FROM journeys WHERE profile_id = %s)"
        found: list[Any] = [profile["row"], await self.query(moved, profile["id"])]
        found.append(await self.query("SELECT * FROM messages"))
        for table in tables:
            sql = (
                f"SELECT to_jsonb(owned)::text AS row FROM {table['relname']} AS owned WHERE profile_id = %s ORDER BY 1"  # noqa: S608
            )
            found.append((table["relname"], await self.query(sql, profile["id"])))
        return found


def token(secret: str, user: str = "u-attacker", algorithm: str = "HS256", **claims: Any) -> str:
    return jwt.encode({"sub": user, "aud": "sojourn", "exp": time.time() + 600, **claims}, secret, algorithm)


@asynccontextmanager
async def open_shop(database_url: str, **settings: Any) -> AsyncIterator[Shop]:
    async with open_live(database_url, rate_limit_address=0, **settings) as app, client_of(app, ADMIN_KEY) as operator:
        shop = Shop(app, operator, database_url)
        await shop.open()
        yield shop
