"""Logs on standard error, as JSON lines or readable, without personal data."""

import json
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
import temporalio.activity
import temporalio.workflow
from opentelemetry import trace
from structlog.typing import EventDict, WrappedLogger

from runtime.log_lines import format_line

FRAMES = 12
# Libraries with known messages: addresses of servers, and ids of runs.
TRUSTED: Final = ("uvicorn", "temporalio", "psycopg.pool")
# In lines of temporalio it precedes a workflow's id, which contains a user id, and the id of its run.
_WITH_WORKFLOW_ID: Final = " with ID "
_STATUS: Final = re.compile(r"\b(?:code|status): '?(\w+)")
_RUN_ID: Final = re.compile(r" and run ID ([0-9a-f-]{36})(?!.* and run ID )", re.DOTALL)


def configure_logs(*, is_quiet: bool = False) -> None:
    """Configure the logs of a process, and those of its libraries, in one form.

    `is_quiet` shows only warnings, for a terminal with other output.
    """
    render = _renderer()
    level = logging.WARNING if is_quiet else logging.INFO
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(ForeignLines(render))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("uvicorn").setLevel(level)
    # An activity that fails has a line of ours (runtime/failures.py).
    logging.getLogger("temporalio.activity").setLevel(logging.ERROR)
    # Ids of journeys' workflows contain clients' user ids.
    temporalio.activity.logger.activity_info_on_message = False
    temporalio.workflow.logger.workflow_info_on_message = False
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            with_trace,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            without_texts,
            lambda _logger, _method, event: render(event),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )


def _renderer() -> Callable[[EventDict], str]:
    if not sys.stderr.isatty():
        return json.dumps
    return partial(format_line, has_colours=not os.environ.get("NO_COLOR"))


def with_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add the ids of the current span, if there is one."""
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event["trace_id"], event["span_id"] = format(span.trace_id, "032x"), format(span.span_id, "016x")
    return event


def without_texts(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace a traceback by the error's type and place: its text may quote data."""
    if event.pop("exc_info", None) and (error := sys.exc_info()[1]) is not None:
        event.update(_failure(error))
    return event


def _failure(error: BaseException) -> dict[str, Any]:
    # A group says nothing: its members failed, of which the first cancelled the others.
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    return {
        "failure": f"{type(error).__module__}.{type(error).__qualname__}",
        "at": [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames],
    }


def _known_fields(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return the run and the status of a call; other values may quote workflow ids."""
    known = {"run_id": str(fields["run_id"])} if "run_id" in fields else {}
    status = _STATUS.search(str(fields.get("error", "")))
    return {**known, "code": status[1]} if status else known


class ForeignLines(logging.Formatter):
    """The lines of libraries: their constant texts without any values.

    `asyncio` quotes the exception of a forgotten task behind the first line of its message, others in its arguments.
    """

    def __init__(self, render: Callable[[EventDict], str] = json.dumps) -> None:
        super().__init__()
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        """Format one line."""
        is_trusted = any(f"{record.name}.".startswith(f"{name}.") for name in TRUSTED)
        said = record.getMessage() if is_trusted else str(record.msg)
        said, *with_id = said.split(_WITH_WORKFLOW_ID, 1) if record.name.startswith("temporalio") else [said]
        event: EventDict = {
            "event": said.strip().partition("\n")[0],
            "logger": record.name,
            "level": record.levelname.lower(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
        }
        if (core := getattr(record, "temporal_log", None)) is not None:
            event.update(_known_fields(core.fields))
        if with_id and (run := _RUN_ID.search(with_id[0])):
            event["run_id"] = run[1]
        if record.exc_info and record.exc_info[1] is not None:
            event.update(_failure(record.exc_info[1]))
        return self._render(with_trace(None, "", event))
