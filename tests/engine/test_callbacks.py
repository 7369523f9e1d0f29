"""Callbacks over HTTP: verified by the configured provider, applied together, refused in a flood."""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from application import callbacks
from application.callbacks import ReportGroups
from application.catalogue import Catalogue
from application.ingest import Ingest
from application.link_tracking import LinkVerdicts
from application.reports import Reports
from domain.errors import OverloadedError
from domain.sending.outbound_secrets import BoundSecret
from domain.sending.reports import MAX_CALLBACK_BYTES, ProviderReport
from store.database import Database
from tests.docs.curl import curl_lines, read_curl
from tests.engine.ingesting import AT
from tests.engine.test_provider_routes import put_providers
from tests.engine.test_reports import LETTER, handed_over, said
from tests.harness import Harness, open_harness
from tests.servers import TemporalServer

PAGE = (Path(__file__).parents[2] / "docs" / "reports.md").read_text()
SECRET = "a-hook-of-postmark-1234567890"
DOCUMENT = """
providers:
  smtp:
    {kind: postmark, channel: email, token: {env: SOJOURN_SECRET_TOKEN}, callback_secret: {env: SOJOURN_SECRET_HOOK}}
"""


@pytest.fixture
async def harness(database_url: str, temporal: TemporalServer) -> AsyncIterator[Harness]:
    secrets = {name: BoundSecret(SECRET, place=f"SOJOURN_SECRET_{name}") for name in ("TOKEN", "HOOK")}
    async with open_harness(database_url, temporal, is_working=False, webhook_secrets=secrets) as opened:
        await opened.run_campaign(LETTER)
        await opened.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": DOCUMENT})
        yield opened


def delivery(message: UUID | str, **more: Any) -> dict[str, Any]:
    return {"RecordType": "Delivery", "Metadata": {"message_id": str(message)}, "DeliveredAt": AT.isoformat(), **more}


async def post(harness: Harness, body: Any, *, name: str = "smtp", secret: str = SECRET) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body)
    return await harness.http.post(f"/v1/callbacks/{name}", content=content, auth=("sojourn", secret))


async def test_a_callback_is_in_force_once_it_is_answered(harness: Harness) -> None:
    [id] = await handed_over(harness, "u1", "unknown")
    assert (await post(harness, delivery(id))).status_code == 200
    row = await harness.messages.one()
    assert (row["state"], row["delivered_at"]) == ("sent", AT)
    bounce = {"RecordType": "Bounce", "ID": 7, "Type": "HardBounce", "Metadata": {"message_id": str(id)}}
    for _ in range(2):
        assert (await post(harness, bounce)).status_code == 200
    [address] = await harness.query("SELECT value, refusals FROM addresses")
    assert address == {"value": "u1@example.com", "refusals": {"suppression": "bounced"}}
    assert (await harness.journeys.one())["state"] == "exited"


