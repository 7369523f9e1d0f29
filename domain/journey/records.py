"""Journeys as the database keeps them, and the ids of their workflows."""

from datetime import datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from msgspec import Struct

from domain.journey.state import EndState
from domain.tracking.event import Event

# Temporal allows 1,000 bytes of workflow id, its tables in PostgreSQL 255 characters; a campaign's key has up to 64.
MAX_REFERENCE_BYTES = 160


# A person, or the id of an account: the one that has a journey.
Owner = UUID | str


class Journey(Struct, frozen=True):
    """One user or one account in one campaign.

    `entry_key` tells parallel journeys apart. The steps of an account's journey see the person of `profile_id`: the
    member who started it, until they leave.
    """

    id: UUID
    campaign_key: str
    campaign_version: int
    profile_id: UUID
    entry_key: str
    workflow_id: str
    entry: Event
    entered_at: datetime
    account_id: str | None = None

    @property
    def owner(self) -> Owner:
        """The account, else the person."""
        return self.profile_id if self.account_id is None else self.account_id


class Ending(Struct, frozen=True):
    """The end of a journey: its state and outcome, when, and by which event or actor.

    `via` is the step whose request it answered.
    """

    id: UUID
    state: EndState
    outcome: str
    ended_by: str | None
    ended_at: datetime
    via: str | None = None


def workflow_id(campaign_key: str, user_reference: str, journey_id: UUID) -> str:
    """Return a readable id. Its tail is the random part of the journey's id."""
    return f"{campaign_key}/{user_reference}/{journey_id.hex[-12:]}"


def anonymous_place(workflow_id: str) -> tuple[str, str] | None:
    """Return campaign and tail of a journey's workflow id; None for other ids."""
    campaign_key, _, rest = workflow_id.partition("/")
    user, _, tail = rest.rpartition("/")
    return (campaign_key, tail) if user else None


def campaign_workflow_id(campaign_key: str) -> str:
    """Return the id of a campaign's workflow. Those of journeys have one part more."""
    return f"campaign/{campaign_key}"


def retry_workflow_id(campaign_key: str, message_id: UUID, operation: UUID) -> str:
    """Return the id of a failed message's retry by an operation. It names no person."""
    return f"{campaign_key}/retry/{message_id}/{operation.hex[-12:]}"


def user_reference(user_id: str | None, anonymous_id: str | None, profile_id: UUID) -> str:
    """Return a person's name in Temporal.

    It is the client's id, unless that is an e-mail address or too long. Histories hold no personal data, which an
    address is, even if a client uses it as an id.
    """
    name = user_id or anonymous_id
    if name is None or "@" in name or len(name.encode()) > MAX_REFERENCE_BYTES:
        return str(profile_id)
    return name


def account_reference(account_id: str) -> str:
    """Return an account's name in Temporal, as `user_reference`; it names no member."""
    return user_reference(account_id, None, uuid5(NAMESPACE_URL, f"account:{account_id}"))


def seed_of(workflow_id: str, campaign_key: str) -> str:
    """Return the seed of a journey's draws, which is stable for a user in a campaign."""
    return f"{campaign_key}/{user_of(workflow_id, campaign_key)}"


def user_of(workflow_id: str, campaign_key: str) -> str:
    """Return the user reference within a workflow id."""
    return workflow_id.removeprefix(f"{campaign_key}/").rpartition("/")[0]
