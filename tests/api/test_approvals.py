"""A campaign for many people waits for another person, for every key and through every way in."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from application.approval_gate import ApprovalGate
from application.audience_schedule import AudienceRuns, Recurrence
from application.campaign_life import CampaignLife
from application.catalogue import Catalogue
from domain.campaign.life import describe
from store.campaigns import REGISTRY_LOCK
from store.database import Database
from tests.api.fakes import ADMIN_KEY, SETTINGS, WRITE_KEY
from tests.api.live import client_of, open_live
from tests.harness import PATIENCE, looks

ABOVE = 3
PEOPLE = 5
AUDIENCE = """key: {key}
name: News
entry: {{audience: {{where: 'profile.traits.plan == "{plan}"', rate: 100{again}}}}}
steps: [{{id: rest, delay: {rest}}}]
"""
EVENT = "key: {key}\nname: Cart\nentry: {{event: Cart Abandoned}}\nsteps: [{{id: rest, delay: {rest}}}]\n"
AGAIN = ', again: {every: day, at: "09:00"}'
MONDAY = datetime(2026, 11, 2, 9, tzinfo=UTC)


@dataclass
class Office:
    """A deployment where more than ABOVE people need two persons, and the keys of some persons."""

    app: FastAPI
    database: Database
    root: httpx.AsyncClient
    people: dict[str, httpx.AsyncClient] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def gate(self) -> ApprovalGate:
        return ApprovalGate(self.database, "UTC", ABOVE)

    async def hire(self, name: str, *scopes: str, by: str | None = None) -> httpx.AsyncClient:
        maker = self.people[by] if by else self.root
        answer = await maker.post("/v1/keys", json={"name": name, "scopes": scopes or ["admin"]})
        assert answer.status_code == 201, answer.text
        self.ids[name] = answer.json()["id"]
        client = self.people[name] = client_of(self.app, answer.json()["token"])
        return client

    async def log_in(self, name: str) -> str:
        """Open a session by the key of a person; the name of its page among the people."""
        page = f"{name}'s page" if f"{name}'s page" not in self.people else f"{name}'s second page"
        _, _, key = self.people[name].headers["Authorization"].partition(" ")
        headers = {"Origin": SETTINGS.public_url}
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://sojourn.test", headers=headers
        )
        answer = await client.post("/v1/session", json={"key": key})
        assert answer.status_code == 201, answer.text
        # Cookies of a client are for one address, and not for HTTP where they are `Secure`.
        client.headers["Cookie"] = answer.headers["set-cookie"].partition(";")[0]
        self.people[page] = client
        return page

    async def know(self, number: int, plan: str = "trial", prefix: str = "u", event: str | None = None) -> None:
        calls: list[dict[str, Any]] = [
            {"type": "identify", "userId": f"{prefix}{one}", "traits": {"plan": plan}} for one in range(number)
        ]
        if event is not None:
            calls += [{"type": "track", "userId": f"{prefix}{one}", "event": event} for one in range(number)]
        async with client_of(self.app, WRITE_KEY) as tracker:
            answer = await tracker.post("/v1/batch", json={"batch": calls})
            assert answer.is_success, answer.text

    async def publish(self, source: str) -> None:
        answer = await self.root.post("/v1/campaigns", json=document(source))
        assert answer.is_success, answer.text

    async def move(self, who: str, verb: str, body: Any = None, key: str = "news", **headers: str) -> httpx.Response:
        return await self.people[who].post(f"/v1/campaigns/{key}/{verb}", json=body, headers=headers)

    async def foresees(self, key: str, source: str, **how: str) -> Any:
        """The approval that the plan of a document tells."""
        answer = await self.move("Ada", "plan", {**document(source), **how}, key)
        assert answer.status_code == 200, answer.text
        return answer.json()["approval"]

    async def waits(self, who: str, verb: str = "start", body: Any = None, key: str = "news") -> dict[str, Any]:
        """What a change waits for."""
        answer = await self.move(who, verb, body, key)
        assert answer.status_code == 202, answer.text
        approval: dict[str, Any] = answer.json()["approval"]
        return approval

    async def decide(self, who: str, approval: dict[str, Any], verb: str = "approve", **headers: str) -> httpx.Response:
        return await self.people[who].post(f"/v1/approvals/{approval['id']}/{verb}", headers=headers)

    async def state_of(self, approval: dict[str, Any]) -> str:
        return str((await self.root.get(f"/v1/approvals/{approval['id']}")).json()["state"])

    async def campaign(self, key: str = "news") -> dict[str, Any]:
        found: dict[str, Any] = (await self.root.get(f"/v1/campaigns/{key}")).json()
        return found

    async def query(self, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        async with self.database.transaction() as connection:
            return await (await connection.execute(sql, parameters)).fetchall()

    async def actions(self, key: str = "news") -> list[tuple[str, str]]:
        entries = (await self.root.get("/v1/audit-log", params={"target": key})).json()["entries"]
        return [(one["action"], one["actor_name"]) for one in reversed(entries)]


def document(source: str, **more: Any) -> dict[str, Any]:
    return {"file": "news.yaml", "source": source, "templates": {}, **more}


def audience(key: str = "news", plan: str = "trial", again: str = "", rest: str = "30d") -> str:
    return AUDIENCE.format(key=key, plan=plan, again=again, rest=rest)


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[Office]:
    async with (
        open_live(database_url, approval_above=ABOVE) as app,
        Database(database_url, pool_size=4) as database,
        client_of(app, ADMIN_KEY) as root,
    ):
        office = Office(app, database, root)
        for name in ("Ada", "Bob"):
            await office.hire(name)
        yield office
        for client in office.people.values():
            await client.aclose()


@pytest.fixture
async def asked(office: Office) -> dict[str, Any]:
    """A campaign for PEOPLE, whose start Ada has requested."""
    await office.know(PEOPLE)
    await office.publish(audience())
    return await office.waits("Ada")


async def test_a_start_waits_until_another_person_approves_it(office: Office, asked: dict[str, Any]) -> None:
    assert (asked["campaign"], asked["version"], asked["action"], asked["people"]) == ("news", 1, "start", PEOPLE)
    assert (asked["state"], asked["requested_by"], asked["requested_by_id"]) == ("waiting", "Ada", office.ids["Ada"])
    campaign = await office.campaign()
    assert (campaign["state"], campaign["approval"]) == ("draft", asked)
    assert (await office.root.get("/v1/approvals", params={"state": "waiting"})).json()["approvals"] == [asked]
    assert await office.query("SELECT 1 FROM operations") == []
    answer = await office.decide("Bob", asked)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["state"], answer.json()["decided_by"]) == ("approved", "Bob")
    campaign = await office.campaign()
    assert (campaign["state"], campaign["running_version"], campaign["approval"]) == ("running", 1, None)
    assert await office.query("SELECT kind, requested_by FROM operations") == [{"kind": "enrol", "requested_by": "Ada"}]
    assert await office.actions() == [
        ("campaign.publish", "SOJOURN_ADMIN_KEY"),
        ("approval.request", "Ada"),
        ("approval.approve", "Bob"),
        ("campaign.start", "Ada"),
    ]


async def test_few_people_need_one_person(office: Office) -> None:
    await office.know(ABOVE)
    await office.know(PEOPLE, plan="team", prefix="t")
    await office.publish(audience())
    answer = await office.move("Ada", "start")
    assert (answer.status_code, answer.json()["state"], answer.json()["approval"]) == (200, "running", None)


async def test_people_of_an_event_are_those_of_the_last_month(office: Office) -> None:
    await office.know(PEOPLE, event="Cart Abandoned")
    await office.know(PEOPLE, prefix="v", event="Order Completed")
    await office.publish(EVENT.format(key="news", rest="1h"))
    assert (await office.waits("Ada"))["people"] == PEOPLE
    await office.query("UPDATE events SET recorded_at = recorded_at - interval '31 days' RETURNING 1")
    assert (await office.move("Ada", "start")).status_code == 200


async def test_who_may_not_approve(office: Office, asked: dict[str, Any]) -> None:
    """Neither the person who asked, nor a key that made theirs or was made by it, also at second hand."""
    await office.hire("Cyd", by="Ada")
    await office.hire("Dan", by="Cyd")
    for name in ("Ada", "Cyd", "Dan"):
        answer = await office.decide(name, asked)
        assert (answer.status_code, answer.json()["code"]) == (403, "same_person"), name
    assert (await office.root.post(f"/v1/approvals/{asked['id']}/approve")).json()["code"] == "same_person"
    # The other way round: what the last of the chain asks for, the first may not approve. A revoked link is one.
    assert (await office.root.delete(f"/v1/keys/{office.ids['Cyd']}")).is_success
    await office.publish(audience("more"))
    of_dan = await office.waits("Dan", key="more")
    assert (await office.decide("Ada", of_dan)).json()["code"] == "same_person"
    await office.hire("Eve", "operate")
    answer = await office.decide("Eve", asked)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    await office.hire("Fay", "read", "approve")
    assert (await office.decide("Fay", asked)).status_code == 200
    assert (await office.decide("Bob", of_dan)).status_code == 200


async def test_what_was_changed_meanwhile_needs_another_approval(office: Office, asked: dict[str, Any]) -> None:
    await office.publish(audience(rest="31d"))
    assert await office.state_of(asked) == "outdated"
    assert (await office.campaign())["approval"] is None
    for verb in ("approve", "reject"):
        answer = await office.decide("Bob", asked, verb)
        assert (answer.status_code, answer.json()["code"], answer.json()["state"]) == (
            409,
            "approval_not_waiting",
            "outdated",
        )
    again = await office.waits("Ada")
    assert (again["version"], await office.state_of(asked)) == (2, "outdated")
    assert (await office.decide("Bob", again)).status_code == 200
    assert (await office.campaign())["running_version"] == 2


async def test_a_request_that_is_repeated_is_the_same(office: Office, asked: dict[str, Any]) -> None:
    assert await office.waits("Ada") == await office.waits("Bob") == asked
    other = await office.waits("Ada", body={"in_flight": "exit"})
    assert (other["id"] != asked["id"], await office.state_of(asked)) == (True, "outdated")
    first = await office.move("Ada", "start", **{"Idempotency-Key": "once"})
    repeated = await office.move("Ada", "start", **{"Idempotency-Key": "once"})
    assert (first.status_code, repeated.status_code) == (202, 202)
    assert (repeated.json(), repeated.headers["Idempotent-Replayed"]) == (first.json(), "true")
    approved = await office.decide("Bob", first.json()["approval"], **{"Idempotency-Key": "twice"})
    repeated = await office.decide("Bob", first.json()["approval"], **{"Idempotency-Key": "twice"})
    assert (approved.status_code, repeated.json()) == (200, approved.json())
    answer = await office.decide("Bob", first.json()["approval"])
    assert (answer.status_code, answer.json()["state"]) == (409, "approved")


async def test_an_expired_request_starts_nothing(office: Office, asked: dict[str, Any]) -> None:
    await office.query("UPDATE approvals SET expires_at = now() RETURNING 1")
    assert await office.state_of(asked) == "expired"
    assert "request it again" in (await office.decide("Bob", asked)).json()["detail"]
    again = await office.waits("Ada")
    assert (again["id"] != asked["id"], await office.state_of(asked)) == (True, "expired")


async def test_a_rejected_request_starts_nothing_and_an_own_one_is_taken_back(
    office: Office, asked: dict[str, Any]
) -> None:
    answer = await office.decide("Bob", asked, "reject")
    assert (answer.status_code, answer.json()["state"]) == (200, "rejected")
    assert (await office.campaign())["state"] == "draft"
    assert (await office.decide("Bob", asked)).status_code == 409
    again = await office.waits("Ada")
    assert (await office.decide("Ada", again, "reject")).status_code == 200
    listed = (await office.root.get("/v1/approvals", params={"campaign": "news", "limit": 1})).json()
    assert [one["id"] for one in listed["approvals"]] == [again["id"]]
    listed = (await office.root.get("/v1/approvals", params={"campaign": "news", "after": listed["next"]})).json()
    assert [one["id"] for one in listed["approvals"]] == [asked["id"]]


async def test_many_more_people_than_were_approved_need_another_request(office: Office, asked: dict[str, Any]) -> None:
    await office.know(2 * PEOPLE + 1, prefix="v")
    answer = await office.decide("Bob", asked)
    assert (answer.status_code, answer.json()["code"]) == (409, "approval_not_waiting")
    assert (await office.campaign())["state"] == "draft"


async def test_another_version_of_a_running_campaign_waits(office: Office) -> None:
    """Also among many documents, whose others take effect, and with journeys that would migrate."""
    await office.know(1)
    for key in ("news", "other"):
        await office.publish(audience(key))
        assert (await office.move("Ada", "start", key=key)).status_code == 200
    await office.know(PEOPLE)
    few = audience("other", plan="none")
    foreseen = {"people": PEOPLE, "above": ABOVE}
    assert await office.foresees("news", audience(rest="31d")) == foreseen
    assert await office.foresees("other", few) is None
    body = {"campaigns": [document(audience(rest="31d")), document(few)]}
    answer = await office.people["Ada"].post("/v1/apply", json=body)
    assert answer.status_code == 202, answer.text
    waiting, done = answer.json()["applied"]
    assert (waiting["plan"]["approval"], done["plan"]["approval"]) == (foreseen, None)
    assert (waiting["version"], waiting["created"], waiting["approval"]["version"]) == (2, True, 2)
    assert (done["version"], done["approval"], (await office.campaign("other"))["running_version"]) == (2, None, 2)
    assert (await office.campaign())["running_version"] == 1
    # Applied once more, it is still the same request.
    answer = await office.move("Ada", "apply", document(audience(rest="31d")))
    assert (answer.status_code, answer.json()["approval"]) == (202, waiting["approval"])
    # Nor does a start go around it.
    assert (await office.waits("Ada", body={"version": 2}))["id"] == waiting["approval"]["id"]
    assert (await office.decide("Bob", waiting["approval"])).status_code == 200
    assert (await office.campaign())["running_version"] == 2
    # It runs by now: nobody more is reached.
    assert await office.foresees("news", audience(rest="31d")) is None
    assert (await office.move("Ada", "start")).status_code == 200


async def test_journeys_that_migrate_are_people_as_well(office: Office) -> None:
    await office.publish(EVENT.format(key="news", rest="30d"))
    assert (await office.move("Ada", "start")).status_code == 200
    await office.know(PEOPLE, event="Cart Abandoned")
    source = EVENT.format(key="news", rest="31d").replace("Cart Abandoned", "Never Seen")
    assert (await office.move("Ada", "apply", document(source))).status_code == 200
    foreseen = {"people": PEOPLE, "above": ABOVE}
    assert await office.foresees("news", source.replace("31d", "32d"), in_flight="migrate") == foreseen
    approval = await office.waits("Ada", body={"in_flight": "migrate"})
    assert approval["people"] == PEOPLE


async def test_a_version_that_was_never_approved_is_not_resumed_alone(office: Office) -> None:
    await office.publish(audience())
    assert (await office.move("Ada", "start")).status_code == 200
    assert (await office.move("Ada", "pause")).status_code == 200
    await office.know(PEOPLE)
    # A version takes effect, while nothing is sent.
    assert await office.foresees("news", audience(rest="31d")) is None
    assert (await office.move("Ada", "apply", document(audience(rest="31d")))).status_code == 200
    approval = await office.waits("Ada", "resume")
    assert (approval["action"], approval["version"], (await office.campaign())["state"]) == ("resume", 2, "paused")
    assert (await office.decide("Bob", approval)).status_code == 200
    assert (await office.campaign())["state"] == "running"
    # Approved once, it pauses and goes on, until it may reach far more.
    assert (await office.move("Ada", "pause")).status_code == 200
    assert (await office.move("Ada", "resume")).status_code == 200
    await office.know(3 * PEOPLE, prefix="v")
    assert (await office.move("Ada", "pause")).status_code == 200
    assert (await office.waits("Ada", "resume"))["people"] == 4 * PEOPLE


async def test_a_campaign_that_has_grown_until_its_schedule_begins_waits(office: Office) -> None:
    soon = datetime.now(UTC) + timedelta(days=1)
    await office.publish(audience() + f"schedule: {{starts_at: {soon:%Y-%m-%dT%H:%M:%SZ}}}\n")
    assert (await office.move("Ada", "start")).json()["state"] == "scheduled"
    await office.know(PEOPLE)
    life = CampaignLife(office.database, office.gate)
    result = await life.advance("news", soon)
    [pending] = result.approvals
    assert (result.state, result.look_again_at, pending.people) == ("scheduled", pending.expires_at, PEOPLE)
    assert f"begin: waits for the approval of another person, for up to {PEOPLE} people" in describe(result)
    approval = (await office.campaign())["approval"]
    assert (approval["action"], approval["requested_by"]) == ("begin", "Ada")
    assert await life.advance("news", soon + timedelta(hours=1)) == result
    assert (await office.decide("Ada", approval)).json()["code"] == "same_person"
    assert (await office.decide("Bob", approval)).status_code == 200
    assert (await life.advance("news", soon)).state == "running"


async def test_an_expired_beginning_is_asked_again_and_a_rejected_one_stops(office: Office) -> None:
    soon = datetime.now(UTC) + timedelta(days=1)
    await office.publish(audience() + f"schedule: {{starts_at: {soon:%Y-%m-%dT%H:%M:%SZ}}}\n")
    assert (await office.move("Ada", "start")).json()["state"] == "scheduled"
    await office.know(PEOPLE)
    life = CampaignLife(office.database, office.gate)
    first = await life.advance("news", soon)
    await office.query("UPDATE approvals SET expires_at = now() RETURNING 1")
    second = await life.advance("news", soon)
    assert second.approvals != first.approvals
    approval = (await office.campaign())["approval"]
    assert (await office.decide("Bob", approval, "reject")).status_code == 200
    assert (await life.advance("news", soon)).state == "ended"


class NoSchedules:
    async def keep(self, campaign_key: str, recurrence: Recurrence, now: datetime) -> None:
        """Keep none."""

    async def remove(self, campaign_key: str) -> None:
        """Remove none."""


async def test_an_audience_that_has_grown_waits_before_it_enters_again(office: Office) -> None:
    await office.know(ABOVE)
    await office.publish(audience(again=AGAIN))
    assert (await office.move("Ada", "start")).status_code == 200
    runs = AudienceRuns(office.database, Catalogue(), NoSchedules(), "UTC", office.gate)
    assert await runs.begin("news", MONDAY) is not None
    await office.query("UPDATE operations SET state = 'done', finished_at = now() RETURNING 1")
    await office.know(PEOPLE, prefix="v")
    tuesday, wednesday, thursday = (MONDAY + timedelta(days=number) for number in (1, 2, 3))
    # As an activity is repeated, and in two workers at once.
    assert await asyncio.gather(*(runs.begin("news", tuesday) for _ in range(4))) == [None] * 4
    first = (await office.campaign())["approval"]
    assert (first["action"], first["people"], first["requested_by"]) == ("enter", ABOVE + PEOPLE, "Ada")
    assert first["parameters"] == {"run": "2026-11-03"}
    # The next run takes its place.
    assert await runs.begin("news", wednesday) is None
    second = (await office.campaign())["approval"]
    assert (await office.state_of(first), second["parameters"]) == ("outdated", {"run": "2026-11-04"})
    assert (await office.decide("Bob", second)).status_code == 200
    runs_of = await office.query("SELECT audience_run FROM operations ORDER BY id")
    assert [row["audience_run"] for row in runs_of] == ["2026-11-02", "2026-11-04"]
    assert await runs.begin("news", wednesday) is None
    # So many were approved.
    assert await runs.begin("news", thursday) is not None


async def test_two_approvers_at_once(office: Office, asked: dict[str, Any]) -> None:
    await office.hire("Cyd", "read", "approve")
    answers = await raced(office, office.decide("Bob", asked), office.decide("Cyd", asked))
    assert sorted(one.status_code for one in answers) == [200, 409]
    assert [one["action"] for one in await changes(office)].count("campaign.start") == 1


async def test_approve_beside_reject(office: Office, asked: dict[str, Any]) -> None:
    await office.hire("Cyd", "read", "approve")
    approved, rejected = await raced(office, office.decide("Bob", asked), office.decide("Cyd", asked, "reject"))
    assert sorted((approved.status_code, rejected.status_code)) == [200, 409]
    state = "running" if approved.status_code == 200 else "draft"
    assert (await office.campaign())["state"] == state


async def test_approve_beside_a_change(office: Office, asked: dict[str, Any]) -> None:
    """Either the approved version runs, or the changed campaign waits anew; never another version."""
    published = office.root.post("/v1/campaigns", json=document(audience(rest="31d")))
    approved, changed = await raced(office, office.decide("Bob", asked), published)
    assert changed.status_code == 201
    campaign = await office.campaign()
    running = 1 if approved.status_code == 200 else None
    assert (approved.status_code in (200, 409), campaign["running_version"]) == (True, running)


async def test_start_beside_approve(office: Office, asked: dict[str, Any]) -> None:
    approved, started = await raced(office, office.decide("Bob", asked), office.move("Ada", "start"))
    assert approved.status_code == 200
    # It was approved before, or it waits for the same.
    assert started.status_code == 200 or started.json()["approval"]["id"] == asked["id"]
    assert (await office.campaign())["state"] == "running"
    assert await office.query("SELECT count(*) AS number FROM approvals") == [{"number": 1}]
    assert await office.query("SELECT count(*) AS number FROM operations") == [{"number": 1}]


async def test_starts_at_once_are_one_request(office: Office) -> None:
    await office.know(PEOPLE)
    await office.publish(audience())
    answers = await raced(office, *(office.move(name, "start") for name in ("Ada", "Bob") * 3))
    assert {one.status_code for one in answers} == {202}
    assert len({one.json()["approval"]["id"] for one in answers}) == 1


async def test_key_and_session_are_one_person(office: Office, asked: dict[str, Any]) -> None:
    """A key, a session that it opened, and a key that this session made, whichever of them asked."""
    page = await office.log_in("Ada")
    made = await office.people[page].post("/v1/keys", json={"name": "Ada's other", "scopes": ["admin"]})
    office.people["other"] = client_of(office.app, made.json()["token"])
    await office.log_in("other")
    for who in (page, "other", "other's page"):
        answer = await office.decide(who, asked)
        assert (answer.status_code, answer.json()["code"]) == (403, "same_person"), who
    assert (await office.decide(page, asked, "reject")).status_code == 200
    again = await office.waits(page)
    assert (again["requested_by"], again["requested_by_id"]) == ("Ada", office.ids["Ada"])
    for who in ("Ada", "other", "other's page"):
        answer = await office.decide(who, again)
        assert (answer.status_code, answer.json()["code"]) == (403, "same_person"), who
    assert (await office.decide(await office.log_in("Bob"), again)).status_code == 200
    assert (await office.campaign())["state"] == "running"


async def test_sessions_of_two_people_at_once(office: Office, asked: dict[str, Any]) -> None:
    """One of them asked by the key, and all of the other's ways in count once."""
    mine = await office.log_in("Ada")
    theirs = [await office.log_in("Bob"), await office.log_in("Bob"), "Bob"]
    answers = await raced(office, office.decide(mine, asked), *(office.decide(each, asked) for each in theirs))
    # The other person may have been first.
    assert answers[0].json()["code"] in ("same_person", "approval_not_waiting")
    decided = (await office.root.get(f"/v1/approvals/{asked['id']}")).json()
    assert (decided["state"], decided["decided_by"]) == ("approved", "Bob")
    assert sorted(one.status_code for one in answers[1:]) == [200, 409, 409]
    assert [one["action"] for one in await changes(office)].count("campaign.start") == 1


async def raced(
    office: Office, *requests: Coroutine[Any, Any, httpx.Response], is_in_order: bool = False
) -> list[httpx.Response]:
    """Let requests meet at the registry's lock, which is held until all of them wait for it, perhaps in their order."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    async with await psycopg.AsyncConnection.connect(office.database.url) as holder:
        await holder.execute("SELECT pg_advisory_xact_lock(%s)", (REGISTRY_LOCK,))
        answers = []
        for each in requests:
            answers.append(asyncio.create_task(each))
            if not is_in_order and len(answers) < len(requests):
                continue
            async for is_last in looks(PATIENCE):
                [(number,)] = await (await holder.execute(waiting)).fetchall()
                if number == len(answers):
                    break
                assert not is_last, f"{number} of {len(answers)} wait"
    return list(await asyncio.gather(*answers))


async def changes(office: Office) -> list[dict[str, Any]]:
    return await office.query("SELECT action, actor_name FROM audit_log ORDER BY id")
