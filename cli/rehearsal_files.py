"""The files of a rehearsal: campaigns, and the documents in force beside them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from cli.documents import read_text
from cli.scenario_files import ENDING, DeployedFile, check_campaigns, parse_rules, read_deployed, read_given
from domain.errors import InvalidDocumentError, Problem

if TYPE_CHECKING:
    from domain.campaign.publication import Published
    from domain.rehearsal.omissions import Omission
    from domain.rehearsal.rulebook import Rulebook, RunningCampaign

# Campaigns and deployments without a zone of their own.
TIMEZONE = "UTC"


class RehearsedCampaign(Struct, frozen=True):
    """A campaign to rehearse, with its templates and what of it is not simulated."""

    file: Path
    published: "Published"
    running: "RunningCampaign"
    omissions: "Sequence[Omission]"


class RehearsalFiles(Struct, frozen=True):
    """The campaigns of some files, everything in force, and the files that were read."""

    campaigns: Sequence[RehearsedCampaign]
    rulebook: "Rulebook"
    read: Sequence[Path]


def load_rehearsal(given: Sequence[Path]) -> RehearsalFiles:
    """Read files and folders, and what the scenarios beside campaigns deploy.

    Raises InvalidDocumentError with all problems, also for a campaign that cannot be simulated.
    """
    # The imports take half a second.
    from domain.rehearsal.omissions import list_segment_omissions, select_simulated
    from domain.rehearsal.rulebook import DeployedRules, RunningCampaign, build_rulebook
    from domain.sending.routes import DEVELOPMENT_PROVIDERS

    own = read_given(given)
    beside = [one for file in own if file.kind == "campaign" for one in _find_deployed(file)]
    known = {one.path.resolve() for one in own}
    kinds = {one.kind for one in own}.difference({"campaign", "segment"})
    files = own + [one for one in beside if one.path.resolve() not in known and one.kind not in kinds]
    files = list({one.path.resolve(): one for one in files}.values())
    published = check_campaigns(files)
    wanted = [one.path for one in own if one.kind == "campaign"]
    if not wanted:
        said = "there is no campaign among the files"
        raise InvalidDocumentError([Problem(str(given[0]), 1, "key", said, "Name a campaign's file")])
    running = [RunningCampaign(one.definition.key, 1, one.plan, one.rules) for one in published.values()]
    rules = DeployedRules(**parse_rules(files))
    kept, omissions = select_simulated(running, rules.caps)
    rulebook = build_rulebook(kept, rules, TIMEZONE, DEVELOPMENT_PROVIDERS)
    shared = list(list_segment_omissions(rulebook.segments))
    campaigns = []
    for path in wanted:
        key = published[path].definition.key
        omitted = [*(one for one in omissions if one.campaign == key), *shared]
        if (key, 1) not in rulebook.campaigns:
            said = f"it cannot be rehearsed: {next(one.what for one in omitted if one.leaves_out)}"
            raise InvalidDocumentError([Problem(str(path), 1, "key", said, "Rehearse it on a deployment")])
        campaigns.append(RehearsedCampaign(path, published[path], rulebook.campaigns[key, 1], omitted))
    return RehearsalFiles(campaigns, rulebook, [one.path for one in files])


def _find_deployed(campaign: DeployedFile) -> list[DeployedFile]:
    """Read the documents that the scenarios beside a campaign deploy."""
    from domain.rehearsal.scenario_document import parse_scenarios

    scenarios = campaign.path.with_name(f"{campaign.path.stem}{ENDING}")
    if not scenarios.is_file():
        return []
    deployed = parse_scenarios(read_text(scenarios), str(scenarios)).deployed
    return [read_deployed(scenarios, name) for name in deployed]
