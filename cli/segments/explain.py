"""sojourn segments explain: why a person is in a segment or not."""

from collections.abc import Iterator
from typing import Any, Final

import typer

from cli.client import connect
from cli.options import AsJson
from cli.output import list_text, local_second, print_facts, print_json, print_table
from cli.segments.options import SegmentArgument
from cli.users.options import KindOption, PersonArgument

_GROUPS: Final = {"all": "all of", "any": "any of", "not": "not"}
_VALUES: Final = {True: "yes", False: "no", None: "?"}
_INDENT: Final = "  "


def explain(
    context: typer.Context,
    user: PersonArgument,
    segment: SegmentArgument,
    kind: KindOption = None,
    as_json: AsJson = False,
) -> None:
    """Explain why a person is in a segment or not, part by part of its condition."""
    with connect(context) as api:
        found = api.get("users", user, "segments", segment, kind=kind)
    if as_json:
        print_json(found)
        return
    change = found["last_change"]
    print_facts(
        {
            "segment": segment,
            "member": f"yes, since {local_second(found['since'])}" if found["is_member"] else "no",
            "instead": found["instead"] or "",
            "last change": f"{local_second(change['at'])}  {change['summary']}" if change else "",
            "being judged": "" if found["is_ready"] else "a new definition has not reached everyone",
        }
    )
    typer.echo()
    columns = ["PART", "HOLDS", "READS", "MAY CHANGE AT"]
    print_table(columns, list(_rows(found["condition"], 0)), folded={"PART", "READS"})


def _rows(part: dict[str, Any], depth: int) -> Iterator[list[str]]:
    text = _GROUPS.get(part["kind"]) or " ".join(part["text"].split())
    read = list_text({path: "null" if value is None else value for path, value in (part["reads"] or {}).items()})
    yield [f"{_INDENT * depth}{text}", _VALUES[part["value"]], part["error"] or read, local_second(part["changes_at"])]
    for one in part["parts"]:
        yield from _rows(one, depth + 1)
