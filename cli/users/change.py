"""sojourn users set: change a person's traits, consent, suppressions and stage."""

import json
from typing import Annotated, Any

import typer

from cli.client import connect
from cli.options import AsJson
from cli.output import print_json
from cli.users.consents import nest_consent
from cli.users.options import ChangedPersonArgument, KindOption
from cli.users.show import print_person

_FLAGS = {"yes": True, "true": True, "no": False, "false": False}


def change(
    context: typer.Context,
    user: ChangedPersonArgument,
    traits: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME=VALUE]...",
            help="Traits; a value that is not JSON is a text.",
            show_default=False,
        ),
    ] = None,
    unset: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Remove a trait.", show_default=False)] = None,
    consent: Annotated[
        list[str] | None, typer.Option(metavar="[TOPIC.]CHANNEL=yes|no", help="State a consent.", show_default=False)
    ] = None,
    suppress: Annotated[
        list[str] | None, typer.Option(metavar="CHANNEL=REASON", help="Suppress a channel.", show_default=False)
    ] = None,
    lift: Annotated[
        list[str] | None, typer.Option(metavar="CHANNEL", help="Lift a suppression.", show_default=False)
    ] = None,
    stage: Annotated[
        str | None, typer.Option(metavar="STAGE", help="Set a stage that is by hand.", show_default=False)
    ] = None,
    forget_stage: Annotated[
        bool, typer.Option("--forget-stage", help="Forget the stage that was set by hand.")
    ] = False,
    kind: KindOption = None,
    as_json: AsJson = False,
) -> None:
    """Change a person's traits, consent, suppressions and stage: all or nothing."""
    if stage is not None and forget_stage:
        raise typer.BadParameter("give one of --stage and --forget-stage", param_hint="--stage")
    changes: dict[str, Any] = {
        "traits": {
            **{name: _read(value) for name, value in _pairs(traits, "NAME=VALUE")},
            **dict.fromkeys(unset or ()),
        },
        "consent": nest_consent({name: _flag(value) for name, value in _pairs(consent, "--consent")}),
        "suppressed": {**dict(_pairs(suppress, "--suppress")), **dict.fromkeys(lift or ())},
    }
    if stage is not None or forget_stage:
        changes["stage"] = stage
    with connect(context) as api:
        person = api.patch("users", user, body=changes, kind=kind)
    if as_json:
        print_json(person)
    else:
        print_person(person)


def _pairs(given: list[str] | None, hint: str) -> list[tuple[str, str]]:
    parts = [each.partition("=") for each in given or ()]
    if not all(is_given for _, is_given, _ in parts):
        raise typer.BadParameter("write NAME=VALUE, as plan=pro", param_hint=hint)
    return [(name, value) for name, _, value in parts]


def _read(value: str) -> Any:
    try:
        return json.loads(value, parse_constant=str)
    except (ValueError, RecursionError):
        return value


def _flag(value: str) -> bool:
    if value.lower() not in _FLAGS:
        raise typer.BadParameter("write yes or no, as email=yes", param_hint="--consent")
    return _FLAGS[value.lower()]
