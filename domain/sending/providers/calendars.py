"""The registry of calendars. A new kind is a module here and a line."""

from domain.sending.providers.cal import CalModel
from domain.sending.providers.model import AccountModel

CALENDAR_MODELS: tuple[type[AccountModel], ...] = (CalModel,)


def calendar_model(kind: str) -> type[AccountModel]:
    """Return the settings of a kind. Raises KeyError."""
    return {model.name: model for model in CALENDAR_MODELS}[kind]
