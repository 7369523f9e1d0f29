"""No answer tells a caller without the scope `people` what a person is like."""

import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from domain.access import Scope
from tests.api.test_openapi import contents, examples, is_public, operations, resolved
from tests.docs.test_surveys import TEMPLATE
from tests.harness import MAIL, PATIENCE, Harness, looks

# In every text that tells of the person, each with a name of its own. Ids and names of events have none.
MARK = "zq7x"
# As the examples of the API's document have them, so that these lead to the person.
USER, ACCOUNT, CAMPAIGN, SEGMENT, TEMPLATE_NAME = "u-4711", "acme", "abandoned-cart", "lapsing-buyers", "nps"
CAMPAIGNS = """
key: {key}
name: {key}
entry: {{event: {event}, key: event.properties.cart_id}}
steps:
  - {{id: nudge, send: {{channel: email, template: nps}}}}
  - {{id: cool-off, delay: 30d}}
"""
REFUSED = """
key: news
name: News
entry: {event: News Wanted}
steps: [{id: nudge, send: {channel: email, template: note}}]
"""
SEGMENT_DOCUMENT = f"""
key: {SEGMENT}
name: Lapsing buyers
where: profile.traits.city != "Rome"
"""
# The last two are those of the API's example of a condition.
COMPUTED = """
computed:
  last_code: {last: Looked, of: event.properties.code}
  orders: {count: Order Completed}
  active_14d: {any: "*", within: 14d}
"""
# Of routes that take a page or a secret of another kind, that end what the others look at, or that never end
# (tests/api/test_live_events.py).
LEFT_OUT = {"/v1/client/stream", "/v1/live-events", "/v1/session"}
NARROW = [[Scope.READ], [Scope.AUTHOR], [Scope.OPERATE], [Scope.APPROVE], [Scope.READ, Scope.APPROVE], [Scope.SEND]]


def mark(name: str) -> str:
    return f"{MARK}-{name}"


TEXTS = {
    mark(name)
    for name in (
        "city",
        "email",
        "code",
        "cart",
        "referrer",
        "utm",
        "model",
        "path",
        "external",
        "claim",
        "token",
        "reason",
        "hold",
        "body",
        "plan",
        "answer",
        "detail",
        "link",
    )
}


@pytest.fixture
async def ids(harness: Harness) -> dict[str, str]:
    """The person, and the ids of what there is of them by the start of its path."""
    await harness.admin("PUT", "/v1/computed", {"file": "computed.yaml", "source": COMPUTED})
    await harness.admin("PUT", f"/v1/segments/{SEGMENT}", {"file": "s.yaml", "source": SEGMENT_DOCUMENT})
    await harness.run_campaign(CAMPAIGNS.format(key=CAMPAIGN, event="Cart Abandoned"), {"nps.liquid": TEMPLATE})
    await harness.run_campaign(REFUSED)
    context = {
        "device": {"id": "d-1", "type": "ios", "model": mark("model")},
        "page": {"path": f"/{mark('path')}", "referrer": f"https://{mark('referrer')}.example/"},
        "campaign": {"source": mark("utm")},
        "externalIds": [{"type": "crm_id", "id": mark("external")}],
    }
    person = {"userId": USER, "anonymousId": "a-1", "context": context}
    traits = {"city": mark("city"), "email": f"{mark('email')}@example.com"}
    calls: list[dict[str, Any]] = [
        {**person, "type": "identify", "traits": traits},
        {**person, "type": "group", "groupId": ACCOUNT, "traits": {"plan": mark("plan")}},
        {**person, "type": "page", "name": "Cart", "properties": context["page"]},
        {**person, "type": "track", "event": "Looked", "properties": {"code": mark("code")}},
        {**person, "type": "track", "event": "Cart Abandoned", "properties": {"cart_id": mark("cart")}},
        {**person, "type": "track", "event": None, "properties": {"body": mark("body")}},
    ]
    await harness.post("batch", {"batch": [{**one, "messageId": f"m-{n}"} for n, one in enumerate(calls)]})
    await _claim(harness)
    [message] = await harness.messages.until(state="sent")
    await _answer_survey(harness)
    await harness.admin("PUT", f"/v1/users/{USER}/suppressions/email", {"reason": mark("reason")})
    await harness.track(USER, "News Wanted")
    [journey] = await harness.until("SELECT id FROM journeys WHERE campaign_key = %s AND step = 'cool-off'", CAMPAIGN)
    await harness.until("SELECT FROM decisions WHERE campaign_key = 'news' AND outcome = 'refused'")
    hold = await harness.admin(
        "POST", "/v1/holds", {"user": USER, "until": "2027-06-01T00:00:00Z", "reason": mark("hold")}
    )
    token = {"kind": "token", "value": mark("token"), "app": "com.example.shop"}
    site = await harness.admin("POST", "/v1/keys", {"name": "backend", "scopes": ["ingest"]})
    registered = await harness.http.put(
        f"/v1/users/{USER}/devices/d-1", json=token, headers={"Authorization": f"Bearer {site['token']}"}
    )
    assert registered.status_code == 204, registered.text
    await harness.query(
        "UPDATE messages SET detail = %s, clicked_link = %s, clicked_at = now() WHERE id = %s RETURNING id",
        mark("detail"),
        f"https://shop.example/{mark('link')}",
        message["id"],
    )
    await harness.until("SELECT FROM profile_activity WHERE marks::text LIKE %s", f"%{mark('utm')}%", seconds=30)
    return {
        "/v1/messages": str(message["id"]),
        "/v1/journeys": str(journey["id"]),
        "/v1/holds": str(hold["id"]),
        "/v1/backtests": await _trace(harness),
    }


