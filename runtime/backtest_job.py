"""The job of a process that runs a backtest."""

from collections.abc import Mapping

from msgspec import Struct

from domain.sending.routes import ProviderRule
from store.backtests import BacktestAttempt


class BacktestJob(Struct, frozen=True):
    """Everything that the process is told by its worker."""

    database_url: str
    attempt: BacktestAttempt
    timezone: str
    default_providers: Mapping[str, ProviderRule]
