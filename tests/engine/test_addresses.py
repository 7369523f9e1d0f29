"""A refusal hangs on the address, in whoever's profile it stands, and on the profile of who refused."""

import asyncio
import random
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import httpx
import pytest

from application.ingest import Ingest
from tests.engine.ingesting import AT, event
from tests.harness import PATIENCE, Harness
from tests.proofs import rounds

SEED = 20_261_129
RACES, GROUP = rounds(24, 240), 6

NEWS = """
key: news
name: News
entry: {event: Price Dropped}
steps:
  - {id: mail, send: {channel: email, template: note}}
"""


async def sent_to(harness: Harness, user: str) -> str:
    """What becomes of a message to this person: `granted`, or the reason with who refused."""
    before = len(await harness.decisions.all(kind="send"))
    await harness.track(user, "Price Dropped")
    [row] = await harness.until(
        "SELECT outcome, reason, data FROM decisions WHERE kind = 'send' ORDER BY recorded_at OFFSET %s", before
    )
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM journeys WHERE state = 'active')")
    return str(row["outcome"]) if row["outcome"] == "granted" else f"{row['reason']} by {row['data']['refused_by']}"


async def link_of(harness: Harness, number: int) -> str:
    mails = await harness.inbox.wait_for(number, timeout=PATIENCE)
    found = re.fullmatch(r"<(http.*)>", str(mails[-1].message["List-Unsubscribe"]))
    assert found is not None
    return found[1]


async def refused(harness: Harness) -> dict[str, Any]:
    rows = await harness.query("SELECT value, refusals FROM addresses WHERE refusals <> '{}'")
    return {row["value"]: row["refusals"] for row in rows}


async def test_an_opt_out_by_link_binds_the_address_in_every_profile_and_the_profile_at_every_address(
    harness: Harness,
) -> None:
    await harness.run_campaign(NEWS)
    await harness.identify("u1", email="Ada@Example.com")
    await harness.identify("u2", email="ada@example.COM")
    await harness.identify("u3", email="bob@example.com")
    assert await sent_to(harness, "u1") == "granted"
    link = await link_of(harness, 1)
    await harness.http.post(link)
    assert await refused(harness) == {"ada@example.com": {"opt_out": "unsubscribed by link"}}
    assert await sent_to(harness, "u1") == "no_consent by profile"
    assert await sent_to(harness, "u2") == "no_consent by address"
    assert await sent_to(harness, "u3") == "granted"
    # It is told of both where it was said.
    changes = [change["summary"] for item in await harness.timeline("u1") for change in item["changes"]]
    assert "consent: email no" in changes
    assert "address: ada@example.com opt-out (unsubscribed by link)" in changes
    summaries = [item["summary"] for item in await harness.timeline("u2")]
    assert "mail: refused: no_consent: the address refuses email: unsubscribed by link" in summaries

    # Another address does not carry the refusal away, and none brings the old one back.
    await harness.identify("u1", email="ada@new.example.com")
    assert await sent_to(harness, "u1") == "no_consent by profile"
    await harness.identify("u1", consent={"email": True})
    assert await sent_to(harness, "u1") == "granted"
    await harness.identify("u1", email="ADA@example.com")
    assert await sent_to(harness, "u1") == "no_consent by address"
    await harness.identify("u3", email="ada@Example.com")
    assert await sent_to(harness, "u3") == "no_consent by address"

    # An operator lifts it, for everybody who has the address.
    await harness.admin("DELETE", "/v1/users/u2/suppressions/email")
    assert await refused(harness) == {"ada@example.com": {"opt_out": None, "suppression": None}}
    for user in ("u1", "u2", "u3"):
        assert await sent_to(harness, user) == "granted"


async def test_a_link_binds_the_address_that_the_mail_went_to(harness: Harness) -> None:
    await harness.run_campaign(NEWS)
    await harness.identify("u1", email="old@example.com")
    assert await sent_to(harness, "u1") == "granted"
    link = await link_of(harness, 1)
    await harness.identify("u1", email="new@example.com")
    await harness.http.post(link)
    assert await refused(harness) == {"old@example.com": {"opt_out": "unsubscribed by link"}}
    assert await harness.query("SELECT consent FROM profiles") == [{"consent": {"email": False}}]


async def test_a_bounce_of_one_stops_mail_to_the_same_address_of_another(harness: Harness) -> None:
    transactional = NEWS.replace("template: note", "template: note, category: transactional")
    await harness.run_campaign(transactional)
    await harness.identify("u1", email="ada@example.com")
    await harness.identify("u2", email="ADA@example.com")
    await harness.admin("PUT", "/v1/users/u1/suppressions/email", {"reason": "hard bounce"})
    assert await sent_to(harness, "u1") == "suppressed by profile"
    assert await sent_to(harness, "u2") == "suppressed by address"
    operators = [item for item in await harness.timeline("u1") if item["kind"] == "change"]
    assert [change["summary"] for item in operators for change in item["changes"]] == [
        "suppression: email (hard bounce)",
        "address: ada@example.com suppression (hard bounce)",
    ]
    assert {item["summary"] for item in operators} == {"by SOJOURN_ADMIN_KEY"}
    await harness.admin("DELETE", "/v1/users/u1/suppressions/email")
    for user in ("u1", "u2"):
        assert await sent_to(harness, user) == "granted"


