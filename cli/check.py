"""sojourn check: the problems of this deployment, with remedies."""

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import typer
from pydantic import ValidationError

from cli.dev_folder import RUN, DevFolder
from cli.exit_codes import DONE, REFUSED, UNAVAILABLE
from cli.options import AsJson
from cli.output import print_json, printable
from cli.target import find_dev_folder, read_run
from domain.sending.outbound_secrets import describe_unbound

if TYPE_CHECKING:
    from cli.dev_settings import RunningDev
    from domain.deployment.findings import DeploymentFinding

T = TypeVar("T")

# With one of these, the environment is that of a process.
_NAMES_DEPLOYMENT: Final = ("SOJOURN_DATABASE_URL", "SOJOURN_TEMPORAL_ADDRESS", "SOJOURN_LINK_SECRET")


def check(as_json: AsJson = False) -> None:
    """Check settings, database, schema, clock, Temporal, mail and workers.

    It reads the same settings as the processes, or those of the `sojourn dev` that runs here, and lists the secrets of
    webhooks by name and host, and the browser keys of full trust. Status 0: no problems found. 1: a problem with a
    remedy. 3: only that a server does not answer; a refused login or TLS is status 1.
    """
    # The pool logs each failed attempt; the finding below says it once.
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    dev = find_running_dev()
    what = "the deployment of this environment" if dev is None else f"the `sojourn dev` of {dev.folder}"
    if not as_json:
        typer.echo(printable(f"Checking {what}."))
    given = {} if dev is None else dev.settings
    found, trusting = asyncio.run(_find_all(given))
    secrets = _list_secrets() if dev is None else dev.secrets
    if as_json:
        members = ("part", "problem", "remedy", "is_away", "detail")
        findings = [{name: getattr(each, name) for name in members} for each in found]
        print_json({"checked": what, "findings": findings, "secrets": secrets, "trusting_keys": trusting})
    elif not found:
        typer.echo("No problems found.")
    for each in () if as_json else found:
        typer.echo(printable(f"{each.part.value}: {each.problem}"))
        if each.detail:
            typer.echo(printable(f"  it says: {each.detail}"))
        typer.echo(printable(f"  remedy: {each.remedy}"))
    for name, hosts in () if as_json else secrets.items():
        said = f"goes to {', '.join(hosts)}" if hosts else describe_unbound(name)
        typer.echo(printable(f"the secret {name} {said}"))
    for id, name in () if as_json else trusting.items():
        typer.echo(printable(f"the browser key {name} ({id}) has full trust: who reads it may report as any user"))
    raise typer.Exit(_status(found))


def _status(found: "Sequence[DeploymentFinding]") -> int:
    if not found:
        return DONE
    return UNAVAILABLE if all(each.is_away for each in found) else REFUSED


def _list_secrets() -> dict[str, list[str]]:
    """Return the hosts of each secret that webhooks may name, without its value."""
    from settings import Settings

    settings, _ = _read(Settings, {})
    return {} if settings is None else {name: list(each.hosts) for name, each in settings.webhook_secrets.items()}


def find_running_dev() -> "RunningDev | None":
    """Find the `sojourn dev` here, unless the environment names a deployment."""
    if any(f"{variable}{form}" in os.environ for variable in _NAMES_DEPLOYMENT for form in ("", "_FILE")):
        return None
    folder = find_dev_folder()
    run = None if folder is None else read_run(folder / RUN)
    if folder is None or run is None:
        return None
    # Takes a moment to load.
    from cli.dev_settings import read_running_dev

    return read_running_dev(DevFolder(folder), run)


async def _find_all(given: Mapping[str, Any]) -> "tuple[list[DeploymentFinding], dict[str, str]]":
    from domain.deployment.findings import NEEDED_BY_API

    found = await _find(given)
    is_readable = not any(each.part in NEEDED_BY_API for each in found)
    return found, await _list_trusting_keys(given) if is_readable else {}


async def _list_trusting_keys(given: Mapping[str, Any]) -> dict[str, str]:
    """Return the names, by id, of browser keys whose calls about users need no token."""
    from application.keys import Keys
    from settings import DatabaseSettings
    from store.database import Database

    settings, _ = _read(DatabaseSettings, given)
    if settings is None:
        return {}
    async with Database(settings.database_url.get_secret_value(), pool_size=1) as database:
        return {key.id: key.name for key in await Keys(database, []).list_trusting()}


async def _find(given: Mapping[str, Any]) -> "list[DeploymentFinding]":
    """Check everything that valid settings permit; those of `given` replace variables."""
    from application.readiness import look_at_database
    from cli.unknown_variables import find_unknown_variables
    from domain.deployment.findings import Away, Facts, Reachable, TemporalFacts, find_lacks
    from domain.people.links import mark_of
    from provider_wiring import describe_probe, mail_server, uses_mail_settings
    from runtime.temporal import CALL_TIMEOUT
    from runtime.temporal_probe import probe_temporal, read_failure
    from settings import DatabaseSettings, MailSettings, Settings
    from settings_temporal import TemporalSettings
    from store.connection_failure import find_why_away
    from store.database import Database
    from wiring import connect_temporal

    whole, faults = _read(Settings, given)
    database_settings, _ = _read(DatabaseSettings, given)
    temporal_settings, _ = _read(TemporalSettings, given)
    mail_settings, _ = _read(MailSettings, given)

    sends_by_settings = True

    async def database() -> Facts:
        if database_settings is None:
            return Facts()
        url = database_settings.database_url.get_secret_value()
        if (away := await find_why_away(url)) is not None:
            return Facts(database=away)
        async with Database(url, pool_size=1) as opened:
            view = await look_at_database(opened)
            if isinstance(view, Away):
                return Facts(database=view)
            if view.workers is not None:
                nonlocal sends_by_settings
                sends_by_settings = await uses_mail_settings(opened)
        marks = [mark_of(secret) for secret in whole.link_secrets] if whole else []
        return Facts(database=view.facts, workers=view.workers, link_marks=marks)

    async def temporal() -> TemporalFacts | Away | None:
        if temporal_settings is None:
            return None
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                client = await connect_temporal(temporal_settings)
        except (RuntimeError, TimeoutError) as error:
            return read_failure(error)
        return await probe_temporal(client, temporal_settings.task_queue)

    async def mail() -> Reachable | Away | None:
        if mail_settings is None or not sends_by_settings:
            return None
        return describe_probe(await mail_server(mail_settings).check())

    stored, (in_temporal, by_mail) = await database(), await asyncio.gather(temporal(), mail())
    settings = [*faults, *find_unknown_variables(os.environ)]
    return find_lacks(replace(stored, settings=settings, temporal=in_temporal, smtp=by_mail))


def _read(kind: type[T], given: Mapping[str, Any]) -> "tuple[T | None, list[DeploymentFinding]]":
    from settings import find_setting_faults

    try:
        return kind(**given), []
    except ValidationError as error:
        return None, find_setting_faults(error)
