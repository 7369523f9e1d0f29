"""What an activity's failure may say in a history: a code, never a text that could hold personal data."""

from datetime import timedelta
from typing import Any

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from domain.errors import SojournError, UnavailableError

log = structlog.get_logger()

# A provider may ask for years. A message that is too late, or whose journey has ended, is found out by then.
LONGEST_DELAY = 3_600.0


class FailureInterceptor(Interceptor):
    """Put before every activity of every worker."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Failures(next)


class _Failures(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        try:
            return await super().execute_activity(input)
        except UnavailableError as error:
            # Expected, and worded by us: which dependency is away, and when to try again.
            after = error.data.get("retry_after")
            delay = timedelta(seconds=min(after, LONGEST_DELAY)) if after is not None else None
            raise ApplicationError(
                error.detail, type=error.code, next_retry_delay=delay, category=ApplicationErrorCategory.BENIGN
            ) from None
        except SojournError as error:
            log.warning("activity refused", code=error.code, **_where())
            raise ApplicationError(error.detail, type=error.code) from None
        except Exception as error:
            # The text of a foreign exception may quote a row or an address: it goes to the log, not into the history.
            log.exception("activity failed", **_where())
            raise ApplicationError("see the worker's log", type=type(error).__name__) from None


def _where() -> dict[str, Any]:
    info = activity.info()
    return {"workflow_id": info.workflow_id, "activity": info.activity_type, "attempt": info.attempt}
