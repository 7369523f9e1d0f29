"""The base of channels that reach people at the number of the trait `phone`."""

from collections.abc import Mapping
from typing import Any

from domain.channels.kind import ChannelKind, Unreachable
from domain.local_time.legal_hours import LegalHours
from domain.local_time.zones import find_zone
from domain.people.phone_numbers import find_phone, find_zones


class PhoneChannel(ChannelKind):
    """A channel to a phone, with a consent and in legal hours alone."""

    known_paths = frozenset({"profile.traits.phone"})
    address_traits = frozenset({"phone"})
    silence_allows = False

    def addresses(self, traits: Mapping[str, Any]) -> tuple[str, ...] | Unreachable:
        if not isinstance(phone := traits.get("phone"), str) or not phone:
            return Unreachable("the profile has no trait phone")
        if (number := find_phone(traits)) is not None:
            return (number.e164,)
        return Unreachable("the trait phone is not a phone number with a country code, nor one of the trait country")

    def normalized_address(self, traits: Mapping[str, Any]) -> str | None:
        number = find_phone(traits)
        return None if number is None else number.e164

    def legal_hours(self, traits: Mapping[str, Any]) -> LegalHours | None:
        return None if find_phone(traits) is None else find_legal_hours(traits)


def find_legal_hours(traits: Mapping[str, Any]) -> LegalHours:
    """Return the hours of the trait `phone`: the common ones for an unknown number.

    Without a zone of the number or the person they have none: those of the recipient's zone are meant.
    """
    number, own = find_phone(traits), find_zone(traits.get("timezone"))
    region, zones = (None, ()) if number is None else (number.region, find_zones(number.e164))
    if own is None:
        return LegalHours(region, zones)
    # A mobile number is assigned in many zones: the person says in which of them they are.
    return LegalHours(region, (own.key,) if not zones or own.key in zones else (own.key, *zones))
