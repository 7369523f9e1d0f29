"""Previews of published and given messages for real people, and tests through the real provider."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.sending.attachment import write_pointer
from store.people_sample import MAX_LOCALE_CHARACTERS
from tests.channels.servers import listening
from tests.harness import PATIENCE, Harness

CAMPAIGN = """
key: cart
name: Left cart
entry: {event: Cart Abandoned, reentry: always}
track: {clicks: true, opens: true}
utm: {source: mail}
steps:
  - {id: nudge, send: {channel: email, template: nudge, category: marketing}}
  - {id: rest, delay: 30d}
"""
NUDGE = """---
channel: email
from: Example Shop <hello@example.com>
subject: "{{ profile.traits.name }}, {{ entry.properties.cart_id }}"
text: "{{ profile.computed.carts }} {{ account.role | default: 'guest' }} {{ unsubscribe_url }}"
---
<p><a href="https://shop.example.com/c">Cart</a> <a href="{{ unsubscribe_url }}">Stop</a></p>
"""
HALLO = """---
subject: "Hallo {{ profile.traits.name }}"
---
<p>Hallo</p>
"""
TEMPLATES = {"nudge.liquid": NUDGE, "nudge.de.liquid": HALLO}
COMPUTED = "computed:\n  carts: {count: Cart Abandoned, within: 7d}\n"
COUNTS = """
SELECT (SELECT count(*) FROM messages) AS messages, (SELECT count(*) FROM journeys) AS journeys,
       (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM profiles) AS profiles,
       (SELECT count(*) FROM addresses) AS addresses, (SELECT count(*) FROM tracked_links) AS tracked_links
