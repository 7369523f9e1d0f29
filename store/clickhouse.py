"""A copy of the stream in ClickHouse: its tables, and its HTTP interface.

Rows are JSON lines of one INSERT. A repeated one changes nothing: ClickHouse drops blocks with a token that it knows,
and ReplacingMergeTree keeps one row of each id. Merges of people rewrite nothing: the dictionary `sojourn_people` leads
from a merged profile to the one that has its rows.
"""

from collections.abc import Sequence
from typing import Any, Final, Self
from uuid import UUID

import httpx
import msgspec

INSERT_TIMEOUT: Final = 60.0

_COMMON: Final = "id UUID, position UInt64, recorded_at DateTime64(6, 'UTC'), profile_id UUID, user_id Nullable(String)"
_INSTANT: Final = "DateTime64(6, 'UTC')"
_WORD: Final = "LowCardinality(String)"
# A known token is remembered for so many inserts.
_ENGINE: Final = """
ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(recorded_at) ORDER BY ({order})
SETTINGS non_replicated_deduplication_window = 1000
"""
_TABLES: Final = {
    "sojourn_events": (
        f"{_COMMON}, source {_WORD}, message_id String, type {_WORD}, name {_WORD}, anonymous_id Nullable(String), "
        f"previous_id Nullable(String), group_id Nullable(String), properties String, context String, "
        f"timestamp {_INSTANT}, received_at {_INSTANT}, is_history Bool",
        "name, profile_id, timestamp, id",
    ),
    "sojourn_decisions": (
        f"{_COMMON}, campaign_key {_WORD}, journey_id Nullable(UUID), event_id Nullable(String), "
        f"step Nullable(String), kind {_WORD}, outcome {_WORD}, reason Nullable(String), data String, at {_INSTANT}",
        "campaign_key, kind, at, id",
    ),
    "sojourn_messages": (
        f"{_COMMON}, message_id UUID, state {_WORD}, reason Nullable(String), campaign_key {_WORD}, journey_id UUID, "
        f"step String, visit UInt32, channel {_WORD}, category {_WORD}, template String, provider Nullable(String), "
        "provider_id Nullable(String)",
        "campaign_key, message_id, id",
    ),
    "sojourn_conversions": (
        f"{_COMMON}, campaign_key {_WORD}, campaign_version UInt32, journey_id UUID, event_id String, "
        f"message_id Nullable(UUID), arms Map(String, String), at {_INSTANT}",
        "campaign_key, at, id",
    ),
}
_PROFILES: Final = f"""
CREATE TABLE IF NOT EXISTS sojourn_moved_profiles (
  profile_id UUID, target_id Nullable(UUID), outcome {_WORD}, position UInt64, recorded_at {_INSTANT}
) ENGINE = ReplacingMergeTree(position) ORDER BY profile_id SETTINGS non_replicated_deduplication_window = 1000
"""
_PEOPLE: Final = """
CREATE DICTIONARY IF NOT EXISTS sojourn_people (profile_id UUID, person_id UUID) PRIMARY KEY profile_id
SOURCE(CLICKHOUSE({access} QUERY 'SELECT profile_id, assumeNotNull(target_id) AS person_id
                         FROM {database}.sojourn_moved_profiles FINAL WHERE outcome = \\'merged\\''))
LIFETIME(MIN 5 MAX 60) LAYOUT(COMPLEX_KEY_HASHED())
"""
_ERASE: Final = """
DELETE FROM {table} WHERE profile_id IN ({{ids:Array(UUID)}}) OR profile_id IN (
  SELECT profile_id FROM sojourn_moved_profiles FINAL WHERE has({{ids:Array(UUID)}}, target_id))
SETTINGS lightweight_deletes_sync = 2
"""


class ClickHouseError(Exception):
    """ClickHouse refused a statement, or did not answer. It holds no values of rows."""


class ClickHouse:
    """One database of a server, by its URL.

    `https://user:password@host:8443/database`; without a path, the database is `default`.
    """

    def __init__(self, url: str) -> None:
        parsed = httpx.URL(url)
        self._database = parsed.path.strip("/") or "default"
        self._access = {"USER": parsed.username, "PASSWORD": parsed.password} if parsed.username else {}
        auth = (parsed.username, parsed.password) if parsed.username else None
        address = parsed.copy_with(path="/", username=None, password=None)
        self._http = httpx.AsyncClient(base_url=address, auth=auth, timeout=INSERT_TIMEOUT)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def prepare(self) -> None:
        """Create the tables that are missing."""
        for name, (columns, order) in _TABLES.items():
            await self.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns}) {_ENGINE.format(order=order)}")
        await self.execute(_PROFILES)
        # A dictionary reads its table as a client of the server.
        access = " ".join(f"{name} '{_escape(value)}'" for name, value in self._access.items())
        await self.execute(_PEOPLE.format(database=self._database, access=access))

    async def insert(self, table: str, rows: Sequence[dict[str, Any]], token: str) -> None:
        """Insert rows; a repetition under the same token changes nothing."""
        await self.execute(
            f"INSERT INTO {table} FORMAT JSONEachRow",
            b"\n".join(map(msgspec.json.encode, rows)),
            insert_deduplication_token=token,
            date_time_input_format="best_effort",
        )

    async def erase(self, profile_ids: Sequence[UUID]) -> None:
        """Delete all rows of people, and of the profiles merged into them."""
        ids = "[" + ",".join(f"'{id}'" for id in profile_ids) + "]"
        for table in _TABLES:
            await self.execute(_ERASE.format(table=table), param_ids=ids)

    async def execute(self, statement: str, body: bytes | None = None, **options: str) -> str:
        """Run a statement; return its answer. Raises ClickHouseError."""
        # In the query string, the statement may be followed by rows.
        parameters = {"database": self._database, **options}
        if body is not None:
            parameters["query"] = statement
        try:
            response = await self._http.post("/", params=parameters, content=body or statement.encode())
        except httpx.TransportError as error:
            raise ClickHouseError(f"no answer from ClickHouse: {type(error).__name__}") from error
        if not response.is_success:
            code = response.headers.get("x-clickhouse-exception-code", "none")
            raise ClickHouseError(f"ClickHouse answered {response.status_code}, code {code}")
        return response.text


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
