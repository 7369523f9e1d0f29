"""The traits of a user that Sojourn itself reads: address, time zone and consent.

An invalid one is left out; the others and the call are kept.
"""

import re
from itertools import islice
from typing import Any, Final

from msgspec import Struct

from domain.blanks import strip_blanks
from domain.local_time.zones import zone_name
from domain.tracking.identifiers import MAX_ID_CHARACTERS
from domain.tracking.item_error import quote_value

# Channels in the consent of one call.
MAX_CALL_CONSENTS: Final = 50

# The trait of a group call that is the member's, not the group's.
ROLE: Final = "role"

_CHANNEL: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_YES: Final = frozenset({"true", "yes", "1"})
_NO: Final = frozenset({"false", "no", "0"})


class LeftOut(Struct, frozen=True):
    """A part left out of an accepted call: its path, the reason, its value."""

    part: str
    error: str
    value: Any


def read_traits(traits: dict[str, Any]) -> tuple[dict[str, Any], list[LeftOut]]:
    """Return the traits to store, and those left out. A null deletes a trait."""
    left_out: list[LeftOut] = []
    if (email := traits.get("email")) is not None:
        if isinstance(email, str):
            traits["email"] = strip_blanks(email)
        else:
            _leave_out(traits, "email", "must be a string or null", left_out)
    if (zone := traits.get("timezone")) is not None:
        if (name := zone_name(zone)) is not None:
            traits["timezone"] = name
        else:
            _leave_out(traits, "timezone", 'must be an IANA name such as "Europe/Berlin"', left_out)
    if (consent := traits.get("consent")) is not None:
        if isinstance(consent, dict):
            traits["consent"] = _read_consent(consent, left_out)
        elif consent == []:
            traits["consent"] = {}
        else:
            wanted = 'must be an object of channel and true or false, such as {"email": true}'
            _leave_out(traits, "consent", wanted, left_out)
    return traits, left_out


def read_group_traits(traits: dict[str, Any]) -> tuple[dict[str, Any], list[LeftOut]]:
    """Return the traits of a group call to store, without an invalid ROLE, and that."""
    left_out: list[LeftOut] = []
    if not is_role(traits.get(ROLE)):
        _leave_out(traits, ROLE, f"must be a string of 1 to {MAX_ID_CHARACTERS} characters, or null", left_out)
    return traits, left_out


def is_role(value: object) -> bool:
    """Return whether a value is the role of a member; None removes it."""
    return value is None or (isinstance(value, str) and 0 < len(value) <= MAX_ID_CHARACTERS)


def _leave_out(traits: dict[str, Any], name: str, wanted: str, left_out: list[LeftOut]) -> None:
    value = traits.pop(name)
    left_out.append(LeftOut(f"traits.{name}", f"traits.{name} {wanted}; it is {quote_value(value)}", value))


def _read_consent(consent: dict[str, Any], left_out: list[LeftOut]) -> dict[str, bool]:
    read: dict[str, bool] = {}
    if len(consent) > MAX_CALL_CONSENTS:
        error = (
            f"traits.consent may have {MAX_CALL_CONSENTS} channels, and has {len(consent):,}: "
            f"those after the first {MAX_CALL_CONSENTS} are left out"
        )
        left_out.append(LeftOut("traits.consent", error, None))
    for channel, value in islice(consent.items(), MAX_CALL_CONSENTS):
        given = _read_flag(value)
        if not _CHANNEL.fullmatch(channel):
            error = (
                f"{consent_path(channel)} must have the name of a channel, such as `email`: "
                "a lower-case letter, then lower-case letters, digits and underscores, 40 characters at most"
            )
            left_out.append(LeftOut(consent_path(channel), error, value))
        elif given is None:
            error = f'{consent_path(channel)} must be true or false, or 1, 0, "yes" or "no"; it is {quote_value(value)}'
            left_out.append(LeftOut(consent_path(channel), error, value))
        else:
            read[channel] = given
    return read


def consent_path(channel: str) -> str:
    """Return the path of the consent for a channel, shortened."""
    return f"traits.consent.{channel[:80]}"


def _read_flag(value: Any) -> bool | None:
    match value:
        case bool():
            return value
        case int() | float():
            return bool(value) if value in (0, 1) else None
        case str():
            text = strip_blanks(value).casefold()
            return True if text in _YES else False if text in _NO else None
        case _:
            return None
