"""Approvals of campaigns: requested by one person, decided by another."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from msgspec import Struct, convert
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from domain.access import Actor
from domain.campaign.approvals import WAITING, ApprovalAction, ApprovalState
from store.database import Connection


class Approval(Struct, frozen=True):
    """A request for approval, and its decision.

    It is of one version and one revision of the campaign. `parameters` are those of the change that waits.
    """

    id: UUID
    campaign: str
    version: int
    revision: int
    action: ApprovalAction
    parameters: dict[str, Any]
    people: int
    state: ApprovalState
    requested_by: str
    requested_by_id: str
    at: datetime
    expires_at: datetime
    decided_by: str | None
    decided_at: datetime | None

    @property
    def requester(self) -> Actor:
        return Actor(self.requested_by_id, self.requested_by)


# Nothing need be written for an approval to expire, or for one whose campaign is changed, or whose entry was cancelled.
IS_CURRENT: Final = """(
approvals.revision = campaigns.revision AND (action <> 'continue' OR EXISTS (
  SELECT FROM operations WHERE operations.id = (approvals.parameters ->> 'operation')::uuid
                           AND operations.state = 'held')))
"""
_STATE = f"""
CASE WHEN decision IS NOT NULL THEN decision
     WHEN NOT {IS_CURRENT} THEN 'outdated'
     WHEN expires_at <= %(now)s THEN 'expired'
     ELSE 'waiting' END
"""
_APPROVALS = f"""
SELECT approvals.id, campaign_key AS campaign, version, approvals.revision, action, parameters, people,
       {_STATE} AS state, requested_by_name AS requested_by, requested_by AS requested_by_id, requested_at AS at,
       expires_at, decided_by_name AS decided_by, decided_at
FROM approvals JOIN campaigns ON campaigns.key = campaign_key
"""  # noqa: S608 -- a constant


async def insert(
    connection: Connection,
    *,
    campaign: str,
    version: int,
    revision: int,
    action: ApprovalAction,
    parameters: Mapping[str, Any],
    people: int,
    by: Actor,
    at: datetime,
    expires_at: datetime,
) -> Approval:
    """Insert a request in the place of an earlier one for the same action.

    The caller holds the registry's lock.
    """
    id = uuid7()
    await connection.execute(
        f"""
        UPDATE approvals SET decision = CASE WHEN state = 'waiting' THEN 'outdated' ELSE state END
        FROM (SELECT approvals.id, {_STATE} AS state
              FROM approvals JOIN campaigns ON campaigns.key = campaign_key
              WHERE campaign_key = %(campaign)s AND action = %(action)s AND decision IS NULL) AS former
        WHERE approvals.id = former.id
        """,  # noqa: S608 -- a constant
        {"campaign": campaign, "action": action, "now": at},
    )
    await connection.execute(
        """
        INSERT INTO approvals (id, campaign_key, version, revision, action, parameters, people, requested_by,
                               requested_by_name, requested_at, expires_at)
        VALUES (%(id)s, %(campaign)s, %(version)s, %(revision)s, %(action)s, %(parameters)s, %(people)s, %(by)s,
                %(by_name)s, %(at)s, %(expires_at)s)
        """,
        {
            "id": id,
            "campaign": campaign,
            "version": version,
            "revision": revision,
            "action": action,
            "parameters": Jsonb(parameters),
            "people": people,
            "by": by.id,
            "by_name": by.name,
            "at": at,
            "expires_at": expires_at,
        },
    )
    inserted = await find(connection, id, at)
    if inserted is None:
        raise ValueError(f"approval {id} is of no campaign")
    return inserted


async def find(connection: Connection, id: UUID, now: datetime) -> Approval | None:
    """Return one approval."""
    cursor = await connection.execute(f"{_APPROVALS} WHERE approvals.id = %(id)s", {"id": id, "now": now})
    row = await cursor.fetchone()
    return convert(row, Approval) if row else None


async def find_waiting(connection: Connection, campaigns: Sequence[str], now: datetime) -> dict[str, Approval]:
    """Return the latest approval that each of these campaigns waits for, by key."""
    cursor = await connection.execute(
        f"""
        SELECT DISTINCT ON (campaign) * FROM (
          {_APPROVALS} WHERE campaign_key = ANY(%(campaigns)s) AND decision IS NULL) AS pending
        WHERE state = 'waiting' ORDER BY campaign, id DESC
        """,  # noqa: S608 -- a constant
        {"campaigns": list(campaigns), "now": now},
    )
    return {row["campaign"]: convert(row, Approval) async for row in cursor}


async def find_open(connection: Connection, campaign: str, action: ApprovalAction, now: datetime) -> Approval | None:
    """Return the approval that this change of a campaign waits for."""
    cursor = await connection.execute(
        f"{_APPROVALS} WHERE campaign_key = %(campaign)s AND action = %(action)s AND decision IS NULL",
        {"campaign": campaign, "action": action, "now": now},
    )
    row = await cursor.fetchone()
    found = convert(row, Approval) if row else None
    return found if found is not None and found.state == WAITING else None


async def is_run_known(connection: Connection, campaign: str, run: str) -> bool:
    """Return whether an approval was requested for this run of an audience."""
    cursor = await connection.execute(
        """
        SELECT FROM approvals
        WHERE campaign_key = %s AND action = 'enter' AND parameters ->> 'run' = %s LIMIT 1
        """,
        (campaign, run),
    )
    return await cursor.fetchone() is not None


async def count_approved(connection: Connection, campaign: str, version: int) -> int:
    """Return the most people that a version was approved for; 0 if it never was."""
    cursor = await connection.execute(
        """
        SELECT COALESCE(max(people), 0) AS people FROM approvals
        WHERE campaign_key = %s AND version = %s AND decision = 'approved'
        """,
        (campaign, version),
    )
    [row] = await cursor.fetchall()
    return int(row["people"])


async def page(
    connection: Connection,
    now: datetime,
    *,
    limit: int,
    before: UUID | None,
    campaign: str | None,
    state: ApprovalState | None,
) -> list[Approval]:
    """Return approvals, the newest first, before the id `before`."""
    cursor = await connection.execute(
        f"""
        SELECT * FROM ({_APPROVALS}
          WHERE (%(before)s::uuid IS NULL OR approvals.id < %(before)s)
            AND (%(campaign)s::text IS NULL OR campaign_key = %(campaign)s)) AS found
        WHERE %(state)s::text IS NULL OR state = %(state)s ORDER BY id DESC LIMIT %(limit)s
        """,  # noqa: S608 -- a constant
        {"now": now, "before": before, "campaign": campaign, "state": state, "limit": limit},
    )
    return [convert(row, Approval) async for row in cursor]


async def decide(
    connection: Connection, id: UUID, decision: Literal["approved", "rejected"], by: Actor, at: datetime
) -> None:
    """Record the decision on a waiting one. The caller holds the registry's lock."""
    await connection.execute(
        """
        UPDATE approvals SET decision = %s, decided_by = %s, decided_by_name = %s, decided_at = %s
        WHERE id = %s AND decision IS NULL
        """,
        (decision, by.id, by.name, at, id),
    )


async def count_waiting(connection: Connection, now: datetime) -> int:
    """Return how many changes wait for another person."""
    cursor = await connection.execute(
        f"""
        SELECT count(*) AS number FROM ({_APPROVALS} WHERE decision IS NULL) AS pending WHERE state = 'waiting'
        """,  # noqa: S608 -- a constant
        {"now": now},
    )
    [row] = await cursor.fetchall()
    return int(row["number"])
