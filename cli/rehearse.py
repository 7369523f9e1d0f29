"""sojourn rehearse: generated people walk through campaigns, without a server."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cli.exit_codes import DONE, REFUSED
from cli.options import AsJson
from cli.output import (
    clear_progress,
    number_of,
    people_text,
    print_error,
    print_facts,
    print_json,
    print_progress,
    print_table,
    printable,
)
from cli.rehearsal_files import RehearsalFiles, RehearsedCampaign, load_rehearsal
from domain.errors import SojournError

if TYPE_CHECKING:
    from domain.rehearsal.rehearsal_tally import StepResult
    from domain.rehearsal.rehearse import Rehearsal
    from domain.rehearsal.rehearsed_templates import RenderedSamples

# Paths in the text, each with a person's story; `--json` has all.
MAX_SHOWN: Final = 12
MAX_LINES: Final = 40
MAX_PEOPLE: Final = 100_000
MAX_DAYS: Final = 400
_LOOK_SECONDS: Final = 0.5
_COUNTED: Final = ("campaign", "seed", "people", "searched", "days", "entered", "not_entered", "steps", "ends", "ways")
ASSUMPTIONS: Final = (
    "campaigns run and every provider accepts every message",
    "one person is simulated at a time, so budgets and warm-ups are not used up",
)


def rehearse(
    files: Annotated[list[Path], typer.Argument(exists=True, metavar="FILE", show_default=False)],
    people: Annotated[int, typer.Option(min=1, max=MAX_PEOPLE, help="How many people are generated.")] = 1_000,
    days: Annotated[
        int | None,
        typer.Option(min=1, max=MAX_DAYS, help="How long each is followed; as long as journeys take if left out."),
    ] = None,
    seed: Annotated[str, typer.Option(help="The same seed draws the same people.")] = "1",
    watch: Annotated[bool, typer.Option("--watch", help="Rehearse again whenever a file is saved.")] = False,
    as_json: AsJson = False,
) -> None:
    """Rehearse campaigns with generated people, without a server.

    People are drawn from the events, conditions and times of each campaign, and looked for until every way through it
    is taken. Documents among the files are in force, with those that the scenarios beside a campaign deploy. Status 1
    if a way is left that no person takes, or a message fails.
    """
    while True:
        # The files change while they are read, and are then read again.
        stamp = _stamp(files)
        try:
            is_good = _rehearse_all(load_rehearsal(files), people, days, seed, as_json=as_json)
        except SojournError as error:
            if not watch:
                raise
            print_error(error)
        if not watch:
            raise typer.Exit(DONE if is_good else REFUSED)
        typer.echo("waiting for a change", err=True)
        while _stamp(files) == stamp:
            time.sleep(_LOOK_SECONDS)


def _stamp(files: Sequence[Path]) -> Mapping[Path, int]:
    """Return when the files in the folders of some files were changed.

    Hidden folders are left out: the data of a running `sojourn dev` changes all the time.
    """
    folders = {path if path.is_dir() else path.parent for path in files}
    found = [path for folder in folders for path in _list_shown(folder)]
    stamps = {}
    for path in found:
        try:
            stamps[path] = path.stat().st_mtime_ns
        except FileNotFoundError:
            # An editor has replaced it since it was listed.
            continue
    return stamps


def _list_shown(folder: Path) -> Iterator[Path]:
    """Iterate over the files below a folder that are not hidden."""
    for parent, inner, names in os.walk(folder):
        inner[:] = [name for name in inner if not name.startswith(".")]
        yield from (Path(parent, name) for name in names if not name.startswith("."))


def _rehearse_all(loaded: RehearsalFiles, people: int, days: int | None, seed: str, *, as_json: bool) -> bool:
    """Rehearse and print each campaign; return whether all is well."""
    shown, is_good = [], True
    for one in loaded.campaigns:
        began = perf_counter()
        found, rendered = _rehearse(loaded, one, people, days, seed)
        seconds = perf_counter() - began
        is_good = is_good and not found.unreached and not any(fault.fails for fault in rendered.faults)
        if as_json:
            shown.append(_as_json(one, found, rendered, seconds))
        else:
            _print(one, found, rendered, seconds)
    if as_json:
        print_json({"campaigns": shown})
    return is_good


def _rehearse(
    loaded: RehearsalFiles, one: RehearsedCampaign, people: int, days: int | None, seed: str
) -> "tuple[Rehearsal, RenderedSamples]":
    # The imports take half a second.
    from msgspec.structs import replace

    from domain.rehearsal.rehearse import find_first_day
    from domain.rehearsal.rehearse import rehearse as walk
    from domain.rehearsal.rehearsed_templates import render_messages, sample_data
    from domain.rehearsal.samples import CampaignTemplates
    from domain.rehearsal.vocabulary import learn_vocabulary

    templates = CampaignTemplates(one.published.templates, one.published.compiled_bodies)
    first = find_first_day(one.running.rules)
    words = learn_vocabulary(loaded.rulebook, one.running, sample_data(templates), first)
    if days is not None:
        words = replace(words, days=days)
    try:
        found = walk(loaded.rulebook, one.running, words, people, seed, first, print_progress)
    finally:
        clear_progress()
    running = one.running
    timezone = loaded.rulebook.timezone
    return found, render_messages(running.key, running.plan, running.rules, templates, found.samples, timezone)


def _print(one: RehearsedCampaign, found: "Rehearsal", rendered: "RenderedSamples", seconds: float) -> None:
    typer.echo(printable(f"{one.file}: campaign {found.campaign}"))
    for omission in one.omissions:
        typer.echo(printable(f"  {omission}"))
    walked = found.ways - len(found.unreached)
    print_facts(
        {
            "People": f"{people_text(found.people)} for {number_of(found.days, 'day')}, "
            f"{found.entered:,} entered{_list_counts(found.not_entered, ' (not entered: ', ')')}",
            "Assumed": "; ".join([*ASSUMPTIONS, _say_shares()]),
            "Seed": found.seed,
            "Ways": f"{walked} of {found.ways} taken" + _say_searched(found),
            "Ends": _list_counts(found.ends),
        }
    )
    typer.echo()
    print_table(["STEP", "CAME", "SENT", "NOT SENT", "PUT OFF", "WAYS"], [_row(step) for step in found.steps])
    typer.echo()
    paths = [
        [str(path.people), path.example, " > ".join([*map(str, path.ways), path.outcome or "under way"])]
        for path in found.paths
    ]
    print_table(["PEOPLE", "FOR EXAMPLE", "PATH"], paths[:MAX_SHOWN], folded={"PATH"})
    if len(paths) > MAX_SHOWN:
        typer.echo(f"and {len(paths) - MAX_SHOWN} more paths: --json has them")
    for path in found.paths[:MAX_SHOWN]:
        _print_story(found, path.example)
    _print_findings(found, rendered)
    typer.echo(f"{people_text(found.people)} and {found.searched:,} to search, {seconds:.1f} s")


def _print_story(found: "Rehearsal", example: str) -> None:
    from cli.rehearsal_story import tell_story

    lines = tell_story(found.examples[example])
    typer.echo()
    typer.echo(printable(example))
    rows = [[f"{at:%Y-%m-%d %H:%M}", said] for at, said in lines[:MAX_LINES]]
    print_table(["TIME (UTC)", "WHAT"], rows, folded={"WHAT"})
    if len(lines) > MAX_LINES:
        typer.echo(f"and {len(lines) - MAX_LINES} more lines")


def _print_findings(found: "Rehearsal", rendered: "RenderedSamples") -> None:
    typer.echo()
    titles = {place: title for place, title in rendered.titles.items() if place in rendered.rendered}
    rows = [[place, str(number), titles.get(place, "")] for place, number in rendered.rendered.items()]
    if rows:
        print_table(["MESSAGE", "RENDERED", "BEGINS WITH"], rows, folded={"BEGINS WITH"})
    for fault in rendered.faults:
        mark = typer.style("fails", fg="red") if fault.fails else "empty"
        messages = f"{number_of(fault.number, 'message')}, such as to {fault.user_id}"
        said = f"{fault.step}, {fault.channel}: {fault.said} ({messages})"
        typer.echo(f"  {mark}  {printable(said)}")
    for left in found.unreached:
        typer.echo(f"  {typer.style('not taken', fg='red')}  {printable(f'{left.way}: {left.why}')}")


def _row(step: "StepResult") -> list[str]:
    sent = _list_counts(step.sent)
    not_sent = _list_counts({**step.not_sent, **({"failed": step.failed} if step.failed else {})})
    return [step.step, str(step.came), sent, not_sent, _list_counts(step.put_off), _list_counts(step.ways)]


def _list_counts(counts: Mapping[str, int], before: str = "", after: str = "") -> str:
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])
    listed = ", ".join(f"{name.replace('_', ' ')} {number:,}" for name, number in ordered)
    return f"{before}{listed}{after}" if listed else ""


def _say_shares() -> str:
    from domain.rehearsal.generated_people import SHARES

    return (
        f"{SHARES['opens']} % react to a message, {SHARES['answers']} % do what a step waits for, "
        f"{SHARES['lacks']} % have no address, {SHARES['lacks']} % lack a value that a message prints"
    )


def _say_searched(found: "Rehearsal") -> str:
    only = sum(not path.people for path in found.paths)
    return f", {number_of(only, 'path')} by people who were looked for" if only else ""


def _as_json(one: RehearsedCampaign, found: "Rehearsal", rendered: "RenderedSamples", seconds: float) -> dict[str, Any]:
    from msgspec import to_builtins

    from cli.rehearsal_story import tell_story

    counted: dict[str, Any] = {name: to_builtins(getattr(found, name)) for name in _COUNTED}
    return {
        "file": str(one.file),
        **counted,
        "assumptions": [*ASSUMPTIONS, _say_shares()],
        "omissions": [str(omission) for omission in one.omissions],
        "paths": [
            {
                "ways": [str(way) for way in path.ways],
                "outcome": path.outcome or None,
                "people": path.people,
                "example": path.example,
            }
            for path in found.paths
        ],
        "unreached": [{"way": str(left.way), "why": left.why} for left in found.unreached],
        "examples": {
            user_id: [{"at": at.isoformat(), "what": said} for at, said in tell_story(run)]
            for user_id, run in found.examples.items()
        },
        "messages": to_builtins(rendered),
        "seconds": round(seconds, 2),
    }
