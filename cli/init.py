"""sojourn init: a working example to start from."""

import json
import shlex
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.dev_folder import RUN
from cli.output import printable
from cli.target import find_dev_folder
from domain.errors import ConflictError, InvalidRequestError

STARTER: Final = Path(__file__).parent / "starter"
SCHEMAS: Final = Path("schemas")


def init(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where to write it.")] = Path("campaigns"),
) -> None:
    """Write a working example: a campaign with templates, caps, and instructions.

    Nothing is overwritten: if the folder has one of the files, none is written.
    """
    texts = _starter_texts()
    if present := [str(folder / name) for name in texts if (folder / name).exists()]:
        detail = f"nothing was written, since there is {', '.join(present)}: name another folder"
        raise ConflictError(detail, files=present)
    try:
        for name, text in texts.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8") as opened:
                opened.write(text)
            typer.echo(printable(str(file)))
    except OSError as error:
        raise InvalidRequestError(f"{folder} cannot be written: {error.strerror}; name another folder") from error
    running = find_dev_folder()
    is_running = running is not None and (running / RUN).exists()
    command = f"cd {shlex.quote(str(folder))} && sojourn dev"
    first = "`sojourn dev` runs already." if is_running else f"First: {command}"
    typer.echo(printable(f"{folder / 'README.md'} says what to do next. {first}"))


def _starter_texts() -> dict[Path, str]:
    """Return the files by path, with the schemas for editors."""
    # The import takes half a second.
    from domain.document_schemas import NAMES, document_schema

    files = sorted(file for file in STARTER.rglob("*") if file.is_file())
    texts = {file.relative_to(STARTER): file.read_text(encoding="utf-8") for file in files}
    for name in NAMES:
        schema = json.dumps(document_schema(name), indent=2, ensure_ascii=False)
        texts[SCHEMAS / f"{name}.schema.json"] = f"{schema}\n"
    return texts
