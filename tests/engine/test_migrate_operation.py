"""Many journeys taken to another version: the plan's numbers are the outcome's, whatever fails meanwhile."""

import asyncio
from collections import Counter
from typing import Any

from tests.engine.test_migration import FIRST, SECOND
from tests.rig import Rig

USERS = 12


async def entered(rig: Rig, users: int, source: str = FIRST) -> list[Any]:
    """So many journeys of the first version; their workflows."""
    await rig.run_campaign(source)
    await asyncio.gather(*(rig.track(f"u{number}", "Signed Up") for number in range(users)))
    return list(await asyncio.gather(*(rig.journey(f"u{number}") for number in range(users))))


async def finished(rig: Rig) -> dict[str, Any]:
    """The only migration there is, once it is done."""
    [row] = await rig.until("SELECT * FROM operations WHERE kind = 'migrate' AND state = 'done'", seconds=60)
    return row


async def migrate(rig: Rig, source: str = SECOND) -> None:
    await rig.publish(source)
    await rig.admin("POST", "/v1/campaigns/offer/start", {"in_flight": "migrate"})


async def versions(rig: Rig) -> Counter[int]:
    rows = await rig.query("SELECT campaign_version FROM journeys")
    return Counter(row["campaign_version"] for row in rows)


async def test_each_moves_or_stays_and_is_counted(rig: Rig) -> None:
    handles = await entered(rig, USERS)
    await asyncio.gather(*(rig.skip(handle, days=1) for handle in handles[:5]))
    await asyncio.gather(*(rig.rests(handle, "looked") for handle in handles[:5]))
    await asyncio.gather(*(rig.skip(handle, days=2) for handle in handles[:3]))
    await asyncio.gather(*(rig.rests(handle, "pause") for handle in handles[:3]))
    await rig.track("u11", "Account Closed")
    await migrate(rig)
    done = await finished(rig)
    assert (done["total"], done["done"]) == (USERS - 1, USERS - 1)
    assert done["counts"] == {"moved": USERS - 4, "stayed": 3, "stayed/pause/step_removed": 3}
    assert await versions(rig) == {1: 4, 2: USERS - 4}
