"""When a circuit opens, and what a claim does about it."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.sending.circuit import MAX_FAILURES, CircuitState, CircuitView, count_failure, read_health
from domain.sending.claim import (
    CANCELLED,
    PAUSED_SECONDS,
    PROVIDER_UNAVAILABLE,
    Close,
    MessageState,
    Proceed,
    ProviderWait,
    check_provider,
)
from domain.sending.delivery import ACCOUNT, Accepted, Ambiguous, Delivery, Rejected, Unavailable
from domain.sending.policy import PROVIDER_PAUSED

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
OPEN = CircuitView(is_open=True, seconds=30)


@pytest.mark.parametrize(
    ("delivery", "health"),
    [
        (Accepted(None), "answered"),
        (Rejected("http_400", ""), "answered"),
        (Rejected("invalid_address", ""), None),
        (Rejected("unreachable", ""), None),
        (Unavailable(ACCOUNT, ""), "faulty"),
        (Unavailable("login", ""), "faulty"),
        (Unavailable("connection", ""), "failed"),
        (Unavailable("http_503", ""), "failed"),
        (Ambiguous(""), "failed"),
        (Unavailable("deferred", ""), None),
        (Unavailable("http_429", ""), None),
        (Unavailable("receiver_busy", ""), None),
        (Unavailable("database_away", ""), None),
    ],
)
def test_a_delivery_says_something_about_its_provider(delivery: Delivery, health: str | None) -> None:
    assert read_health(delivery) == health


def test_a_fault_of_the_account_opens_at_once_and_failures_in_a_row_do() -> None:
    assert count_failure(CircuitState(), "faulty", NOW).opened_at == NOW
    circuit = CircuitState()
    for number in range(MAX_FAILURES):
        assert circuit == CircuitState(number)
        circuit = count_failure(circuit, "failed", NOW)
    assert circuit == CircuitState(MAX_FAILURES, NOW, NOW + timedelta(minutes=1))
    later = count_failure(circuit, "faulty", NOW + timedelta(seconds=30))
    assert (later.opened_at, later.probe_at) == (circuit.opened_at, circuit.probe_at)


@pytest.mark.parametrize("state", ["reserved", "sending"])
def test_without_an_open_circuit_or_as_its_probe_a_message_goes(state: MessageState) -> None:
    for circuit, is_probe in ((None, False), (CircuitView(is_open=False), False), (OPEN, True)):
        verdict = check_provider(
            state, circuit, is_in_force=True, is_paused=False, is_probe=is_probe, has_alternative=True
        )
        assert verdict == Proceed()


def test_only_what_no_provider_can_have_goes_to_another() -> None:
    to_gate = Close(CANCELLED, PROVIDER_UNAVAILABLE)
    wait = ProviderWait("the circuit of its provider is open", 30)
    for has_alternative, expected in ((True, to_gate), (False, wait)):
        found = check_provider(
            "reserved", OPEN, is_in_force=True, is_paused=False, is_probe=False, has_alternative=has_alternative
        )
        assert found == expected
    for has_alternative in (True, False):
        found = check_provider(
            "sending", OPEN, is_in_force=True, is_paused=False, is_probe=False, has_alternative=has_alternative
        )
        assert found == wait


def test_a_paused_provider_gets_nothing_that_it_cannot_have_yet() -> None:
    def check(state: MessageState, circuit: CircuitView | None) -> object:
        return check_provider(state, circuit, is_in_force=True, is_paused=True, is_probe=False, has_alternative=True)

    for circuit in (None, OPEN):
        assert check("reserved", circuit) == Close(CANCELLED, PROVIDER_PAUSED)
        assert check("sending", circuit) == ProviderWait("the marketing of its provider is paused", PAUSED_SECONDS)


def test_a_removed_provider_keeps_what_it_may_have() -> None:
    def check(state: MessageState) -> object:
        return check_provider(state, None, is_in_force=False, is_paused=False, is_probe=False, has_alternative=False)

    assert check("reserved") == Close(CANCELLED, PROVIDER_UNAVAILABLE)
    assert check("sending") == Proceed()
