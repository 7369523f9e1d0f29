"""Addresses of devices, which belong to the profile that has registered them last.

A registration locks the profile first. Addresses are locked by their values, all of one transaction in order.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from msgspec import Struct, convert
from msgspec.structs import asdict
from psycopg.types.json import Jsonb

from domain.people.device_addresses import DeviceAddress, RemovedDevice
from store.database import Connection, PendingResult

# Enough for those that a message reaches; a client may register any number.
MAX_READ: Final = 20
# An address that was neither seen nor removed for so long is deleted. Messages reach those of the last 60 days.
LIFETIME: Final = timedelta(days=90)
# Rows deleted in one transaction.
PAGE: Final = 10_000
# The latest addresses of a person that may be reached: an expression for statements that read `profiles`.
DEVICES: Final = f"""
COALESCE((
  SELECT jsonb_agg(jsonb_build_object('value', value, 'kind', kind, 'app', app, 'device_id', device_id,
                                      'environment', environment, 'keys', keys, 'seen_at', seen_at))
  FROM (SELECT * FROM device_addresses
        WHERE device_addresses.profile_id = profiles.id AND removed_at IS NULL
        ORDER BY seen_at DESC LIMIT {MAX_READ}) AS latest
), '[]')
"""  # noqa: S608 -- a constant


class KnownAddress(Struct, frozen=True):
    """An address as it is stored, with its person."""

    profile_id: UUID
    address: DeviceAddress
    removed_at: datetime | None = None
    removed_reason: str | None = None


async def find(connection: Connection, values: Collection[str]) -> PendingResult[dict[str, KnownAddress]]:
    """Return the addresses that are known, by value."""
    cursor = await connection.execute(f"{_SELECT} WHERE value = ANY(%s)", (list(values),))
    return PendingResult(cursor, lambda rows: {row["value"]: _read(row) for row in rows})


async def list_of_profile(connection: Connection, profile_id: UUID) -> PendingResult[list[KnownAddress]]:
    """Return the latest addresses of a person, also those that are removed."""
    cursor = await connection.execute(
        f"{_SELECT} WHERE profile_id = %s ORDER BY seen_at DESC, value LIMIT %s", (profile_id, MAX_READ)
    )
    return PendingResult(cursor, lambda rows: list(map(_read, rows)))


async def register(connection: Connection, addresses: Sequence[tuple[UUID, DeviceAddress]]) -> None:
    """Register addresses for locked people, one item each.

    The latest word about an address holds. Another address of the same app on the same device is replaced.
    """
    if not addresses:
        return
    items = Jsonb([{"profile_id": id, **asdict(address)} for id, address in addresses])
    await connection.execute(_LOCK, {"items": items})
    await connection.execute(_REGISTER, {"items": items})
    await connection.execute(_REPLACE, {"items": items})


async def remove_devices(connection: Connection, devices: Sequence[tuple[UUID, RemovedDevice]]) -> bool:
    """Remove devices of locked people; return whether any was known.

    A device that was seen since stays.
    """
    items = Jsonb([{"profile_id": id, **asdict(device)} for id, device in devices])
    cursor = await connection.execute(_REMOVE_DEVICES, {"items": items})
    return cursor.rowcount > 0


async def remove(connection: Connection, refused: Sequence[tuple[DeviceAddress, str]]) -> None:
    """Remove addresses that their push service refuses, each with the reason.

    One that was registered since it was read stays.
    """
    items = Jsonb([{"value": one.value, "seen_at": one.seen_at, "reason": reason} for one, reason in refused])
    await connection.execute(_REMOVE, {"items": items, "now": connection.clock.now()})


async def forget_old(connection: Connection, limit: int = PAGE) -> bool:
    """Delete a page of addresses that are of no use any more.

    Return whether there may be more. A row that another transaction has locked is left to the next round.
    """
    cursor = await connection.execute(
        """
        DELETE FROM device_addresses WHERE value = ANY(ARRAY(
          SELECT value FROM device_addresses
          WHERE seen_at < %(before)s AND COALESCE(removed_at, seen_at) < %(before)s
          ORDER BY seen_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
        """,
        {"before": connection.clock.now() - LIFETIME, "limit": limit},
    )
    return cursor.rowcount == limit


_SELECT = """
SELECT value, profile_id, kind, app, device_id, environment, keys, seen_at, removed_at, removed_reason
FROM device_addresses
"""
_ITEMS = """
jsonb_to_recordset(%(items)s) AS item (
  profile_id uuid, value text, kind text, app text, device_id text, environment text, keys jsonb,
  seen_at timestamptz)
"""
_SAME_DEVICE = """
{0}.profile_id = item.profile_id AND {0}.device_id = item.device_id AND {0}.app = item.app
AND {0}.value <> item.value
"""
_LOCK = f"""
SELECT FROM device_addresses AS known
WHERE value IN (SELECT value FROM {_ITEMS})
   OR EXISTS (SELECT FROM {_ITEMS} WHERE {_SAME_DEVICE.format("known")})
ORDER BY value FOR UPDATE
"""  # noqa: S608 -- constants of this module
# An older word than the one about the same device that is known is history.
_REGISTER = f"""
INSERT INTO device_addresses (
  value, profile_id, kind, app, device_id, environment, keys, seen_at, removed_at, removed_reason)
SELECT value, profile_id, kind, app, device_id, environment, keys, item.seen_at, later.seen_at,
       CASE WHEN later.seen_at IS NOT NULL THEN 'replaced' END
FROM {_ITEMS}
CROSS JOIN LATERAL (
  SELECT min(seen_at) AS seen_at FROM device_addresses AS other
  WHERE {_SAME_DEVICE.format("other")} AND other.seen_at > item.seen_at
) AS later
ORDER BY value
ON CONFLICT (value) DO UPDATE
SET profile_id = excluded.profile_id, kind = excluded.kind, app = excluded.app, device_id = excluded.device_id,
    environment = excluded.environment, keys = excluded.keys, seen_at = excluded.seen_at,
    removed_at = excluded.removed_at, removed_reason = excluded.removed_reason
WHERE excluded.seen_at >= device_addresses.seen_at
  AND (device_addresses.removed_at IS NULL OR excluded.seen_at > device_addresses.removed_at)
"""  # noqa: S608 -- constants of this module
_REPLACE = f"""
UPDATE device_addresses AS known SET removed_at = item.seen_at, removed_reason = 'replaced'
FROM {_ITEMS}
WHERE {_SAME_DEVICE.format("known")} AND known.removed_at IS NULL AND known.seen_at < item.seen_at
"""  # noqa: S608 -- constants of this module
_REMOVE_DEVICES = """
UPDATE device_addresses AS known SET removed_at = gone.at, removed_reason = gone.reason
FROM (
  SELECT device_addresses.value, item.at, item.reason
  FROM jsonb_to_recordset(%(items)s) AS item (
    profile_id uuid, at timestamptz, reason text, value text, device_id text)
  JOIN device_addresses ON device_addresses.profile_id = item.profile_id AND removed_at IS NULL AND seen_at <= item.at
    AND (device_addresses.value = item.value OR device_addresses.device_id = item.device_id)
  ORDER BY device_addresses.value FOR UPDATE OF device_addresses
) AS gone
WHERE known.value = gone.value
"""
_REMOVE = """
UPDATE device_addresses AS known SET removed_at = %(now)s, removed_reason = gone.reason
FROM (
  SELECT device_addresses.value, item.reason
  FROM jsonb_to_recordset(%(items)s) AS item (value text, seen_at timestamptz, reason text)
  JOIN device_addresses USING (value)
  WHERE removed_at IS NULL AND device_addresses.seen_at <= item.seen_at
  ORDER BY value FOR UPDATE OF device_addresses
) AS gone
WHERE known.value = gone.value
"""


def _read(row: Mapping[str, Any]) -> KnownAddress:
    address = convert({name: row[name] for name in DeviceAddress.__struct_fields__}, DeviceAddress)
    return KnownAddress(row["profile_id"], address, row["removed_at"], row["removed_reason"])
