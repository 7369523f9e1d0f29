"""A message goes by the first channel that reaches the person, and by the next only if it certainly did not arrive."""

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from application.message_outcomes import MessageOutcomes
from tests.channels.servers import Receiver, answer, listening
from tests.harness import MAIL, Harness

CAMPAIGN = """
key: choice
name: Choice
entry: {event: Signed Up}
steps:
  - {id: nudge, send: {channel: CHANNEL, template: note}}
"""
# A signed event, which may be repeated, and a call of an API, which may not.
EVENT = "---\nchannel: webhook\nurl: http://127.0.0.1:PORT/push\n---\nuser: '{{ profile.user_id }}'\n"
CALL = "---\nchannel: webhook\nurl: http://127.0.0.1:PORT/push\nmethod: POST\nbody: {user: ada}\n---\n"
GONE = answer(410)


class Push:
    """A receiver of webhooks in the place of a push service."""

    def __init__(self) -> None:
        self.reply: bytes = answer(204)
        self.bodies: list[bytes] = []
        self.port = 0

    async def talk(self, reader: Any, writer: Any) -> None:
        receiver = Receiver(self.reply)
        await receiver.talk(reader, writer)
        self.bodies += [request.body for request in receiver.requests]

    def templates(self, webhook: str = EVENT) -> dict[str, str]:
        return {"note.webhook.liquid": webhook.replace("PORT", str(self.port)), "note.email.liquid": MAIL}


@pytest.fixture
async def push() -> AsyncIterator[Push]:
    receiver = Push()
    async with listening(receiver.talk) as receiver.port:
        yield receiver


async def sign_up(harness: Harness, push: Push, channel: str = "[webhook, email]", webhook: str = EVENT) -> None:
    await harness.run_campaign(CAMPAIGN.replace("CHANNEL", channel), push.templates(webhook))
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Signed Up")


async def tries(harness: Harness) -> list[tuple[str, str, str, str | None]]:
    rows = await harness.query("SELECT channel, provider, state, reason FROM deliveries ORDER BY at")
    return [(row["channel"], row["provider"], row["state"], row["reason"]) for row in rows]


async def lines(harness: Harness) -> list[str]:
    return [item["summary"] for item in await harness.timeline("u1") if item["kind"] in ("send", "message")]


async def test_the_first_channel_goes_alone(harness: Harness, push: Push) -> None:
    await sign_up(harness, push)
    await (await harness.journey("u1")).result()
    message = await harness.messages.one()
    assert (message["channel"], message["template"], message["state"]) == ("webhook", "note.webhook", "sent")
    assert await tries(harness) == [("webhook", "http", "sent", None)]
    assert harness.inbox.messages == []


async def test_one_that_does_not_reach_the_person_is_passed_over(harness: Harness, push: Push) -> None:
    await harness.identify("u1", email="u1@example.com")
    await harness.post("identify", {"userId": "u1", "traits": {"consent": {"webhook": False}}})
    await sign_up(harness, push)
    await (await harness.journey("u1")).result()
    message = await harness.messages.one()
    assert (message["channel"], message["template"], message["state"]) == ("email", "note.email", "sent")
    assert push.bodies == []
    assert (await lines(harness))[0] == "nudge: granted, by smtp, on email (webhook: no consent)"


async def test_the_next_channel_follows_a_refusal_under_the_same_id_and_caps_count_the_one_that_was_used(
    harness: Harness, push: Push
) -> None:
    """The rule for webhooks has room left, that for mails has not."""
    await harness.put_caps(
        "rules:\n"
        "  - {name: pushes, limit: 1, per: 1d, channels: [webhook]}\n"
        "  - {name: mails, limit: 1, per: 1d, channels: [email]}\n"
    )
    push.reply = GONE
    await sign_up(harness, push)
    await (await harness.journey("u1")).result()
    message = await harness.messages.one()
    assert (message["channel"], message["provider"], message["state"]) == ("email", "smtp", "sent")
    assert [state[:3] for state in await tries(harness)] == [("webhook", "http", "failed"), ("email", "smtp", "sent")]
    [mail] = harness.inbox.messages
    assert str(message["id"]) in mail.message.as_string()
    assert (await lines(harness))[:2] == [
        "nudge: granted, by http",
        "nudge: granted, by smtp, on email (webhook: not delivered)",
    ]
    assert "(tried webhook: " in (await lines(harness))[2]
    push.reply = answer(204)
    hook = push.templates()["note.webhook.liquid"]
    again = CAMPAIGN.replace("Signed Up", "Came Back")
    await harness.run_campaign(again.replace("choice", "mail").replace("CHANNEL", "email"), {"note.liquid": MAIL})
    await harness.run_campaign(again.replace("choice", "push").replace("CHANNEL", "webhook"), {"note.liquid": hook})
    await harness.track("u1", "Came Back")
    await harness.decisions.until(campaign_key="mail", outcome="refused", reason="capped")
    await harness.messages.until(campaign_key="push", state="sent")


