"""Whom mails are from: the document of senders, applied, and the mails that a real server gets."""

from typing import Any

from tests.harness import PATIENCE, Harness

CAMPAIGN = """
key: hello
name: Hello
entry: {event: Signed Up}
steps: [{id: note, send: {channel: email, template: note, category: transactional}}]
"""
NOTE = """---
channel: email
from: Example Shop <hello@example.com>
from_owner: profile.traits.owner
subject: Hello
text: Hello from {{ deployment.postal_address }}
---
<p>Hello</p>
"""
SENDERS = (
    "senders: [{owner: anna, from: Anna Berg <anna@example.com>, reply_to: team@example.com}]\npostal_address: Pier 1\n"
)


async def put(harness: Harness, source: str, status: int = 200) -> Any:
    answer = await harness.act("PUT", "/v1/senders", {"file": "senders.yaml", "source": source})
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_mails_are_from_the_owner_of_the_person(harness: Harness) -> None:
    await put(harness, SENDERS)
    await harness.run_campaign(CAMPAIGN, {"note.liquid": NOTE})
    for user, owner in (("u1", "Anna"), ("u2", "mallory@evil.example")):
        await harness.identify(user, email=f"{user}@example.com", owner=owner)
        await harness.track(user, "Signed Up")
    for user, sender, reply_to in (
        ("u1", "Anna Berg <anna@example.com>", "team@example.com"),
        ("u2", "Example Shop <hello@example.com>", None),
    ):
        mails = await harness.inbox.wait_for(2, timeout=PATIENCE)
        [mail] = [each for each in mails if each.recipients == (f"{user}@example.com",)]
        assert (mail.message["From"], mail.message["Reply-To"]) == (sender, reply_to)
        assert "Pier 1" in (mail.text or "")


async def test_a_postal_address_that_campaigns_print_must_be_there(harness: Harness) -> None:
    document = {"file": "c.yaml", "source": CAMPAIGN, "templates": {"note.liquid": NOTE}}
    refused = await harness.act("POST", "/v1/campaigns", document)
    assert refused.status_code == 422
    assert "there is no postal address" in refused.text
    await put(harness, SENDERS)
    await harness.run_campaign(CAMPAIGN, {"note.liquid": NOTE})
    plan = await harness.act("POST", "/v1/senders/plan", {"file": "senders.yaml", "source": "senders: []\n"})
    assert [(one["name"], one["read_by"]) for one in plan.json()["changes"]] == [
        ("anna", []),
        ("postal_address", [{"kind": "campaign", "key": "hello", "version": 1}]),
    ]
    assert "campaign hello (version 1)" in (await put(harness, "senders: []\n", 409))["detail"]
