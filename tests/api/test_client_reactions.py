"""Reactions that pages report, and the slots that they or their servers fill."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from structlog.testing import capture_logs

from domain.sending.reports import ProviderReport
from tests.api.fakes import WRITE_KEY
from tests.api.inboxes import put
from tests.api.live import client_of, open_live
from tests.api.shop import Shop, open_shop

NEW = "a-new"
SURVEY: dict[str, Any] = {
    "questions": [
        {"id": "score", "type": "nps", "text": [], "required": True},
        {"id": "why", "type": "text", "text": [], "required": False},
    ],
    "thanks": [],
}


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[Shop]:
    async with open_shop(database_url) as shop:
        assert (await shop.report("track", {"anonymousId": NEW, "event": "Signed Up"})).is_success
        yield shop


async def given(shop: Shop, user: str = "u-victim", **message: Any) -> str:
    """Put a message into the inbox of a person, and give it to their page."""
    sent = await put(shop.database_url, user, **message)
    person = {"user_token": shop.token(user)} if message.get("kind") is None else {"anonymous_id": user}
    answer = await shop.ask("GET", "messages", **person)
    assert sent in answer.json()["open"]
    return sent


async def report(shop: Shop, *reactions: Any, user: str | None = "u-victim", **request: Any) -> httpx.Response:
    if user is not None:
        request["user_token"] = shop.token(user)
    sent_at = request.pop("sent_at", None)
    body = {"reactions": list(reactions), **({} if sent_at is None else {"sent_at": sent_at})}
    return await shop.ask("POST", "reactions", json=body, **request)


async def accepted(shop: Shop, *reactions: Any, **request: Any) -> None:
    answer = await report(shop, *reactions, **request)
    assert (answer.status_code, answer.json()) == (200, {"accepted": len(reactions), "left_out": []}), answer.text


async def events(shop: Shop) -> list[tuple[str, dict[str, Any]]]:
    rows = await shop.query(
        "SELECT name, properties FROM events WHERE source = 'sojourn' AND properties ? 'message_id'"
        " ORDER BY recorded_at, id"
    )
    return [(row["name"], row["properties"]) for row in rows]


async def test_reactions_are_in_the_ledger_and_are_events_of_the_person(shop: Shop) -> None:
    sent = await given(shop, shape="tour")
    await accepted(
        shop,
        {"message_id": sent, "kind": "shown"},
        {"message_id": sent, "kind": "clicked", "action": "renew", "link": "https://shop.example/plan"},
        {"message_id": sent, "kind": "dismissed", "step": "two"},
        {"message_id": sent, "kind": "completed"},
        {"message_id": sent, "kind": "failed", "reason": "anchor"},
    )
    found = dict(await events(shop))
    assert set(found) == {
        "Message Shown",
        "Message Clicked",
        "Message Dismissed",
        "Tour Completed",
        "Message Failed",
    }
    clicked = found["Message Clicked"]
    assert (clicked["message_id"], clicked["campaign"], clicked["step"]) == (sent, "welcome", "hello")
    assert (clicked["action"], clicked["link"]) == ("renew", "https://shop.example/plan")
    assert found["Message Dismissed"]["message_step"] == "two"
    assert found["Message Failed"]["reason"] == "anchor"
    [message] = (await shop.ask("GET", "messages", user_token=shop.token("u-victim"))).json()["open"]
    assert message == sent
    [row] = await shop.query("SELECT opened_at, clicked_at, clicked_link, dismissed_at FROM messages")
    assert None not in row.values()


async def test_a_message_that_is_completed_is_one_of_its_kind(shop: Shop) -> None:
    for shape, name in (("tour", "Tour Completed"), ("survey", "Survey Completed"), ("banner", None)):
        sent = await given(shop, shape=shape, **(SURVEY if shape == "survey" else {}))
        await accepted(shop, {"message_id": sent, "kind": "completed"})
        found = [found for found, said in await events(shop) if said["message_id"] == sent]
        assert found == ([] if name is None else [name]), shape


async def test_a_repeated_reaction_changes_nothing_and_a_show_in_another_session_counts(shop: Shop) -> None:
    sent = await given(shop, every={"kind": "each_session"})
    first = {"message_id": sent, "kind": "shown", "at": datetime.now(UTC).isoformat()}
    click = {"message_id": sent, "kind": "clicked"}
    answers = await asyncio.gather(*(report(shop, first, click) for _ in range(6)))
    assert {answer.json()["accepted"] for answer in answers} == {2}
    assert sorted(name for name, _ in await events(shop)) == ["Message Clicked", "Message Shown"]
    later = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    await accepted(shop, first, {**first, "at": later}, {**first, "step": "session-3"}, {**first, "step": "session-3"})
    assert len(await events(shop)) == 4
    [message] = (await shop.ask("GET", "messages", user_token=shop.token("u-victim"))).json()["messages"]
    assert message["shows"] == 3


async def test_each_link_of_a_message_is_a_click_of_its_own(shop: Shop) -> None:
    sent = await given(shop, every={"kind": "each_session"})
    # Such long addresses differ in their last letters alone.
    links = ["https://shop.example/plans", "https://shop.example/contact"]
    links += [f"https://shop.example/{'x' * 1_900}/{end}" for end in "ab"]
    clicks = [
        {"message_id": sent, "kind": "clicked", "step": "s" * 64, "action": "a" * 64, "link": one} for one in links
    ]
    plain = {"message_id": sent, "kind": "clicked", "link": links[0]}
    for _ in range(2):
        await accepted(shop, *clicks, plain)
    assert sorted(said["link"] for _, said in await events(shop)) == sorted([*links, links[0]])


async def test_a_person_reacts_to_their_own_messages_alone(shop: Shop) -> None:
    mine, others = await given(shop, NEW, kind="anonymous"), await given(shop)
    waiting = await put(shop.database_url, NEW, kind="anonymous")
    left_out = [{"index": n, "error": "this person was given no such message"} for n in (1, 2, 3)]
    reactions = [{"message_id": id, "kind": "shown"} for id in (mine, others, waiting, str(uuid4()))]
    answer = await report(shop, *reactions, user=None, anonymous_id=NEW)
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1, "left_out": left_out})
    for person in ({"anonymous_id": "a-victim"}, {"anonymous_id": "a-never"}, {"user_token": shop.token("u-evil")}):
        answer = await report(shop, {"message_id": others, "kind": "clicked"}, user=None, **person)
        assert answer.json()["accepted"] == 0
    assert [name for name, _ in await events(shop)] == ["Message Shown"]
    # What an anonymous person was given stays theirs once they are known.
    await shop.serve("identify", userId="u-new", anonymousId=NEW)
    await accepted(shop, {"message_id": mine, "kind": "clicked"}, user="u-new")


async def test_what_a_page_says_without_a_token_counts_as_no_more_than_its_other_events(shop: Shop) -> None:
    """Else anyone could have an address set to the text of an answer."""
    mine, others = await given(shop, NEW, kind="anonymous", shape="survey", **SURVEY), await given(shop)
    answered = {"message_id": mine, "kind": "answered", "answers": {"score": 9, "why": "e@evil.example"}}
    clicked = {"message_id": mine, "kind": "clicked", "link": "e@evil.example"}
    await accepted(shop, answered, clicked, user=None, anonymous_id=NEW)
    await accepted(shop, {"message_id": others, "kind": "clicked"})
    rows = await shop.query("SELECT DISTINCT name, user_id, trust FROM events WHERE source = 'sojourn' ORDER BY 1, 2")
    assert [tuple(row.values()) for row in rows] == [
        ("Message Clicked", "u-victim", "verified"),
        ("Message Clicked", None, "anonymous"),
        ("Survey Answered", None, "anonymous"),
    ]


async def test_what_is_wrong_is_named_and_hinders_no_other(shop: Shop) -> None:
    sent = await given(shop)
    wrong = [
        {"message_id": sent, "kind": "loved"},
        {"message_id": "x", "kind": "shown"},
        {"kind": "shown"},
        {"message_id": sent, "kind": "shown", "step": "x" * 65},
        {"message_id": sent, "kind": "shown", "at": "2026-11-01T10:00:00"},
        {"message_id": sent, "kind": "answered", "answers": {"score": 9}},
        "shown",
        None,
    ]
    answer = await report(shop, *wrong, {"message_id": sent, "kind": "shown"})
    assert answer.status_code == 200
    assert answer.json()["accepted"] == 1
    assert [one["index"] for one in answer.json()["left_out"]] == list(range(len(wrong)))
    assert "`message_id`" in answer.json()["left_out"][2]["error"]
    assert answer.json()["left_out"][5]["error"] == "the message asks no question"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b'{"reactions": 1}', 400),
        (b'{"reactions": [', 400),
        (b'{"reactions": [' + b"[" * 5_000, 400),
        (b'{"reactions": [' + b",".join([b"{}"] * 101) + b"]}", 400),
        (b'{"reactions": [], "sent_at": "yesterday"}', 400),
        (b'{"reactions": ["' + b"x" * 70_000 + b'"]}', 413),
    ],
)
async def test_a_body_of_another_form_is_refused(shop: Shop, body: bytes, status: int) -> None:
    answer = await shop.ask("POST", "reactions", user_token=shop.token("u-victim"), content=body)
    assert answer.status_code == status, answer.text


async def test_a_page_that_is_left_reports_as_text_and_by_its_own_clock(shop: Shop) -> None:
    sent = await given(shop)
    behind = datetime.now(UTC) - timedelta(hours=3)
    body = f'{{"reactions": [{{"message_id": "{sent}", "kind": "shown", "at": "{behind.isoformat()}"}}], '
    body += f'"sent_at": "{(behind + timedelta(seconds=20)).isoformat()}"}}'
    plain = {"Content-Type": "text/plain;charset=UTF-8"}
    mine = shop.token("u-victim")
    answer = await shop.ask("POST", "reactions", user_token=mine, content=body, headers=plain)
    assert answer.json()["accepted"] == 1
    [row] = await shop.query("SELECT now() - opened_at AS ago FROM messages")
    assert timedelta(seconds=15) < row["ago"] < timedelta(hours=1)


async def test_each_answer_of_a_survey_counts_once(shop: Shop) -> None:
    sent = await given(shop, shape="survey", **SURVEY)
    answered = {"message_id": sent, "kind": "answered"}
    await accepted(shop, {**answered, "answers": {"score": 9}})
    await accepted(shop, {**answered, "answers": {"score": 3, "why": " It is slow. "}})
    found = await events(shop)
    assert [name for name, _ in found] == ["Survey Answered"] * 2
    assert [(said["question"], said.get("score"), said.get("text")) for _, said in found] == [
        ("score", 9, None),
        ("why", None, "It is slow."),
    ]
    for answers in ({"score": 11}, {"score": "9"}, {"mood": 1}, {}, None):
        answer = await report(shop, {**answered, "answers": answers})
        assert (answer.json()["accepted"], len(answer.json()["left_out"])) == (0, 1), answers


async def test_limits_count_each_answer(shop: Shop) -> None:
    sent = await given(shop, shape="survey", **SURVEY)
    many = {"message_id": sent, "kind": "answered", "answers": {f"q-{number}": 1 for number in range(40)}}
    async with open_live(shop.database_url, rate_limit_address=2) as app:
        pages = Shop(app, shop.operator, shop.database_url)
        pages.key = shop.key
        # More than it may, once; then it waits for as many.
        assert (await report(pages, *[many] * 3)).status_code == 200
        refused = await report(pages, {"message_id": sent, "kind": "shown"})
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert int(refused.headers["retry-after"]) > 50


async def test_a_flood_of_reactions_keeps_out_no_callback(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("application.callbacks.MAX_WAITING", 1)
    sent = await given(shop)
    shown = [{"message_id": sent, "kind": "shown", "step": step} for step in ("one", "two")]
    callback = ProviderReport(kind="opened", event_id="1", message_id=UUID(sent), at=datetime.now(UTC))
    async with await psycopg.AsyncConnection.connect(shop.database_url) as holder:
        await holder.execute("LOCK TABLE callback_ids IN ACCESS EXCLUSIVE MODE")
        answers = [asyncio.create_task(report(shop, one)) for one in shown]
        done, [waiting] = await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
        assert [answer.result().status_code for answer in done] == [503]
        applied = asyncio.create_task(shop.app.state.services.callbacks._groups.apply("smtp", [callback]))
        await asyncio.wait([applied], timeout=0.1)
        assert not applied.done()
        await holder.rollback()
        await applied
    assert (await waiting).status_code == 200


async def slots(shop: Shop, names: str = "hero", **request: Any) -> dict[str, Any]:
    answer = await shop.ask("GET", f"slots?names={names}", **request)
    assert answer.status_code == 200, answer.text
    assert "sojourn-slots" not in answer.headers
    found: dict[str, Any] = answer.json()["slots"]
    return {name: None if one is None else one["message_id"] for name, one in found.items()}


async def test_a_slot_that_cannot_be_read_is_logged(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.client.slots.BUDGET", 60)
    async with await psycopg.AsyncConnection.connect(shop.database_url, autocommit=True) as admin:
        await admin.execute("ALTER TABLE inbox RENAME TO hidden")
        with capture_logs() as logs:
            answer = await shop.ask("GET", "slots?names=hero", user_token=shop.token("u-victim"))
        await admin.execute("ALTER TABLE hidden RENAME TO inbox")
    assert (answer.status_code, answer.json()) == (200, {"slots": {"hero": None}})
    [failed] = [one for one in logs if one["event"] == "failed to read slots"]
    assert "inbox" in str(failed["exc_info"])


async def test_a_slot_has_the_message_of_its_person_or_the_content_of_the_page(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.client.slots.BUDGET", 60)
    mine = await put(shop.database_url, "u-victim", shape="slot", placement="hero")
    await put(shop.database_url, "u-victim", shape="banner", placement="hero")
    of_new = await put(shop.database_url, NEW, kind="anonymous", shape="slot", placement="hero")
    nothing = {"hero": None, "footer": None}
    victim = {"user_token": shop.token("u-victim")}
    assert await slots(shop, "hero,footer", **victim) == {"hero": mine, "footer": None}
    assert await slots(shop, "hero", anonymous_id=NEW) == {"hero": of_new}
    assert await slots(shop, "hero,footer", anonymous_id="a-victim") == nothing
    # A page names its person by no parameter.
    assert await slots(shop, "hero,footer&user_id=u-victim", anonymous_id="a-never") == nothing
    made = await shop.operator.post("/v1/keys", json={"name": "renderer", "scopes": ["people"]})
    async with client_of(shop.app, made.json()["token"]) as server:
        for person, message in (
            ({"user_id": "u-victim"}, mine),
            ({"anonymous_id": NEW}, of_new),
            ({"anonymous_id": "a-victim"}, None),
        ):
            answer = await server.get("/v1/client/slots", params={"names": "hero", **person})
            assert answer.status_code == 200, answer.text
            one = answer.json()["slots"]["hero"]
            assert (one and one["message_id"]) == message, person
        assert (await server.get("/v1/client/slots", params={"names": "hero"})).status_code == 400
        # Neither may a page use the key of a server.
        page = {"Origin": "https://shop.example"}
        answer = await server.get("/v1/client/slots", params={"names": "hero", "user_id": "u-victim"}, headers=page)
        assert "access-control-allow-origin" not in answer.headers
    # A key that reports events reads nothing of anybody.
    async with client_of(shop.app, WRITE_KEY) as tracker:
        answer = await tracker.get("/v1/client/slots", params={"names": "hero", "user_id": "u-victim"})
        assert (answer.status_code, answer.json()["scope"]) == (403, "people")


@pytest.mark.parametrize("names", ["", ",", ",".join(map(str, range(21))), "x" * 1_301])
async def test_no_slot_or_too_many_are_refused(shop: Shop, names: str) -> None:
    longest = [f"{number:064}" for number in range(20)]
    answer = await shop.ask("GET", f"slots?names={','.join(longest)}", user_token=shop.token("u-victim"))
    assert list(answer.json()["slots"]) == longest
    answer = await shop.ask("GET", f"slots?names={names}", user_token=shop.token("u-victim"))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


async def test_a_page_is_rendered_without_waiting_for_a_busy_database(shop: Shop) -> None:
    await put(shop.database_url, "u-victim", shape="slot", placement="hero")
    async with await psycopg.AsyncConnection.connect(shop.database_url) as holder:
        await holder.execute("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE")
        mine = shop.token("u-victim")
        # More than are looked up at a time.
        for _ in range(6):
            asked = (shop.ask("GET", "slots?names=hero,footer", user_token=mine) for _ in range(10))
            answers = await asyncio.gather(*asked)
            assert {answer.text for answer in answers} == {'{"slots":{"hero":null,"footer":null}}'}
            assert {answer.headers["sojourn-slots"] for answer in answers} == {"timeout"}
        await holder.rollback()
