"""A storm: everybody in the area is warned, nobody outside, and marketing waits until it is over."""

from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest

from tests.engine.test_places import put_places
from tests.harness import Harness
from tests.proofs import rounds

# People in the area, and how many warnings are waited for.
PEOPLE, WARNED = rounds(24, 100_000), rounds(24, 1_000)
OUTSIDE = rounds(16, 40)
FIRST_MESSAGE_SECONDS = 30

WARNING = """
key: storm-warning
name: Storm warning
entry: {audience: {where: 'in_area(profile, "storm-12")', rate: 1000}}
steps:
  - {id: warn, send: {channel: email, template: note, category: transactional, priority: high}}
"""
# To those outside, and to as many inside.
PROMOTION = """
key: promotion
name: Promotion
entry: {audience: {where: profile.traits.sale == true, rate: 1000}}
steps:
  - {id: sale, send: {channel: email, template: note}}
"""
CROWD = """
WITH created AS (
  INSERT INTO profiles (id, user_id, traits, context)
  SELECT uuidv7(), %(prefix)s || number,
         jsonb_build_object('email', %(prefix)s || number || '@example.com', 'sale', number <= %(sale)s),
         jsonb_build_object('location', jsonb_build_object(
           'latitude', %(south)s + random() * 0.5, 'longitude', 9.5 + random()))
  FROM generate_series(1, %(number)s) AS number RETURNING id, user_id
)
INSERT INTO identities (kind, value, profile_id) SELECT 'user', user_id, id FROM created
"""


async def crowd(harness: Harness, prefix: str, number: int, south: float) -> None:
    async with harness.database.transaction() as connection:
        await connection.execute(CROWD, {"prefix": prefix, "number": number, "south": south, "sale": OUTSIDE})


async def sent(harness: Harness, campaign: str, prefix: str) -> int:
    [row] = await harness.query(
        """
        SELECT count(*) AS number FROM messages JOIN profiles ON profiles.id = profile_id
        WHERE campaign_key = %s AND messages.state = 'sent' AND starts_with(user_id, %s)
        """,
        campaign,
        prefix,
    )
    return int(row["number"])


@pytest.mark.prove
@pytest.mark.takes_long
async def test_a_storm(harness: Harness) -> None:
    await put_places(harness)
    await crowd(harness, "in-", PEOPLE, 53.2)
    await crowd(harness, "out-", OUTSIDE, 55)
    until = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    hold = await harness.admin("POST", "/v1/holds", {"area": "storm-12", "until": until, "reason": "storm 12"})
    await harness.run_campaign(PROMOTION)
    started_at = monotonic()
    await harness.run_campaign(WARNING)
    await harness.messages.until(campaign_key="storm-warning", state="sent")
    first_after = monotonic() - started_at
    print(f"{PEOPLE:,} people in the area: the first message after {first_after:.1f} s")  # noqa: T201
    assert first_after < FIRST_MESSAGE_SECONDS
    count = "SELECT FROM messages WHERE campaign_key = %s AND state = 'sent' HAVING count(*) >= %s"
    await harness.until(count, "storm-warning", WARNED, seconds=300)
    assert await sent(harness, "storm-warning", "out-") == 0
    await harness.until(count, "promotion", OUTSIDE, seconds=300)
    await harness.until(
        "SELECT FROM decisions WHERE reason = 'on_hold' HAVING count(DISTINCT journey_id) >= %s", OUTSIDE, seconds=300
    )
    assert (await sent(harness, "promotion", "in-"), await sent(harness, "promotion", "out-")) == (0, OUTSIDE)
    await harness.admin("DELETE", f"/v1/holds/{hold['id']}")
    await harness.until(count, "promotion", 2 * OUTSIDE, seconds=300)
    assert await sent(harness, "storm-warning", "out-") == 0
