"""What the processes log."""

import json

from tests.watching.conftest import PERSONAL, Watched


def test_every_line_is_json(watched: Watched) -> None:
    """Those of uvicorn, of Temporal and of whatever else writes there, too."""
    lines = [json.loads(line) for line in watched.log.splitlines()]
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
    told = {line["event"] for line in lines}
    assert {"worker started", "activity failed", "failed to answer request"} <= told
    assert "Application startup complete." in told


def test_nothing_in_it_is_about_persons(watched: Watched) -> None:
    for secret in PERSONAL:
        assert secret not in watched.log
        assert secret not in watched.metrics
        assert secret.encode() not in watched.collector.raw


def test_the_lines_of_a_request_have_its_id(watched: Watched) -> None:
    lines = [json.loads(line) for line in watched.log.splitlines()]
    [failure] = [line for line in lines if line["event"] == "failed to answer request"]
    [request] = [line for line in lines if line.get("request_id") == failure["request_id"] and line is not failure]
    assert (request["event"], request["route"], request["status"]) == ("request answered", "/v1/identify", 500)
    assert failure["failure"] == "psycopg.errors.CheckViolation"
    assert len(failure["trace_id"]) == 32


def test_what_goes_well_with_every_event_is_not_logged(watched: Watched) -> None:
    lines = [json.loads(line) for line in watched.log.splitlines()]
    tracked = {line["status"] for line in lines if line.get("route", "").startswith("/v1/track")}
    assert tracked == {400}
