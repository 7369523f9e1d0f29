"""A flood of one campaign's journeys does not keep another campaign waiting behind all of it, from Temporal on.

Asserted by the order in which things come through. For what comes before it see tests/store/test_outbox.py.
"""

import asyncio
from uuid import uuid4

import pytest

import worker
from application.catalogue import Catalogue
from runtime.relay import Relay
from tests.harness import MAIL, PATIENCE, looks, open_harness
from tests.proofs import rounds
from tests.servers import TemporalServer

FLOOD, FEW = rounds(90, 160), 5


def campaign(key: str) -> str:
    return f"""
key: {key}
name: {key}
entry: {{event: {key}}}
steps: [{{id: note, send: {{channel: email, template: note}}}}]
"""


@pytest.mark.prove
async def test_a_few_journeys_get_through_while_another_campaign_floods(
    database_url: str, temporal: TemporalServer
) -> None:
    async with open_harness(database_url, temporal, is_working=False) as harness:
        for key in ("flood", "few"):
            await harness.run_campaign(campaign(key), {"note.liquid": MAIL})
        await harness.post("batch", {"batch": [call for n in range(FLOOD) for call in entering("flood", n)]})
        relay = Relay(harness.database, Catalogue(), harness.temporal, harness.settings.task_queue)
        while await relay.deliver_due():
            pass
        await harness.post("batch", {"batch": [call for n in range(FEW) for call in entering("few", n)]})
        assert await relay.deliver_due() == FEW
        stop = asyncio.Event()
        working = asyncio.create_task(worker.run(harness.settings, stop=stop))
        async for is_last in looks(PATIENCE):
            if len(harness.inbox.messages) == FLOOD + FEW:
                break
            assert not is_last
            assert not working.done()
        stop.set()
        await working
        order = [mail.recipients[0].partition("-")[0] for mail in harness.inbox.messages]
        places = [place for place, key in enumerate(order) if key == "few"]
        # By age they would be the last. Temporal promises turns within each of a queue's partitions.
        assert places[-1] < FLOOD * 2 / 3, places
        assert sum(places) / FEW < FLOOD / 3, places


def entering(campaign: str, number: int) -> list[dict[str, object]]:
    user = f"{campaign}-{number}"
    return [
        {"type": "identify", "messageId": str(uuid4()), "userId": user, "traits": {"email": f"{user}@example.com"}},
        {"type": "track", "messageId": str(uuid4()), "userId": user, "event": campaign},
    ]
