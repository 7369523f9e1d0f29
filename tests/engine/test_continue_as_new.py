"""A journey whose history grows too long goes on in a new run, where it was."""

import asyncio
from datetime import timedelta

from tests.conftest import EVENTS_A_RUN
from tests.engine.campaigns import REACTION
from tests.rig import Rig


async def test_a_journey_that_hears_too_much_continues_as_new(rig: Rig) -> None:
    """Events for a later wait keep coming during the delay; the delay still ends when it should."""
    early = REACTION.replace("  - id: clicked", "  - {id: cool-off, delay: 5d}\n  - id: clicked")
    await rig.run_campaign(early)
    await rig.identify("u1", email="u1@example.com")
    await rig.track("u1", "Signed Up")
    await rig.until("SELECT 1 FROM messages WHERE state = 'sent'")
    handle = await rig.journey("u1")
    first = (await handle.describe()).run_id
    while (await handle.describe()).run_id == first:
        await asyncio.gather(*(rig.track("u1", "Link Clicked", {"kind": "good"}) for _ in range(EVENTS_A_RUN // 10)))
    await rig.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM outbox)")
    description = await handle.describe()
    assert description.history_length < EVENTS_A_RUN
    assert description.typed_search_attributes.search_attributes != []
    await rig.skip(handle, days=5)
    # Clicks during the delay came before the wait began, so it has still to be waited for.
    await rig.skip(handle, days=3)
    assert await handle.result() == "completed"
    assert [mail.recipients for mail in rig.inbox.messages] == [("u1@example.com",)] * 2
    [row] = await rig.query("SELECT ended_at - entered_at AS lasted FROM journeys")
    assert timedelta(days=7) <= row["lasted"] < timedelta(days=7, hours=2)
