"""sojourn segments list, show, plan, apply and delete."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import typer

from cli.client import ApiClient, connect
from cli.documents import document_files, read_document
from cli.operation_progress import watch_operations
from cli.operations import check_done, tell_operation
from cli.options import AsJson, WatchOption, Yes
from cli.output import (
    confirm,
    describe_movement,
    describe_reader,
    number_of,
    print_json,
    print_table,
    print_warnings,
    printable,
)
from cli.segments.options import SegmentArgument, SegmentFilesArgument
from domain.errors import Problem

_SIGNS: Final = {"added": "+", "removed": "-", "changed": "~", "unchanged": "="}


def list_all(context: typer.Context, as_json: AsJson = False) -> None:
    """List the segments, with the numbers of their members."""
    with connect(context) as api:
        found = api.get("segments")
    if as_json:
        print_json(found)
        return
    rows = [
        [each["key"], each["name"], str(each["version"]), f"{each['members']:,}", _state(each), each["on_change"]]
        for each in found["segments"]
    ]
    print_table(["SEGMENT", "NAME", "VERSION", "MEMBERS", "STATE", "ON CHANGE"], rows, folded={"NAME"})


def show(context: typer.Context, segment: SegmentArgument, as_json: AsJson = False) -> None:
    """Print a segment's document, with its version, members and state."""
    with connect(context) as api:
        found = api.get("segments", segment)
    if as_json:
        print_json(found)
    else:
        facts = f"version {found['version']}, {number_of(found['members'], 'member')}, {_state(found)}"
        typer.echo(f"# {printable(facts)}\n{found['source'].rstrip()}")


def plan(context: typer.Context, files: SegmentFilesArgument, as_json: AsJson = False) -> None:
    """Show the changes by files: conditions, readers, and who would join and leave.

    A folder stands for its files. Nothing is changed.
    """
    with connect(context) as api:
        planned = api.ask("segments", "plan", body={"segments": _documents(files)})
    if as_json:
        print_json(planned)
        return
    _print_changes(planned["segments"])
    print_warnings([Problem(**each) for each in planned["warnings"]])


def apply(
    context: typer.Context,
    files: SegmentFilesArgument,
    watch: WatchOption = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Put files in force together, or none of them, each after those that it reads.

    A folder stands for its files. An operation judges everyone by changed conditions.
    """
    documents = _documents(files)
    with connect(context) as api:
        if not yes:
            _confirm_triggers(api, documents)
        applied = api.post("segments", "apply", body={"segments": documents})
        ids = dict.fromkeys(each["progress"]["operation"] for each in applied["segments"] if each["progress"])
        operations = [api.get("operations", id) for id in ids]
        if not as_json:
            for each, change in zip(applied["segments"], applied["plan"]["segments"], strict=True):
                said = "unchanged" if change["kind"] == "unchanged" else "applied"
                typer.echo(printable(f"{each['key']}: version {each['version']} {said}, {_state(each)}"))
            print_warnings([Problem(**each) for each in applied["plan"]["warnings"]])
            for operation in operations:
                if not watch:
                    tell_operation(operation)
        ended = watch_operations(api, operations, quiet=as_json) if watch else []
    if as_json:
        print_json({**applied, "operations": ended or operations})
    check_done(ended)


def delete(context: typer.Context, segment: SegmentArgument, yes: Yes = False) -> None:
    """End a segment, unless a campaign or another segment reads it."""
    with connect(context) as api:
        if not yes:
            members = api.get("segments", segment)["members"]
            confirm(f"Delete {segment} on {api.url}, with {number_of(members, 'member')}?")
        api.delete("segments", segment)
    typer.echo(printable(f"{segment}: deleted"))


def _documents(files: Sequence[Path]) -> list[dict[str, str]]:
    return [read_document(file, "segment") for file in document_files(files)]


def _confirm_triggers(api: ApiClient, documents: list[dict[str, str]]) -> None:
    """Ask once if definitions move people with triggers."""
    planned = api.ask("segments", "plan", body={"segments": documents})["segments"]
    moving = [
        f"{each['key']} ({describe_movement(each['people'])})"
        for each in planned
        if each["people"]
        and each["after"]["on_change"] == "trigger"
        and any(each["people"][name]["high"] for name in ("joins", "leaves"))
    ]
    if moving:
        confirm(f"Apply on {api.url}, with triggers for those who join and leave {', '.join(moving)}?")


def _print_changes(changes: Sequence[dict[str, Any]]) -> None:
    for change in changes:
        version = change["next_version"] or change["version"]
        typer.echo(printable(f"  {_SIGNS[change['kind']]} {change['key']}: {change['kind']}, version {version}"))
        before, after = change["before"] or {}, change["after"] or {}
        for field in after:
            if change["kind"] == "changed" and before[field] != after[field]:
                typer.echo(printable(f"      {field}: {before[field]} -> {after[field]}"))
        if change["people"] is not None:
            typer.echo(printable(f"      {describe_movement(change['people'])}"))
        for reader in change["read_by"]:
            typer.echo(printable(f"      read by {describe_reader(reader)}"))


def _state(segment: dict[str, Any]) -> str:
    """Describe the state: `building, 4200 of 100000`."""
    progress = segment["progress"]
    if progress is None or progress["total"] is None:
        return str(segment["state"])
    return f"{segment['state']}, {progress['done']} of {progress['total']}"
