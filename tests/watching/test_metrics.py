"""What Prometheus reads of the processes."""

import pytest

from tests.watching.conftest import BROKEN, GOOD, REFUSED, Watched
from tests.watching.scrapes import samples, value


@pytest.mark.parametrize(
    ("name", "labels", "wanted"),
    [
        ("sojourn_events_total", {"type": "identify", "outcome": "accepted"}, 3),
        ("sojourn_events_total", {"type": "track", "outcome": "accepted"}, 7),
        ("sojourn_events_total", {"type": "track", "outcome": "duplicate"}, 1),
        ("sojourn_events_total", {"outcome": "rejected"}, 1),
        ("sojourn_http_requests_total", {"method": "POST", "route": "/v1/track", "status": "200"}, 7),
        ("sojourn_http_requests_total", {"route": "/v1/identify", "status": "500"}, 1),
        ("sojourn_http_requests_total", {"method": "GET", "route": "unmatched", "status": "404"}, 1),
        ("sojourn_http_requests_total", {"method": "other"}, 1),
        ("sojourn_ingest_seconds_count", {}, 12),
        ("sojourn_journeys_entered_total", {"campaign": "welcome"}, 3),
        ("sojourn_journeys_entered_total", {"campaign": "hook"}, 1),
        ("sojourn_journeys_ended_total", {"campaign": "welcome", "state": "exited"}, 1),
        ("sojourn_decisions_total", {"kind": "entry", "outcome": "entered"}, 4),
        ("sojourn_mails_received_total", {"outcome": "replied"}, 1),
        ("sojourn_replies_forwarded_total", {"outcome": "accepted"}, 1),
    ],
)
def test_the_api_counts(watched: Watched, name: str, labels: dict[str, str], wanted: float) -> None:
    assert value(watched.api_metrics, name, **labels) == wanted


@pytest.mark.parametrize(
    ("name", "labels", "wanted"),
    [
        ("sojourn_decisions_total", {"kind": "send", "outcome": "granted", "reason": ""}, 5),
        # A step reports one, and the refusal of an address another.
        ("sojourn_events_total", {"type": "track", "outcome": "accepted"}, 2),
        ("sojourn_journeys_entered_total", {"campaign": "hook"}, 1),
        ("sojourn_journeys_ended_total", {"campaign": "welcome", "state": "completed"}, 1),
        ("sojourn_messages_settled_total", {"campaign": "welcome", "channel": "email", "state": "sent"}, 2),
        ("sojourn_messages_settled_total", {"state": "failed", "reason": "recipient_refused"}, 1),
        ("sojourn_provider_call_seconds_count", {"provider": "127.0.0.1", "outcome": "accepted"}, 2),
        ("sojourn_provider_call_seconds_count", {"channel": "email", "outcome": "rejected"}, 1),
        ("sojourn_relay_deliveries_total", {"kind": "start", "outcome": "accepted"}, 5),
        ("sojourn_relay_delay_seconds_count", {"kind": "matched"}, 1),
        ("sojourn_build_info", {}, 1),
    ],
)
def test_the_worker_counts(watched: Watched, name: str, labels: dict[str, str], wanted: float) -> None:
    assert value(watched.worker_metrics, name, **labels) == wanted


def test_what_cannot_be_counted_to_the_end(watched: Watched) -> None:
    """The webhook is tried for as long as somebody waits."""
    worker = watched.worker_metrics
    assert value(worker, "sojourn_provider_call_seconds_count", provider="localhost", outcome="unavailable") >= 1
    assert value(worker, "temporal_request_total", operation="StartWorkflowExecution") >= 4
    assert value(worker, "temporal_activity_execution_failed_total", activity_type="authorize_send") >= 1
    assert value(watched.api_metrics, "sojourn_database_pool_connections") >= 1


def test_no_label_names_a_user_or_what_a_client_made_up(watched: Watched) -> None:
    said = {text for _, labels in samples(watched.metrics) for _, text in labels}
    for word in (GOOD, REFUSED, BROKEN, "Signed Up", "Answered", "m-1"):
        assert not any(word in text for text in said), word
