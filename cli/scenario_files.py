"""Scenario files on disk, with the campaigns and documents that they deploy."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from cli.documents import document_files, is_scenario_file, read_text, templates_beside
from domain.errors import InvalidDocumentError, InvalidRequestError, Problem

if TYPE_CHECKING:
    from domain.campaign.publication import Published
    from domain.rehearsal.given_documents import GivenDocument
    from domain.rehearsal.omissions import Omission
    from domain.rehearsal.rulebook import Rulebook
    from domain.rehearsal.scenarios import Scenarios

ENDING: Final = ".test.yaml"


class DeployedFile(Struct, frozen=True):
    """A document that scenarios deploy: its kind, its file and its text."""

    kind: str
    path: Path
    text: str


class LoadedScenarios(Struct, frozen=True):
    """The scenarios of a file, their campaign and everything that is deployed."""

    scenarios: "Scenarios"
    campaign: str
    files: Sequence[DeployedFile]
    rulebook: "Rulebook"
    omissions: "Sequence[Omission]"


def scenario_files(given: Sequence[Path]) -> list[Path]:
    """Return the scenario files, and those directly in each folder, each once.

    A campaign's file stands for the scenarios beside it. Raises InvalidRequestError if there are none.
    """
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            files = sorted(file for file in path.glob(f"*{ENDING}") if not file.name.startswith("."))
            if not files:
                raise InvalidRequestError(f"{path} holds no {ENDING} file")
            found += files
        else:
            found.append(path if path.name.endswith(ENDING) else path.with_name(f"{path.stem}{ENDING}"))
    return list(dict.fromkeys(found))


def load_scenarios(file: Path) -> LoadedScenarios:
    """Read a file and put everything in force that it names.

    Raises InvalidDocumentError with all problems of a document.
    """
    # The imports take half a second.
    from domain.rehearsal.omissions import list_segment_omissions, select_simulated
    from domain.rehearsal.rulebook import DeployedRules, RunningCampaign, build_rulebook
    from domain.rehearsal.scenario_document import parse_scenarios
    from domain.sending.routes import DEVELOPMENT_PROVIDERS

    scenarios = parse_scenarios(read_text(file), str(file))
    named = scenarios.campaign or f"{file.name.removesuffix(ENDING)}.yaml"
    files = [read_deployed(file, name) for name in dict.fromkeys((named, *scenarios.deployed))]
    if files[0].kind != "campaign":
        raise InvalidDocumentError([_problem(file, "campaign", f"{named} is not a campaign", "Name a campaign's file")])
    campaigns = list(check_campaigns(files).values())
    running = [RunningCampaign(one.definition.key, 1, one.plan, one.rules) for one in campaigns]
    rules = DeployedRules(**parse_rules(files))
    kept, omissions = select_simulated(running, rules.caps)
    if running[0] not in kept:
        [*_, last] = [one for one in omissions if one.campaign == running[0].key]
        said = f"{named} cannot be simulated: {last.what}"
        raise InvalidDocumentError([_problem(file, "campaign", said, "Test it on a deployment")])
    rulebook = build_rulebook(kept, rules, scenarios.timezone, DEVELOPMENT_PROVIDERS)
    omissions += list_segment_omissions(rulebook.segments)
    return LoadedScenarios(scenarios, running[0].key, files, rulebook, omissions)


def read_deployed(file: Path, name: str) -> DeployedFile:
    """Read a document that a file names.

    Raises InvalidDocumentError if it is not there.
    """
    path = file.parent / name
    if not path.is_file():
        said = f"there is no file {path}"
        raise InvalidDocumentError([_problem(file, "deployed", said, "Name files by their paths from this one")])
    return read_document(path)


def read_given(files: Sequence[Path]) -> list[DeployedFile]:
    """Read the documents of files and folders.

    Raises InvalidRequestError for a file of scenarios.
    """
    found = document_files(files)
    for path in filter(is_scenario_file, found):
        raise InvalidRequestError(f"{path} has scenarios: name its campaign, or run them by `sojourn test {path}`")
    return [read_document(path) for path in found]


def read_document(path: Path) -> DeployedFile:
    """Read a document and find its kind. Raises InvalidDocumentError."""
    from domain.document.yaml_source import read
    from domain.document_schemas import find_document_kind

    text = read_text(path)
    return DeployedFile(find_document_kind(read(text, str(path)).data), path, text)


def check_campaigns(files: Sequence[DeployedFile]) -> "dict[Path, Published]":
    """Compile the campaigns among files, with the templates beside each.

    Raises InvalidDocumentError, also for two of one key.
    """
    from domain.rehearsal import given_documents

    found = given_documents.check_campaigns(_to_documents(files))
    return {Path(file): checked for file, checked in found.items()}


def parse_rules(files: Sequence[DeployedFile]) -> dict[str, Any]:
    """Return the rules of documents by the fields of `DeployedRules`.

    Raises InvalidDocumentError for a document that decides nothing about messages.
    """
    from domain.rehearsal import given_documents

    return given_documents.parse_rules(_to_documents(files))


def _to_documents(files: Sequence[DeployedFile]) -> "list[GivenDocument]":
    from domain.rehearsal.given_documents import CAMPAIGN, GivenDocument, GivenText

    return [
        GivenDocument(
            one.kind, GivenText(str(one.path), one.text, templates_beside(one.path) if one.kind == CAMPAIGN else {})
        )
        for one in files
    ]


def _problem(file: Path, path: str, said: str, remedy: str) -> Problem:
    return Problem(str(file), 1, path, said, remedy)
