"""The application over a real database, and clients of it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from api.app import create_app
from runtime.embedded.ports import free_port
from tests.api.fakes import SETTINGS
from tests.forks import Fork, fork
from tests.harness import PATIENCE

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


@dataclass
class ApiProcess:
    """An API process of its own, as a deployment has it."""

    url: str
    process: Fork | asyncio.subprocess.Process

    def client(self, key: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE)


@asynccontextmanager
async def api_process(
    database_url: str, *, port: int | None = None, tree: Path | None = None, **settings: Any
) -> AsyncIterator[ApiProcess]:
    """`sojourn api`, once it answers; killed at the end. `tree` has another build of the product."""
    port = free_port(port)
    named = ("write_key", "admin_key", "link_secret", "webhook_signing_secret")
    environment = {
        **os.environ,
        **{f"SOJOURN_{name.upper()}": getattr(SETTINGS, name).get_secret_value() for name in named},
        "SOJOURN_DATABASE_URL": database_url,
        "SOJOURN_API_PORT": str(port),
        "SOJOURN_PUBLIC_URL": f"http://127.0.0.1:{port}",
        **{f"SOJOURN_{name.upper()}": str(value) for name, value in settings.items()},
    }
    process: Fork | asyncio.subprocess.Process
    if tree is None:
        process = await fork("api", variables=environment)
    else:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cli.main", "api", cwd=tree, env=environment
        )
    try:
        api = ApiProcess(f"http://127.0.0.1:{port}", process)
        await _until_up(api)
        yield api
    finally:
        if process.returncode is None:
            process.kill()
        # Its own children may still hold the pipe of its output, which ends with them.
        await process.communicate()


async def _until_up(api: ApiProcess) -> None:
    async with httpx.AsyncClient(base_url=api.url) as client:
        last = "it does not answer"
        # A busy machine takes half a minute to import it.
        for _ in range(1_200):
            if api.process.returncode is not None:
                raise AssertionError(f"the API ended with status {api.process.returncode}")
            try:
                answer = await client.get("/readyz")
                if answer.is_success:
                    return
                last = answer.text
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
    raise AssertionError(f"the API is not ready: {last}")


def client_of(app: FastAPI, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://sojourn.test",
        headers={"Authorization": f"Bearer {key}"},
    )
