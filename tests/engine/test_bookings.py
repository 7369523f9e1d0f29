"""Bookings over HTTP: whose they are, once however often they are reported."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

import httpx
import pytest

from domain.sending.outbound_secrets import BoundSecret
from domain.sending.tracking.tokens import BOOKING, REPORT, TrackedLink, sign
from tests.engine.test_reports import LETTER, handed_over
from tests.harness import Harness, open_harness
from tests.servers import TemporalServer

SECRET = "a-hook-of-the-calendar-1234567890"
DOCUMENT = "providers:\n  demos: {kind: cal, callback_secret: {env: SOJOURN_SECRET_HOOK}}\n"
STORED = "SELECT user_id, name, properties ->> 'booking' AS booking FROM events WHERE name LIKE 'Call %%'"


@pytest.fixture
async def harness(database_url: str, temporal: TemporalServer) -> AsyncIterator[Harness]:
    secrets = {"HOOK": BoundSecret(SECRET, place="SOJOURN_SECRET_HOOK")}
    async with open_harness(database_url, temporal, is_working=False, webhook_secrets=secrets) as opened:
        await opened.run_campaign(LETTER)
        await opened.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": DOCUMENT})
        yield opened


async def post(
    harness: Harness, booking: str = "b-1", email: str = "", trigger: str = "CREATED", secret: str = SECRET, **more: Any
) -> httpx.Response:
    payload = {"uid": booking, "attendees": [{"email": email}], **more}
    body = {"triggerEvent": f"BOOKING_{trigger}", "createdAt": datetime.now(UTC).isoformat(), "payload": payload}
    content = json.dumps(body).encode()
    headers = {"X-Cal-Signature-256": hmac.new(secret.encode(), content, sha256).hexdigest()}
    return await harness.http.post("/v1/callbacks/demos", content=content, headers=headers)


async def stored(harness: Harness) -> list[tuple[str, str, str]]:
    return sorted(tuple(row.values()) for row in await harness.query(STORED))


async def test_a_booking_is_that_of_the_message_whose_link_it_came_by(harness: Harness) -> None:
    [id] = await handed_over(harness, "u1")
    await harness.identify("u2", email="u2@example.com")
    secrets = harness.settings.link_secrets
    links = {
        "signed": sign(secrets, TrackedLink(id, BOOKING)),
        "forged": sign(["another-secret-of-32-characters!!"], TrackedLink(id, BOOKING)),
        "other-use": sign(secrets, TrackedLink(id, REPORT)),
        "unknown": sign(secrets, TrackedLink(uuid4(), BOOKING)),
        "plain": str(id),
    }
    for booking, reference in links.items():
        answer = await post(harness, booking, "u2@example.com", metadata={"sojourn_message": reference})
        assert answer.status_code == 200
    others = sorted(("u2", "Call Booked", booking) for booking in links if booking != "signed")
    assert await stored(harness) == [("u1", "Call Booked", "signed"), *others]
    [row] = await harness.query("SELECT properties FROM events WHERE name LIKE 'Call %%' AND user_id = 'u1'")
    assert (row["properties"]["message_id"], row["properties"]["campaign"]) == (str(id), "letter")


async def test_an_address_is_that_of_the_person_last_written_to(harness: Harness) -> None:
    [id] = await handed_over(harness, "u1")
    await harness.query("UPDATE messages SET first_handed_over_at = at WHERE id = %s RETURNING 1", id)
    for user in ("u2", "u3"):
        await harness.identify(user, email="U1@Example.com")
    assert (await post(harness, "b-1", " u1@EXAMPLE.com")).status_code == 200
    assert await stored(harness) == [("u1", "Call Booked", "b-1")]


async def test_a_booking_stays_with_the_person_who_made_it(harness: Harness) -> None:
    await harness.identify("u1", email="u1@example.com")
    await post(harness, "b-1", "u1@example.com")
    await harness.identify("u1", email="new@example.com")
    await harness.identify("u2", email="u1@example.com")
    await post(harness, "b-2", "u1@example.com", "RESCHEDULED", rescheduleUid="b-1")
    await post(harness, "b-2", "u1@example.com", "CANCELLED")
    assert await stored(harness) == [
        ("u1", "Call Booked", "b-1"),
        ("u1", "Call Booked", "b-2"),
        ("u1", "Call Cancelled", "b-2"),
        ("u1", "Call Rescheduled", "b-1"),
    ]


async def test_a_report_counts_once_however_often_it_comes(harness: Harness) -> None:
    await harness.identify("u1", email="u1@example.com")
    answers = await asyncio.gather(*(post(harness, "b-1", "u1@example.com") for _ in range(5)))
    assert {one.status_code for one in answers} == {200}
    assert await stored(harness) == [("u1", "Call Booked", "b-1")]


async def test_a_booking_of_nobody_is_kept_once_among_the_rejects(harness: Harness) -> None:
    for _ in range(2):
        assert (await post(harness, "b-1", "somebody@example.com")).status_code == 200
    assert (await post(harness, "b-2", "not an address")).status_code == 200
    rejects = (await harness.admin("GET", "/v1/rejects?source=calendar"))["rejects"]
    assert [one["error"] for one in rejects] == ["a booking with an address that no person has"] * 2
    assert await stored(harness) == []


async def test_a_forged_callback_changes_nothing(harness: Harness) -> None:
    await harness.identify("u1", email="u1@example.com")
    refused = await post(harness, "b-1", "u1@example.com", secret="another-secret-of-the-tests")
    assert (refused.status_code, refused.json()["code"]) == (401, "unverified_callback")
    assert (await harness.http.get("/v1/callbacks/demos")).status_code == 200
    assert await stored(harness) == []
