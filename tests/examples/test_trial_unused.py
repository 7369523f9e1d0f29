"""An unused trial goes into the audience, and out of it after subscribing, within a minute."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from channels.ad_platforms.kind import AdPlatformKind
from channels.ad_platforms.meta import Meta
from domain.sending.providers.meta import MetaModel
from tests.engine.ad_platform import MetaServer, meta_server
from tests.examples.harness import EXAMPLES
from tests.harness import PATIENCE, Harness, looks

ACCOUNT = "providers:\n  meta: {kind: meta, token: {env: SOJOURN_SECRET_META}}\n"
AUDIENCES = (EXAMPLES / "audiences" / "audiences.yaml").read_text().partition("  vips:")[0]
LIST = "120210000000000001"


@pytest.fixture
async def platform(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MetaServer]:
    """Meta on this machine."""
    async with meta_server() as server:
        kind = AdPlatformKind(MetaModel, lambda _, __: Meta("token", server.base))
        monkeypatch.setattr("channels.ad_platforms.registry.AD_PLATFORMS", (kind,))
        yield server


async def test_an_unused_trial_goes_in_and_out_after_subscribing(platform: MetaServer, harness: Harness) -> None:
    await harness.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": ACCOUNT})
    await harness.admin("PUT", "/v1/audiences", {"file": "audiences.yaml", "source": AUDIENCES})
    await harness.run_campaign((EXAMPLES / "trial-unused.yaml").read_text(), {})
    for user in ("unused", "uses", "silent"):
        consent = {} if user == "silent" else {"consent": {"ads": True}}
        await harness.identify(user, email=f"{user}@example.com", **consent)
        await harness.track(user, "Trial Started")
    await harness.track("uses", "Feature Used")
    for user in ("unused", "silent"):
        handle = await harness.journey(user)
        await harness.rests(handle, "used")
        await harness.skip(handle, days=7)
    await harness.decisions.until(outcome="refused", reason="no_consent")
    await until(platform, platform.people("unused@example.com"))
    await harness.until("SELECT 1 FROM ad_audience_members WHERE due_at IS NULL")
    audience = await harness.admin("GET", "/v1/audiences/trial-unused")
    assert audience["numbers"] == {"wanted": 1, "sent": 1, "pending": 0, "failed": 0, "without_address": 0}
    assert [(one["action"], one["people"], one["state"]) for one in audience["uploads"]] == [("add", 1, "done")]
    assert "show-ads: into the audience trial-unused" in await lines(harness, "unused")
    [said] = [line for line in await lines(harness, "silent") if line.startswith("show-ads")]
    assert said == "show-ads: not into the audience trial-unused: no_consent: the profile has not consented to ads"

    await harness.track("unused", "Subscription Started")
    [row] = await harness.until(
        "SELECT due_at - ended_recorded_at AS waited "
        "FROM ad_audience_members JOIN journeys ON journeys.id = journey_id WHERE reason = 'exited'"
    )
    assert row["waited"] < timedelta(seconds=60)
    # The minute of the next flush has passed.
    await harness.query("UPDATE ad_audiences SET flush_at = 'epoch' RETURNING 1")
    await until(platform, set())
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT FROM ad_audience_members)")


async def lines(harness: Harness, user: str) -> list[str]:
    return [item["summary"] for item in await harness.timeline(user)]


async def until(platform: MetaServer, people: set[str]) -> None:
    """Wait until the platform has these people."""
    async for is_last in looks(PATIENCE):
        if platform.audiences.get(LIST) == people:
            return
        assert not is_last, platform.audiences
