"""sojourn providers check: try the accounts and senders of this deployment."""

import asyncio
from typing import TYPE_CHECKING, Final

import typer
from msgspec import to_builtins

from cli.check import find_running_dev
from cli.exit_codes import DONE, REFUSED, UNAVAILABLE
from cli.options import AsJson
from cli.output import print_json, printable

if TYPE_CHECKING:
    from application.provider_checks import ProviderChecks

# Failures that may pass without a change of the account.
_AWAY: Final = ("connection", "http_503", "http_429")


def add_provider_commands(app: typer.Typer) -> None:
    """Add the check of accounts and senders to the commands of the document."""
    app.command("check")(check_accounts)


def check_accounts(as_json: AsJson = False) -> None:
    """Try each account, and look up SPF, DKIM and DMARC of each sender.

    Where bounces return to a domain of their own, its SPF is looked up. Nothing is sent. It reads the settings and
    secrets of the workers, or the settings of the `sojourn dev` that runs here. Status 0: no problems found. 1: a
    problem with an account or a record. 3: only that a provider does not answer.
    """
    checks = asyncio.run(_check())
    if as_json:
        print_json(to_builtins(checks))
        raise typer.Exit(_status(checks))
    for account in checks.accounts:
        failure = account.failure
        said = "ready" if failure is None else f"cannot send: {failure.reason}: {failure.detail}"
        typer.echo(printable(f"{account.channel} by {account.provider} ({account.kind}): {said}"))
    for kind, by_domain in (("sender", checks.senders), ("return domain", checks.return_domains)):
        for domain, findings in by_domain.items():
            if not findings:
                typer.echo(printable(f"{kind} {domain}: its records are there"))
            for finding in findings:
                typer.echo(printable(f"{kind} {domain}: {finding.name} {finding.problem}"))
                typer.echo(printable(f"  remedy: {finding.remedy}"))
    raise typer.Exit(_status(checks))


def _status(checks: "ProviderChecks") -> int:
    failures = [account.failure for account in checks.accounts if account.failure is not None]
    found = [*checks.senders.values(), *checks.return_domains.values()]
    if any(found) or any(failure.reason not in _AWAY for failure in failures):
        return REFUSED
    return UNAVAILABLE if failures else DONE


async def _check() -> "ProviderChecks":
    from application.catalogue import Catalogue
    from application.provider_checks import check_providers
    from application.providers import Providers
    from channels.text_records import look_up_texts
    from provider_wiring import ad_platforms, default_providers, opener
    from settings import Settings
    from store.database import Database

    dev = find_running_dev()
    settings = Settings.model_validate({} if dev is None else dev.settings)
    async with Database(settings.database_url.get_secret_value(), pool_size=1) as database:
        catalogue = Catalogue(settings.timezone, default_providers(settings))
        providers, platforms = Providers(catalogue, opener(settings)), ad_platforms(settings)
        try:
            return_domain = settings.smtp_return_domain
            return await check_providers(database, catalogue, providers, platforms, look_up_texts, return_domain)
        finally:
            await platforms.close()
            await providers.close()
