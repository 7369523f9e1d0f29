"""The account of an event, as conditions and templates see it."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from domain.tracking.event import Event
from domain.tracking.identifiers import MAX_ID_CHARACTERS


class AccountView(Struct, frozen=True):
    """An account as conditions and templates see it, with the role of the person."""

    id: str | None
    role: str | None
    traits: Mapping[str, Any]


NO_ACCOUNT: Final = AccountView(None, None, {})
# The profile, and the account that its event names. Without one, it is that of which the person was last said to be a
# member.
AccountKey = tuple[UUID, str | None]


def may_read_account(text: str) -> bool:
    """Whether an expression or a template may read an account, by its text alone."""
    return "account" in text


def account_of(event: Event) -> str | None:
    """Return the account that an event names: its group, else that of its context."""
    if event.group_id is not None:
        return event.group_id
    named = event.context.get("groupId")
    if isinstance(named, int) and not isinstance(named, bool):
        named = str(named)
    return named if isinstance(named, str) and 0 < len(named) <= MAX_ID_CHARACTERS else None
