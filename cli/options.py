"""Shared arguments and options, with completions for the shell."""

import os
from datetime import datetime
from typing import Annotated

import typer

from cli.client import ApiClient
from cli.config import config_file, read_config
from cli.documents import key_of
from cli.target import DEV, find_deployment
from domain.errors import SojournError

# The forms of an instant. One without an offset is by this machine's clock.
_INSTANTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]


def parse_instant(text: str) -> datetime:
    """Read an instant. Raises BadParameter with its forms."""
    for form in _INSTANTS:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    raise typer.BadParameter(
        f"`{text}` is not an instant: write a day, `2026-12-24`, or a time of it by this machine's clock, "
        "`2026-12-24T08:00`, or with its offset, `2026-12-24T08:00:00+01:00`"
    )


# Completion must be fast.
COMPLETION_SECONDS = 1.0


def complete_campaign(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the key of a campaign; return nothing if the API does not answer."""
    given = context.find_root().params
    try:
        deployment = find_deployment(context=given.get("context"), url=given.get("url"))
        if deployment.asks:
            return []
        with ApiClient(deployment.target(), timeout=COMPLETION_SECONDS) as api:
            found = api.get("campaigns")["campaigns"]
    except SojournError:
        return []
    return [each["key"] for each in found if each["key"].startswith(incomplete)]


def complete_context(incomplete: str) -> list[str]:
    """Complete the name of a context."""
    try:
        contexts = read_config(config_file(os.environ)).contexts
    except SojournError:
        contexts = {}
    return [name for name in (*contexts, DEV) if name.startswith(incomplete)]


def _as_json(context: typer.Context, is_given: bool) -> bool:
    """Return whether it is given, before or after a command of a group."""
    context.meta[_JSON] = is_given or context.meta.get(_JSON, False)
    is_wanted: bool = context.meta[_JSON]
    return is_wanted


_JSON = "sojourn.json"
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.", callback=_as_json)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
WatchOption = Annotated[bool, typer.Option("--watch", help="Show how far it is, until it is done.")]
LimitOption = Annotated[int, typer.Option(min=1, max=500, help="How many.")]
AfterOption = Annotated[str | None, typer.Option(help="Go on from where the last answer stopped.", show_default=False)]


def _key(file_or_key: str | None) -> str | None:
    return None if file_or_key is None else key_of(file_or_key)


# In every command a campaign is named by its key or by its file.
_CAMPAIGN = "A campaign's key, or its .yaml file."

CampaignArgument = Annotated[
    str,
    typer.Argument(
        metavar="CAMPAIGN", help=_CAMPAIGN, callback=_key, autocompletion=complete_campaign, show_default=False
    ),
]
OneCampaignArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="CAMPAIGN", help=_CAMPAIGN, callback=_key, autocompletion=complete_campaign, show_default=False
    ),
]
CampaignsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="CAMPAIGN",
        help="Keys of campaigns, or their .yaml files.",
        callback=lambda given: [key_of(each) for each in given],
        autocompletion=complete_campaign,
        show_default=False,
    ),
]
CampaignOption = Annotated[
    str | None,
    typer.Option("--campaign", help=_CAMPAIGN, callback=_key, autocompletion=complete_campaign, show_default=False),
]
