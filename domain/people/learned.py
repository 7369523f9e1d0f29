"""The learned fields of a profile, as expressions and templates see them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain.people.surroundings import recipient_locale

# A row of the activity as JSON has it.
LearnedRow = Mapping[str, Any]


class LearnedFields:
    """The learned fields of a person. None is unknown.

    A person who was never seen counts as seen when the profile was created.
    """

    __slots__ = ()

    traits: dict[str, Any]
    context: dict[str, str]
    created_at: datetime
    learned: LearnedRow | None

    @property
    def first_seen(self) -> datetime:
        """The first event of the person."""
        return read_instant(self.learned, "first_seen") or self.created_at

    @property
    def last_seen(self) -> datetime:
        """The last event of the person, to five minutes."""
        return read_instant(self.learned, "last_seen") or self.created_at

    @property
    def sessions(self) -> int:
        """The number of their sessions."""
        return 0 if self.learned is None else int(self.learned["sessions"])

    @property
    def locale(self) -> str | None:
        """Their language: the trait, else that of the newest device."""
        return recipient_locale(self.traits, self.context)

    @property
    def timezone(self) -> str | None:
        """Their time zone: the trait, else that of the newest device."""
        trait = self.traits.get("timezone")
        return trait if isinstance(trait, str) and trait else self.context.get("timezone")

    @property
    def app_version(self) -> str | None:
        """The version of the app that they used last."""
        return read_text_mark(self.learned, "app_version")

    @property
    def country(self) -> str | None:
        """The country that their clients reported last."""
        return read_text_mark(self.learned, "country")

    @property
    def region(self) -> str | None:
        """The region that their clients reported last."""
        return read_text_mark(self.learned, "region")

    @property
    def first_referrer(self) -> str | None:
        """The page of another site that led here first."""
        return read_text_mark(self.learned, "first_referrer")

    @property
    def last_referrer(self) -> str | None:
        """The page of another site that led here last."""
        return read_text_mark(self.learned, "last_referrer")

    @property
    def first_campaign(self) -> dict[str, str]:
        """The first UTM campaign; empty if there was none."""
        return read_mark(self.learned, "first_campaign") or {}

    @property
    def last_campaign(self) -> dict[str, str]:
        """The last UTM campaign; empty if there was none."""
        return read_mark(self.learned, "last_campaign") or {}


def learned_row(first_seen: datetime | None, last_seen: datetime | None, marks: Mapping[str, str]) -> LearnedRow:
    """Return the activity of an invented person. Unknown instants are left out."""
    seen = {"first_seen": first_seen, "last_seen": last_seen}
    return {
        **{name: at.isoformat() for name, at in seen.items() if at is not None},
        "sessions": 1,
        "marks": {name: (0, value) for name, value in marks.items()},
    }


def read_instant(learned: LearnedRow | None, name: str) -> datetime | None:
    """Return an instant of the row."""
    return None if learned is None or name not in learned else datetime.fromisoformat(learned[name])


def read_mark(learned: LearnedRow | None, name: str) -> Any:
    """Return a value that clients said; None if none did."""
    found = None if learned is None else learned["marks"].get(name)
    return None if found is None else found[1]


def read_text_mark(learned: LearnedRow | None, name: str) -> str | None:
    """Return a text that clients said; None if none did."""
    found = read_mark(learned, name)
    return found if isinstance(found, str) else None
