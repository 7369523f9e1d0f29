"""Facts of people beside their profiles that conditions of segments read."""

from collections.abc import Collection
from uuid import UUID

from domain.people.account_view import NO_ACCOUNT
from domain.people.segments.deployed import DeployedSegments
from domain.people.segments.judged_person import SegmentFacts
from store import accounts, activity
from store.database import Connection


async def read_segment_facts(
    connection: Connection, deployed: DeployedSegments, profile_ids: Collection[UUID]
) -> dict[UUID, SegmentFacts]:
    """Return the latest account and the devices of people, as far as they are read."""
    if not (deployed.reads_accounts or deployed.reads_devices):
        return {}
    latest = await accounts.views(connection, [(id, None) for id in profile_ids]) if deployed.reads_accounts else {}
    devices = await activity.read_devices(connection, profile_ids) if deployed.reads_devices else {}
    return {id: SegmentFacts(latest.get((id, None), NO_ACCOUNT), devices.get(id, ())) for id in profile_ids}
