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

# The trait of consent by channel, and its key of subscriptions by topic and channel.
CONSENT: Final = "consent"
TOPICS: Final = "topics"
# Channels in the consent of one call, and its subscriptions.
MAX_CALL_CONSENTS: Final = 50

# The trait of a group call that is the member's, not the group's.
ROLE: Final = "role"

_TOPIC: Final = re.compile(r"(?=.{1,64}\Z)[a-z0-9]+(-[a-z0-9]+)*")
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


def _read_consent(consent: dict[str, Any], left_out: list[LeftOut]) -> dict[str, Any]:
    """Return the consents by channel, with the subscriptions under TOPICS."""
    topics = _read_topics(consent.pop(TOPICS), left_out) if TOPICS in consent else {}
    return {**_read_channels(consent, left_out), **({TOPICS: topics} if topics else {})}


def _read_topics(topics: Any, left_out: list[LeftOut]) -> dict[str, dict[str, bool]]:
    """Return subscriptions by topic and channel, `{"newsletter": {"email": true}}`."""
    path = consent_path(TOPICS)
    if not isinstance(topics, dict):
        wanted = f'{path} must be an object of topics, such as {{"newsletter": {{"email": true}}}}'
        left_out.append(LeftOut(path, f"{wanted}; it is {quote_value(topics)}", topics))
        return {}
    read: dict[str, dict[str, bool]] = {}
    number = 0
    for topic, by_channel in topics.items():
        at = f"{path}.{topic[:80]}"
        if not _TOPIC.fullmatch(topic):
            error = f"{at} must have the key of a topic, such as `newsletter`: lower-case words with hyphens"
            left_out.append(LeftOut(at, error, by_channel))
        elif not isinstance(by_channel, dict):
            error = f'{at} must be an object of channels, such as {{"email": true}}; it is {quote_value(by_channel)}'
            left_out.append(LeftOut(at, error, by_channel))
        else:
            for channel, value in by_channel.items():
                is_given, number = _read_flag(value), number + 1
                if number > MAX_CALL_CONSENTS:
                    error = f"{path} may have {MAX_CALL_CONSENTS} answers: those after the first are left out"
                    left_out.append(LeftOut(path, error, None))
                    return read
                if is_given is None or not _CHANNEL.fullmatch(channel):
                    error = f"{at}.{channel[:80]} must name a channel, and be true or false; it is {quote_value(value)}"
                    left_out.append(LeftOut(f"{at}.{channel[:80]}", error, value))
                else:
                    read.setdefault(topic, {})[channel] = is_given
    return read


def _read_channels(consent: dict[str, Any], left_out: list[LeftOut]) -> dict[str, bool]:
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
