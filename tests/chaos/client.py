"""A tracking client with retries, as the clients of the Segment spec do it, and an operator who is as patient."""

import asyncio
import itertools
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Literal
from uuid import uuid4

import httpx

from tests.chaos.campaigns import Campaign
from tests.chaos.model import Call, Link, Move, Verb
from tests.chaos.pages import ORIGIN, Pages
from tests.harness import ADMIN_KEY, WRITE_KEY

# What the same request is worth repeating for.
RETRIED = frozenset({408, 409, 425, 429})
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
# A request that is not answered by then is given up and repeated, in seconds.
TIMEOUT = 5.0


SIGNED_IN = "Signed In"
Way = Literal["identify", "alias", "track"]
WAYS: tuple[Way, ...] = ("identify", "alias", "track")


@dataclass(frozen=True, slots=True)
class Item:
    """An event to be reported; `late` seconds before the others that it goes with."""

    user: str
    name: str
    ref: str
    late: float = 0
    message_id: str | None = None


class Refused(Exception):
    """The API does not want a request, however often it is repeated."""


class Client:
    """Reports events to the first API that takes them, each under its `messageId` until it is acknowledged.

    `calls` and `moves` are the record of what was sent and acknowledged, `links` of who used which device, `repeats`
    counts requests sent once more, by the status or the failure before. `pages` are those of the users.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self.calls: list[Call] = []
        self.moves: list[Move] = []
        self.links: list[Link] = []
        self.repeats: Counter[str] = Counter()
        self.pages = Pages(urls)
        self._urls = itertools.cycle(urls)
        self._http = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)

    async def stop(self) -> None:
        await self.pages.stop()
        await self._http.aclose()

    async def open_pages(self) -> None:
        """Make the key of the pages of a shop."""
        made = await self._send("POST", "/v1/keys", {"name": "shop", "kind": "browser", "origins": [ORIGIN]}, _admin())
        assert made is not None
        self.pages.take_key(**{name: made.json()[name] for name in ("token", "token_secret")})

    async def identify(self, user: str) -> None:
        """Say a person's address, until that is acknowledged."""
        await self._call({"type": "identify", "userId": user, "traits": _traits(user)})

    async def see(self, device: str) -> None:
        """Report a page seen on a device by a person who has not signed in, until that is acknowledged."""
        await self._call({"type": "page", "anonymousId": device})

    async def sign_in(self, user: str, device: str, way: Way) -> None:
        """Name a user and a device in one call, until that is acknowledged."""
        self.links.append(Link(user, device))
        match way:
            case "identify":
                await self._call({"type": "identify", "userId": user, "anonymousId": device, "traits": _traits(user)})
            case "alias":
                await self._call({"type": "alias", "userId": user, "previousId": device})
            case "track":
                await self._call({"type": "track", "userId": user, "anonymousId": device, "event": SIGNED_IN})

    async def _call(self, call: dict[str, Any]) -> None:
        body = {"batch": [{"messageId": str(uuid4()), **call}]}
        await self._send("POST", "/v1/batch", body, {"Authorization": _basic()})

    async def report(self, *items: Item, is_patient: bool = True) -> None:
        """Report events in one batch, until that is acknowledged; only once, where it is not patient."""
        batch, now, instant = str(uuid4()), monotonic(), datetime.now(UTC)
        calls = [
            Call(item.message_id or str(uuid4()), item.user, item.name, item.ref, batch, place, item.late, now)
            for place, item in enumerate(items)
        ]
        self.calls += calls
        is_timed = any(item.late for item in items)
        events = [_event(call, instant - timedelta(seconds=call.late) if is_timed else None) for call in calls]
        # The clock of the client is right, so that what is corrected by `sentAt` is the clock of the API.
        body: dict[str, Any] = {"batch": events, **({"sentAt": instant.isoformat()} if is_timed else {})}
        if await self._send("POST", "/v1/batch", body, {"Authorization": _basic()}, is_patient=is_patient):
            answered = monotonic()
            for call in calls:
                call.acknowledged = answered

    async def move(self, campaign: str, verb: Verb, body: dict[str, Any] | None = None) -> Move:
        """Move a campaign, under one Idempotency-Key until that is acknowledged."""
        move = Move(campaign, verb, monotonic())
        self.moves.append(move)
        await self.act("POST", f"/v1/campaigns/{campaign}/{verb}", body)
        move.acknowledged = monotonic()
        return move

    async def publish(self, campaign: Campaign, hook_url: str, edition: int = 1) -> None:
        await self.act("POST", "/v1/campaigns", _document(campaign, hook_url, edition))

    async def migrate(self, campaign: Campaign, hook_url: str, edition: int) -> None:
        """Let users in by another edition from now on, and have those in flight go over to it."""
        await self.move(campaign.key, "apply", {**_document(campaign, hook_url, edition), "in_flight": "migrate"})

    async def exit(self, campaign: str, user: str, ref: str) -> None:
        """End a journey by hand, if it is seen to be under way; asked for once, since it may have ended by itself."""
        path = f"/v1/journeys?campaign={campaign}&user={user}&state=active"
        listed = await self._send("GET", path, None, _admin(), is_patient=False)
        for journey in listed.json()["journeys"] if listed is not None else ():
            if journey["entry_key"] == ref:
                move = Move(campaign, "exit", monotonic(), ref=ref)
                self.moves.append(move)
                if await self._send("POST", f"/v1/journeys/{journey['id']}/exit", None, _admin(), is_patient=False):
                    move.acknowledged = monotonic()

    async def is_paused(self, provider: str) -> bool:
        """Whether the marketing of a provider is paused."""
        answer = await self._send("GET", "/v1/deliverability", None, _admin())
        assert answer is not None
        return any(one["provider"] == provider and one["resumed_at"] is None for one in answer.json()["pauses"])

    async def resume(self, provider: str) -> None:
        """Resume the marketing of a provider, until that is acknowledged."""
        await self.act("POST", f"/v1/deliverability/{provider}/resume")

    async def act(self, method: str, path: str, body: Any = None) -> None:
        """Do what only an administrator may, until that is acknowledged."""
        await self._send(method, path, body, _admin())

    async def _send(
        self, method: str, path: str, body: Any, headers: dict[str, str], *, is_patient: bool = True
    ) -> httpx.Response | None:
        """What it was acknowledged with; None if it was not."""
        pause = FIRST_PAUSE
        while True:
            wait = pause
            try:
                answer = await self._http.request(method, next(self._urls) + path, json=body, headers=headers)
                if answer.is_success:
                    return answer
                if answer.status_code < 500 and answer.status_code not in RETRIED:
                    raise Refused(f"{method} {path}: {answer.status_code} {answer.text}")
                wait, why = float(answer.headers.get("Retry-After", pause)), str(answer.status_code)
            except httpx.TransportError as error:
                why = type(error).__name__
            if not is_patient:
                return None
            self.repeats[why] += 1
            await asyncio.sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE)


def _traits(user: str) -> dict[str, str]:
    return {"email": f"{user}@example.com"}


def _admin() -> dict[str, str]:
    """The headers of one request that only an administrator may make, however often it is repeated."""
    return {"Authorization": f"Bearer {ADMIN_KEY}", "Idempotency-Key": str(uuid4())}


def _basic() -> str:
    return f"Basic {b64encode(f'{WRITE_KEY}:'.encode()).decode()}"


def _document(campaign: Campaign, hook_url: str, edition: int) -> dict[str, Any]:
    return {"file": "campaign.yaml", "source": campaign.source(edition), "templates": campaign.templates(hook_url)}


def _event(call: Call, timestamp: datetime | None) -> dict[str, Any]:
    return {
        "type": "track",
        "messageId": call.message_id,
        "userId": call.user,
        "event": call.name,
        "properties": {"ref": call.ref},
        **({"timestamp": timestamp.isoformat()} if timestamp else {}),
    }
