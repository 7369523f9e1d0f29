"""sojourn validate: the checks of `apply` without a server."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from cli.documents import document_files, is_scenario_file, read_text, templates_beside
from cli.exit_codes import DONE, REFUSED
from cli.options import AsJson
from cli.output import number_of, print_error, print_json, print_warnings, printable, say_once
from cli.plans import FilesArgument
from domain.deployment_documents import deployment_document
from domain.document.yaml_source import read
from domain.errors import InvalidDocumentError, InvalidRequestError, Problem

if TYPE_CHECKING:
    from domain.campaign.publication import Published
    from domain.people.segment_document import CheckedSegment

NOT_CHECKED: Final = (
    "Only a deployment knows whether a campaign takes a new version, what becomes of its users in flight, whether it "
    "forms a cycle with the campaigns there, and whether its audience has people: ask it by `sojourn plan`."
)


@dataclass(slots=True)
class _Checked:
    """A file's content, problems and warnings; the document itself if it is valid."""

    file: str
    kind: str = "campaign"
    holds: str = ""
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    campaign: "Published | None" = None
    segment: "CheckedSegment | None" = None


def validate(files: FilesArgument, as_json: AsJson = False) -> None:
    """Check campaigns with templates, and other documents, without a server.

    A folder stands for its files. These are the checks of `apply`. Prints all errors of all files; status 1 if there
    are any.
    """
    checked = [_check(file) for file in document_files(files)]
    _check_together(checked)
    is_valid = not any(each.problems for each in checked)
    if as_json:
        documents = [_as_json(each) for each in checked]
        print_json({"is_valid": is_valid, "documents": documents, "not_checked": NOT_CHECKED})
        raise typer.Exit(DONE if is_valid else REFUSED)
    all_problems = say_once([(Path(each.file), each.problems) for each in checked])
    all_warnings = say_once([(Path(each.file), each.warnings) for each in checked])
    for each, problems, warnings in zip(checked, all_problems, all_warnings, strict=True):
        if each.problems:
            print_error(InvalidDocumentError(problems))
        else:
            typer.echo(printable(f"{each.file}: {each.holds}"))
        print_warnings(warnings)
    if is_valid and any(each.campaign for each in checked):
        typer.echo(NOT_CHECKED)
    raise typer.Exit(DONE if is_valid else REFUSED)


def _check(file: Path) -> _Checked:
    # The import takes half a second.
    from domain.document_schemas import find_document_kind

    checked = _Checked(str(file))
    try:
        text = read_text(file)
        if is_scenario_file(file):
            _check_scenarios(checked, text)
            return checked
        checked.kind = find_document_kind(read(text, checked.file).data)
        if checked.kind == "campaign":
            _check_campaign(checked, text, templates_beside(file))
        elif checked.kind == "segment":
            _check_segment(checked, text)
        else:
            _check_rules(checked, text)
    except InvalidDocumentError as error:
        checked.problems = error.problems
    except InvalidRequestError as error:
        checked.problems = [Problem(checked.file, 1, "document", "the file cannot be read", error.detail)]
    return checked


def _check_scenarios(checked: _Checked, text: str) -> None:
    from domain.rehearsal.scenario_document import parse_scenarios

    checked.kind = "scenarios"
    checked.holds = number_of(len(parse_scenarios(text, checked.file).scenarios), "scenario")


def _check_campaign(checked: _Checked, text: str, templates: dict[str, str]) -> None:
    from domain.campaign.publication import check

    published = checked.campaign = check(text, checked.file, templates)
    checked.warnings = published.warnings
    # Blocks, layouts and attachments stand in folders of their own.
    shared = sum("/" in name for name in published.templates)
    names = number_of(len(published.templates) - shared, "template")
    with_shared = f" and {number_of(shared, 'shared file')}" if shared else ""
    checked.holds = f"campaign {published.definition.key}, with {names}{with_shared}"


def _check_segment(checked: _Checked, text: str) -> None:
    from domain.people.segment_document import parse_segment

    segment = checked.segment = parse_segment(text, checked.file)
    checked.warnings = list(segment.warnings)
    checked.holds = f"segment {segment.key}"


def _check_rules(checked: _Checked, text: str) -> None:
    kind = deployment_document(checked.kind)
    checked.holds = f"{kind.title}, {number_of(len(kind.parse(text, checked.file)), 'rule')}"


def _check_together(checked: Sequence[_Checked]) -> None:
    """Check for shared keys, and for cycles among the given campaigns."""
    from domain.campaign.document_warnings import cycle_warnings
    from domain.campaign.publication import find_shared_keys
    from domain.people.segment_document import find_shared_segment_keys

    files = {each.file: each for each in checked}
    published = [each.campaign for each in checked if each.campaign is not None]
    segments = [each.segment for each in checked if each.segment is not None]
    for problem in (*find_shared_keys(published), *find_shared_segment_keys(segments)):
        files[problem.file].problems.append(problem)
    rules = {each.definition.key: each.rules for each in published}
    for one in published:
        files[one.source.file].warnings += cycle_warnings(one.source, one.definition.key, rules)


def _as_json(checked: _Checked) -> dict[str, Any]:
    return {
        "file": checked.file,
        "kind": checked.kind,
        "is_valid": not checked.problems,
        "problems": [asdict(problem) for problem in checked.problems],
        "warnings": [asdict(warning) for warning in checked.warnings],
    }
