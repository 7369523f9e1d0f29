"""Whether a person may receive messages on a channel.

The profile or the address may refuse. Only `find_refusal` decides: the gate and the claim of a message call it, and
conditions see its answer as `profile.consent`.
"""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from domain.channels.kinds import CHANNELS

SUPPRESSED: Final = "suppressed"
NO_CONSENT: Final = "no_consent"

# An address can refuse everything, or everything except transactional messages.
SUPPRESSION: Final = "suppression"
OPT_OUT: Final = "opt_out"
AddressRefusal = Literal["suppression", "opt_out"]


class ConsentFacts(Struct, frozen=True):
    """The known refusals of a person.

    `given` maps a channel to the person's consent. `suppressed` maps a channel to the reason of its suppression, None
    if it was lifted. `refused_addresses` maps a channel to the refusals of the person's address: SUPPRESSION or OPT_OUT
    to the reason, None if it was lifted.
    """

    given: Mapping[str, bool]
    suppressed: Mapping[str, str | None]
    refused_addresses: Mapping[str, Mapping[str, str | None]] = {}


class ConsentRefusal(Struct, frozen=True):
    """Why a channel is refused, and whether by the profile or the address."""

    reason: Literal["suppressed", "no_consent"]
    refused_by: Literal["profile", "address"]
    detail: str


def find_refusal(channel: str, facts: ConsentFacts, *, is_transactional: bool) -> ConsentRefusal | None:
    """Return the refusal of messages on a channel; None if they are allowed."""
    address = facts.refused_addresses.get(channel, {})
    if (why := facts.suppressed.get(channel)) is not None:
        return ConsentRefusal(SUPPRESSED, "profile", why)
    if (why := address.get(SUPPRESSION)) is not None:
        return ConsentRefusal(SUPPRESSED, "address", f"the address is suppressed: {why}")
    if is_transactional:
        return None
    given = facts.given.get(channel)
    if given is False:
        return ConsentRefusal(NO_CONSENT, "profile", f"the profile refuses {channel}")
    if given is None and channel in CHANNELS and not CHANNELS[channel].silence_allows:
        return ConsentRefusal(NO_CONSENT, "profile", f"the profile has not consented to {channel}")
    if (why := address.get(OPT_OUT)) is not None:
        return ConsentRefusal(NO_CONSENT, "address", f"the address refuses {channel}: {why}")
    return None


def consent_by_channel(facts: ConsentFacts) -> dict[str, bool]:
    """Return whether marketing is allowed, for each channel that exists or was stated."""
    return {
        channel: find_refusal(channel, facts, is_transactional=False) is None
        for channel in (*CHANNELS, *(facts.given.keys() - set(CHANNELS)))
    }
