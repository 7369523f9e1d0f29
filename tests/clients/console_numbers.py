"""A fortnight of a shop's campaign: entries, messages and refusals, an approval that waits, and a second version."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import httpx

from domain.journey.decision import Decision
from store import decisions
from store.database import Database
from tests.api.live import client_of
from tests.api.shop import CAMPAIGN, Shop

PEOPLE: Final = 12
# More than two persons may decide about together.
MANY: Final = 60
APPROVAL_ABOVE: Final = 50
NEWS: Final[dict[str, Any]] = {
    "file": "news.yaml",
    "source": "key: news\nname: News\nentry: {audience: {where: 'profile.traits.plan == \"trial\"', rate: 100}}\n"
    "steps: [{id: rest, delay: 30d}]\n",
    "templates": {},
}
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
    for body in ({**CAMPAIGN, "source": source}, NEWS):
        assert (await shop.operator.post("/v1/campaigns", json=body)).is_success
    await count_fortnight(shop)
    tokens = [await hire(shop, name) for name in ("Ada", "Bob")]
    async with client_of(shop.app, tokens[0]) as ada:
        answer = await ada.post("/v1/campaigns/news/start")
    assert (answer.status_code, answer.json()["approval"]["people"]) == (202, MANY)
    return tokens[0], tokens[1]


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
