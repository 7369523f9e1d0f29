"""A deployment that people steer in the console: API, worker, Temporal and browser are real."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.api.inboxes import serve
from tests.api.live import open_live
from tests.clients.console_page import ConsolePage
from tests.clients.devtools import DevTools
from tests.harness import ADMIN_KEY, Harness


def campaign(key: str, event: str = "Signed Up", name: str | None = None) -> str:
    return (
        f"key: {key}\nname: {name or key}\nentry: {{event: {event}, reentry: always}}\nsteps:\n"
        "- {id: rest, delay: 1d}\n"
        "- {id: hello, send: {channel: email, template: note, category: transactional}}\n"
        "- {id: more, delay: 1d}\n"
    )


@dataclass
class Stage:
    """A deployment whose console people use."""

    harness: Harness
    url: str
    tools: DevTools
    database_url: str

    async def page(self, key: str = ADMIN_KEY, url: str | None = None) -> ConsolePage:
        page = await ConsolePage.open(self.tools, url or self.url)
        await page.log_in(key)
        return page

    async def begin(self, key: str, *users: str) -> list[str]:
        """Run a campaign, and let people rest at its first step; the ids of their journeys."""
        event = f"Began {key}"
        await self.harness.run_campaign(campaign(key, event))
        for user in users:
            await self.harness.track(user, event)
            await self.harness.rests(await self.harness.journey(user, key), "rest")
        rows = await self.harness.query("SELECT id FROM journeys WHERE campaign_key = %s ORDER BY id", key)
        return [str(row["id"]) for row in rows]

    async def audited(self, target: str) -> list[str]:
        """Return what the audit log has of a target, the latest first."""
        entries = (await self.harness.admin("GET", f"/v1/audit-log?target={target}"))["entries"]
        return [entry["action"] for entry in entries]

    @asynccontextmanager
    async def beside(self, **settings: Any) -> AsyncIterator[str]:
        """Another API over the same database, with other settings; its URL."""
        async with open_live(self.database_url, rate_limit_address=0, **settings) as app, serve(app) as served:
            app.state.console_origins = frozenset({served.url})
            yield served.url