async def test_a_message_that_cannot_be_rendered_goes_by_the_next_channel(harness: Harness, push: Push) -> None:
    await sign_up(harness, push, webhook=EVENT.replace("profile.user_id", "profile.traits.phone"))
    await (await harness.journey("u1")).result()
    assert [state for _, _, state, _ in await tries(harness)] == ["failed", "sent"]
    assert len(harness.inbox.messages) == 1


async def test_a_lost_answer_leads_to_no_other_channel(harness: Harness, push: Push) -> None:
    push.reply = answer(500)
    await sign_up(harness, push, webhook=CALL)
    await (await harness.journey("u1")).result()
    message = await harness.messages.one()
    assert (message["channel"], message["state"]) == ("webhook", "unknown")
    assert harness.inbox.messages == []


async def test_without_another_channel_that_reaches_the_person_the_message_has_failed(
    harness: Harness, push: Push
) -> None:
    push.reply = GONE
    await harness.run_campaign(CAMPAIGN.replace("CHANNEL", "[webhook, email]"), push.templates())
    await harness.identify("u1", name="Ada")
    await harness.track("u1", "Signed Up")
    await (await harness.journey("u1")).result()
    message = await harness.messages.one()
    assert (message["channel"], message["state"]) == ("webhook", "failed")


async def test_the_preferred_channel_is_that_to_which_the_person_reacts_most(harness: Harness, push: Push) -> None:
    """Reports of machines count for nothing, nor do messages of a hundred days ago."""
    await harness.run_campaign(CAMPAIGN.replace("choice", "before").replace("CHANNEL", "email"), {"note.liquid": MAIL})
    await harness.identify("u1", email="u1@example.com")
    for number in range(1, 4):
        await harness.track("u1", "Signed Up")
        await harness.until("SELECT 1 FROM journeys WHERE outcome = 'completed' HAVING count(*) = %s", number)
    first, second, third = await harness.messages.all()
    await harness.query("UPDATE messages SET machine_at = now() WHERE id = %s RETURNING 1", second["id"])
    await harness.query("UPDATE messages SET at = at - interval '100 days' WHERE id = %s RETURNING 1", third["id"])
    await sign_up(harness, push, channel="[preferred, webhook, email]")
    await harness.messages.until(campaign_key="choice", channel="webhook", state="sent")
    await harness.track("u1", "Email Opened", {"message_id": str(first["id"])})
    await harness.track("u1", "Signed Up")
    row = await harness.messages.until(campaign_key="choice", channel="email", state="sent")
    assert len(row) == 1
    granted = [line for line in await lines(harness) if "granted" in line and "reactions" in line]
    assert granted[0].endswith("on webhook (reactions: 0 of 0 on webhook, 0 of 2 on email)")
    assert "1 of" in granted[1].partition("reactions: ")[2]


async def test_channels_by_preference_alone_are_those_with_a_template(harness: Harness, push: Push) -> None:
    await sign_up(harness, push, channel="preferred")
    await (await harness.journey("u1")).result()
    message = await harness.messages.one()
    assert (message["channel"], message["state"]) == ("email", "sent")
    [version] = await harness.query("SELECT plan -> 'nodes' -> 'nudge' AS node FROM campaign_versions")
    assert (version["node"]["channel"], version["node"]["others"]) == ("email", ["webhook"])


async def test_the_next_channel_follows_although_the_answer_of_the_commit_was_lost(
    harness: Harness, push: Push, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, lost = MessageOutcomes._write, list[bool]()

    async def lose(self: MessageOutcomes, *given: Any) -> Any:
        outcome = await write(self, *given)
        if not lost:
            lost.append(True)
            raise psycopg.OperationalError("the connection was lost")
        return outcome

    monkeypatch.setattr(MessageOutcomes, "_write", lose)
    push.reply = GONE
    await sign_up(harness, push)
    await (await harness.journey("u1")).result()
    message = await harness.messages.one()
    assert (message["channel"], message["state"], lost) == ("email", "sent", [True])
