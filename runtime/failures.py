"""Failures of activities in histories: a code, never a text with personal data."""

from datetime import timedelta
from typing import Any

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from domain.errors import SojournError, UnavailableError

log = structlog.get_logger()

# A provider may ask for years. By then a late message, or an ended journey, is noticed.
MAX_DELAY = 3_600.0
# The ids by which requests name their objects.
_IDS = ("journey", "message")


class FailureInterceptor(Interceptor):
    """Translates the errors of every activity."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Failures(next)


class _Failures(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        try:
            return await super().execute_activity(input)
        except UnavailableError as error:
            # Expected, and in our own words: which dependency is away, and when to try again.
            after = error.data.get("retry_after")
            delay = timedelta(seconds=min(after, MAX_DELAY)) if after is not None else None
            raise ApplicationError(
                error.detail, type=error.code, next_retry_delay=delay, category=ApplicationErrorCategory.BENIGN
            ) from None
        except SojournError as error:
            log.warning("activity refused", code=error.code, **_describe_activity(input))
            raise ApplicationError(error.detail, type=error.code) from None
        except Exception as error:
            # The text of a foreign exception may quote a row or an address, so it goes to the log, not into the
            # history.
            log.exception("activity failed", **_describe_activity(input))
            raise ApplicationError("see the worker's log", type=type(error).__name__) from None


def _describe_activity(input: ExecuteActivityInput) -> dict[str, Any]:
    """Describe the activity by ids of ours: workflow ids contain clients' user ids."""
    info = activity.info()
    request = input.args[0] if input.args else None
    ids = {name: str(id) for name in _IDS if (id := getattr(request, f"{name}_id", None)) is not None}
    return {**ids, "activity": info.activity_type, "attempt": info.attempt}
