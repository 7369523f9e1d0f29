"""A worker of the product from its first second; those of other tests begin late (tests/late_starts.py)."""

import httpx

from runtime.embedded.ports import free_port
from tests.harness import PATIENCE, looks, open_harness
from tests.processes import worker_process
from tests.servers import TemporalServer
from tests.watching.scrapes import samples

CAMPAIGN = """
key: greeting
name: Greeting
entry: {event: Signed Up}
steps:
  - {id: mail, send: {channel: email, template: note}}
"""

# Of the tasks that other workers begin late.
GAUGES = {"sojourn_survey_timestamp_seconds", "sojourn_sweeper_late_seconds", "sojourn_consumer_behind_seconds"}


async def test_a_worker_begins_with_all_of_its_tasks(database_url: str, temporal: TemporalServer) -> None:
    address = f"127.0.0.1:{free_port()}"
    async with open_harness(database_url, temporal, is_working=False, metrics_address=address) as harness:
        await harness.run_campaign(CAMPAIGN)
        await harness.identify("u1", email="u1@example.com")
        await harness.track("u1", "Signed Up")
        async with harness.database.transaction() as connection:
            await connection.execute("INSERT INTO callback_ids VALUES ('old', 'e-1', now() - interval '1 year')")
        async with worker_process(harness.settings), httpx.AsyncClient(trust_env=False) as http:
            await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT FROM callback_ids WHERE provider = 'old')")
            await harness.messages.until(channel="email", state="sent")
            async for is_last in looks(PATIENCE):
                found = {name for name, _ in samples((await http.get(f"http://{address}/metrics")).text)}
                if found >= GAUGES:
                    break
                assert not is_last, GAUGES - found
