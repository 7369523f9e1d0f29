"""Postcards to people who have left: printed for those who stay away, and taken back from the printer for others."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from channels.post import lob
from channels.post.lob import Lob
from channels.provider_kind import ProviderContext
from cli.documents import templates_beside
from domain.sending.providers.lob import LobModel
from tests.channels.local_providers import put_at
from tests.channels.servers import Service, answer, listening
from tests.examples.harness import EXAMPLES
from tests.harness import PATIENCE, Harness, looks

PROVIDERS = """
providers:
  printer: {kind: lob, channel: post, token: {env: SOJOURN_SECRET_LOB}, sender: adr_1, print_after: 1d}
"""
ADDRESS = {"city": "Berlin", "postalCode": "10119", "country": "DE"}


@pytest.fixture
async def printer(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    service = Service(replies={"POST": answer(200, b'{"id": "psc_1"}'), "GET": answer(200, b"{}")})
    async with listening(service.talk) as port:

        def open_lob(settings: LobModel, _: ProviderContext) -> Lob:
            print_after = timedelta(seconds=settings.print_after or 0)
            return Lob("test_token", settings.sender, print_after, f"http://127.0.0.1:{port}")

        put_at(monkeypatch, lob.KIND, open_lob)
        await harness.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": PROVIDERS})
        source = (EXAMPLES / "come-back.yaml").read_text()
        await harness.run_campaign(source, templates_beside(EXAMPLES / "any.yaml"))
        yield service


async def gets_a_card(harness: Harness, user: str, **traits: Any) -> None:
    """Let a subscription lapse, and two weeks pass."""
    await harness.identify(user, name="Ada Lovelace", **traits)
    await harness.track(user, "Subscription Lapsed")
    await harness.skip(await harness.journey(user), days=14)


async def messages(harness: Harness, user: str) -> list[str]:
    return [item["summary"] for item in await harness.timeline(user) if item["kind"] in ("send", "message")]


async def comes_back(harness: Harness, user: str, outcome: str) -> None:
    await harness.until(
        "SELECT 1 FROM messages JOIN profiles ON profiles.id = profile_id WHERE user_id = %s "
        "AND messages.state = 'sent'",
        user,
    )
    await harness.track(user, "Subscription Renewed")
    async for is_last in looks(PATIENCE):
        if outcome in (told := await messages(harness, user)):
            break
        assert not is_last, told


async def test_who_comes_back_the_same_day_gets_no_card(harness: Harness, printer: Service) -> None:
    printer.replies["DELETE"] = answer(200, b'{"id": "psc_1", "deleted": true}')
    await gets_a_card(harness, "ada", address={**ADDRESS, "street": "Torstraße 1"})
    await comes_back(harness, "ada", "card: post come-back-card cancelled: taken_back")
    printed, taken_back = printer.requests
    body = json.loads(printed.body)
    assert (body["to"]["address_line1"], "We miss you" in body["front"]) == ("Torstraße 1", True)
    assert taken_back.line == "DELETE /v1/postcards/psc_1 HTTP/1.1"
    assert (await harness.ended("ada"))["outcome"] == "exited"


async def test_a_card_that_is_printed_arrives(harness: Harness, printer: Service) -> None:
    printer.replies["DELETE"] = answer(422, b'{"error": {"code": "not_deletable"}}')
    await gets_a_card(harness, "ada", address={**ADDRESS, "street": "Torstraße 1"})
    late = "card: post come-back-card sent: too late to take it back: lob: not_deletable"
    await comes_back(harness, "ada", late)


async def test_who_stays_away_keeps_the_card_and_who_has_no_address_gets_none(
    harness: Harness, printer: Service
) -> None:
    await gets_a_card(harness, "ada", address={**ADDRESS, "street": "Torstraße 1"})
    await gets_a_card(harness, "bea")
    await harness.until("SELECT 1 FROM messages WHERE state = 'sent'")
    for user in ("ada", "bea"):
        handle = await harness.journey(user)
        await harness.skip(handle, days=10)
        assert await handle.result() == "completed"
    assert await messages(harness, "ada") == ["card: granted, by printer", "card: post come-back-card sent"]
    [refused] = await messages(harness, "bea")
    assert "no trait address" in refused
    assert [request.line.partition(" ")[0] for request in printer.requests] == ["POST"]
