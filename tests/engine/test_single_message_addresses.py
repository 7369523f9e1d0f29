"""Single messages to an address: its person, and an address that changes meanwhile."""

import asyncio
from uuid import uuid4

import psycopg
import pytest

from tests.engine.single_messages import ask, publish, send, show
from tests.engine.test_provider_routes import mail_server, put_providers, smtp
from tests.harness import PATIENCE, Harness


@pytest.fixture
async def reset(harness: Harness) -> Harness:
    """With a template, and a user with an address."""
    await publish(harness)
    await harness.identify("u-1", email="ada@example.com", first_name="Ada")
    return harness


async def test_an_address_that_a_link_has_refused_stays_refused_for_a_new_profile(reset: Harness) -> None:
    await reset.admin("PUT", "/v1/users/u-1/suppressions/email", {"reason": "complaint"})
    await reset.identify("u-1", email="other@example.com")
    requested = await send(reset, address="ada@example.com")
    assert (requested["state"], requested["reason"]) == ("refused", "suppressed")
    assert (await show(reset, requested["id"]))["user_id"] is None


async def test_the_person_of_an_address_is_its_user_or_is_made_once(reset: Harness) -> None:
    await send(reset, address="ADA@example.com ")
    assert (await reset.journeys.one())["user_id"] == "u-1"
    await asyncio.gather(*(send(reset, address="new@example.com") for _ in range(8)))
    made = await reset.query("SELECT id, traits FROM profiles WHERE user_id IS NULL")
    assert [row["traits"] for row in made] == [{"email": "new@example.com"}]
    assert len(await reset.inbox.wait_for(9, PATIENCE)) == 9


async def test_an_address_that_only_a_browser_has_stated_is_nobodys(reset: Harness) -> None:
    """Anyone could have a mail printed to a stranger otherwise, with a name of their choice."""
    key = await reset.admin(
        "POST", "/v1/keys", {"name": "shop", "kind": "browser", "origins": ["https://shop.example"]}
    )
    traits = {"email": "eve@example.com", "first_name": "call 0900 4711"}
    stated = await reset.http.post(
        "/v1/identify",
        json={"messageId": str(uuid4()), "anonymousId": "a-1", "traits": traits},
        auth=(key["token"], ""),
    )
    assert stated.is_success
    await send(reset, address="eve@example.com")
    [mail] = await reset.inbox.wait_for(1, PATIENCE)
    assert (mail.recipients, mail.subject) == (("eve@example.com",), "A password for you")


async def test_many_browsers_that_state_an_address_hide_no_profile(reset: Harness) -> None:
    key = await reset.admin(
        "POST", "/v1/keys", {"name": "shop", "kind": "browser", "origins": ["https://shop.example"]}
    )
    traits = {"email": "eve@example.com"}
    calls = [{"type": "identify", "anonymousId": f"a-{number}", "traits": traits} for number in range(60)]
    stated = await reset.http.post("/v1/batch", json={"batch": calls}, auth=(key["token"], ""))
    assert stated.is_success
    for _ in range(2):
        await send(reset, address="eve@example.com")
    assert len({row["profile_id"] for row in await reset.journeys.all()}) == 1


async def test_a_message_to_an_address_that_waits_goes_to_no_other(reset: Harness) -> None:
    await reset.put_caps("rules: [{name: daily, limit: 1, per: 1d}]")
    await send(reset, category="marketing")
    waiting = await send(reset, category="marketing", on_capped="wait", address="ADA@example.com")
    assert waiting["state"] == "deferred"
    handle = await reset.journey("u-1")
    await reset.rests(handle, "message")
    await reset.identify("u-1", email="other@example.com")
    await reset.skip(handle, hours=24)
    assert await handle.result() == "completed"
    shown = await show(reset, waiting["id"])
    assert (shown["state"], shown["reason"]) == ("refused", "address_changed")
    assert [mail.recipients for mail in await reset.inbox.wait_for(1, PATIENCE)] == [("ada@example.com",)]


async def test_an_address_that_its_owner_gives_up_meanwhile_is_looked_up_again(reset: Harness) -> None:
    """The owner's change is not committed yet when the request finds them."""
    async with await psycopg.AsyncConnection.connect(reset.database.url) as changing:
        await changing.execute(
            """
            UPDATE profiles SET traits = traits || '{"email": "other@example.com"}',
                                addresses = addresses || '{"email": "other@example.com"}' WHERE user_id = 'u-1'
            """
        )
        asking = asyncio.create_task(ask(reset, address="ada@example.com"))
        await reset.until(
            "SELECT 1 FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))", changing.info.backend_pid
        )
        await changing.commit()
    answer = await asking
    # As the harness does, a client asks again upon 503.
    assert (answer.status_code, answer.json()["state"]) == (202, "reserved")
    assert [row["user_id"] for row in await reset.messages.all()] == [None]
    assert [mail.recipients for mail in await reset.inbox.wait_for(1, PATIENCE)] == [("ada@example.com",)]


async def test_a_granted_message_to_an_address_is_handed_over_to_no_other(reset: Harness) -> None:
    async with mail_server(is_away=True) as server:
        await put_providers(reset, f"providers:\n  relay: {smtp(server)}\n")
        requested = await send(reset, address="ada@example.com")
        await reset.until_put_off()
        await reset.identify("u-1", email="other@example.com")
        server.is_away = False
        await reset.messages.until(state="cancelled")
        shown = await show(reset, requested["id"])
        assert (shown["state"], shown["reason"]) == ("cancelled", "address_changed")
