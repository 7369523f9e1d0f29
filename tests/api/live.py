"""The application over a real database, and clients of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from api.app import create_app
from tests.api.fakes import SETTINGS

DOCUMENT: dict[str, Any] = {
    "file": "hello.yaml",
    "source": "key: hello\nname: Hello\nentry: {event: Signed Up}\nsteps: [{id: rest, delay: 1h}]\n",
    "templates": {},
}
RULES = "rules:\n  - {name: weekly, limit: 3, per: calendar_week}\n"


@asynccontextmanager
async def open_live(database_url: str, **settings: Any) -> AsyncIterator[FastAPI]:
    """One API process, as far as its memory goes."""
    app = create_app(SETTINGS.model_copy(update={"database_url": SecretStr(database_url), **settings}))
    async with app.router.lifespan_context(app):
        yield app


def client_of(app: FastAPI, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://sojourn.test",
        headers={"Authorization": f"Bearer {key}"},
    )