async def test_what_conditions_see_of_consent_is_the_gates_answer(harness: Harness) -> None:
    branch = """
key: news
name: News
entry: {event: Price Dropped, where: profile.consent.webhook}
steps:
  - id: which
    branch:
      - {when: profile.consent.email, do: [{exit: may}]}
      - {when: profile.consent_given.email, do: [{exit: said-yes}]}
      - {when: has(profile.consent_given.email), do: [{exit: said-no}]}
"""
    await harness.run_campaign(branch, {})
    await harness.identify("u0", email="bob@example.com")
    await harness.identify("u1", email="ada@example.com")
    await harness.identify("u2", email="ADA@example.com", consent={"email": True})
    await harness.identify("u3", consent={"email": False})
    await harness.admin("PUT", "/v1/users/u1/suppressions/email", {"reason": "hard bounce"})
    outcomes = {}
    for user in ("u0", "u1", "u2", "u3"):
        await harness.track(user, "Price Dropped")
        outcomes[user] = (await harness.ended(user))["outcome"]
    assert outcomes == {"u0": "may", "u1": "completed", "u2": "said-yes", "u3": "said-no"}


async def test_conditions_of_a_batch_see_what_its_new_address_refuses(harness: Harness, ingest: Ingest) -> None:
    await harness.run_campaign(NEWS.replace("Price Dropped", "Price Dropped, where: profile.consent.email"))
    await harness.identify("u1", email="ada@example.com")
    await harness.admin("PUT", "/v1/users/u1/suppressions/email", {"reason": "complained"})
    batch = [event("identify", "u2", email="Ada@example.com "), event("track", "u2", name="Price Dropped")]
    await ingest(batch, received_at=AT)
    assert await harness.journeys.all() == []
    [*_, entry] = [item for item in await harness.timeline("u2") if item["kind"] == "entry"]
    assert (entry["outcome"], entry["reason"]) == ("refused", "condition")


@pytest.mark.prove
@pytest.mark.takes_long
async def test_no_message_is_claimed_after_a_refusal_of_its_address_was_acknowledged(harness: Harness) -> None:
    """Mails to one person race with the refusals of two others who have the same address, and refuse at once."""
    print(f"seed {SEED}")  # noqa: T201
    rolls = random.Random(SEED)
    await harness.run_campaign(NEWS)
    acknowledged: dict[str, datetime] = {}

    async def race(number: int, pause: float) -> None:
        """The refusals come so many seconds after the event that the mail is for, or before it."""
        mailed, *refusers = (f"{who}{number}" for who in ("mailed", "refuser", "other"))
        for user in (mailed, *refusers):
            await harness.identify(user, email=rolls.choice(["a{}@x.example", "A{}@X.example"]).format(number))
        answers, _ = await asyncio.gather(refuse(refusers, max(0, pause)), mail(mailed, max(0, -pause)))
        assert all(answer.is_success for answer in answers)

    async def refuse(refusers: Sequence[str], pause: float) -> list[httpx.Response]:
        await asyncio.sleep(pause)
        paths = [f"/v1/users/{user}/suppressions/email" for user in refusers]
        answers = await asyncio.gather(*(harness.act("PUT", path, {"reason": "complained"}) for path in paths))
        [now] = await harness.query("SELECT clock_timestamp() AS at")
        acknowledged[refusers[0].replace("refuser", "mailed")] = now["at"]
        return answers

    async def mail(mailed: str, pause: float) -> None:
        await asyncio.sleep(pause)
        await harness.track(mailed, "Price Dropped")

    # How long a mail takes depends on the machine: each group shifts the next one's spread towards the middle, further
    # if that of the group before was not enough, and there are more groups until some mails were faster and some were
    # not.
    shift, step, races, faster = 0.0, 0.4, 0, 0
    while races < RACES or not 0 < faster < races:
        assert races < 5 * RACES, f"{faster} of {races} mails were faster than the refusal"
        await asyncio.gather(*(race(races + place, shift + rolls.uniform(-0.2, 0.2)) for place in range(GROUP)))
        races += GROUP
        await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM journeys WHERE state = 'active')")
        claims = await harness.query(
            "SELECT user_id, claimed_at FROM messages JOIN profiles ON profiles.id = profile_id "
            "WHERE claimed_at IS NOT NULL"
        )
        before, faster = faster, len(claims)
        was, step = step, abs(step) if faster - before < GROUP / 2 else -abs(step)
        step *= 2 if (was > 0) == (step > 0) else 0.5
        shift += step
    assert [row for row in claims if row["claimed_at"] > acknowledged[row["user_id"]]] == []
    assert len(await harness.query("SELECT 1 FROM addresses WHERE refusals ? 'suppression'")) == races
