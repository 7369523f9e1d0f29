"""Links in mails by which people unsubscribe."""

import re

from tests.engine.campaigns import PROMOTION
from tests.harness import PATIENCE, Harness


async def test_one_click_unsubscribes(harness: Harness) -> None:
    await harness.run_campaign(PROMOTION)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Price Dropped")
    [mail] = await harness.inbox.wait_for(1, timeout=PATIENCE)
    assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    found = re.fullmatch(r"<(http.*)>", str(mail.message["List-Unsubscribe"]))
    assert found is not None
    asked = await harness.http.get(found[1])
    assert "<form" in asked.text
    assert (await harness.query("SELECT consent FROM profiles")) == [{"consent": {}}]
    for _ in range(2):
        response = await harness.http.post(found[1], data={"List-Unsubscribe": "One-Click"})
        assert response.status_code == 200
    assert (await harness.query("SELECT consent FROM profiles")) == [{"consent": {"email": False}}]
    await harness.ended("u1")
    await harness.track("u1", "Price Dropped")
    await harness.decisions.until(reason="no_consent")
    assert len(harness.inbox.messages) == 1
    assert "Unsubscribed" in [item["summary"] for item in await harness.timeline("u1")]


async def test_a_refusal_by_link_holds_again_after_a_change_of_mind(harness: Harness) -> None:
    await harness.run_campaign(PROMOTION)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Price Dropped")
    [mail] = await harness.inbox.wait_for(1, timeout=PATIENCE)
    link = str(mail.message["List-Unsubscribe"]).strip("<>")
    for _ in range(2):
        await harness.http.post(link, data={"List-Unsubscribe": "One-Click"})
        assert (await harness.query("SELECT consent FROM profiles")) == [{"consent": {"email": False}}]
        await harness.identify("u1", consent={"email": True})
