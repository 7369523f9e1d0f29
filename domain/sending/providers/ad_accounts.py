"""The registry of ad accounts. A new kind is a module here and a line."""

from domain.sending.providers.ad_account import AdAccountModel
from domain.sending.providers.google import GoogleModel
from domain.sending.providers.linkedin import LinkedInModel
from domain.sending.providers.meta import MetaModel

AD_ACCOUNT_MODELS: tuple[type[AdAccountModel], ...] = (GoogleModel, LinkedInModel, MetaModel)


def ad_account_model(kind: str) -> type[AdAccountModel]:
    """Return the settings of a kind. Raises KeyError."""
    return {model.name: model for model in AD_ACCOUNT_MODELS}[kind]
