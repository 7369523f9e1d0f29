"""The people of previews: real, given in a file or a request, or invented."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from msgspec import Meta, Struct
from msgspec.structs import replace

from domain.people.account_view import NO_ACCOUNT, AccountView
from domain.people.learned import LearnedRow, learned_row

ZonedInstant = Annotated[datetime, Meta(tz=True)]
NO_DATA: Final[Mapping[str, Any]] = {}


class PreviewedPerson(Struct, frozen=True):
    """A real or an invented person, with their journey's entry and saved values.

    The entry has `name`, `type`, `anonymous_id`, `properties` and `timestamp`, as stored ones do. Without one, the
    journey was entered at the instant of the preview.
    """

    user_id: str | None = None
    traits: Mapping[str, Any] = {}
    context: Mapping[str, str] = {}
    computed: Mapping[str, Any] = {}
    stage: str | None = None
    learned: LearnedRow | None = None
    account: AccountView = NO_ACCOUNT
    entry: Mapping[str, Any] | None = None
    saved: Mapping[str, Any] = {}
    answers: Mapping[str, Any] = {}
    is_real: bool = False


class GivenEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """An invented entry; by default by the campaign's event, at the preview's instant."""

    event: str | None = None
    properties: dict[str, Any] = {}
    timestamp: ZonedInstant | None = None
    anonymous_id: str | None = None


class GivenProfile(Struct, frozen=True, forbid_unknown_fields=True):
    """An invented profile, or data in place of a real one's; a null trait is missing."""

    user_id: str | None = None
    traits: dict[str, Any] = {}
    computed: dict[str, Any] = {}
    stage: str | None = None
    country: str | None = None
    app_version: str | None = None
    first_seen: ZonedInstant | None = None
    last_seen: ZonedInstant | None = None

    @property
    def learned(self) -> LearnedRow | None:
        """The activity that a profile would have; None without any of it."""
        marks = {"country": self.country, "app_version": self.app_version}
        known = {name: value for name, value in marks.items() if value is not None}
        if not known and self.first_seen is None and self.last_seen is None:
            return None
        return learned_row(self.first_seen, self.last_seen, known)


class GivenAccount(Struct, frozen=True, forbid_unknown_fields=True):
    """An invented account of the person."""

    id: str | None = None
    role: str | None = None
    traits: dict[str, Any] = {}


class GivenPerson(Struct, frozen=True, forbid_unknown_fields=True):
    """An invented person, or data in place of a real one's; None replaces nothing.

    `saved` are the values of webhooks' replies that the journey keeps.
    """

    profile: GivenProfile | None = None
    account: GivenAccount | None = None
    entry: GivenEntry | None = None
    saved: dict[str, Any] | None = None


def merge_given(person: PreviewedPerson, given: GivenPerson, entry_event: str | None, at: datetime) -> PreviewedPerson:
    """Return the person with the given data in place of their own."""
    profile, account, entry = given.profile or GivenProfile(), given.account, given.entry
    changes: dict[str, Any] = {
        "user_id": profile.user_id,
        "traits": {**person.traits, **profile.traits},
        "computed": {**person.computed, **profile.computed},
        "stage": profile.stage,
        "learned": profile.learned,
        "account": account and AccountView(account.id, account.role, account.traits),
        "entry": entry
        and make_entry(
            entry.event or entry_event,
            entry.timestamp or at,
            properties=entry.properties,
            anonymous_id=entry.anonymous_id,
        ),
        "saved": given.saved,
    }
    return replace(person, **{name: value for name, value in changes.items() if value is not None})


def make_entry(
    event: str | None,
    at: datetime,
    *,
    properties: Mapping[str, Any] = NO_DATA,
    anonymous_id: str | None = None,
) -> dict[str, Any]:
    """Return the entry of an invented journey, as stored ones have it."""
    return {
        "type": "track",
        "name": event,
        "properties": dict(properties),
        "timestamp": at.isoformat().replace("+00:00", "Z"),
        "anonymous_id": anonymous_id,
    }
