"""sojourn templates: publish and list the templates of single messages."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.attachments import store_attachments
from cli.client import connect
from cli.documents import TEMPLATE_ENDINGS, read_templates, read_text
from cli.options import AsJson
from cli.output import local_minute, print_json, print_table, print_warnings, printable
from domain.errors import InvalidDocumentError, InvalidRequestError, Problem

app = typer.Typer(help="Publish and list the templates of single messages.")


@app.command()
def publish(
    context: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(
            exists=True,
            metavar="FILE",
            help="Templates, NAME.liquid or NAME.mjml, or folders of them.",
            show_default=False,
        ),
    ],
    category: Annotated[str, typer.Option(help="The category of messages whose request names none.")] = "transactional",
    as_json: AsJson = False,
) -> None:
    """Publish templates, each with its languages beside it: NAME.de.liquid."""
    published = []
    with connect(context) as api:
        for file in _default_files(files):
            name = file.name.partition(".")[0]
            store_attachments(api, [file.parent])
            body = {"files": _languages(file, name), "category": category}
            published.append(api.put("templates", _channel(file), name, body=body))
    if as_json:
        print_json({"templates": published})
        return
    for each in published:
        what = "published" if each["created"] else "unchanged"
        needs = f", needs {', '.join(each['needs'])}" if each["needs"] else ""
        typer.echo(printable(f"{each['channel']} {each['name']}: {what}, version {each['version']}{needs}"))
        print_warnings([Problem(**one) for one in each["warnings"]])


@app.command("list")
def list_templates(context: typer.Context, as_json: AsJson = False) -> None:
    """List the templates in force, with the values that each request must give."""
    with connect(context) as api:
        found = api.get("templates")
    if as_json:
        print_json(found)
        return
    rows = [_row(each) for each in found["templates"]]
    print_table(["CHANNEL", "TEMPLATE", "V", "CATEGORY", "PUBLISHED", "NEEDS"], rows, folded={"NEEDS"})


def _row(template: dict[str, Any]) -> list[str]:
    return [
        template["channel"],
        template["name"],
        str(template["version"]),
        template["category"],
        local_minute(template["published_at"]),
        ", ".join(template["needs"]),
    ]


def _default_files(given: list[Path]) -> list[Path]:
    """Return the files of the default language, each once."""
    found: list[Path] = []
    for path in given:
        files = [path] if path.is_file() else sorted(path.glob("[!.]*"))
        defaults = [file for file in files if file.suffix in TEMPLATE_ENDINGS and file.name.count(".") == 1]
        if not defaults:
            raise InvalidRequestError(f"{path} neither is nor holds a template of the default language, NAME.liquid")
        found += defaults
    return list(dict.fromkeys(found))


def _languages(file: Path, name: str) -> dict[str, str]:
    """Return a template in all languages, with the files that templates share."""
    files = read_templates(file.parent)
    return {each: text for each, text in files.items() if "/" in each or each.partition(".")[0] == name}


def _channel(file: Path) -> str:
    """Return the channel of a template. Raises InvalidDocumentError without one."""
    # The import takes a quarter of a second.
    from domain.templates.front_matter import parse

    source, problems = parse(str(file), read_text(file))
    channel = source.fields.get("channel") if source is not None else None
    if channel is None:
        missing = Problem(str(file), 1, "channel", "the channel is missing", "Say channel: email")
        raise InvalidDocumentError(problems or [missing])
    return channel.value
