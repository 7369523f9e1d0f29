"""sojourn plan and apply: what a document would change, and changing it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import connect
from cli.documents import campaign_document
from cli.exits import REFUSED
from cli.options import AsJson
from cli.printing import print_error, print_json, print_warnings, printable
from domain.errors import InvalidDocumentError, InvalidRequestError

PLAN_OUTDATED = "plan_outdated"

Documents = Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, metavar="FILE", show_default=False)]


def apply(context: typer.Context, files: Documents, as_json: AsJson = False) -> None:
    """Publish campaign files, with the templates in the folder `templates` beside each."""
    results: list[dict[str, Any]] = []
    has_problems = False
    with connect(context) as api:
        for file in files:
            try:
                published = api.post("campaigns", body=campaign_document(file)[1])
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
        raise typer.Exit(REFUSED)


def _told(published: dict[str, Any]) -> str:
    change = "published" if published["created"] else "unchanged"
    return printable(f"{published['key']}: version {published['version']} {change}")
