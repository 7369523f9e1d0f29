"""sojourn schema: the JSON Schema of a document, for editors."""

from typing import Annotated

import typer

from cli.output import print_json
from domain.document_schemas import FILE_NAMES, document_schema


def schema(name: Annotated[str, typer.Argument(metavar="|".join(FILE_NAMES), show_default=False)]) -> None:
    """Print the JSON Schema of a document."""
    print_json(document_schema(name))
