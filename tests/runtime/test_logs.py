"""Logs say what failed and where, and quote nothing."""

import json

import pytest
import structlog

from runtime.logs import configure_logs


def test_the_text_of_an_error_stays_out_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    before = structlog.get_config()
    try:
        configure_logs()
        try:
            raise ValueError("Key (email)=(ada@example.com) already exists")
        except ValueError:
            structlog.get_logger().exception("activity failed", workflow_id="cart/u1/1")
    finally:
        structlog.configure(**before)
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["level"], line["failure"]) == ("activity failed", "error", "builtins.ValueError")
    assert line["at"][-1].startswith("test_logs.py:")
    assert "ada" not in json.dumps(line)
