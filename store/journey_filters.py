"""The journey filter in SQL, for all statements that use one."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import asdict

from domain.journey.filters import JourneyFilter

_CONDITIONS = {
    "campaign": "campaign_key = %(campaign)s",
    "versions": "campaign_version = ANY(%(versions)s)",
    "profile_id": "profile_id = %(profile_id)s",
    "account_id": "account_id = %(account_id)s",
    "state": "state = %(state)s",
    "outcome": "outcome = %(outcome)s",
    "step": "step = %(step)s",
    "status": "status = %(status)s",
    "entered_after": "entered_at >= %(entered_after)s",
    "entered_before": "entered_at < %(entered_before)s",
}


def filter_conditions(which: JourneyFilter) -> list[str]:
    """Return conditions on a row of `journeys`; absent fields do not restrict."""
    return [_CONDITIONS[name] for name, value in asdict(which).items() if value is not None]


def filter_parameters(which: JourneyFilter) -> Mapping[str, Any]:
    """Return the parameters of the conditions."""
    return {**asdict(which), "versions": None if which.versions is None else list(which.versions)}