async def _trace(harness: Harness) -> str:
    """A backtest shows the way of the person."""
    document = {"file": "news.yaml", "source": REFUSED, "templates": {"note.liquid": MAIL}}
    asked = await harness.admin("POST", "/v1/backtests", {"documents": [document], "last": "1d", "users": [USER]})
    async for is_last in looks(PATIENCE):
        found = await harness.admin("GET", f"/v1/backtests/{asked['id']}")
        if found["state"] == "done":
            break
        assert not is_last, found
    return str(asked["id"])


async def _claim(harness: Harness) -> None:
    """A browser says something about the person, without a token."""
    made = await harness.admin(
        "POST", "/v1/keys", {"name": "site", "kind": "browser", "origins": ["https://a.example"]}
    )
    said = {"anonymousId": "a-1", "traits": {"nick": mark("claim")}}
    assert (await harness.http.post("/v1/identify", json=said, headers={"X-Write-Key": made["token"]})).is_success


async def _answer_survey(harness: Harness) -> None:
    [mail] = harness.inbox.messages
    body = mail.message.get_body(("plain",))
    assert body is not None
    link = "/survey/" + body.get_content().partition("/survey/")[2].strip()
    await harness.http.post(link, data={"question": "nps", "answer": "3"})
    await harness.http.post(link, data={"question": "missed", "answer": mark("answer")})


def targets(path: str, operation: dict[str, Any], ids: dict[str, str]) -> list[str]:
    """The operation's address for the person, also with each of its filters by what they are like."""
    parameters = operation.get("parameters", [])
    given = {"template": TEMPLATE_NAME}
    start = path.partition("/{")[0]
    for parameter in parameters:
        if parameter["in"] == "path":
            name = parameter["name"]
            value = ids.get(start, "") if name == "id" else given.get(name, "")
            shown = value or str(parameter["schema"]["examples"][0])
            path = path.replace(f"{{{name}}}", quote(shown, safe=""))
    needed = {
        each["name"]: str(each["schema"].get("examples", ["x"])[0])
        for each in parameters
        if each["in"] == "query" and each.get("required")
    }
    searches = [
        {"address": f"{mark('email')}@example.com"},
        {"trait": "city", "value": mark("city")},
        {"id": USER},
        {"user": USER},
    ]
    taken = {each["name"] for each in parameters if each["in"] == "query"}
    wanted = [needed, *(needed | search for search in searches if search.keys() <= taken)]
    return [f"{path}?{httpx.QueryParams(each)}" for each in wanted]


def bodies(operation: dict[str, Any]) -> list[Any]:
    found = [each for where, content in contents(operation) if where == "request" for each in examples(content)]
    return found or [None]


async def walk(harness: Harness, ids: dict[str, str], *scopes: Scope) -> tuple[set[str], list[str]]:
    """Call everything by a key; what its answers tell of the person, and where."""
    made = await harness.admin("POST", "/v1/keys", {"name": "-".join(scopes), "scopes": scopes})
    headers = {"Authorization": f"Bearer {made['token']}"}
    told: set[str] = set()
    where: list[str] = []
    for path, method, operation in operations():
        if is_public(path, method) or path in LEFT_OUT:
            continue
        for target in targets(path, operation, ids):
            for body in bodies(operation):
                answer = await harness.http.request(method, target, json=body, headers=headers)
                text = f"{answer.text} {answer.headers}"
                found = {each for each in TEXTS if each in text}
                told |= found
                if found:
                    where.append(f"{method} {target} {answer.status_code}: {sorted(found)}")
    return told, where


async def test_only_the_scope_people_sees_what_a_person_is_like(harness: Harness, ids: dict[str, str]) -> None:
    for scopes in NARROW:
        _, where = await walk(harness, ids, *scopes)
        assert where == [], json.dumps(where, indent=1)
    told, _ = await walk(harness, ids, Scope.READ, Scope.PEOPLE)
    assert told == TEXTS


def shows_people(operation: dict[str, Any]) -> bool:
    answers = [resolved(content["schema"]) for where, content in contents(operation) if where != "request"]
    return operation.get("x-scope") == Scope.READ and any("masked" in each.get("properties", {}) for each in answers)


async def test_each_look_at_people_is_in_the_audit_log(harness: Harness, ids: dict[str, str]) -> None:
    shown = [each for each in operations() if shows_people(each[2])]
    assert len(shown) > 10
    for path, method, operation in shown:
        for target in targets(path, operation, ids):
            # A key for each, since an actor's looks are one entry.
            made = await harness.admin("POST", "/v1/keys", {"name": "support", "scopes": ["read", "people"]})
            headers = {"Authorization": f"Bearer {made['token']}"}
            answer = await harness.http.request(method, target, json=bodies(operation)[0], headers=headers)
            assert answer.is_success, answer.text
            looked = await harness.query("SELECT FROM audit_log WHERE actor = %s", made["id"])
            # A report and the person who is traced in it are two looks.
            expected = 2 if path == "/v1/backtests/{id}" else 1
            assert len(looked) == expected, f"{method} {target} leaves no trace of who has looked"