"""


async def put(harness: Harness, path: str, source: str) -> None:
    await harness.admin("PUT", path, {"file": "document.yaml", "source": source})


async def preview(harness: Harness, **body: Any) -> dict[str, Any]:
    found: dict[str, Any] = await harness.admin("POST", "/v1/templates/preview", body)
    return found


async def send_test(harness: Harness, to: str, **body: Any) -> dict[str, Any]:
    wanted = {"campaign": "cart", "step": "nudge", "user_id": "u1", "to": to, **body}
    found: dict[str, Any] = await harness.admin("POST", "/v1/templates/send-test", wanted)
    return found


async def mails(harness: Harness, address: str) -> list[Any]:
    found = await harness.inbox.wait_for(lambda mail: address in mail.recipients, PATIENCE)
    return [one.message for one in found]


@pytest.fixture
async def published(harness: Harness) -> str:
    """The key of the campaign."""
    await put(harness, "/v1/computed", COMPUTED)
    return await harness.publish(CAMPAIGN, TEMPLATES)


@pytest.fixture
async def sent(harness: Harness, published: str) -> Any:
    """The mail that a person of the campaign got."""
    await harness.admin("POST", f"/v1/campaigns/{published}/start")
    await harness.identify("u1", email="ada@example.com", name="Ada")
    await harness.track("u1", "Cart Abandoned", {"cart_id": "c-1"})
    [mail] = await mails(harness, "ada@example.com")
    return mail


async def test_a_preview_is_the_mail_that_was_sent(harness: Harness, sent: Any) -> None:
    before = await harness.query(COUNTS)
    found = await preview(harness, campaign="cart", step="nudge", user_id="u1")
    assert await harness.query(COUNTS) == before
    content = found["content"]
    assert content["subject"] == sent["Subject"] == "Ada, c-1"
    assert content["from"] == "Example Shop <hello@example.com>"
    text = sent.get_body(["plain"]).get_content().split()
    url = "https://sojourn.example.com/unsubscribe/preview"
    assert content["text"].split() == [*text[:2], url]
    assert text[2] != url
    utm = "utm_source=mail&amp;utm_campaign=cart&amp;utm_content=nudge"
    assert content["html"].strip() == (
        f'<p><a href="https://shop.example.com/c?{utm}">Cart</a> <a href="{url}">Stop</a></p>'
    )
    assert found["missing"] == [{"variable": "account.role", "file": "nudge.liquid", "line": 5, "printed": "guest"}]
    assert (found["is_invented"], found["problems"], found["warnings"]) == (False, [], [])
    # The link of a preview opens no page of a person.
    for path in ("unsubscribe", "preferences", "confirm"):
        opened = await harness.http.get(f"/{path}/preview", headers={"Accept-Language": "de"})
        assert (opened.status_code, "Link einer Vorschau" in opened.text) == (404, True), opened.text
    assert (await harness.http.post("/unsubscribe/preview")).status_code == 404
    [looked] = await harness.query("SELECT target FROM audit_log WHERE action = 'user.read'")
    assert looked == {"target": "u1"}


async def test_a_preview_is_of_an_instant_in_a_language(harness: Harness, sent: Any) -> None:
    later = (datetime.now(UTC) + timedelta(days=8)).isoformat()
    found = await preview(harness, campaign="cart", step="nudge", user_id="u1", at=later, timezone="asia/tokyo")
    assert found["content"]["text"].startswith("0 guest")
    assert found["timezone"] == "Asia/Tokyo"
    german = await preview(harness, campaign="cart", step="nudge", user_id="u1", language="de-AT")
    assert (german["content"]["subject"], german["language"]) == ("Hallo Ada", "de")
    french = await preview(harness, campaign="cart", step="nudge", user_id="u1", language="fr")
    assert (french["language"], french["is_fallback"]) == (None, True)


async def test_given_data_stand_in_place_of_a_persons(harness: Harness, sent: Any) -> None:
    given = {"profile": {"traits": {"name": None}}, "entry": {"properties": {"cart_id": "c-2"}}}
    failing = await preview(harness, campaign="cart", step="nudge", user_id="u1", **given)
    assert failing["content"] is None
    assert [one["message"] for one in failing["problems"]] == ["profile.traits.name has no value for this user"]
    given = {"profile": {"traits": {"name": "Eva"}}, "entry": {"properties": {"cart_id": "c-2"}}}
    found = await preview(harness, campaign="cart", step="nudge", user_id="u1", account={"role": "admin"}, **given)
    assert found["content"]["subject"] == "Eva, c-2"
    assert "admin" in found["content"]["text"]


async def test_a_person_without_a_journey_has_their_last_event(harness: Harness, published: str) -> None:
    await harness.identify("u1", name="Ada")
    for cart in ("c-1", "c-2"):
        await harness.track("u1", "Cart Abandoned", {"cart_id": cart})
    found = await preview(harness, campaign="cart", step="nudge", user_id="u1", profile={"computed": {"carts": 2}})
    assert found["content"]["subject"] == "Ada, c-2"


async def test_drafts_and_single_templates_need_not_be_published(harness: Harness) -> None:
    await put(harness, "/v1/computed", COMPUTED)
    document = {"file": "cart.yaml", "source": CAMPAIGN, "templates": TEMPLATES}
    draft = await preview(harness, document=document, step="nudge")
    assert (draft["content"]["subject"], draft["is_invented"]) == ("Sample, Sample", True)
    template = {"name": "nudge", "files": {"nudge.liquid": NUDGE}, "category": "transactional"}
    refused = await preview(harness, template=template, profile={"traits": {"name": "Ada"}})
    assert "unsubscribe_url has no value for this user" in {one["message"] for one in refused["problems"]}
    assert not await harness.query("SELECT 1 FROM campaigns")


async def test_a_template_of_single_messages_is_previewed(harness: Harness) -> None:
    reset = NUDGE.replace("profile.computed.carts", "entry.properties.link")
    await harness.admin("PUT", "/v1/templates/email/reset", {"files": {"reset.liquid": reset}, "category": "marketing"})
    given = {"profile": {"traits": {"name": "Ada"}}, "entry": {"properties": {"cart_id": "c-1", "link": "/r"}}}
    found = await preview(harness, template={"channel": "email", "name": "reset"}, **given)
    assert (found["content"]["subject"], found["category"]) == ("Ada, c-1", "marketing")
    body = {"template": {"channel": "email", "name": "rest"}}
    unknown = await harness.act("POST", "/v1/templates/preview", body)
    assert (unknown.status_code, "Did you mean `reset`?" in unknown.text) == (404, True), unknown.text


async def test_a_request_that_cannot_be_met_says_why(harness: Harness, published: str) -> None:
    for body, status, said in (
        ({}, 400, "campaign"),
        ({"campaign": "cart", "template": {"name": "a", "files": {}}}, 400, "campaign"),
        ({"campaign": "cart"}, 400, "step"),
        ({"campaign": "cart", "step": "rest"}, 404, "step rest of cart sends nothing"),
        ({"campaign": "cart", "step": "nudg"}, 404, "Did you mean `nudge`?"),
        ({"campaign": "cart", "step": "nudge", "timezone": "Mars"}, 422, "not a time zone"),
        ({"campaign": "none", "step": "nudge"}, 404, "there is no campaign none"),
        ({"campaign": "cart", "step": "nudge", "version": 7}, 404, "campaign cart has no version 7"),
        ({"campaign": "cart", "step": "nudge", "user_id": "u9"}, 404, "nothing was ever reported of user u9"),
        ({"template": {"name": "a", "files": {"a.liquid": "{{"}}}, 422, "problem"),
        ({"campaign": "cart", "step": "nudge", "profile": {"traits": _nest(900)}}, 400, "must not be nested deeper"),
    ):
        answer = await harness.act("POST", "/v1/templates/preview", body)
        assert (answer.status_code, said in answer.text) == (status, True), answer.text


async def test_a_test_goes_through_the_provider_and_counts_for_nobody(harness: Harness, sent: Any) -> None:
    before = await harness.query(COUNTS)
    answer = await send_test(harness, "boss@example.org")
    [mail] = await mails(harness, "boss@example.org")
    assert mail["Subject"] == "[Test] Ada, c-1"
    assert mail["List-Unsubscribe"] == "<https://sojourn.example.com/unsubscribe/preview>"
    assert (answer["outcome"], answer["provider"]) == ("accepted", "smtp")
    assert mail["X-Sojourn-Message"] == answer["message_id"]
    assert await harness.query(COUNTS) == before
    [audited] = await harness.query("SELECT * FROM audit_log WHERE action = 'template.send_test'")
    assert audited["target"] == "cart"
    assert audited["data"] == {
        "step": "nudge",
        "template": "nudge",
        "channel": "email",
        "provider": "smtp",
        "message_id": answer["message_id"],
    }


async def test_a_test_is_sent_once_under_a_key(harness: Harness, sent: Any) -> None:
    keys = {"Authorization": f"Bearer {harness.settings.admin_key.get_secret_value()}", "Idempotency-Key": "once"}
    body = {"campaign": "cart", "step": "nudge", "user_id": "u1", "to": "boss@example.org"}
    answers = [await harness.http.post("/v1/templates/send-test", json=body, headers=keys) for _ in range(2)]
    assert [one.status_code for one in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert len(await mails(harness, "boss@example.org")) == 1


async def test_a_slow_provider_of_a_test_holds_up_nothing(harness: Harness, sent: Any) -> None:
    connected, answered = asyncio.Event(), asyncio.Event()

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await answered.wait()
        writer.close()

    async with listening(talk) as port:
        server = f"{{kind: smtp, channel: email, host: 127.0.0.1, port: {port}, security: none}}"
        await put(harness, "/v1/providers", f"providers:\n  slow: {server}\n")
        keys = {"Authorization": f"Bearer {harness.settings.admin_key.get_secret_value()}", "Idempotency-Key": "slow"}
        body = {"campaign": "cart", "step": "nudge", "user_id": "u1", "to": "boss@example.org"}
        testing = asyncio.create_task(harness.http.post("/v1/templates/send-test", json=body, headers=keys))
        try:
            await connected.wait()
            assert harness.database.pool_state().in_use == 0
            repeat = await harness.http.post("/v1/templates/send-test", json=body, headers=keys)
            assert (repeat.status_code, repeat.json()["code"]) == (409, "idempotency_in_progress")
            await harness.admin("POST", "/v1/campaigns/cart/pause")
            await harness.track("u1", "Cart Abandoned", {"cart_id": "c-2"})
            assert not testing.done()
        finally:
            answered.set()
        answer = await testing
        assert answer.json()["outcome"] == "unavailable"
        repeat = await harness.http.post("/v1/templates/send-test", json=body, headers=keys)
        assert (repeat.content, repeat.headers["idempotent-replayed"]) == (answer.content, "true")


async def test_a_test_is_refused_whose_file_is_not_stored(harness: Harness) -> None:
    pointer = write_pointer("ab" * 32, 7)
    template = HALLO.replace(
        "subject:", "channel: email\nfrom: a@example.com\nattachments: [terms.pdf]\ntext: a\nsubject:"
    )
    source = CAMPAIGN.replace("category: marketing", "category: transactional")
    files = {"nudge.liquid": template, "attachments/terms.pdf": pointer}
    body = {"document": {"source": source, "file": "cart.yaml", "templates": files}, "step": "nudge"}
    answer = await harness.act("POST", "/v1/templates/send-test", {**body, "to": "boss@example.org"})
    assert (answer.status_code, "this file is not stored" in answer.text) == (422, True), answer.text
    assert not await harness.query("SELECT 1 FROM audit_log WHERE action = 'template.send_test'")


async def test_an_address_that_refuses_gets_no_test(harness: Harness, sent: Any) -> None:
    await harness.identify("gone", email="gone@example.org")
    await harness.admin("PUT", "/v1/users/gone/suppressions/email", {"reason": "hard bounce"})
    await harness.post("identify", {"userId": "no", "traits": {"email": "no@example.org"}, "context": {}})
    await harness.admin("PATCH", "/v1/users/no", {"consent": {"email": False}})
    for address, reason in (("GONE@example.org", "suppressed"), ("no@example.org", "no_consent")):
        body = {"campaign": "cart", "step": "nudge", "user_id": "u1", "to": address}
        answer = await harness.act("POST", "/v1/templates/send-test", body)
        assert (answer.status_code, answer.json()["reason"]) == (409, reason), answer.text
    assert not await harness.query("SELECT 1 FROM audit_log WHERE action = 'template.send_test'")


async def test_a_test_that_cannot_go_is_refused(harness: Harness, sent: Any) -> None:
    for more, status, said in (
        ({"to": "nowhere"}, 422, "is not an address of the channel email"),
        ({"to": "a@example.org", "profile": {"traits": {"name": None}}}, 422, "has no value for this user"),
        ({"to": "a@example.org", **_hook()}, 409, "goes to no address"),
    ):
        body = {"campaign": "cart", "step": "nudge", "user_id": "u1", **more}
        answer = await harness.act("POST", "/v1/templates/send-test", {k: v for k, v in body.items() if v is not None})
        assert (answer.status_code, said in answer.text) == (status, True), answer.text


@pytest.mark.parametrize(
    ("scopes", "statuses"),
    [
        (["read"], [200, 403, 403, 403]),
        (["read", "people"], [200, 200, 403, 403]),
        (["operate"], [200, 403, 200, 403]),
        (["operate", "people"], [200, 200, 200, 200]),
    ],
)
async def test_a_preview_of_a_person_takes_the_scope_people(
    harness: Harness, sent: Any, scopes: list[str], statuses: list[int]
) -> None:
    """Else a template of the caller's own would show all that there is of them, also by a test to any address."""
    key = (await harness.admin("POST", "/v1/keys", {"name": "reader", "scopes": scopes}))["token"]
    invented = {"campaign": "cart", "step": "nudge"}
    person = {**invented, "user_id": "u1"}
    answers = [
        await harness.http.post(f"/v1/templates/{act}", json=body, headers={"Authorization": f"Bearer {key}"})
        for act, to in (("preview", {}), ("send-test", {"to": "a@b.example"}))
        for body in ({**invented, **to}, {**person, **to})
    ]
    assert [one.status_code for one in answers] == statuses
    assert not any("Ada" in one.text for one in answers if one.status_code == 403)


