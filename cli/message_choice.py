"""The options by which commands choose a message, a person, and an instant."""

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cli.documents import DOCUMENT_ENDINGS, campaign_document, key_of, read_text
from cli.options import complete_campaign, parse_instant
from domain.document.yaml_source import YamlSource, read
from domain.errors import InvalidDocumentError, InvalidRequestError, Problem
from domain.local_time.zones import zone_name
from domain.templates.languages import LANGUAGE

# Between the channel and the name of a template.
_SEPARATOR: Final = ":"


def _read_language(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(LANGUAGE, value):
        raise InvalidRequestError(f"`{value}` is not a language: write its code, as en or pt-BR")
    return value


def _read_zone(value: str | None) -> str | None:
    zone = None if value is None else zone_name(value)
    if value is not None and zone is None:
        raise InvalidRequestError(f"`{value}` is not a time zone: write its IANA name, as Europe/Berlin")
    return zone


SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE|CAMPAIGN|TEMPLATE",
        help="A campaign's .yaml file, which need not be published; the key of a published one; or a template of "
        "single messages, as email:password-reset.",
        autocompletion=complete_campaign,
        show_default=False,
    ),
]
StepArgument = Annotated[
    str | None,
    typer.Argument(metavar="STEP", help="The campaign's step that sends the message.", show_default=False),
]
RecipientOption = Annotated[
    str | None, typer.Option("--user", metavar="ID", help="A person that the deployment knows.", show_default=False)
]
ProfileFileOption = Annotated[
    Path | None,
    typer.Option(
        "--profile",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="An invented person as YAML or JSON: profile, account, entry and saved. With --user, in place of theirs.",
        show_default=False,
    ),
]
AtOption = Annotated[
    datetime | None,
    typer.Option("--at", metavar="INSTANT", parser=parse_instant, help="When it would be sent.", show_default="now"),
]
ChannelOption = Annotated[
    str | None,
    typer.Option(
        "--channel", metavar="CHANNEL", help="One of the channels of a step that has several.", show_default=False
    ),
]
LanguageOption = Annotated[
    str | None,
    typer.Option("--language", callback=_read_language, help="In place of the person's, as pt-BR.", show_default=False),
]
TimezoneOption = Annotated[
    str | None,
    typer.Option(
        "--timezone", callback=_read_zone, help="In place of the person's, as Europe/Berlin.", show_default=False
    ),
]
PreviewedVersionOption = Annotated[
    int | None,
    typer.Option("--version", min=1, help="The campaign's version; the latest, if left out.", show_default=False),
]


def is_file(source: str) -> bool:
    """Return whether the argument names a file, by its ending."""
    return Path(source).suffix in DOCUMENT_ENDINGS


def require_step(step: str | None) -> str:
    """Return the step. Raises InvalidRequestError without one."""
    if step is None:
        raise InvalidRequestError("name the step whose message is wanted, behind the campaign")
    return step


def choose_message(
    source: str,
    step: str | None,
    version: int | None,
    channel: str | None,
    user: str | None,
    person: Path | None,
    at: datetime | None,
    language: str | None,
    timezone: str | None,
) -> dict[str, Any]:
    """Return the request for a message and its person. Raises InvalidRequestError."""
    if is_file(source):
        if version is not None:
            raise InvalidRequestError("a file has no version: name the campaign by its key")
        chosen: dict[str, Any] = {"document": campaign_document(Path(source))[1], "step": require_step(step)}
    elif _SEPARATOR in source:
        if step is not None or version is not None or channel is not None:
            raise InvalidRequestError(f"{source} is a template: it has no steps, versions or channels to choose")
        own, _, name = source.partition(_SEPARATOR)
        chosen = {"template": {"channel": own, "name": name}}
    else:
        chosen = {"campaign": key_of(source), "version": version, "step": require_step(step)}
    given = {} if person is None else read_person(person)
    instant = None if at is None else at.astimezone().isoformat()
    wanted = {"channel": channel, "user_id": user, "at": instant, "language": language, "timezone": timezone}
    return {name: value for name, value in {**chosen, **wanted, **given}.items() if value is not None}


def read_campaign(file: Path) -> tuple[str, str, dict[str, str]]:
    """Read a campaign's text, name and templates."""
    _, document = campaign_document(file)
    return document["source"], document["file"], document["templates"]


def read_person(file: Path) -> dict[str, Any]:
    """Read an invented person. Raises InvalidDocumentError with the place of a fault."""
    # The import takes half a second.
    import msgspec

    from domain.sending.previewed_people import GivenPerson

    source = read(read_text(file), str(file))
    if source.problems:
        raise InvalidDocumentError(source.problems)
    try:
        msgspec.convert(source.data, GivenPerson)
    except msgspec.ValidationError as error:
        raise InvalidDocumentError([_find_place(source, str(error))]) from error
    found: dict[str, Any] = source.data
    return found


def _find_place(source: YamlSource, said: str) -> Problem:
    """Return the problem of a message of msgspec: `Expected …, got … - at `$.entry``."""
    message, _, place = said.partition(" - at `$")
    path = tuple(int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]`]+", place))
    text = f"{message[:1].lower()}{message[1:]}"
    remedy = "Write `profile`, `account`, `entry` and `saved` as docs/previews.md shows"
    return source.problem(path, text, remedy)
