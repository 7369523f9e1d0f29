"""Whether a person may be written to on a channel: what the profile refuses, and what the address refuses.

Either refuses. `refusal` is the one place that says so: the gate and the claim of a message ask it, and conditions see
its answer as `profile.consent`.
"""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from domain.channels.kinds import CHANNELS

SUPPRESSED: Final = "suppressed"
NO_CONSENT: Final = "no_consent"

# What an address can refuse: everything, or all but transactional messages.
SUPPRESSION: Final = "suppression"
OPT_OUT: Final = "opt_out"


class ConsentFacts(Struct, frozen=True):
    """What is known of a person's refusals.

    `given` maps a channel to what the person has said of it. `suppressed` maps a channel to why nothing may be sent on
    it, None where that was lifted. `refused_addresses` maps a channel to what the person's address on it refuses:
    SUPPRESSION or OPT_OUT to why, None where that was lifted.
    """

    given: Mapping[str, bool]
    suppressed: Mapping[str, str | None]
    refused_addresses: Mapping[str, Mapping[str, str | None]] = {}


class ConsentRefusal(Struct, frozen=True):
    """Why a channel is refused, and by which of the two."""

    reason: Literal["suppressed", "no_consent"]
    refused_by: Literal["profile", "address"]
    detail: str


def refusal(channel: str, facts: ConsentFacts, *, is_transactional: bool) -> ConsentRefusal | None:
    """Return what forbids messages on a channel; None where nothing does."""
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
    """Whether marketing may be sent, for every channel there is and each that the person has said anything of."""
    return {
        channel: refusal(channel, facts, is_transactional=False) is None
        for channel in (*CHANNELS, *(facts.given.keys() - set(CHANNELS)))
    }