async def test_publishing_counts_who_gets_a_fallback_language(harness: Harness) -> None:
    async with harness.database.transaction() as connection:
        await connection.execute(
            """
            INSERT INTO profiles (id, user_id, traits, context)
            SELECT uuidv7(), 'u' || n,
                   CASE WHEN n <= 6 THEN '{"locale": "pt-BR"}' WHEN n <= 9 THEN '{"locale": "de"}'
                        WHEN n = 10 THEN '{"locale": 5}' WHEN n = 11 THEN jsonb_build_object('locale', repeat('x', %s))
                        ELSE '{}' END,
                   CASE WHEN n BETWEEN 10 AND 13 THEN '{"locale": "fr"}' ELSE '{}' END::jsonb
            FROM generate_series(1, 20) AS n
            """,
            (MAX_LOCALE_CHARACTERS + 1,),
        )
    templates = {"nudge.liquid": NUDGE.replace("channel: email", "channel: email\nlanguage: en"), **_variants()}
    await put(harness, "/v1/computed", COMPUTED)
    document = {"file": "cart.yaml", "source": CAMPAIGN, "templates": templates}
    planned = await harness.admin("POST", "/v1/campaigns/cart/plan", {**document, "in_flight": "keep"})
    published = await harness.admin("POST", "/v1/campaigns", document)
    for found in (planned["fallback_languages"], published["fallback_languages"]):
        assert [(one["template"], one["language"], one["gets"]) for one in found] == [
            ("nudge", "pt", "en"),
            ("nudge", "fr", "en"),
        ]
        assert [one["people"]["estimate"] for one in found] == [6, 3]
        assert found[0]["summary"] == "6 of 20 people speak `pt`: of nudge they would get `en`"


