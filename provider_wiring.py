"""The providers and ad platforms of a deployment, opened by its settings."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import psycopg

from application.ad_flush import AdPlatforms
from application.catalogue import Catalogue
from application.providers import Providers
from channels.ad_platforms.registry import open_platform
from channels.provider_kind import INBOX, ProviderContext
from channels.registry import open_provider
from domain.deployment.findings import Away, Reachable
from domain.sending.delivery import ManagedProvider, Unavailable
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.smtp import SmtpModel
from domain.sending.routes import DEFAULT_PROVIDERS, DEVELOPMENT_PROVIDERS, ProviderRule
from runtime.instrumented_provider import instrument
from settings import DecisionSettings, MailSettings, Settings
from store.database import Database


def open_providers(settings: Settings, catalogue: Catalogue, *, leaves_unusable: bool = False) -> Providers:
    """Return the providers of the deployment, which are opened when they are used."""
    open_rule = opener(settings)
    return Providers(
        catalogue,
        lambda rule: instrument(rule.channel, open_rule(rule)),
        leaves_unusable=leaves_unusable,
    )


def default_providers(settings: DecisionSettings) -> Mapping[str, ProviderRule]:
    """Return the providers of channels that the document leaves out."""
    return DEFAULT_PROVIDERS if settings.inbox_url is None else DEVELOPMENT_PROVIDERS


def opener(settings: Settings) -> Callable[[ProviderRule], ManagedProvider]:
    """Return how this process opens a provider; it raises InvalidRequestError."""
    context = ProviderContext(
        secrets=provider_secrets(settings),
        smtp=_smtp(settings),
        link_secrets=settings.link_secrets,
        signing_secrets=settings.webhook_signing_secrets,
        webhook_secrets=settings.webhook_secrets,
        allow_private_addresses=settings.webhook_allow_private_addresses,
        inbox=settings.inbox_url or INBOX,
        callback_url=f"{settings.public_url.rstrip('/')}/v1/callbacks",
    )
    return lambda rule: open_provider(rule, context)


def ad_platforms(settings: Settings) -> AdPlatforms:
    """Return the accounts at ad platforms, as this process opens them."""
    return AdPlatforms(partial(open_platform, secrets=provider_secrets(settings)))


def mail_server(settings: MailSettings) -> ManagedProvider:
    """Return the mail server of the settings."""
    return open_provider(DEFAULT_PROVIDERS["email"], ProviderContext(ProviderSecrets(), smtp=_smtp(settings)))


def provider_secrets(settings: Settings) -> ProviderSecrets:
    """Return the secrets that the document of providers names."""
    return ProviderSecrets(settings.webhook_secrets.values())


def _smtp(settings: MailSettings) -> dict[str, Any]:
    password = settings.smtp_password
    return {
        "host": settings.smtp_host,
        "port": settings.smtp_port,
        "username": settings.smtp_username,
        "password": password.get_secret_value() if password else None,
        "security": settings.smtp_security,
        "return_domain": settings.smtp_return_domain,
    }


async def probe_mail(providers: Providers, database: Database, catalogue: Catalogue) -> Reachable | Away | None:
    """Try the mail servers that send; None if there is none, or the database is away."""
    try:
        async with database.transaction() as connection:
            deployed = await catalogue.load_providers(connection)
    except psycopg.OperationalError:
        return None
    servers = [rule for rule in deployed.find_providers("email") if rule.kind == SmtpModel.name]
    default = DEFAULT_PROVIDERS["email"]
    found = [
        describe_probe(await providers.open(rule).check(), None if rule == default else rule.name) for rule in servers
    ]
    return next((one for one in found if isinstance(one, Away)), found[0] if found else None)


async def uses_mail_settings(database: Database) -> bool:
    """Return whether e-mails go by the mail server of the settings."""
    async with database.transaction() as connection:
        deployed = await Catalogue().load_providers(connection)
    return deployed.find_providers("email") == (DEFAULT_PROVIDERS["email"],)


def describe_probe(failure: Unavailable | None, provider: str | None = None) -> Reachable | Away:
    """Describe the result of trying a mail server.

    It is that of the settings, or a provider of the document.
    """
    if failure is None:
        return Reachable()
    reasons = {
        "login": ("it refuses the login", "correct SOJOURN_SMTP_USERNAME and SOJOURN_SMTP_PASSWORD"),
        "tls": (
            "TLS fails",
            "set SOJOURN_SMTP_SECURITY to what the server offers (none, starttls, tls), or mend its certificate",
        ),
    }
    reason, remedy = reasons.get(failure.reason, ("there is no connection", None))
    if provider is not None:
        reason = f"{reason}, by the provider {provider}"
        remedy = f"mend it, or correct `{provider}` in the document of providers: `sojourn providers apply`"
    return Away(reason, remedy, failure.detail, is_refusal=failure.reason in reasons)
