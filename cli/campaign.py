"""sojourn campaign: publish campaigns from files, and start, stop, pause, resume and list them."""

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from cli.client import ApiClient
from cli.printing import print_error, print_json, print_table, print_warnings, printable
from cli.target import find_target
from domain.errors import InvalidDocumentError, InvalidRequestError, Problem

app = typer.Typer(no_args_is_help=True, help="Publish, start, stop, pause, resume and list campaigns.")

Documents = Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, metavar="FILE", show_default=False)]
Targets = Annotated[
    list[str],
    typer.Argument(metavar="FILE_OR_KEY", help="A campaign's key, or its .yaml file.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


@app.command()
def apply(files: Documents, as_json: AsJson = False) -> None:
    """Publish campaign files, with the templates in the folder `templates` beside each."""
    results: list[dict[str, Any]] = []
    has_problems = False
    with ApiClient(find_target()) as api:
        for file in files:
            try:
                published = api.publish(str(file), read_text(file), _templates_beside(file))
            except (InvalidDocumentError, InvalidRequestError) as error:
                has_problems = True
                print_error(error)
                continue
            results.append({"file": str(file), **published})
            if not as_json:
                typer.echo(_told(published))
                print_warnings(published["warnings"])
    if as_json:
        print_json(results)
    if has_problems:
        raise typer.Exit(1)


@app.command()
def start(
    campaigns: Targets, version: Annotated[int | None, typer.Option(min=1, help="The latest, if left out.")] = None
) -> None:
    """Let events start journeys."""
    if version is not None and len(campaigns) > 1:
        raise typer.BadParameter("a version belongs to one campaign: start the others by themselves")
    _change("start", campaigns, {} if version is None else {"version": version})


@app.command()
def stop(
    campaigns: Targets, mode: Annotated[str, typer.Option(help="drain: journeys under way finish.")] = "drain"
) -> None:
    """Start no more journeys."""
    _change("stop", campaigns, {"mode": mode})


@app.command()
def pause(campaigns: Targets) -> None:
    """Hold all messages, at once."""
    _change("pause", campaigns)


@app.command()
def resume(campaigns: Targets) -> None:
    """Let paused campaigns go on."""
    _change("resume", campaigns)


@app.command("list")
def list_campaigns(as_json: AsJson = False) -> None:
    """Show all campaigns."""
    with ApiClient(find_target()) as api:
        found = api.campaigns()
    if as_json:
        print_json(found)
        return
    columns = ["CAMPAIGN", "STATE", "STAGE", "RUNNING", "LATEST", "ACTIVE", "JOURNEYS"]
    fields = ["key", "state", "stage", "running_version", "latest_version", "active_journeys", "total_journeys"]
    print_table(columns, [["-" if each[name] is None else str(each[name]) for name in fields] for each in found])


def read_text(file: Path) -> str:
    """The text of a document. Raises InvalidRequestError where it is not UTF-8 or cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"{file} is not UTF-8; save it as UTF-8") from error
    except OSError as error:
        raise InvalidRequestError(f"{file} cannot be read: {error.strerror}") from error


def _templates_beside(file: Path) -> dict[str, str]:
    """Those that can be read: one that cannot is missed only by a campaign that names it. Hidden files are none."""
    found = {}
    for each in sorted((file.parent / "templates").glob("[!.]*.liquid")):
        try:
            found[each.name] = read_text(each)
        except InvalidRequestError as error:
            typer.echo(f"sojourn: left out: {error}", err=True)
    return found


def _told(published: dict[str, Any]) -> str:
    change = "published" if published["created"] else "unchanged"
    return printable(f"{published['key']}: version {published['version']} {change}")


def _change(verb: str, campaigns: list[str], body: dict[str, Any] | None = None) -> None:
    keys = [_key_of(each) for each in campaigns]
    with ApiClient(find_target()) as api:
        for key in keys:
            view = api.change(key, verb, body)
            version = view["running_version"]
            suffix = "" if version is None else f", version {version}"
            typer.echo(printable(f"{view['key']}: {view['state']}{suffix}"))


def _key_of(file_or_key: str) -> str:
    """The key itself, or the one in the file. A key holds no dot, so that the ending tells them apart."""
    file = Path(file_or_key)
    if file.suffix not in {".yaml", ".yml"}:
        return file_or_key
    try:
        document = yaml.safe_load(read_text(file))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        fault = getattr(error, "problem", None) or "not YAML"
        raise InvalidDocumentError([Problem(str(file), line, "document", fault, "Mend the YAML.")]) from error
    key = document.get("key") if isinstance(document, dict) else None
    if not isinstance(key, str) or not key:
        problem = Problem(str(file), 1, "key", "there is none", "Begin the file with `key: name-of-the-campaign`.")
        raise InvalidDocumentError([problem])
    return key
