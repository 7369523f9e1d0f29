"""Circuits: whether a provider gets messages, by the deliveries before.

A fault of the account, or several failures in a row, open the circuit. While it is open nothing is handed over, but for
one message a minute; its acceptance closes the circuit. No message fails of it.
"""

from datetime import datetime, timedelta
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from domain.sending.delivery import ACCOUNT, WINDOW, Ambiguous, Delivery, Rejected, Unavailable

MAX_FAILURES: Final = 5
PROBE_SECONDS: Final = 60.0

# A refused login is a fault of the account as well.
_ACCOUNT_REASONS: Final = frozenset({ACCOUNT, "login"})
# Failures of one message or of our own, and the provider's pace: they say nothing about the next message.
_OTHER_REASONS: Final = frozenset(
    {
        *("deferred", "busy", "receiver_busy", "rendering_took_too_long", "database_away"),
        # One browser's subscription.
        *("vapid_refused", "unusable_url"),
        *("http_408", "http_409", "http_425", "http_429"),
    }
)
# Refusals before any call: the provider has answered nothing.
_OWN_REFUSALS: Final = frozenset({"invalid_address", "invalid_message", "unreachable", WINDOW})

# The provider has answered, has failed, or cannot be used until its account is mended.
ProviderHealth = Literal["answered", "failed", "faulty"]


class CircuitState(Struct, frozen=True):
    """The row of a provider that has failed. `probe_at` is set while it is open."""

    failures: int = 0
    opened_at: datetime | None = None
    probe_at: datetime | None = None


class CircuitView(Struct, frozen=True):
    """A circuit as a claim finds it. The next probe is in `seconds`."""

    is_open: bool
    seconds: float = 0.0


def read_health(delivery: Delivery) -> ProviderHealth | None:
    """Return what a delivery says about its provider; None if nothing."""
    match delivery:
        case Unavailable(reason=reason) if reason in _ACCOUNT_REASONS:
            return "faulty"
        case Unavailable(reason=reason) if reason in _OTHER_REASONS:
            return None
        case Unavailable() | Ambiguous():
            return "failed"
        case Rejected(reason=reason) if reason in _OWN_REFUSALS:
            return None
        case _:
            return "answered"


def count_failure(circuit: CircuitState, health: ProviderHealth, now: datetime) -> CircuitState:
    """Return the circuit after a failure. Once open, only a probe changes it."""
    counted = replace(circuit, failures=circuit.failures + 1)
    if circuit.opened_at is not None or (health != "faulty" and counted.failures < MAX_FAILURES):
        return counted
    return replace(counted, opened_at=now, probe_at=now + timedelta(seconds=PROBE_SECONDS))
