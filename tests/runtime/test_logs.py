"""Logs say what failed and where, and quote nothing."""

import ast
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import structlog

from runtime.log_lines import format_line
from runtime.logs import ForeignLines, configure_logs
from tests.prose import ROOT, product_files


@contextmanager
def configured(*, is_quiet: bool = False) -> Iterator[None]:
    """Logs as in a process of a deployment."""
    structured, root, levels = structlog.get_config(), logging.getLogger(), {}
    handlers, level = root.handlers[:], root.level
    for name in ("uvicorn", "temporalio.activity"):
        levels[name] = logging.getLogger(name).level
    # Kept apart, since it is closed with those that it finds.
    root.handlers.clear()
    configure_logs(is_quiet=is_quiet)
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.configure(**structured)


def test_the_text_of_an_error_stays_out_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    with configured():
        try:
            raise ValueError("Key (email)=(ada@example.com) already exists")
        except ValueError:
            structlog.get_logger().exception("activity failed", journey="j1")
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["level"], line["failure"]) == ("activity failed", "error", "builtins.ValueError")
    assert line["at"][-1].startswith("test_logs.py:")
    assert "ada" not in json.dumps(line)


def test_a_group_of_errors_is_told_by_what_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Tasks of one process fail together, and a group has no cause of its own."""
    with configured():
        try:
            raise ExceptionGroup("in a task", [ExceptionGroup("deeper", [LookupError("ada"), ValueError("ada")])])
        except ExceptionGroup:
            structlog.get_logger().exception("process failed")
    line = json.loads(capsys.readouterr().err)
    assert line["failure"] == "builtins.LookupError"
    assert "ada" not in json.dumps(line)


def foreign(name: str, message: str, *arguments: object, error: Exception | None = None) -> dict[str, object]:
    """What becomes of a library's line."""
    told = (type(error), error, None) if error else None
    record = logging.LogRecord(name, logging.WARNING, "lib.py", 1, message, arguments, told)
    line: dict[str, object] = json.loads(ForeignLines().format(record))
    return line


def test_what_a_library_logs_is_not_filled_in() -> None:
    line = foreign("some.library", "cannot send to %s", "ada@example.com", error=ValueError("ada@example.com"))
    assert "ada" not in json.dumps(line)
    assert line["event"] == "cannot send to %s"
    assert (line["logger"], line["level"], line["failure"]) == ("some.library", "warning", "builtins.ValueError")


def test_a_forgotten_task_does_not_quote_its_error() -> None:
    """asyncio puts the error's text into the message itself, on a line of its own."""
    line = foreign("asyncio", "Task exception was never retrieved\nfuture: <Task exception=ValueError('ada@…')>")
    assert line["event"] == "Task exception was never retrieved"


@pytest.mark.parametrize("name", ["uvicorn.error", "temporalio.core", "psycopg.pool"])
def test_libraries_that_speak_of_servers_are_quoted(name: str) -> None:
    assert foreign(name, "connecting to %s", "127.0.0.1")["event"] == "connecting to 127.0.0.1"


@pytest.mark.parametrize("user", ["u-1", "ada and run ID x", " with ID ada"])
def test_a_workflow_is_told_by_the_id_of_its_run(user: str) -> None:
    run = "0190a1b2-0000-7000-8000-000000000000"
    text = f"Failed activation on workflow Journey with ID cart/{user}/1 and run ID {run}"
    line = foreign("temporalio.worker._workflow_instance", text)
    assert (line["event"], line["run_id"]) == ("Failed activation on workflow Journey", run)


def test_the_core_of_the_sdk_tells_the_run_and_the_status() -> None:
    """Its error quotes the id of the workflow."""
    record = logging.makeLogRecord({"name": "temporalio.core", "msg": "Activity not found on completion."})
    error = """Status { code: NotFound, message: 'no workflow with ID "cart/u-1/1"' }"""
    record.temporal_log = SimpleNamespace(fields={"error": error, "task_token": "u-1", "run_id": "r-1"})
    line = json.loads(ForeignLines().format(record))
    assert (line["event"], line["run_id"], line["code"]) == ("Activity not found on completion.", "r-1", "NotFound")
    assert "u-1" not in json.dumps(line)


def test_no_line_of_ours_has_the_id_of_a_workflow() -> None:
    """It contains a user id."""
    sources = {file.relative_to(ROOT): file.read_text() for file in product_files()}
    found = [
        f"{file}:{call.lineno}"
        for file, source in sources.items()
        if "structlog" in source and re.search(r"workflow_id|user_id", source)
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call) and re.match(r"_?log\.", ast.unparse(call.func))
        if re.search(r"workflow_id|user_id", ast.unparse(call))
    ]
    assert found == []


def test_psycopg_itself_may_quote_a_row() -> None:
    assert (
        foreign("psycopg", "error ignored in rollback: %s", "(email)=(ada@…)")["event"]
        == "error ignored in rollback: %s"
    )


def test_lines_for_a_terminal_are_readable_and_cannot_move_it() -> None:
    event = {"timestamp": "2026-11-30T10:00:00Z", "event": "relay \x1bwaits", "level": "warning"}
    data = {"error": "no\nroute", "seconds": 0.1, "user": "u-1", "campaign": None, "at": ["a.py:1"], "empty": ""}
    line = format_line({**event, **data}, has_colours=False)
    at, text = line.split(" ", 1)
    assert re.fullmatch(r"\d\d:\d\d:00", at)
    assert text == r'warning "relay \u001bwaits" error="no\nroute" seconds=0.1 user=u-1 at=["a.py:1"] empty=""'
    coloured = format_line({**event, **data}, has_colours=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured).split() == line.split()
    assert coloured.startswith("\x1b[2m")


def test_a_quiet_process_says_warnings_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with configured(is_quiet=True):
        structlog.get_logger().info("worker started")
        logging.getLogger("uvicorn.error").info("Started")
        structlog.get_logger().warning("relay waits")
    [line] = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "relay waits"