def _nest(depth: int) -> dict[str, Any]:
    return {"a": _nest(depth - 1)} if depth else {}


def _variants() -> dict[str, str]:
    return {"nudge.de.liquid": HALLO}


def _hook() -> dict[str, Any]:
    hook = "---\nchannel: webhook\nurl: https://crm.example.com/hook\n---\n{}\n"
    return {"campaign": None, "step": None, "template": {"name": "h", "files": {"h.liquid": hook}}}


async def test_a_step_with_several_channels_is_shown_and_tested_by_each(harness: Harness, sent: Any) -> None:
    source = CAMPAIGN.replace("channel: email", "channel: [webhook, email]")
    hook = "---\nchannel: webhook\nurl: https://crm.example.com/hook\n---\nuser: '{{ profile.user_id }}'\n"
    files = {"nudge.webhook.liquid": hook, "nudge.email.liquid": NUDGE}
    body = {"document": {"source": source, "file": "cart.yaml", "templates": files}, "step": "nudge", "user_id": "u1"}
    first = await preview(harness, **body)
    assert (first["channel"], first["channels"]) == ("webhook", ["webhook", "email"])
    assert (await preview(harness, **body, channel="email"))["content"]["subject"] == "Ada, c-1"
    for channel, path, status, said in (
        ("sms", "preview", 404, "step nudge of cart has no channel sms"),
        (None, "send-test", 422, "step nudge of cart goes by webhook or email"),
        ("webhook", "send-test", 409, "a message of the channel webhook goes to no address"),
        ("email", "send-test", 200, '"outcome":"accepted"'),
    ):
        to = {"to": "boss@example.org"} if path == "send-test" else {}
        named = {} if channel is None else {"channel": channel}
        answer = await harness.act("POST", f"/v1/templates/{path}", {**body, **to, **named})
        assert (answer.status_code, said in answer.text) == (status, True), answer.text


async def test_a_message_of_a_page_is_shown_in_its_place(harness: Harness) -> None:
    banner = "---\nchannel: in_app\nkind: banner\n---\ntext: Hello **{{ profile.traits.name }}**\n"
    template = {"name": "hello", "files": {"hello.liquid": banner}}
    shown = await preview(harness, template=template, profile={"traits": {"name": "<Ada>"}})
    assert shown["content"]["content"]["text"][0]["c"][1] == {"t": "b", "c": [{"t": "text", "v": "<Ada>"}]}
    assert "Hello <strong>&lt;Ada&gt;</strong>" in shown["page"]
