"""A fortnight of a shop: entries, messages and refusals, approvals in each state, and what operators have to do."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import httpx

from domain.journey.decision import Decision
from domain.sending.deliverability import RateExcess
from store import decisions, provider_pauses
from store.database import Database
from tests.api.live import client_of
from tests.api.shop import CAMPAIGN, Shop

PEOPLE: Final = 12
# More than two persons may decide about together.
MANY: Final = 60
APPROVAL_ABOVE: Final = 50
CHANGES: Final = ["trial", "pro", "none"]
LIFE_CYCLE: Final = """stages:
- {key: visitors, name: Visitors, when: "true"}
- {key: trial, name: On trial, when: has(profile.traits.step) && profile.traits.step == "trial"}
- {key: pro, name: Customers, when: has(profile.traits.step) && profile.traits.step == "pro"}
designed: [visitors > trial > pro]
"""
CAPPED: Final = {
    "rule": "marketing-daily",
    "limit": 1,
    "count": 1,
    "window_seconds": 86_400,
    "frees_at": "2026-11-23T08:00:00+01:00",
    "timezone": "Europe/Berlin",
}
UNTIL: Final = {"until": "2026-11-23T08:00:00+01:00", "timezone": "Europe/Berlin"}
# Outcomes at the step, with their reasons and data.
ANSWERS: Final[list[tuple[str, str, dict[str, Any]]]] = [
    ("refused", "no_consent", {"detail": "no consent to email"}),
    ("refused", "no_consent", {"detail": "no consent to email"}),
    ("refused", "capped", CAPPED),
    ("refused", "unreachable", {"detail": "no email address"}),
    ("deferred", "capped", {**CAPPED, **UNTIL}),
    ("deferred", "send_window", UNTIL),
]
ENTRIES: Final[list[tuple[str, dict[str, Any]]]] = [("too_many_journeys", {"limit": 1}), ("history", {})]
STATES: Final = ("sent", "sent", "sent", "failed", "unknown", "cancelled")


async def fill(shop: Shop) -> tuple[str, str]:
    """Fill a shop, and ask for an approval. Returns the tokens of the person who asks, and of another one."""
    people = [f"u-{number}" for number in range(PEOPLE)]
    await shop.serve("batch", batch=[{"type": "track", "userId": user, "event": "Signed Up"} for user in people])
    traits = {"plan": "trial"}
    many = [{"type": "identify", "userId": f"t-{number}", "traits": traits} for number in range(MANY)]
    await shop.serve("batch", batch=many)
    source = (
        str(CAMPAIGN["source"])
        .replace("delay: 1h", "delay: 2h")
        .replace("- {id: hello", "- {id: pause, delay: 1d}\n- {id: hello")
    )
    assert (await shop.operator.post("/v1/campaigns", json={**CAMPAIGN, "source": source})).is_success
    await count_fortnight(shop)
    await move_between_stages(shop)
    await leave_work(shop)
    return await ask_for_approvals(shop)


async def ask_for_approvals(shop: Shop) -> tuple[str, str]:
    """Ask for an approval that another person rejects, one that a change outdates, and one that waits."""
    tokens = [await hire(shop, name) for name in ("Ada", "Bob")]
    async with client_of(shop.app, tokens[0]) as ada, client_of(shop.app, tokens[1]) as bob:
        for key in ("offers", "tips", "news"):
            approval = await ask_for_approval(ada, key)
            if key == "offers":
                assert (await bob.post(f"/v1/approvals/{approval}/reject")).is_success
            elif key == "tips":
                assert (await ada.post("/v1/campaigns", json=campaign_for_many(key, "31d"))).is_success
    return tokens[0], tokens[1]


async def ask_for_approval(client: httpx.AsyncClient, key: str) -> str:
    """Ask for the start of a campaign for many; return the approval's id."""
    assert (await client.post("/v1/campaigns", json=campaign_for_many(key))).is_success
    answer = await client.post(f"/v1/campaigns/{key}/start")
    approval = answer.json()["approval"]
    assert (answer.status_code, approval["people"]) == (202, MANY)
    return str(approval["id"])


