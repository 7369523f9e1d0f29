"""When a circuit opens, and what a claim does about it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.sending.circuit import MAX_FAILURES, CircuitState, CircuitView, count_failure, read_health
from domain.sending.claim import (
    CANCELLED,
    PAUSED_SECONDS,
    PROVIDER_UNAVAILABLE,
    Close,
    MessageState,
    Proceed,
    ProviderFacts,
    ProviderWait,
    check_provider,
)
from domain.sending.delivery import ACCOUNT, Accepted, Ambiguous, Delivery, Rejected, Unavailable
from domain.sending.policy import PROVIDER_PAUSED

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
OPEN = CircuitView(is_open=True, seconds=30)
# The wait of each message is a little longer than that of the first.
MESSAGE = UUID(int=0)


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
        (Unavailable("vapid_refused", ""), None),
        (Unavailable("unusable_url", ""), None),
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


def facts(
    circuit: CircuitView | None, *, is_in_force: bool = True, is_paused: bool = False, has_alternative: bool = False
) -> ProviderFacts:
    return ProviderFacts(is_in_force=is_in_force, circuit=circuit, is_paused=is_paused, has_alternative=has_alternative)


def test_only_an_open_circuit_wants_a_probe_and_none_of_a_paused_provider() -> None:
    assert facts(OPEN).wants_probe
    assert not facts(OPEN, is_paused=True).wants_probe
    assert not facts(CircuitView(is_open=False)).wants_probe
    assert not facts(None).wants_probe


@pytest.mark.parametrize("state", ["reserved", "sending"])
def test_without_an_open_circuit_or_as_its_probe_a_message_goes(state: MessageState) -> None:
    for circuit, is_probe in ((None, False), (CircuitView(is_open=False), False), (OPEN, True)):
        verdict = check_provider(MESSAGE, state, facts(circuit, has_alternative=True), is_probe=is_probe)
        assert verdict == Proceed()


def test_only_what_no_provider_can_have_goes_to_another() -> None:
    to_gate = Close(CANCELLED, PROVIDER_UNAVAILABLE)
    wait = ProviderWait("the circuit of its provider is open", 30)
    for has_alternative, expected in ((True, to_gate), (False, wait)):
        provider = facts(OPEN, has_alternative=has_alternative)
        assert check_provider(MESSAGE, "reserved", provider, is_probe=False) == expected
        assert check_provider(MESSAGE, "sending", provider, is_probe=False) == wait


def test_messages_wait_for_their_provider_each_a_little_longer() -> None:
    later = check_provider(UUID(int=250), "sending", facts(OPEN), is_probe=False)
    assert later == ProviderWait("the circuit of its provider is open", 32.5)


def test_a_paused_provider_gets_nothing_that_it_cannot_have_yet() -> None:
    def check(state: MessageState, circuit: CircuitView | None) -> object:
        return check_provider(MESSAGE, state, facts(circuit, is_paused=True, has_alternative=True), is_probe=False)

    for circuit in (None, OPEN):
        assert check("reserved", circuit) == Close(CANCELLED, PROVIDER_PAUSED)
        assert check("sending", circuit) == ProviderWait("the marketing of its provider is paused", PAUSED_SECONDS)


def test_a_removed_provider_keeps_what_it_may_have() -> None:
    def check(state: MessageState) -> object:
        return check_provider(MESSAGE, state, facts(None, is_in_force=False), is_probe=False)

    assert check("reserved") == Close(CANCELLED, PROVIDER_UNAVAILABLE)
    assert check("sending") == Proceed()
