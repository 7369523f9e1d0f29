"""sojourn preview: a message as a person would get it, without sending it."""

import tempfile
import webbrowser
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import typer

from cli.client import connect
from cli.exit_codes import REFUSED
from cli.message_choice import (
    AtOption,
    ChannelOption,
    LanguageOption,
    PreviewedVersionOption,
    ProfileFileOption,
    RecipientOption,
    SourceArgument,
    StepArgument,
    TimezoneOption,
    choose_message,
    is_file,
    read_campaign,
    read_person,
    require_step,
)
from cli.options import AsJson
from cli.output import as_text, print_facts, print_json, printable
from domain.errors import InvalidRequestError, Problem

DESKTOP_WIDTH: Final = 600
MOBILE_WIDTH: Final = 375
_DARK_SCHEME: Final = "prefers-color-scheme"
_HEADERS: Final = {"From": "from", "Reply to": "reply_to", "Subject": "subject"}


def preview(
    context: typer.Context,
    source: SourceArgument,
    step: StepArgument = None,
    user: RecipientOption = None,
    person: ProfileFileOption = None,
    at: AtOption = None,
    language: LanguageOption = None,
    timezone: TimezoneOption = None,
    version: PreviewedVersionOption = None,
    channel: ChannelOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Write HTML and text to files in this folder.", show_default=False),
    ] = None,
    screenshot: Annotated[
        bool, typer.Option("--screenshot", help="Take pictures as well, by Chromium without network.")
    ] = False,
    opened: Annotated[bool, typer.Option("--open", help="Open the HTML in the browser.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a message as a person would get it. Nothing is sent.

    A step with several channels shows the message of each, unless --channel names one; as JSON, in a list. A file needs
    no server, unless there is a --user. Without --user and --profile, a person is invented who has all that the
    template reads. Status 1 if the message fails for the person.
    """
    if is_file(source) and user is None and version is None:
        render = partial(_render_here, Path(source), require_step(step), person, at, language, timezone)
        previews = _show_each(render, channel)
    else:
        body = choose_message(source, step, version, channel, user, person, at, language, timezone)
        with connect(context) as api:
            previews = _show_each(
                lambda one: api.ask("templates", "preview", body=body if one is None else {**body, "channel": one}),
                channel,
            )
    if as_json:
        print_json(previews if len(previews) > 1 else previews[0])
    else:
        for number, found in enumerate(previews):
            if number:
                typer.echo()
            _show(found)
    written = [found for found in previews if found["content"] is not None]
    if out is not None or screenshot or opened:
        shown = [found for found in written if _find_html(found) is not None] if screenshot or opened else []
        for found in shown or written:
            _write(found, out, with_pictures=screenshot, is_opened=opened, is_quiet=as_json)
    if any(found["problems"] for found in previews):
        raise typer.Exit(REFUSED)


def _show_each(render: Callable[[str | None], dict[str, Any]], channel: str | None) -> list[dict[str, Any]]:
    """Return the previews of a message on the named channel, or on each of its step."""
    first = render(channel)
    others = [] if channel is not None else [one for one in first["channels"] if one != first["channel"]]
    return [first, *map(render, others)]


def _render_here(
    file: Path,
    step: str,
    person: Path | None,
    at: datetime | None,
    language: str | None,
    timezone: str | None,
    channel: str | None,
) -> dict[str, Any]:
    """Render a message of a file by the checks of `validate`."""
    # The imports take half a second.
    import msgspec

    from domain.campaign.publication import check
    from domain.sending.previewed_people import GivenPerson, PreviewedPerson, merge_given
    from domain.sending.previews import PreviewOptions, find_message, render_preview

    checked = check(*read_campaign(file))
    message = find_message(
        checked.definition.key, checked.plan, checked.rules, checked.templates, step, channel, checked.compiled_bodies
    )
    instant = at.astimezone() if at is not None else datetime.now(UTC)
    invented = None
    if person is not None:
        given = msgspec.convert(read_person(person), GivenPerson)
        invented = merge_given(PreviewedPerson(), given, message.entry_event, instant)
    rendered = render_preview(message, invented, PreviewOptions(instant, language, timezone))
    found: dict[str, Any] = msgspec.to_builtins(rendered)
    return found


def _show(found: dict[str, Any]) -> None:
    """Print the texts of a message to standard output, and doubts to standard error."""
    content: dict[str, Any] = found["content"] or {}
    language = found["language"] or "the default language"
    at = datetime.fromisoformat(found["at"]).astimezone(ZoneInfo(found["timezone"]))
    print_facts(
        {
            "Message": f"{found['step']} of {found['campaign']}: template {found['template']} in {language}",
            "Channel": found["channel"] if len(found["channels"]) > 1 else "",
            "Person": "invented, with all that the template reads" if found["is_invented"] else "",
            "At": f"{at:%Y-%m-%d %H:%M} ({found['timezone']})",
            **({name: as_text(content[key]) for name, key in _HEADERS.items()} if "html" in content else {}),
        }
    )
    if "html" in content:
        typer.echo()
        typer.echo("\n".join(map(printable, content["text"].splitlines())))
    elif content:
        typer.echo()
        print_json(content)
    for one in found["attachments"]:
        typer.echo(printable(f"Attached: {one['name']} ({one['media_type']})"))
    for one in found["missing"]:
        printed = "" if one["printed"] is None else f", and prints `{one['printed']}`"
        typer.echo(printable(f"{one['file']}:{one['line']}: {one['variable']} is missing{printed}"), err=True)
    for warning in found["warnings"]:
        typer.echo(printable(f"warning: {warning}"), err=True)
    if found["problems"]:
        typer.echo("sojourn: the message fails for this person:", err=True)
        for problem in found["problems"]:
            typer.echo(printable(str(Problem(**problem))), err=True)


def _write(found: dict[str, Any], out: Path | None, *, with_pictures: bool, is_opened: bool, is_quiet: bool) -> None:
    """Write the parts of a message to files, and name them."""
    content, html = found["content"], _find_html(found)
    if html is None and (with_pictures or is_opened):
        raise InvalidRequestError(f"a message of the channel {found['channel']} has no HTML to show")
    if out is None:
        out = Path(tempfile.mkdtemp(prefix="sojourn-preview-")) if is_opened and not with_pictures else Path()
    channel = found["channel"] if len(found["channels"]) > 1 else None
    name = "-".join(filter(None, [found["campaign"], found["step"], channel, found["language"]]))
    files: dict[str, bytes] = {} if html is None else {f"{name}.html": html.encode()}
    if "html" in content:
        files[f"{name}.txt"] = content["text"].encode()
    else:
        import msgspec

        files[f"{name}.json"] = msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"
    if with_pictures and html is not None:
        files |= _take_pictures(name, html)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for file, data in files.items():
            (out / file).write_bytes(data)
    except OSError as error:
        raise InvalidRequestError(f"{out} cannot be written: {error.strerror}; name another folder") from error
    for file in () if is_quiet else files:
        typer.echo(printable(str(out / file)))
    if is_opened:
        webbrowser.open((out / f"{name}.html").resolve().as_uri())


def _find_html(found: dict[str, Any]) -> str | None:
    """Return the HTML of a message, or of the page that shows it."""
    html: str | None = found["content"].get("html", found["page"])
    return html


def _take_pictures(name: str, html: str) -> dict[str, bytes]:
    """Take pictures for desktop and phone, and in dark if there is such a scheme."""
    from cli.chromium import Picture, take_pictures

    wanted = [Picture("desktop", DESKTOP_WIDTH), Picture("mobile", MOBILE_WIDTH)]
    if _DARK_SCHEME in html:
        wanted += [Picture("desktop-dark", DESKTOP_WIDTH, True), Picture("mobile-dark", MOBILE_WIDTH, True)]
    taken = take_pictures(html, wanted)
    return {f"{name}-{one.name}.png": data for one, data in zip(wanted, taken, strict=True)}