async def test_the_trial_of_the_page_suppresses_the_address(harness: Harness) -> None:
    [id] = await handed_over(harness)
    [document] = re.findall(r"^```yaml trial\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    await put_providers(harness, document)
    [line] = curl_lines(PAGE)
    known = {"URL": "http://sojourn.example.com", "SOJOURN_SECRET_HOOK": SECRET}
    call = read_curl(line.replace("MESSAGE", str(id)), known)
    assert (await harness.http.send(call.request)).status_code == call.status == 200
    [address] = await harness.query("SELECT refusals FROM addresses")
    assert address == {"refusals": {"suppression": "bounced"}}
    await put_providers(harness, "providers: {}")


async def test_an_unverified_callback_changes_nothing(harness: Harness) -> None:
    [id] = await handed_over(harness)
    answers = [
        await post(harness, delivery(id), secret="another"),
        await harness.http.post("/v1/callbacks/smtp", json=delivery(id)),
        await harness.http.post("/v1/callbacks/smtp", json=delivery(id), headers={"Authorization": "Basic %"}),
    ]
    assert [(one.status_code, one.json()["code"]) for one in answers] == [(401, "unverified_callback")] * 3
    assert SECRET not in "".join(one.text for one in answers)
    assert (await harness.messages.one())["delivered_at"] is None


async def test_what_is_not_ours_is_taken_and_what_is_nobodys_is_not(harness: Harness) -> None:
    for body in (delivery(uuid4()), delivery("m-1"), {}, {"RecordType": ["Open"]}, {"RecordType": "Of another year"}):
        assert (await post(harness, body)).status_code == 200
    assert (await post(harness, b"[]")).status_code == 400
    assert (await post(harness, delivery(uuid4()), name="other")).status_code == 404
    assert (await harness.http.get("/v1/callbacks/smtp")).status_code == 200
    assert (await harness.http.get("/v1/callbacks/other")).status_code == 404
    assert (await post(harness, b" " * (MAX_CALLBACK_BYTES + 1))).status_code == 413


async def test_the_secret_of_the_document_in_force_counts(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "PROVIDERS_SECONDS", 0.0)
    assert (await post(harness, delivery(uuid4()))).status_code == 200
    without = DOCUMENT.replace(", callback_secret: {env: SOJOURN_SECRET_HOOK}", "")
    await harness.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": without})
    assert (await post(harness, delivery(uuid4()))).status_code == 404
    missing = DOCUMENT.replace("SECRET_HOOK", "SECRET_OTHER")
    await harness.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": missing})
    refused = await post(harness, delivery(uuid4()))
    assert (refused.status_code, "SOJOURN" in refused.text) == (503, False)


async def test_while_the_database_is_away_providers_are_to_repeat(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise psycopg.OperationalError("gone")

    [id] = await handed_over(harness)
    assert (await post(harness, delivery(uuid4()))).status_code == 200
    with monkeypatch.context() as patch:
        patch.setattr(Reports, "apply", away)
        refused = await post(harness, delivery(id))
    assert (refused.status_code, int(refused.headers["Retry-After"]) > 0) == (503, True)
    assert (await post(harness, delivery(id))).status_code == 200
    assert (await harness.messages.one())["delivered_at"] == AT


async def test_a_burst_of_reported_clicks_is_a_scanner_s_and_a_later_click_a_person_s(
    harness: Harness, database_url: str
) -> None:
    [id] = await handed_over(harness, "u1", "unknown")
    await harness.query("UPDATE messages SET claimed_at = %s RETURNING id", AT - timedelta(seconds=60))
    for link, seconds in (("a", 60), ("b", 61), ("c", 600)):
        at = (AT + timedelta(seconds=seconds)).isoformat()
        click = {"RecordType": "Click", "Metadata": {"message_id": str(id)}, "ReceivedAt": at, "OriginalLink": link}
        for _ in range(2):
            assert (await post(harness, click)).status_code == 200
    # It proves that the message was taken, and is no more until the verdict.
    row = await harness.messages.one()
    assert (row["state"], row["clicked_at"], row["opened_at"], row["machine_at"]) == ("sent", None, None, None)
    async with Database(database_url, pool_size=2) as database:
        catalogue = Catalogue()
        verdicts = LinkVerdicts(database, Reports(database, catalogue, Ingest(database, catalogue)))
        assert (await verdicts.sweep()).number == 0
        await harness.query("UPDATE link_hits SET due_at = now() RETURNING id")
        assert [(await verdicts.sweep()).number for _ in range(2)] == [3, 0]
    events = await harness.query("SELECT properties ->> 'link' AS link FROM events WHERE name = 'Email Link Clicked'")
    assert events == [{"link": "c"}]
    row = await harness.messages.one()
    assert (row["clicked_link"], row["clicked_at"], row["machine_at"]) == (
        "c",
        AT + timedelta(seconds=600),
        AT + timedelta(seconds=60),
    )


class Together:
    """Reports in the place of the database's, which say what came together; those named are faulty."""

    def __init__(self) -> None:
        self.applied: list[list[str]] = []
        self.begun, self.gate = asyncio.Event(), asyncio.Event()

    async def apply(self, provider: str, reports: list[ProviderReport], *, received_at: object) -> None:
        ids = [report.event_id for report in reports]
        self.applied.append(ids)
        self.begun.set()
        await self.gate.wait()
        if any(id.startswith("bad") for id in ids):
            raise ValueError("a fault")


@pytest.fixture
async def groups(database_url: str) -> AsyncIterator[tuple[ReportGroups, Together]]:
    together = Together()
    async with Database(database_url, pool_size=1) as database:
        await database.now()
        yield ReportGroups(database, together), together  # type: ignore[arg-type]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_callbacks_that_wait_are_applied_together(groups: tuple[ReportGroups, Together]) -> None:
    group, together = groups
    tasks = [asyncio.create_task(group.apply("p", [said(None, "opened", id=str(number))])) for number in range(5)]
    await asyncio.sleep(0)
    # One whose client leaves is left out, also the one that began.
    for number in (0, 2):
        tasks[number].cancel()
    together.gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert together.applied == [["1", "3", "4"]]
    assert [task.cancelled() for task in tasks] == [True, False, True, False, False]


async def test_callbacks_that_wait_for_their_turn_share_one_transaction(
    groups: tuple[ReportGroups, Together], monkeypatch: pytest.MonkeyPatch
) -> None:
    group, together = groups
    monkeypatch.setattr(callbacks, "BUSY", 3)
    together.gate.set()

    async def receive(number: int) -> None:
        await group.wait_turn()
        await group.apply("p", [said(None, "opened", id=str(number))])

    began = [time.monotonic()]
    for first in (0, 4, 8):
        await asyncio.gather(*(receive(number) for number in range(first, first + 4)))
        began.append(time.monotonic())
    # The first go at once, and each has waited for those before it.
    assert [sorted(map(int, ids)) for ids in together.applied] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert began[3] - began[1] > 2 * callbacks.BUSY_INTERVAL - 0.1


async def test_callbacks_of_one_turn_leave_other_requests_theirs(
    groups: tuple[ReportGroups, Together], monkeypatch: pytest.MonkeyPatch
) -> None:
    group, together = groups
    monkeypatch.setattr(callbacks, "READ_AT_ONCE", 3)
    together.gate.set()
    # How often other work had its turn before each callback.
    turns: list[int] = []
    number_of_turns = 0

    async def receive(number: int) -> None:
        await group.wait_turn()
        turns.append(number_of_turns)
        await group.apply("p", [said(None, "opened", id=str(number))])

    receiving = asyncio.gather(*(receive(number) for number in range(8)))
    while not receiving.done():
        number_of_turns += 1
        await asyncio.sleep(0)
    assert sorted(Counter(turns).values()) == [2, 3, 3]
    assert together.applied == [[str(number) for number in range(8)]]


async def test_providers_take_turns(groups: tuple[ReportGroups, Together], monkeypatch: pytest.MonkeyPatch) -> None:
    group, together = groups
    monkeypatch.setattr(callbacks, "MAX_TOGETHER", 1)
    together.gate.set()
    names = [("p", "0"), ("p", "1"), ("q", "2"), ("p", "3")]
    await asyncio.gather(*(group.apply(provider, [said(None, "opened", id=id)]) for provider, id in names))
    assert together.applied == [["0"], ["2"], ["1"], ["3"]]


async def test_a_fault_is_of_its_own_callback_alone(groups: tuple[ReportGroups, Together]) -> None:
    group, together = groups
    ids = ["0", "1", "bad", "2"]
    tasks = [asyncio.create_task(group.apply("p", [said(None, "opened", id=id)])) for id in ids]
    await settle()
    together.gate.set()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(end, ValueError) for end in ends] == [False, False, True, False]


async def test_when_clients_leave_a_transaction_that_has_begun_is_finished(
    groups: tuple[ReportGroups, Together],
) -> None:
    group, together = groups
    tasks = [asyncio.create_task(group.apply("p", [said(None, "opened", id=str(number))])) for number in range(3)]
    await together.begun.wait()
    tasks[0].cancel()
    await settle()
    together.gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [task.cancelled() for task in tasks] == [True, False, False]
    assert together.applied == [["0", "1", "2"]]


async def test_too_many_waiting_reports_are_refused(
    groups: tuple[ReportGroups, Together], monkeypatch: pytest.MonkeyPatch
) -> None:
    group, together = groups
    monkeypatch.setattr(callbacks, "MAX_WAITING", 3)
    tasks = [asyncio.create_task(group.apply("p", [said(None, "opened")])) for _ in range(3)]
    await settle()
    with pytest.raises(OverloadedError):
        await group.apply("p", [said(None, "opened")])
    together.gate.set()
    await asyncio.gather(*tasks)
    await group.apply("p", [said(None, "opened")])


async def test_a_repetition_takes_no_room(
    groups: tuple[ReportGroups, Together], monkeypatch: pytest.MonkeyPatch
) -> None:
    group, together = groups
    monkeypatch.setattr(callbacks, "MAX_WAITING", 3)
    waiting = asyncio.create_task(group.apply("p", [said(None, "opened", id=str(number % 2)) for number in range(100)]))
    await settle()
    other = asyncio.create_task(group.apply("p", [said(None, "opened", id="2")]))
    await settle()
    with pytest.raises(OverloadedError):
        await group.apply("p", [said(None, "opened", id="3")])
    together.gate.set()
    await asyncio.gather(waiting, other)
    assert sorted(id for applied in together.applied for id in applied) == ["0", "1", "2"]


async def test_a_batch_of_many_messages_is_one_callback(harness: Harness, database_url: str) -> None:
    ids = await handed_over(harness, "u1", *["sent"] * 600)
    async with Database(database_url, pool_size=4) as database:
        catalogue = Catalogue()
        reports = Reports(database, catalogue, Ingest(database, catalogue))
        result = await reports.apply("smtp", [said(id, "opened") for id in ids], received_at=AT)
    assert result.applied == 600
    assert len(await harness.query("SELECT 1 FROM events WHERE name = 'Email Opened'")) == 600
