from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from settings import Settings
from tests.api.fakes import ADMIN_KEY, SETTINGS, WRITE_KEY, FakeServices
from tests.api.live import ApiProcess, api_process, client_of, open_live
from tests.databases import database_of
from tests.servers import PostgresServer
from wiring import Services


@pytest.fixture
def services() -> FakeServices:
    return FakeServices()


@pytest.fixture
async def app(services: FakeServices) -> AsyncIterator[FastAPI]:
    @asynccontextmanager
    async def opened(_settings: Settings) -> AsyncIterator[Services]:
        yield cast("Services", services)

    app = create_app(SETTINGS, opened)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def anyone(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sojourn.test") as client:
        yield client


@pytest.fixture
async def tracker(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the write key, as tracking libraries send it."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://sojourn.test", auth=(WRITE_KEY, "")
    ) as client:
        yield client


@pytest.fixture
async def admin(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the admin key."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://sojourn.test",
        headers={"Authorization": f"Bearer {ADMIN_KEY}"},
    ) as client:
        yield client


@pytest.fixture
async def live(database_url: str) -> AsyncIterator[FastAPI]:
    """The application over a database of the test's own."""
    async with open_live(database_url) as app:
        yield app


@pytest.fixture(scope="module")
async def served(postgres: PostgresServer, migrated: str) -> AsyncIterator[ApiProcess]:
    """`sojourn api` in a process of its own, which the tests of a module share."""
    async with database_of(postgres, migrated) as url, api_process(url) as api:
        yield api


@pytest.fixture
async def operator(live: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of `live` with the admin key."""
    async with client_of(live, ADMIN_KEY) as client:
        yield client
