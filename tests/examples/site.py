"""A site whose pages show what waits for the people of the stories, as the script in them does."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt

from tests.examples.harness import Walker
from tests.harness import PATIENCE, Harness, ahead, looks

ORIGIN = "https://app.example.com"


@dataclass(frozen=True)
class Site:
    """A site with its browser key."""

    harness: Harness
    key: str
    secret: str

    @classmethod
    async def open(cls, harness: Harness) -> "Site":
        body = {"name": "app", "kind": "browser", "origins": [ORIGIN]}
        made = await harness.admin("POST", "/v1/keys", body)
        return cls(harness, made["token"], made["token_secret"])

    def page_of(self, walker: Walker) -> "Page":
        return Page(self, walker)

    async def triggers(self) -> set[str]:
        """The events that pages are asked to report by themselves."""
        answer = await self.call("GET", "settings")
        return {one["event"] for one in answer.json()["triggers"]}

    async def call(self, method: str, path: str, **request: Any) -> httpx.Response:
        headers = {"X-Write-Key": self.key, "Origin": ORIGIN, **request.pop("headers", {})}
        answer = await self.harness._answer(method, f"/v1/client/{path}", headers=headers, **request)
        assert answer.is_success, answer.text
        return answer


@dataclass(frozen=True)
class Page:
    """A page in which somebody is logged in, by the clock of their journeys."""

    site: Site
    walker: Walker

    async def messages(self) -> list[dict[str, Any]]:
        """What is open for them now."""
        found = (await self._call("GET", "messages")).json()
        return [one for one in found["messages"] if one["message_id"] in found["open"]]

    async def sees(self, *templates: str) -> list[dict[str, Any]]:
        """Wait until messages of just these templates are open; the messages."""
        async for is_last in looks(PATIENCE):
            messages = await self.messages()
            if sorted(await self._templates(messages)) == sorted(templates):
                return messages
            assert not is_last, f"{self.walker.id} never saw {templates}, but {await self._templates(messages)}"
        raise AssertionError("there is a last look")

    async def slot(self, name: str) -> dict[str, Any] | None:
        """The message in place of the content of a slot; None where the page stays as it is."""
        async for is_last in looks(PATIENCE):
            answer = await self._call("GET", f"slots?names={name}")
            # A busy machine may take too long for a page.
            if "Sojourn-Slots" not in answer.headers:
                found: dict[str, Any] | None = answer.json()["slots"][name]
                return found
            assert not is_last, "no answer was in time"
        raise AssertionError("there is a last look")

    async def reacts(self, message: dict[str, Any], kind: str, **more: Any) -> None:
        """Report what became of a message."""
        reaction = {"message_id": message["message_id"], "kind": kind, "at": self._now().isoformat(), **more}
        answer = await self._call("POST", "reactions", json={"reactions": [reaction]})
        assert answer.json() == {"accepted": 1, "left_out": []}

    async def _templates(self, messages: list[dict[str, Any]]) -> list[str]:
        ids = [one["message_id"] for one in messages]
        rows = await self.site.harness.query("SELECT template FROM messages WHERE id = ANY(%s::uuid[])", ids)
        return [row["template"] for row in rows]

    async def _call(self, method: str, path: str, **request: Any) -> httpx.Response:
        # By the clock of the site's server, which is not the deployment's.
        claims = {"sub": self.walker.id, "aud": "sojourn", "exp": datetime.now(UTC) + timedelta(hours=1)}
        headers = {"Authorization": f"Bearer {jwt.encode(claims, self.site.secret, 'HS256')}"}
        with ahead(self.walker.ahead):
            return await self.site.call(method, path, headers=headers, **request)

    def _now(self) -> datetime:
        return datetime.now(UTC) + self.walker.ahead
