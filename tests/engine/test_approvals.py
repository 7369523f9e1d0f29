"""A campaign that waits for another person says so in its workflow, and begins once it is approved."""

from datetime import UTC, datetime, timedelta

from temporalio.api.sdk.v1 import WorkflowMetadata

from tests.harness import PATIENCE, looks, open_harness
from tests.servers import TemporalServer

PEOPLE = 3
SOURCE = """
key: news
name: News
schedule: {{starts_at: {at:%Y-%m-%dT%H:%M:%SZ}}}
entry: {{audience: {{where: profile.traits.plan == "trial", rate: 100}}}}
steps: [{{id: rest, delay: 30d}}]
"""


async def test_a_schedule_waits_in_its_workflow(database_url: str, temporal: TemporalServer) -> None:
    async with open_harness(database_url, temporal, approval_above=1) as harness:
        approver = await harness.admin("POST", "/v1/keys", {"name": "Bob", "scopes": ["approve"]})
        asker = await harness.admin("POST", "/v1/keys", {"name": "Ada", "scopes": ["operate"]})
        await harness.publish(SOURCE.format(at=datetime.now(UTC) + timedelta(days=1)))
        started = await harness.http.post("/v1/campaigns/news/start", headers=bearer(asker))
        assert started.json()["state"] == "scheduled"
        for number in range(PEOPLE):
            await harness.identify(f"u{number}", plan="trial")
        # As if it had been published so some time ago.
        await harness.query(
            "UPDATE campaign_versions SET rules = jsonb_set(rules, '{schedule,starts_at}', to_jsonb(%s::text)) "
            "RETURNING 1",
            f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        )
        handle = harness.temporal.get_workflow_handle("campaign/news")
        await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT FROM outbox)")
        await handle.signal("changed")
        [row] = await harness.until("SELECT id::text FROM approvals WHERE action = 'begin'")
        async for is_last in looks(PATIENCE):
            metadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
            if f"begin: waits for the approval of another person, for up to {PEOPLE}" in metadata.current_details:
                break
            assert not is_last, metadata.current_details
        assert await harness.query("SELECT state FROM campaigns") == [{"state": "scheduled"}]
        answer = await harness.http.post(f"/v1/approvals/{row['id']}/approve", headers=bearer(approver))
        assert answer.status_code == 200, answer.text
        await harness.until("SELECT 1 FROM operations WHERE kind = 'enrol' AND state = 'done'")
        assert len(await harness.journeys.all(state="active")) == PEOPLE


def bearer(key: dict[str, str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {key['token']}"}
