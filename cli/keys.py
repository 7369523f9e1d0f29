"""sojourn keys: the keys of the API."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from cli.client import connect
from cli.options import AfterOption, AsJson, LimitOption
from cli.output import is_past, local, local_minute, print_facts, print_json, print_next, print_table, printable
from domain.access import KeyTrust, Scope
from domain.errors import InvalidRequestError

app = typer.Typer(no_args_is_help=True, help="Create, list and revoke the keys of the API.")

HOURS = {"h": 1, "d": 24}


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Option(help="Who or what will use it.", show_default=False)],
    scope: Annotated[
        list[Scope] | None, typer.Option(help="A scope of the key of a server; repeatable.", show_default=False)
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser", help="A public key, for web pages: it only reports.", show_default=False)
    ] = False,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL", help="A page's origin, such as https://shop.example; repeatable.", show_default=False
        ),
    ] = None,
    trust: Annotated[
        KeyTrust | None,
        typer.Option(
            help="`token`: calls about users need a user token. `full`: anyone may report as any user.",
            show_default="token",
        ),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="DURATION", help="90d or 12h. Never, if left out.", show_default=False)
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            help="Message ids are unique within it: the one of the key that this one replaces. The name, if left out.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create a key, and print it. It cannot be shown again."""
    if not (scope or browser):
        raise typer.BadParameter("Missing option '--scope', for the key of a server, or '--browser'")
    expires_at = None if expires is None else (datetime.now(UTC) + _duration(expires)).isoformat()
    with connect(context) as api:
        body = {"name": name, "scopes": scope or None, "expires_at": expires_at, "source": source}
        public = {"kind": "browser" if browser else None, "origins": origin, "trust": trust}
        made = api.post("keys", body={**body, **{name: value for name, value in public.items() if value}})
    if as_json:
        print_json(made)
        return
    print_facts(
        {
            "Id": made["id"],
            "Name": made["name"],
            "Scopes": ", ".join(made["scopes"]),
            "Source": made["source"],
            **({"Origins": ", ".join(made["origins"]), "Trust": made["trust"]} if browser else {}),
            "Expires": local(made["expires_at"]) or "never",
        }
    )
    if made["token"] is None:
        raise InvalidRequestError(f"the answer with its token was lost: revoke {made['id']} and create another")
    typer.echo("The key itself, which is not shown again:", err=True)
    typer.echo(made["token"])
    if made["token_secret"]:
        _print_token_secret(made["token_secret"])


@app.command("rotate-token-secret")
def rotate_token_secret(
    context: typer.Context,
    id: Annotated[str, typer.Argument(metavar="ID", help="As `sojourn keys list` has it.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Make a new secret of user tokens for a browser key.

    The secret before stays valid until the next rotation.
    """
    with connect(context) as api:
        made = api.post("keys", id, "token-secret")
    if as_json:
        print_json(made)
        return
    if made["token_secret"] is None:
        raise InvalidRequestError("the answer with the secret was lost: rotate it once more")
    _print_token_secret(made["token_secret"])


@app.command("list")
def list_keys(
    context: typer.Context, limit: LimitOption = 50, after: AfterOption = None, as_json: AsJson = False
) -> None:
    """Show the keys, the latest first, without their secrets."""
    with connect(context) as api:
        page = api.get("keys", limit=limit, after=after)
    if as_json:
        print_json(page)
        return
    rows = [
        [
            each["id"],
            each["name"],
            ", ".join(each["scopes"]),
            each["source"],
            _state(each),
            local_minute(each["created_at"]),
            local_minute(each["last_used_at"]) or "never",
        ]
        for each in page["keys"]
    ]
    print_table(
        ["KEY", "NAME", "SCOPES", "SOURCE", "STATE", "CREATED", "USED"],
        rows,
        folded={"NAME", "SCOPES", "SOURCE"},
    )
    print_next(page)


@app.command()
def revoke(
    context: typer.Context,
    id: Annotated[str, typer.Argument(metavar="ID", help="As `sojourn keys list` has it.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Revoke a key."""
    with connect(context) as api:
        key = api.delete("keys", id)
    if as_json:
        print_json(key)
    else:
        typer.echo(printable(f"{key['id']}: {key['name']} revoked"))


def _print_token_secret(secret: str) -> None:
    typer.echo("The secret by which your server signs user tokens, which is not shown again:", err=True)
    typer.echo(secret)


def _duration(text: str) -> timedelta:
    if not (found := re.fullmatch(r"([1-9]\d{0,4})([hd])", text)):
        raise typer.BadParameter(f"{text} is not a duration: write 12h or 90d", param_hint="--expires")
    return timedelta(hours=int(found[1]) * HOURS[found[2]])


def _state(key: dict[str, str | None]) -> str:
    if key["revoked_at"]:
        return "revoked"
    if (expires_at := key["expires_at"]) is None:
        return "good"
    return "expired" if is_past(expires_at) else f"until {local_minute(expires_at)}"
