"""sojourn caps and the like: the documents that hold once for the deployment."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import connect
from cli.documents import read_document
from cli.options import AsJson
from cli.output import (
    audience_text,
    describe_movement,
    describe_reader,
    number_of,
    people_text,
    print_json,
    print_warnings,
    printable,
)
from domain.deployment_documents import DocumentKind
from domain.errors import Problem
from domain.sending.deliverability import describe_rate

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}

DocumentFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, show_default=False)]


def create_commands(kind: DocumentKind[Any]) -> typer.Typer:
    """Create the commands of one kind."""
    app = typer.Typer(no_args_is_help=True, help=f"Show, plan and replace the {kind.title}.")

    @app.command()
    def show(context: typer.Context, as_json: AsJson = False) -> None:
        """Print the document in force."""
        with connect(context) as api:
            document = api.get(kind.name)
        if as_json:
            print_json(document)
        else:
            typer.echo(f"# version {document['version']}\n{document['source'].rstrip()}")
            for rule in (rule for rule in document["rules"] if "circuit" in rule):
                typer.echo(printable(f"# {rule['name']}: {_circuit_text(rule['circuit'])}"))
            for rule in (rule for rule in document["rules"] if "pause" in rule):
                typer.echo(printable(f"# {rule['name']}: {_pause_text(rule['pause'])}"))
            for rule in (rule for rule in document["rules"] if "numbers" in rule):
                failed = f"; failed: {rule['failure']}" if rule["failure"] is not None else ""
                typer.echo(printable(f"# {rule['name']}: {audience_text(rule['numbers'])}{failed}"))
            for rule in (rule for rule in document["rules"] if "people" in rule):
                typer.echo(printable(f"# {rule['key']}: {people_text(rule['people'])}"))

    @app.command()
    def plan(context: typer.Context, file: DocumentFile, as_json: AsJson = False) -> None:
        """Show what a file would change, without changing it."""
        with connect(context) as api:
            planned = api.ask(kind.name, "plan", body=read_document(file, kind.name))
        if as_json:
            print_json(planned)
        else:
            _print_plan(kind, planned)
            print_warnings([Problem(**each) for each in planned["warnings"]])

    @app.command()
    def apply(context: typer.Context, file: DocumentFile, as_json: AsJson = False) -> None:
        """Replace the rules by those of a file."""
        with connect(context) as api:
            document = api.put(kind.name, body=read_document(file, kind.name))
        if as_json:
            print_json(document)
        else:
            rules = number_of(len(document["rules"]), "rule")
            typer.echo(f"{kind.title}: version {document['version']}, {rules}")
            if building := sum("ready_at" in rule and rule["ready_at"] is None for rule in document["rules"]):
                typer.echo(f"{kind.pending.format(rules=number_of(building, 'rule'))}: `sojourn operations`")

    return app


def _print_plan(kind: DocumentKind[Any], planned: dict[str, Any]) -> None:
    version, changes = planned["version"], planned["changes"]
    typer.echo(f"{kind.title}: version {version}, {number_of(len(changes), 'change')} by the file")
    for change in changes:
        typer.echo(printable(f"  {_SIGNS[change['kind']]} {change['name']}"))
        before, after = change["before"] or {}, change["after"] or {}
        for field in dict.fromkeys([*before, *after]):
            if before.get(field) != after.get(field) and change["kind"] == "changed":
                typer.echo(printable(f"      {field}: {_value(before, field)} -> {_value(after, field)}"))
        for reader in change["read_by"]:
            typer.echo(printable(f"      read by {describe_reader(reader)}"))
    for name, people in planned["people"].items():
        typer.echo(printable(f"  {name}: {describe_movement(people)}"))


def _circuit_text(circuit: dict[str, Any]) -> str:
    """Say why a provider gets no messages, or how often it has failed."""
    why = f"{circuit['reason']}: {circuit['detail']}"
    if circuit["state"] == "open":
        return f"circuit open since {circuit['opened_at']}, probed at {circuit['probe_at']}: {why}"
    return f"{number_of(circuit['failures'], 'failure')} in a row: {why}"


def _pause_text(pause: dict[str, Any]) -> str:
    """Say why a provider gets no marketing."""
    rate = describe_rate(pause["cause"], pause["number"], pause["messages"], pause["limit"])
    return f"marketing paused since {pause['paused_at']}: {rate}"


def _value(rule: dict[str, Any], field: str) -> str:
    return str(rule[field]) if field in rule else "(none)"
