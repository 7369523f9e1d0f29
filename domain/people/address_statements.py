"""Statements about addresses, which people may share."""

from collections.abc import Mapping
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.channels.kinds import normalized_addresses
from domain.people.consent import AddressRefusal
from domain.people.profile import Profile
from domain.people.profile_state import Proof, Source
from domain.people.registers import Stamp, stamp

# A channel, and the address there, normalised.
Address = tuple[str, str]


class AddressStatement(Struct, frozen=True):
    """Why an address refuses messages; `profile_id` has the history."""

    profile_id: UUID
    address: Address
    kind: AddressRefusal
    value: str | None
    said: Stamp
    source: Source


class ReportedRefusal(Struct, frozen=True):
    """The refusal of an address, or its end: what a report about a message says of it.

    `address` is the message's, normalised. `reason` is None if the refusal ends.
    """

    channel: str
    address: str
    kind: AddressRefusal
    reason: str | None

    def statement(self, profile_id: UUID, source: Source) -> AddressStatement:
        """Return the statement, which the report's event makes."""
        said = stamp(source.at, source.id, source.label)
        return AddressStatement(profile_id, (self.channel, self.address), self.kind, self.reason, said, source)


class LinkStatement(Struct, frozen=True):
    """The use of a link, which binds the address that it was sent to and the profile.

    `address` is the message's, normalised; None on a channel without addresses. `refusals` are those of the address:
    the reasons, or None to lift one. `proof` is that of the consents.
    """

    channel: str
    address: str | None
    refusals: Mapping[AddressRefusal, str | None]
    proof: Proof | None = None

    def statements(self, profile_id: UUID, source: Source) -> list[AddressStatement]:
        """Return the statements of the link about the address."""
        if self.address is None:
            return []
        said = stamp(source.at, source.id, source.label)
        return [
            AddressStatement(profile_id, (self.channel, self.address), kind, why, said, source)
            for kind, why in self.refusals.items()
        ]


def with_refused(person: Profile, refused: Mapping[Address, dict[str, str | None]]) -> Profile:
    """Return the person with the refusals of their own addresses."""
    own = {
        channel: refused[channel, value]
        for channel, value in normalized_addresses(person.traits).items()
        if (channel, value) in refused
    }
    return replace(person, refused_addresses=own) if own else person
