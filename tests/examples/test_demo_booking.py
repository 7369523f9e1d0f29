"""Demos that are booked by the link of a mail, reminded of, missed, held, moved and cancelled."""

import hmac
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from cli.documents import templates_beside
from domain.sending.outbound_secrets import BoundSecret
from tests.examples.harness import EXAMPLES
from tests.harness import Harness, open_harness
from tests.servers import TemporalServer

SECRET = "a-hook-of-the-calendar-1234567890"
PROVIDERS = "providers:\n  demos: {kind: cal, callback_secret: {env: SOJOURN_SECRET_HOOK}}\n"


@pytest.fixture
async def shop(database_url: str, temporal: TemporalServer) -> AsyncIterator[Harness]:
    secrets = {"HOOK": BoundSecret(SECRET, place="SOJOURN_SECRET_HOOK")}
    async with open_harness(database_url, temporal, webhook_secrets=secrets) as harness:
        await harness.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": PROVIDERS})
        templates = templates_beside(EXAMPLES / "any.yaml")
        for name in ("demo-invitation", "demo-booking"):
            source = (EXAMPLES / f"{name}.yaml").read_text()
            # At any hour of this test.
            source = re.sub(r"^send_window:.*\n", "", source, flags=re.MULTILINE)
            await harness.run_campaign(source, templates)
        yield harness


async def call_back(harness: Harness, trigger: str, booking: str, **payload: Any) -> None:
    said = {"uid": booking, "type": "demo", **payload}
    body = {"triggerEvent": trigger, "createdAt": datetime.now(UTC).isoformat(), "payload": said}
    content = json.dumps(body).encode()
    headers = {"X-Cal-Signature-256": hmac.new(SECRET.encode(), content, sha256).hexdigest()}
    answer = await harness.http.post("/v1/callbacks/demos", content=content, headers=headers)
    assert answer.status_code == 200, answer.text


async def follow_the_link(harness: Harness, user: str) -> dict[str, str]:
    """What the booking form gets from the link of the invitation."""
    await harness.identify(user, email=f"{user}@example.com", first_name=user.title(), timezone="UTC")
    await harness.track(user, "Plan Limit Reached")
    await harness.messages.until(template="demo-invitation", state="sent", address=f"{user}@example.com")
    [mail] = [one for one in harness.inbox.messages if one.recipients == (f"{user}@example.com",)]
    text = mail.message.get_body(("plain",))
    assert text is not None
    [link] = re.findall(r"https://cal\.com/example/demo\?\S+", text.get_content())
    return {key: value for key, [value] in parse_qs(urlsplit(link).query).items()}


async def book(harness: Harness, user: str, starts_in: timedelta, **attendee: Any) -> str:
    """Book by the link, with the address that is in the form or another one."""
    form = await follow_the_link(harness, user)
    reference = form.pop("metadata[sojourn_message]")
    assert form == {"email": f"{user}@example.com", "name": user.title()}
    booking = f"of-{user}"
    starts = (datetime.now(UTC) + starts_in).isoformat()
    guests = [{"email": form["email"], **attendee}]
    metadata = {"sojourn_message": reference}
    await call_back(harness, "BOOKING_CREATED", booking, startTime=starts, attendees=guests, metadata=metadata)
    return booking


async def subjects(harness: Harness, user: str) -> list[str]:
    return [one.subject for one in harness.inbox.messages if one.recipients == (f"{user}@example.com",)]


async def events(harness: Harness, user: str) -> list[str]:
    return [item["summary"] for item in await harness.timeline(user) if item["kind"] == "event"]


async def test_a_demo_is_booked_reminded_of_and_missed(shop: Harness) -> None:
    # She types another address than the one that Sojourn knows: the link says who she is.
    booking = await book(shop, "ada", timedelta(hours=2), email="ada@work.example")
    assert await (await shop.journey("ada", "demo-invitation")).result() == "booked"
    handle = await shop.journey("ada", "demo-booking")
    await shop.rests(handle, "an-hour-before")
    assert len(await subjects(shop, "ada")) == 1
    await shop.skip(handle, hours=1)
    await shop.rests(handle, "missed")
    assert (await subjects(shop, "ada"))[1].startswith("Your demo begins at ")
    absent = [{"email": "ada@work.example", "noShow": True}]
    for _ in range(2):
        await call_back(shop, "BOOKING_NO_SHOW_UPDATED", booking, attendees=absent)
    assert await handle.result() == "completed"
    assert (await subjects(shop, "ada"))[2:] == ["Another time for your demo?"]
    assert [name for name in await events(shop, "ada") if name.startswith("Call")] == ["Call Booked", "Call Missed"]
    [missed] = await shop.query("SELECT properties FROM events WHERE name = 'Call Missed'")
    assert (missed["properties"]["campaign"], missed["properties"]["calendar"]) == ("demo-invitation", "demos")


async def test_a_new_time_has_its_own_reminder_and_a_cancelled_one_none(shop: Harness) -> None:
    booking = await book(shop, "bea", timedelta(hours=2))
    first = await shop.journey("bea", "demo-booking")
    await shop.rests(first, "an-hour-before")
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    await call_back(shop, "BOOKING_RESCHEDULED", "moved", rescheduleUid=booking, startTime=later)
    assert await first.result() == "exited"
    await shop.until("SELECT 1 FROM journeys WHERE campaign_key = 'demo-booking' AND state = 'active'")
    await call_back(shop, "BOOKING_CANCELLED", "moved")
    await shop.until("SELECT 1 WHERE NOT EXISTS (SELECT FROM journeys WHERE state = 'active')")
    told = [name for name in await events(shop, "bea") if name.startswith("Call")]
    assert sorted(told) == ["Call Booked", "Call Booked", "Call Cancelled", "Call Rescheduled"]
    assert len(await subjects(shop, "bea")) == 1
