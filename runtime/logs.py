"""Logs as JSON lines on standard error: ids and codes, nothing personal."""

import logging
import sys
import traceback
from pathlib import Path

import structlog
from structlog.typing import EventDict, WrappedLogger

FRAMES = 12


def configure_logs() -> None:
    """For a process of a deployment."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            without_texts,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def without_texts(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """What failed and where, instead of the traceback: the text of an error may quote a row or an address."""
    if not event.pop("exc_info", None) or (error := sys.exc_info()[1]) is None:
        return event
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    return {
        **event,
        "failure": f"{type(error).__module__}.{type(error).__qualname__}",
        "at": [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames],
    }