def campaign_for_many(key: str, rest: str = "30d") -> dict[str, Any]:
    source = (
        f"key: {key}\nname: {key.capitalize()}\n"
        "entry: {audience: {where: 'profile.traits.plan == \"trial\"', rate: 100}}\n"
        f"steps: [{{id: rest, delay: {rest}}}]\n"
    )
    return {"file": f"{key}.yaml", "source": source, "templates": {}}


async def move_between_stages(shop: Shop) -> None:
    """Move people through a life cycle, some of them against its design."""
    document = {"file": "lifecycle.yaml", "source": LIFE_CYCLE}
    assert (await shop.operator.put("/v1/lifecycle", json=document)).is_success
    for place, step in enumerate(CHANGES):
        people = [f"s-{number}" for number in range(PEOPLE // (place + 1))]
        calls = [{"type": "identify", "userId": user, "traits": {"step": step}} for user in people]
        await shop.serve("batch", batch=calls)


async def leave_work(shop: Shop) -> None:
    """Leave what operators act on: a suppression, journeys that wait, a paused campaign and provider, an operation."""
    assert (await shop.operator.put("/v1/users/u-victim/suppressions/email", json={"reason": "asked us"})).is_success
    paused = "key: winback\nname: Win back\nentry: {event: Left}\nsteps: [{id: a, delay: 1d}]\n"
    document = {"file": "winback.yaml", "source": paused, "templates": {}}
    assert (await shop.operator.post("/v1/campaigns", json=document)).is_success
    for verb in ("start", "pause"):
        assert (await shop.operator.post(f"/v1/campaigns/winback/{verb}")).is_success
    async with Database(shop.database_url, pool_size=1) as database, database.transaction() as connection:
        await connection.execute(
            """
            UPDATE journeys SET status = 'waiting', step = 'pause', since = now(), wakes_at = now() + interval '1 day'
            WHERE state = 'active'
            """
        )
        await connection.execute(
            """
            INSERT INTO operations (id, campaign_key, kind, state, total, done, requested_by, started_at)
            VALUES (%s, 'welcome', 'migrate', 'running', 60, 12, 'Ada', now())
            """,
            (uuid4(),),
        )
        await provider_pauses.place(connection, "smtp", RateExcess("hard_bounces", 8, 100, 0.05))


async def hire(shop: Shop, name: str) -> str:
    answer: httpx.Response = await shop.operator.post("/v1/keys", json={"name": name, "scopes": ["admin"]})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


async def count_fortnight(shop: Shop) -> None:
    """Record what the gate and the router have answered on the last days."""
    journeys = await shop.query("SELECT id, profile_id FROM journeys WHERE campaign_key = 'welcome' ORDER BY id")
    async with Database(shop.database_url, pool_size=1) as database, database.transaction() as connection:
        now = connection.clock.now()
        await decisions.insert(connection, list(_decide(journeys, now)))
        await connection.execute("UPDATE campaigns SET created_at = now() - interval '14 days'")
        for place, journey in enumerate(journeys):
            await connection.execute(
                """
                INSERT INTO messages (id, journey_id, profile_id, campaign_key, step, visit, channel, category,
                                      template, state, at, expires_at, provider)
                VALUES (%s, %s, %s, 'welcome', 'hello', 0, 'email', 'transactional', 'note', %s, %s, now(), %s)
                """,
                (
                    uuid4(),
                    journey["id"],
                    journey["profile_id"],
                    STATES[place % len(STATES)],
                    now - timedelta(days=place % 6),
                    ("smtp", "ses")[place % 2],
                ),
            )


def _decide(journeys: list[dict[str, Any]], now: datetime) -> list[Decision]:
    found = []
    for place, journey in enumerate(journeys):
        at = now - timedelta(days=place % 6)
        person = {"profile_id": journey["profile_id"], "campaign_key": "welcome", "at": at}
        outcome, reason, data = ANSWERS[place % len(ANSWERS)]
        not_let_in, why = ENTRIES[place % len(ENTRIES)]
        found += [
            Decision(
                id=uuid4(),
                kind="send",
                outcome=outcome,
                reason=reason,
                data=data,
                step="hello",
                journey_id=journey["id"],
                **person,
            ),
            Decision(id=uuid4(), kind="entry", outcome="entered", **person),
            Decision(id=uuid4(), kind="entry", outcome="refused", reason=not_let_in, data=why, **person),
        ]
    return found
