"""Merge the computed states of two people who are one."""

from datetime import datetime

from domain.people.computed.deployed import DeployedTraits
from domain.people.computed.state_row import StateRow
from domain.people.segments.definition import Memberships
from domain.people.segments.units import find_earliest


def merge_rows(target: StateRow, other: StateRow, traits: DeployedTraits) -> StateRow:
    """Return the row of the person who stays.

    Nothing of them changes by time before something of one of the two. They are in the segments of both, until they are
    judged.
    """
    return StateRow(
        traits.following.merge(target.state, other.state),
        find_earliest(target.next_at, other.next_at),
        bool(traits.building),
        _join_memberships(target.segments, other.segments),
        min(target.judged, other.judged),
        _latest(target.judged_at, other.judged_at),
    )


def _join_memberships(one: Memberships, other: Memberships) -> Memberships:
    return {id: min(one.get(id, since), since) for id, since in other.items()} | {
        id: since for id, since in one.items() if id not in other
    }


def _latest(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((at for at in (one, other) if at is not None), default=None)
