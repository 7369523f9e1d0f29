"""The socket of a calendar: its settings, and the reader of its callbacks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.model import AccountModel
from domain.sending.reports import ReportReader


@dataclass(frozen=True, slots=True)
class CalendarKind:
    """A kind of calendar.

    `open_reader` opens the reader of its callbacks, and raises SecretRefusal for a secret that is missing.
    """

    model: type[AccountModel]
    open_reader: Callable[[Any, ProviderSecrets], ReportReader]

    @property
    def name(self) -> str:
        return self.model.name
