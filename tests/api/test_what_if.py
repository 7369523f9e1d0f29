"""An event that never comes: what it would do is what it does, and asking writes nothing."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.sending.budgets import day_key
from store import leases
from store.database import Database
from tests.api.live import client_of
from tests.api.shop import Shop, open_shop
from tests.engine.segment_harness import segment_harness

NOTE = {"note.liquid": "---\nchannel: email\nsubject: S\nfrom: a@example.com\ntext: T\n---\nH\n"}
SEND = "send: {channel: email, template: note}"
CAMPAIGNS = {
    "cart": "entry: {event: Cart Abandoned, where: event.properties.value > 100, key: event.properties.cart}\n"
    f"goal: {{event: Order Completed, within: 7d}}\nsteps:\n- {{id: rest, delay: 30m}}\n- {{id: nudge, {SEND}}}\n",
    "once": f"entry: {{event: Cart Abandoned, reentry: never}}\nsteps:\n- {{id: note, {SEND}}}\n",
    "waits": "entry: {event: Signed Up}\nsteps:\n- id: cart\n  wait_for: {event: Cart Abandoned, timeout: 1d}\n"
    f"  on_event: [{{id: thanks, {SEND}}}]\n  on_timeout: []\n",
    "forks": "entry: {event: Cart Abandoned}\nsteps:\n- id: which\n  branch:\n"
    f"  - when: profile.traits.plan == 'pro'\n    do: [{{id: pro, {SEND}}}]\n",
    "evening": 'entry: {event: Cart Abandoned}\nsteps:\n- {id: eve, delay: {until: "21:00"}}\n'
    f"- {{id: late, {SEND}}}\n",
    "joined": f"entry: {{joins: hoarders}}\nsteps:\n- {{id: rest, delay: 1h}}\n- {{id: note, {SEND}}}\n",
    "other": "entry: {event: Never Reported}\nsteps: [{id: rest, delay: 1h}]\n",
}
COMPUTED = "computed:\n  carts: {count: Cart Abandoned}\n"
HOARDERS = "key: hoarders\nname: Hoarders\nwhere: profile.computed.carts >= 2\n"
CAPS = "rules:\n- {name: daily, limit: 1, per: 1d}\n"
CART = {"event": "Cart Abandoned", "properties": {"value": 120, "cart": "c-1"}}
ORDER = {"event": "Order Completed", "properties": {}}


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[Shop]:
    async with open_shop(database_url) as shop:
        await put(shop, "/v1/computed", {"file": "computed.yaml", "source": COMPUTED})
        await put(shop, "/v1/segments/hoarders", {"file": "hoarders.yaml", "source": HOARDERS})
        for key, source in CAMPAIGNS.items():
            document = {"file": f"{key}.yaml", "source": f"key: {key}\nname: {key}\n{source}", "templates": NOTE}
            answer = await shop.operator.post("/v1/campaigns", json=document)
            assert answer.is_success, answer.text
            answer = await shop.operator.post(f"/v1/campaigns/{key}/start")
            assert answer.is_success, answer.text
        async with segment_harness(database_url) as judged:
            await judged.operate()
        yield shop


async def put(shop: Shop, path: str, body: dict[str, str]) -> None:
    answer = await shop.operator.put(path, json=body)
    assert answer.is_success, answer.text


async def ask(shop: Shop, event: dict[str, Any], user: str = "u-victim") -> dict[str, Any]:
    answer = await shop.operator.post(f"/v1/users/{user}/what-if", json=event)
    assert answer.status_code == 200, answer.text
    foreseen: dict[str, Any] = answer.json()
    return foreseen


def by_kind(foreseen: dict[str, Any]) -> dict[str, list[tuple[str, str | None]]]:
    found: dict[str, list[tuple[str, str | None]]] = {}
    for one in foreseen["effects"]:
        found.setdefault(one["kind"], []).append((one["campaign"], one["reason"]))
    return {kind: sorted(effects, key=str) for kind, effects in found.items()}


async def rows(shop: Shop) -> dict[str, Any]:
    """Every row of every table, with what has written and locked it; but the looks."""
    tables = await shop.query(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        " AND relname NOT IN ('audit_log', 'api_keys') ORDER BY 1"
    )
    return {
        table["relname"]: await shop.query(
            "SELECT count(*), md5(string_agg(ctid::text || xmin::text || xmax::text, ',' ORDER BY ctid)) AS rows"  # noqa: S608
            f" FROM {table['relname']}"
        )
        for table in tables
    }


async def journeys(shop: Shop) -> dict[str, str]:
    found = await shop.query("SELECT campaign_key, state FROM journeys ORDER BY entered_at, campaign_key")
    return {row["campaign_key"]: row["state"] for row in found}


async def test_what_is_foreseen_is_what_happens(shop: Shop) -> None:
    await shop.serve("track", userId="u-victim", event="Signed Up")
    before = await journeys(shop)
    foreseen = await ask(shop, CART)
    found = by_kind(foreseen)
    assert found == {
        "heard": [("waits", None)],
        "entered": [("cart", None), ("evening", None), ("forks", None), ("once", None)],
    }
    assert foreseen["not_concerned"] == ["joined", "other", "welcome"]
    [heard] = [one for one in foreseen["effects"] if one["kind"] == "heard"]
    assert (heard["step"], heard["event"]) == ("cart", "Cart Abandoned")
    [waiting] = await shop.query("SELECT id::text FROM journeys WHERE campaign_key = 'waits'")
    assert heard["journey_id"] == waiting["id"]
    assert await journeys(shop) == before

    await shop.serve("track", userId="u-victim", **CART)
    assert set(await journeys(shop)) - set(before) == {campaign for campaign, _ in found["entered"]}
    # The second cart makes a hoarder, and that is another event.
    foreseen = await ask(shop, CART)
    found = by_kind(foreseen)
    assert found["entered"] == [("joined", None)]
    assert [one["event"] for one in foreseen["effects"] if one["kind"] == "entered"] == ["joins hoarders"]
    assert ("once", "already_in") in found["refused"]
    await shop.serve("track", userId="u-victim", **CART)
    assert (await journeys(shop))["joined"] == "active"

    found = by_kind(await ask(shop, ORDER))
    assert found == {"goal": [("cart", None)], "ended": [("welcome", "exit_event")]}
    await shop.serve("track", userId="u-victim", **ORDER)
    assert (await journeys(shop))["welcome"] == "exited"
    goals = await shop.query("SELECT campaign_key FROM conversions")
    assert [row["campaign_key"] for row in goals] == ["cart"]


async def test_refusals_say_why(shop: Shop) -> None:
    foreseen = await ask(shop, {**CART, "properties": {"value": 7, "cart": "c-1"}})
    [refused] = [one for one in foreseen["effects"] if one["kind"] == "refused"]
    assert (refused["campaign"], refused["reason"]) == ("cart", "condition")
    assert refused["data"] == {"where": "event.properties.value > 100"}
    assert refused["next"] is refused["message"] is None


async def test_a_new_journey_says_its_first_step_and_what_the_gate_would_say(shop: Shop) -> None:
    async def entries() -> dict[str, Any]:
        return {one["campaign"]: one for one in (await ask(shop, CART))["effects"] if one["kind"] == "entered"}

    found = await entries()
    assert found["cart"]["next"]["step"] == "rest"
    assert found["cart"]["next"]["status"] == "waiting"
    assert found["once"]["next"] == {"step": "note", "status": "acting", "until": None}
    # 21:00 in Berlin.
    assert found["evening"]["next"]["until"][11:16] in ("19:00", "20:00")
    assert found["forks"]["message"] is None
    for campaign, step in (("cart", "nudge"), ("once", "note"), ("evening", "late")):
        message = found[campaign]["message"]
        assert (message["step"], message["channel"], message["outcome"]) == (step, "email", "granted"), message

    await put(shop, "/v1/frequency-caps", {"file": "caps.yaml", "source": CAPS})
    await shop.query(
        "INSERT INTO messages (id, journey_id, profile_id, campaign_key, step, visit, channel, category, template,"
        " state, at, expires_at, provider, is_counted) SELECT gen_random_uuid(), id, profile_id, campaign_key, 'hello',"
        " 1, 'email', 'marketing', 'note', 'sent', now(), now() + interval '1 day', 'smtp', true FROM journeys"
        " RETURNING id"
    )
    message = (await entries())["once"]["message"]
    assert (message["outcome"], message["reason"], message["data"]["rule"]) == ("refused", "capped", "daily")

    await put_consent(shop, email=False)
    message = (await entries())["once"]["message"]
    assert (message["outcome"], message["reason"]) == ("refused", "no_consent")


RELAY = "{kind: smtp, channel: email, host: 127.0.0.1, port: 25, security: none, cost: {amount: 0.01, currency: EUR}}"
SPEND = "rules: []\nbudgets: [{name: spend, scope: SCOPE, amount: 0.01, currency: EUR}]\n"


async def first_message(shop: Shop) -> dict[str, Any]:
    found: dict[str, Any]
    [found] = [one["message"] for one in (await ask(shop, CART))["effects"] if one["campaign"] == "once"]
    return found


@pytest.mark.parametrize("scope", ["day", "campaign", "person"])
async def test_a_full_budget_is_foreseen(shop: Shop, scope: str) -> None:
    await put(shop, "/v1/providers", {"file": "providers.yaml", "source": f"providers: {{relay: {RELAY}}}\n"})
    await put(shop, "/v1/frequency-caps", {"file": "caps.yaml", "source": SPEND.replace("SCOPE", scope)})
    assert (await first_message(shop))["outcome"] == "granted"
    await spend(shop, scope)
    message = await first_message(shop)
    assert (message["outcome"], message["reason"], message["data"]["rule"]) == ("refused", "over_budget", "spend")
    # A budget with room for both.
    await put(
        shop,
        "/v1/frequency-caps",
        {"file": "caps.yaml", "source": SPEND.replace("SCOPE", scope).replace("0.01", "0.02")},
    )
    assert (await first_message(shop))["outcome"] == "granted"


async def spend(shop: Shop, scope: str) -> None:
    """A cent of the budget, by a message of the campaign to the person."""
    if scope == "person":
        await shop.query(
            "INSERT INTO messages (id, journey_id, profile_id, campaign_key, step, visit, channel, category, template,"
            " state, at, expires_at, provider, is_counted, cost, currency) SELECT gen_random_uuid(), id, profile_id,"
            " campaign_key, 'hello', 1, 'email', 'marketing', 'note', 'sent', now(), now() + interval '1 day', 'relay',"
            " true, 10000, 'EUR' FROM journeys LIMIT 1 RETURNING id"
        )
        return
    key = "campaign once EUR" if scope == "campaign" else f"{day_key(datetime.now(UTC).date())} EUR"
    async with Database(shop.database_url, pool_size=1) as database, database.transaction() as connection:
        assert await leases.take(connection, "spend", key, 10_000, 10_000, 3)


async def test_a_full_day_of_a_warm_up_is_foreseen(shop: Shop) -> None:
    today = datetime.now(UTC).date()
    second = RELAY.replace("port: 25", "port: 26")
    source = (
        f"providers: {{first: {RELAY}, second: {second}}}\nroutes:\n"
        f'- {{channel: email, use: [first], warm_up: {{provider: first, from: "{today}", daily: [1]}}}}\n'
    )
    await put(shop, "/v1/providers", {"file": "providers.yaml", "source": source})
    assert (await first_message(shop))["outcome"] == "granted"
    async with Database(shop.database_url, pool_size=1) as database, database.transaction() as connection:
        assert await leases.take(connection, "warm-up:first", day_key(today), 1, 1, 3)
    message = await first_message(shop)
    assert (message["outcome"], message["reason"]) == ("deferred", "warm_up")
    await put(shop, "/v1/providers", {"file": "providers.yaml", "source": source.replace("[first]", "[first, second]")})
    assert (await first_message(shop))["outcome"] == "granted"


async def test_a_person_that_time_has_changed_is_asked_about_as_they_are(shop: Shop) -> None:
    """While no worker has reported it: the answer says what comes first."""
    await put(
        shop,
        "/v1/segments/new-people",
        {"file": "new.yaml", "source": "key: new-people\nname: New\nwhere: '!known_for(\"1d\")'\n"},
    )
    entry = "entry: {event: Visited, where: '\"new-people\" in profile.segments'}\n"
    document = {
        "file": "visit.yaml",
        "source": f"key: visit\nname: V\n{entry}steps: [{{id: rest, delay: 1h}}]\n",
        "templates": {},
    }
    for path, body in (("", document), ("/visit/start", None)):
        assert (await shop.operator.post(f"/v1/campaigns{path}", json=body)).is_success
    async with segment_harness(shop.database_url) as judged:
        await judged.operate()
    visited = {"event": "Visited", "properties": {}}
    foreseen = await ask(shop, visited)
    assert (by_kind(foreseen), foreseen["due"]) == ({"entered": [("visit", None)]}, [])
    # As if a day had passed.
    await shop.query("UPDATE profiles SET created_at = created_at - interval '25 hours' RETURNING id")
    await shop.query("UPDATE profile_states SET next_at = next_at - interval '25 hours' RETURNING next_at")
    before = await rows(shop)
    foreseen = await ask(shop, visited)
    assert (by_kind(foreseen), foreseen["due"]) == ({"refused": [("visit", "condition")]}, ["leaves new-people"])
    assert await rows(shop) == before
    await shop.serve("track", userId="u-victim", **visited)
    assert "visit" not in await journeys(shop)
    assert (await ask(shop, visited))["due"] == []


async def put_consent(shop: Shop, **channels: bool) -> None:
    await shop.serve("identify", userId="u-victim", traits={"consent": channels})


async def test_asking_writes_and_locks_nothing(shop: Shop) -> None:
    await shop.serve("track", userId="u-victim", event="Signed Up")
    # The first look is recorded.
    await ask(shop, CART)
    before = await rows(shop)
    for event in (CART, ORDER, {"event": "Signed Up", "properties": {}}, {"event": "Added User", "properties": {}}):
        await ask(shop, event)
    assert await rows(shop) == before


async def test_a_look_is_recorded_and_unknown_people_and_wrong_events_are_refused(shop: Shop) -> None:
    key = (await shop.operator.post("/v1/keys", json={"name": "viewer", "scopes": ["read"]})).json()
    async with client_of(shop.app, key["token"]) as viewer:
        masked = (await viewer.post("/v1/users/u-victim/what-if", json=CART)).json()
        assert (masked["masked"], masked["effects"][0]["data"]) == (True, None)
        assert (await viewer.post("/v1/users/a-victim/what-if?kind=anonymous", json=CART)).status_code == 200
        assert (await viewer.post("/v1/users/u-nobody/what-if", json=CART)).status_code == 404
        too_long = {"event": "Cart Abandoned", "properties": {"text": "x" * 40_000}}
        assert (await viewer.post("/v1/users/u-victim/what-if", json=too_long)).status_code == 400
    entries = (await shop.operator.get("/v1/audit-log?target=u-victim")).json()["entries"]
    assert [(one["actor_name"], one["action"]) for one in entries] == [("viewer", "user.what_if")]
    async with client_of(shop.app, shop.key["token"]) as page:
        assert (await page.post("/v1/users/u-victim/what-if", json=CART)).status_code == 403
