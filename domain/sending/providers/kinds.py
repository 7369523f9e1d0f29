"""The registry of providers' settings. A new kind is a module here and a line."""

from domain.sending.providers.console import ConsoleModel
from domain.sending.providers.http import HttpModel
from domain.sending.providers.model import ProviderModel
from domain.sending.providers.smtp import SmtpModel

PROVIDER_MODELS: tuple[type[ProviderModel], ...] = (
    SmtpModel,
    HttpModel,
    ConsoleModel,
)


def provider_model(kind: str) -> type[ProviderModel]:
    """Return the settings of a kind. Raises KeyError."""
    return {model.name: model for model in PROVIDER_MODELS}[kind]
