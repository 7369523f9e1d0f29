"""Lists of journeys: one indexed query a page, newest first."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import product
from typing import Any, get_args
from uuid import UUID

from msgspec import Struct

from domain.journey.filters import JourneyFilter
from domain.journey.state import ACTIVE, JourneyStatus, StoredState
from store.database import Connection
from store.journey_filters import filter_conditions, filter_parameters

STATES: tuple[StoredState, ...] = get_args(StoredState)
# An id contains the instant of its creation, in the same request as `entered_at`: within this, on any clock.
SLACK = timedelta(hours=1)
_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)


class ListedJourney(Struct, frozen=True):
    """A journey in a list. It is `exited` once a stop has ended it, whatever its row."""

    id: UUID
    campaign: str
    version: int
    profile_id: UUID
    user_id: str | None
    account_id: str | None
    state: StoredState
    outcome: str | None
    step: str | None
    status: JourneyStatus | None
    wakes_at: datetime | None
    entered_at: datetime
    ended_at: datetime | None
    entry_key: str
    entry_event_id: str
    workflow_id: str


# Whether a stop has ended an active journey, though its row may not say so yet.
_IS_STOPPED = "journeys.state = 'active' AND campaign_version = ANY(exiting)"
_IS_ACTIVE = "journeys.state = 'active' AND NOT campaign_version = ANY(exiting)"
_SHOWN = f"""
SELECT journeys.id, campaign_key AS campaign, campaign_version AS version, profile_id, profiles.user_id, account_id,
       CASE WHEN {_IS_STOPPED} THEN 'exited' ELSE journeys.state END AS state,
       CASE WHEN {_IS_STOPPED} THEN 'exited' ELSE outcome END AS outcome,
       step,
       CASE WHEN {_IS_ACTIVE} THEN status END AS status,
       CASE WHEN {_IS_ACTIVE} THEN wakes_at END AS wakes_at,
       entered_at, ended_at, entry_key, COALESCE(entry ->> 'id', entry ->> 'message_id') AS entry_event_id, workflow_id
"""
_JOINED = "JOIN campaigns ON campaigns.key = campaign_key JOIN profiles ON profiles.id = profile_id"


async def page(connection: Connection, which: JourneyFilter, *, limit: int, after: UUID | None) -> list[ListedJourney]:
    """Return the `limit` newest journeys below an id."""
    selections = list(_selections(which))
    if not selections:
        return []
    cursor = await connection.execute(
        f"""
        {_SHOWN}
        FROM (SELECT * FROM ({" UNION ALL ".join(selections)}) AS merged ORDER BY id DESC LIMIT %(limit)s) AS journeys
        {_JOINED}
        ORDER BY journeys.id DESC
        """,  # noqa: S608 -- of constants
        {**_parameters(which, after), "limit": limit},
    )
    return [ListedJourney(**row) async for row in cursor]


async def find_timezones(connection: Connection, id: UUID) -> tuple[Any, str | None, str | None]:
    """Return the zones of a person's trait, their device, and the campaign."""
    cursor = await connection.execute(
        """
        SELECT traits -> 'timezone' AS trait, context ->> 'timezone' AS device, rules ->> 'timezone' AS campaign
        FROM journeys JOIN profiles ON profiles.id = profile_id
        JOIN campaign_versions AS versions
          ON versions.campaign_key = journeys.campaign_key AND versions.version = campaign_version
        WHERE journeys.id = %s
        """,
        (id,),
    )
    row = await cursor.fetchone()
    return (row["trait"], row["device"], row["campaign"]) if row else (None, None, None)


async def one(connection: Connection, id: UUID) -> ListedJourney | None:
    """Return one journey."""
    cursor = await connection.execute(f"{_SHOWN} FROM journeys {_JOINED} WHERE journeys.id = %s", (id,))
    row = await cursor.fetchone()
    return ListedJourney(**row) if row else None


def _selections(which: JourneyFilter) -> Iterator[str]:
    """Select the journeys of a filter from the range of an index, in its order.

    The bounds are compared as rows. With plain equalities the planner may walk back through all journeys by their ids,
    expecting to meet enough of a campaign whose journeys are all old.
    """
    states = STATES if which.state is None else (which.state,)
    if which.status is not None or (which.step is not None and which.state is None):
        states = tuple(state for state in states if state == ACTIVE)
    if not states:
        return
    conditions = " AND ".join(_conditions(which, states))
    if (owner := "profile_id" if which.profile_id else "account_id" if which.account_id else None) is not None:
        # OFFSET prevents a scan of all journeys by id: a user or an account has few of them.
        yield f"""
            SELECT * FROM (SELECT * FROM journeys WHERE {owner} = %({owner})s OFFSET 0) AS mine
            WHERE {conditions}
            """  # noqa: S608 -- of constants
    elif which.campaign is None:
        yield _range((), (), conditions)
    elif which.step is not None and states == (ACTIVE,):
        yield _range(("campaign_key", "step"), ("%(campaign)s", "%(step)s"), conditions)
    elif which.versions is not None:
        lead = ("state", "campaign_key", "campaign_version")
        for version, state in product(which.versions, states):
            yield _range(lead, (f"'{state}'", "%(campaign)s", str(version)), conditions)
    else:
        for state in states:
            yield _range(("campaign_key", "state"), ("%(campaign)s", f"'{state}'"), conditions)


def _range(lead: tuple[str, ...], values: tuple[str, ...], conditions: str) -> str:
    """Select the newest journeys with these leading columns of an index."""
    columns, order = ", ".join((*lead, "id")), ", ".join(f"{column} DESC" for column in (*lead, "id"))
    first, last = ", ".join((*values, "%(first)s")), ", ".join((*values, "%(last)s"))
    return f"""
        (SELECT * FROM journeys
         WHERE ({columns}) >= ({first}) AND ({columns}) < ({last}) AND {conditions}
         ORDER BY {order} LIMIT %(limit)s)
        """  # noqa: S608 -- of constants


def _conditions(which: JourneyFilter, states: tuple[StoredState, ...]) -> Iterator[str]:
    yield "id >= %(first)s AND id < %(last)s"
    if states == (ACTIVE,):
        yield "state = 'active'"
        yield "NOT EXISTS (SELECT 1 FROM campaigns WHERE key = campaign_key AND campaign_version = ANY(exiting))"
    yield from filter_conditions(which)


def _parameters(which: JourneyFilter, after: UUID | None) -> dict[str, Any]:
    first = _FIRST if which.entered_after is None else _id_of(which.entered_after - SLACK)
    last = _LAST if which.entered_before is None else _id_of(which.entered_before + SLACK)
    return {**filter_parameters(which), "first": first, "last": last if after is None else min(last, after)}


def _id_of(at: datetime) -> UUID:
    """Return the least id (UUID version 7) of an instant."""
    return UUID(int=min(max(int(at.timestamp() * 1000), 0), 2**48 - 1) << 80)
