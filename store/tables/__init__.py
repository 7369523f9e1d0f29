"""The tables, for migrations and for checks of a migrated database."""

from store.tables import (
    access,
    accounts,
    ad_audiences,
    campaigns,
    counts,
    data_plan,
    deployment,
    erasure,
    events,
    journeys,
    messages,
    people,
    stream,
    surveys,
)
from store.tables.columns import metadata

__all__ = [
    "access",
    "accounts",
    "ad_audiences",
    "campaigns",
    "counts",
    "data_plan",
    "deployment",
    "erasure",
    "events",
    "journeys",
    "messages",
    "metadata",
    "people",
    "stream",
    "surveys",
]
