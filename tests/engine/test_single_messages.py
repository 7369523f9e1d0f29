"""A single message goes through the gate and the ledger of campaigns, by the process that is asked."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from temporalio.service import RPCError, RPCStatusCode

from application import single_messages
from application.reconcile import Reconciler
from application.single_messages import HandOver, SingleMessages
from runtime.journey_workflows import JourneyWorkflows
from tests.engine.single_messages import RESET, ask, ask_under, message, publish, send, show
from tests.engine.test_provider_routes import mail_server, put_providers, smtp
from tests.harness import PATIENCE, Harness, looks
from tests.proofs import rounds

CAMPAIGN = """
key: offer
name: Offer
entry: {event: Signed Up, key: event.properties.number}
steps: [{id: note, send: {channel: email, template: note}}]
"""


@pytest.fixture
async def reset(harness: Harness) -> Harness:
    """With a template, and a user with an address."""
    await publish(harness)
    await harness.identify("u-1", email="ada@example.com", first_name="Ada")
    return harness


async def has_workflow(harness: Harness) -> bool:
    return await is_known(harness, (await harness.journeys.one())["workflow_id"])


async def is_known(harness: Harness, workflow_id: str) -> bool:
    """Whether Temporal has a workflow of this id."""
    try:
        await harness.temporal.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        return False
    return True


async def test_it_goes_out_without_a_workflow(reset: Harness) -> None:
    requested = await send(reset)
    assert (requested["state"], requested["reason"]) == ("reserved", None)
    [mail] = await reset.inbox.wait_for(1, PATIENCE)
    assert (mail.recipients, mail.subject) == (("ada@example.com",), "A password for Ada")
    assert "Code 4711" in (mail.text or "")
    await reset.journeys.until(state="completed")
    assert await reset.query("SELECT 1 FROM outbox") == []
    assert not await has_workflow(reset)
    shown = await show(reset, requested["id"])
    assert (shown["state"], shown["attempts"], shown["user_id"], shown["campaign"]) == ("sent", 1, "u-1", None)
    assert (shown["template"], shown["category"], shown["step"]) == ("reset", "transactional", "message")
    looks = await reset.query("SELECT target FROM audit_log WHERE action = 'user.read'")
    assert [look["target"] for look in looks] == ["u-1"]
    lines = [item["summary"] for item in shown["explanation"]]
    assert lines[0] == "email:reset requested by SOJOURN_ADMIN_KEY"
    assert lines[1:] == ["message: granted, by smtp", "message: email reset sent"]
    assert [item["summary"] for item in await reset.timeline("u-1") if item["step"] == "message"] == lines


async def test_it_is_no_campaign(reset: Harness) -> None:
    await send(reset)
    assert (await reset.admin("GET", "/v1/campaigns"))["campaigns"] == []
    assert (await reset.act("GET", "/v1/campaigns/email:reset")).status_code == 404
    assert (await reset.act("POST", "/v1/campaigns/email:reset/pause")).status_code == 404
    assert (await reset.act("GET", "/v1/campaigns/email:reset/funnel")).status_code == 404


async def test_a_template_has_versions_and_says_what_it_needs(harness: Harness) -> None:
    first = await publish(harness)
    assert (first["version"], first["created"], first["needs"], first["warnings"]) == (1, True, ["code"], [])
    assert (await publish(harness))["created"] is False
    more = RESET.replace("entry.properties.code", "entry.properties.order.id")
    assert (await publish(harness, source=more))["needs"] == ["order.id"]
    [listed] = (await harness.admin("GET", "/v1/templates"))["templates"]
    assert (listed["name"], listed["version"], listed["category"]) == ("reset", 2, "transactional")
    assert (await harness.admin("GET", "/v1/templates/email/reset"))["files"] == {"reset.liquid": more}
    refused = await harness.act("PUT", "/v1/templates/email/reset", {"files": {"reset.liquid": "---\n---\n"}})
    assert refused.status_code == 422
    [problem, *_] = refused.json()["problems"]
    assert problem["file"] == "templates/reset.liquid"


FAULTY: list[tuple[dict[str, Any], int, str]] = [
    ({"template": {"channel": "email", "name": "rest"}}, 404, "Did you mean `reset`?"),
    ({"template": {"channel": "pigeon", "name": "reset"}}, 400, "there is no channel pigeon"),
    ({"user_id": "u-9"}, 404, "nothing was ever reported of user u-9"),
    ({"data": {}}, 400, "`data` lacks `code`, which the template reset prints"),
    ({"data": {"code": None}}, 400, "`data` lacks `code`"),
    ({"data": {"code": "x" * 40_000}}, 413, "`data` may have 32,768 bytes"),
    ({"address": "nobody"}, 400, "`address` is not an address of the channel email"),
    ({"address": "a@example.com", "user_id": "u-1"}, 400, "name one of them"),
    ({"expires": "soon"}, 400, "`soon` is not a duration"),
    ({"category": "newsleter"}, 400, "`newsleter` is not a topic. Did you mean `newsletter`?"),
]


async def test_any_name_of_a_value_can_be_published(harness: Harness) -> None:
    names = "".join(f"{{{{ entry.properties.{name} }}}} " for name in ("code", "größe"))
    published = await publish(harness, source=RESET.replace("<p>", f"<p>{names}"))
    assert published["needs"] == ["code"]


async def test_a_faulty_request_is_refused_and_leaves_nothing(reset: Harness) -> None:
    topics = "topics:\n  - {key: newsletter, name: Newsletter, channels: [email]}\n"
    await reset.admin("PUT", "/v1/topics", {"file": "topics.yaml", "source": topics})
    for more, status, said in FAULTY:
        answer = await ask(reset, **more)
        assert (answer.status_code, said in answer.json()["detail"] + answer.text) == (status, True), answer.text
    assert await reset.journeys.all() == []


async def test_a_suppressed_address_gets_nothing_and_the_answer_says_why(reset: Harness) -> None:
    await reset.admin("PUT", "/v1/users/u-1/suppressions/email", {"reason": "hard bounce"})
    by_user, by_address = await send(reset), await send(reset, address=" ADA@example.com")
    for requested in (by_user, by_address):
        assert (requested["state"], requested["reason"]) == ("refused", "suppressed")
        shown = await show(reset, requested["id"])
        assert (shown["state"], shown["user_id"], shown["attempts"]) == ("refused", "u-1", 0)
        assert "hard bounce" in shown["explanation"][-1]["summary"]
    assert await reset.messages.all() == []
    assert await reset.query("SELECT 1 FROM outbox") == []
    assert {row["state"] for row in await reset.journeys.all()} == {"completed"}


async def test_marketing_needs_consent_and_a_password_does_not(reset: Harness) -> None:
    await reset.identify("u-1", consent={"email": False})
    assert (await send(reset, category="marketing"))["reason"] == "no_consent"
    assert (await send(reset))["state"] == "reserved"


async def test_only_a_key_that_may_send_opens_the_route(reset: Harness) -> None:
    async def status(token: str, method: str, path: str) -> int:
        answer = await reset.http.request(
            method, path, json=message() if method == "POST" else None, headers={"Authorization": f"Bearer {token}"}
        )
        return answer.status_code

    made = await reset.admin("POST", "/v1/keys", {"name": "backend", "scopes": ["send"]})
    assert await status(made["token"], "POST", "/v1/messages") == 202
    assert await status(made["token"], "GET", "/v1/campaigns") == 403
    assert await status(made["token"], "GET", f"/v1/messages/{uuid4()}") == 403
    for scopes in (["ingest"], ["read"], ["stream"]):
        other = await reset.admin("POST", "/v1/keys", {"name": "other", "scopes": scopes})
        assert await status(other["token"], "POST", "/v1/messages") == 403
    browser = await reset.admin(
        "POST", "/v1/keys", {"name": "shop", "kind": "browser", "origins": ["https://shop.example"]}
    )
    assert await status(browser["token"], "POST", "/v1/messages") == 403
    operator = await reset.admin("POST", "/v1/keys", {"name": "operator", "scopes": ["operate"]})
    assert await status(operator["token"], "POST", "/v1/messages") == 202


@pytest.mark.prove
async def test_one_key_is_one_message_however_often_it_is_sent_at_once(reset: Harness) -> None:
    times = rounds(10, 1_000)
    for number in range(times):
        answers = await asyncio.gather(*(ask_under(reset, f"reset-{number}") for _ in range(3)))
        done = [answer for answer in answers if answer.status_code == 202]
        assert {answer.status_code for answer in answers} <= {202, 409}
        assert len({answer.json()["id"] for answer in done}) == 1
        assert sum("Idempotent-Replayed" not in answer.headers for answer in done) == 1
    other = await ask_under(reset, "reset-0", data={"code": "1"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    await reset.messages.until(times, state="sent", attempts=1)
    assert len(await reset.journeys.all()) == times
    assert len(await reset.inbox.wait_for(min(times, 1_000), PATIENCE)) == min(times, 1_000)


@pytest.mark.prove
async def test_a_cap_holds_over_campaigns_and_single_messages_at_once(reset: Harness) -> None:
    await reset.put_caps("rules: [{name: weekly, limit: 3, per: 7d}]")
    await reset.run_campaign(CAMPAIGN)
    for number in range(times := rounds(2, 20)):
        user = f"c-{number}"
        await reset.identify(user, email=f"{user}@example.com")
        requests = [send(reset, user_id=user, category="marketing") for _ in range(6)]
        events = [reset.track(user, "Signed Up", {"number": each}) for each in range(6)]
        answers = [each for each in await asyncio.gather(*requests, *events) if isinstance(each, dict)]
        await reset.journeys.until(12, user_id=user, state="completed")
        assert len(await reset.messages.all(user_id=user)) == 3
        assert {each["state"] for each in answers} <= {"reserved", "refused"}
        assert {each["reason"] for each in answers if each["state"] == "refused"} <= {"capped"}
    assert len(await reset.messages.all(state="sent")) == 3 * times


async def test_a_message_that_waits_for_a_cap_goes_on_in_a_workflow(reset: Harness) -> None:
    await reset.put_caps("rules: [{name: daily, limit: 1, per: 1d}]")
    assert (await send(reset, category="marketing"))["state"] == "reserved"
    waiting = await send(reset, category="marketing", on_capped="wait")
    assert (waiting["state"], waiting["reason"]) == ("deferred", "capped")
    assert (await show(reset, waiting["id"]))["until"] is not None
    handle = await reset.journey("u-1")
    await reset.rests(handle, "message")
    await reset.skip(handle, hours=24)
    assert await handle.result() == "completed"
    shown = await show(reset, waiting["id"])
    assert (shown["state"], shown["attempts"]) == ("sent", 1)
    assert [item["outcome"] for item in shown["explanation"]] == ["requested", "deferred", "granted", "sent"]


async def test_quiet_hours_of_the_template_hold_up_marketing_only(reset: Harness) -> None:
    await reset.identify("u-1", timezone="UTC")
    rows = await reset.query("SELECT to_char(now() + interval '5 hours', 'HH24:00') AS opens")
    closes = await reset.query("SELECT to_char(now() + interval '6 hours', 'HH24:00') AS closes")
    await publish(reset, send_window={"from": rows[0]["opens"], "to": closes[0]["closes"]})
    assert (await send(reset))["state"] == "reserved"
    deferred = await send(reset, category="marketing")
    assert (deferred["state"], deferred["reason"]) == ("deferred", "send_window")
    refused = await send(reset, category="marketing", expires="1h")
    assert (refused["state"], refused["reason"]) == ("refused", "send_window")


async def test_a_lost_workflow_is_restarted_at_its_message(reset: Harness) -> None:
    await reset.put_caps("rules: [{name: daily, limit: 1, per: 1d}]")
    await send(reset, category="marketing")
    waiting = await send(reset, category="marketing", on_capped="wait")
    handle = await reset.journey("u-1")
    await reset.rests(handle, "message")
    workflows = JourneyWorkflows(reset.temporal, reset.settings.task_queue)
    async for is_last in looks(PATIENCE):
        # Zero once Temporal's index, which lags, has forgotten it too.
        if not await workflows.delete([handle.id]):
            break
        assert not is_last, "it was never deleted"
    await reset.query("UPDATE journeys SET recorded_at = recorded_at - interval '1 day' RETURNING id")
    await Reconciler(reset.database, workflows).run()
    again = await reset.journey("u-1")
    await reset.rests(again, "message")
    await reset.skip(again, hours=24)
    assert await again.result() == "completed"
    assert (await show(reset, waiting["id"]))["state"] == "sent"


async def test_a_message_under_a_hold_goes_on_when_it_is_released(reset: Harness) -> None:
    until = (await reset.query("SELECT now() + interval '2 days' AS until"))[0]["until"].isoformat()
    hold = await reset.admin("POST", "/v1/holds", {"user": "u-1", "until": until, "reason": "complaint"})
    held = await send(reset, category="marketing")
    assert (held["state"], held["reason"]) == ("held", "on_hold")
    await reset.admin("DELETE", f"/v1/holds/{hold['id']}")
    await reset.messages.until(state="sent")
    assert (await show(reset, held["id"]))["state"] == "sent"


async def test_a_provider_with_a_pace_gets_it_from_its_queue(reset: Harness) -> None:
    async with mail_server() as server:
        await put_providers(reset, f"providers:\n  slow: {smtp(server, ', per_second: 50')}\n")
        requested = await send(reset)
        await reset.messages.until(state="sent")
        assert await has_workflow(reset)
        assert (await show(reset, requested["id"]))["provider"] == "slow"


async def test_a_provider_that_is_away_gets_it_from_a_worker_later(reset: Harness) -> None:
    async with mail_server(is_away=True) as server:
        await put_providers(reset, f"providers:\n  relay: {smtp(server)}\n")
        requested = await send(reset)
        await reset.until_put_off()
        server.is_away = False
        await reset.messages.until(state="sent")
        assert (await show(reset, requested["id"]))["attempts"] >= 2
        assert await has_workflow(reset)


async def test_it_is_erased_with_its_person(reset: Harness) -> None:
    await reset.put_caps("rules: [{name: daily, limit: 1, per: 1d}]")
    await send(reset, category="marketing")
    waiting = await send(reset, category="marketing", on_capped="wait")
    await reset.rests(await reset.journey("u-1"), "message")
    await reset.admin("DELETE", "/v1/users/u-1")
    await reset.until("SELECT 1 WHERE NOT EXISTS (SELECT FROM profiles)")
    assert await reset.query("SELECT 1 FROM journeys") == []
    assert (await reset.act("GET", f"/v1/messages/{waiting['id']}")).status_code == 404
    # A request after that makes a new profile.
    assert (await send(reset, address="ada@example.com"))["state"] == "reserved"


async def test_a_merge_takes_the_messages_of_both_along(reset: Harness) -> None:
    await reset.identify("u-2", email="twin@example.com")
    await reset.put_caps("rules: [{name: daily, limit: 1, per: 1d}]")
    ids = []
    for user in ("u-1", "u-2"):
        await send(reset, user_id=user, category="marketing")
        ids.append((await send(reset, user_id=user, category="marketing", on_capped="wait"))["id"])
    await reset.admin("POST", "/v1/users/u-1/merges", {"from": "u-2"})
    for id in ids:
        shown = await show(reset, id)
        assert (shown["state"], shown["user_id"]) == ("deferred", "u-1")


async def test_a_failed_one_is_retried_in_its_own_category(reset: Harness) -> None:
    await reset.identify("u-1", first_name="Ada", nick=None)
    source = RESET.replace("profile.traits.first_name | default: 'you'", "profile.traits.nick")
    await publish(reset, source=source)
    failed = await send(reset, category="marketing")
    assert (await show(reset, failed["id"]))["reason"] == "template_error"
    await publish(reset)
    unknown = await reset.act("POST", "/v1/messages/retry", {"campaign": "email:unheard-of"})
    assert (unknown.status_code, unknown.json()["detail"]) == (404, "there is no template email:unheard-of")
    await reset.admin("POST", "/v1/messages/retry", {"campaign": "email:reset", "step": "message"})
    [sent] = await reset.messages.until(state="sent")
    assert (sent["category"], sent["template"], sent["step"]) == ("marketing", "reset", "message")
    assert (await show(reset, str(sent["id"])))["state"] == "sent"


async def test_a_process_hands_over_no_more_than_its_bound(reset: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """All requests of a burst find room before the first of them is handed over."""
    monkeypatch.setattr(single_messages, "MAX_HAND_OVERS", 2)
    attempt, under_way, counts = SingleMessages._attempt, 0, list[int]()

    async def counted(self: SingleMessages, message: HandOver) -> float | None:
        nonlocal under_way
        under_way += 1
        counts.append(under_way)
        try:
            await reset.until("SELECT 1 FROM journeys HAVING count(*) = 8")
            return await attempt(self, message)
        finally:
            under_way -= 1

    monkeypatch.setattr(SingleMessages, "_attempt", counted)
    await asyncio.gather(*(send(reset) for _ in range(8)))
    await reset.messages.until(8, state="sent")
    assert max(counts) == 2
