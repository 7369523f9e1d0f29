"""A campaign document and its templates proved, or refused with everything that is wrong with them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from domain.campaign.compile import compile_plan
from domain.campaign.definition import CampaignDocument
from domain.campaign.derive_rules import rules_of
from domain.campaign.document_checks import check_document
from domain.campaign.document_warnings import document_warnings
from domain.campaign.form_checks import keys_of_no_arm
from domain.campaign.plan import Plan, Send
from domain.campaign.raw_steps import iter_steps
from domain.campaign.rules import Rules
from domain.campaign.schema_errors import validate
from domain.campaign.steps.send import TEMPLATE_NAME
from domain.channels.kinds import CHANNELS
from domain.document.yaml_source import Path, YamlSource, read
from domain.errors import InvalidDocumentError, Problem
from domain.sending.caps import TRANSACTIONAL
from domain.suggestions import did_you_mean
from domain.templates.template_sets import TemplateSet, load
from domain.templates.trial import try_out

# More than anybody mends in one go; 128 KB of the same fault would fill megabytes.
MAX_PROBLEMS = 200


@dataclass(frozen=True, slots=True)
class Published:
    """A campaign that may run. `templates` are the files that it uses, by file name, in all languages.

    `warnings` are what of it is worth a second look.
    """

    source: YamlSource
    definition: CampaignDocument
    plan: Plan
    rules: Rules
    templates: dict[str, str]
    warnings: list[Problem]


def check(source: str, file: str, templates: Mapping[str, str]) -> Published:
    """Prove a document. `templates` maps file names to texts and may hold more than the document uses.

    Raises InvalidDocumentError with every problem of the document and of the templates that it uses.
    """
    read_source = read(source, file)
    definition, problems = validate(CampaignDocument, read_source, keys_of_no_arm(read_source))
    uses = _template_uses(read_source)
    used = {name for _, name, _ in uses}
    files = {name: text for name, text in templates.items() if _template_name(name) in used}
    problems += [*read_source.problems, *check_document(read_source)]
    problems += _missing_templates(uses, templates, read_source)
    loaded, template_problems = load({_path_of_template(file, name): text for name, text in files.items()})
    template_problems += _misplaced_templates(uses, loaded)
    if definition is None or problems:
        raise InvalidDocumentError(_in_order([*problems, *template_problems], file))
    plan, rules = compile_plan(definition), rules_of(definition)
    failing, failing_for_some = _tried_out(definition, plan, loaded)
    if template_problems or failing:
        raise InvalidDocumentError(_in_order([*template_problems, *failing], file))
    doubts = [*read_source.warnings, *(doubt for template in loaded.values() for doubt in template.warnings)]
    doubts += failing_for_some
    warnings = _in_order([*document_warnings(read_source, plan, rules), *doubts], file)
    return Published(read_source, definition, plan, rules, files, warnings)


def _template_uses(source: YamlSource) -> list[tuple[Path, str, str]]:
    """Where a template is named, its name, and the channel that it is for."""
    uses: list[tuple[Path, str, str]] = []
    for path, step in iter_steps(source):
        send = step.get("send")
        if isinstance(send, dict) and isinstance(name := send.get("template"), str):
            channel = send.get("channel")
            uses.append(((*path, "send", "template"), name, channel if isinstance(channel, str) else ""))
    return uses


# What the conditions of an entry name of people, as templates name it.
_NAMED = re.compile(r"\b(event|profile)\.(properties|traits)((?:\.[A-Za-z_]\w*)+)")


def _tried_out(
    definition: CampaignDocument, plan: Plan, loaded: Mapping[str, TemplateSet]
) -> tuple[list[Problem], list[Problem]]:
    """What of the messages fails for everybody, and what for some, by rendering them for generated people."""
    entry = definition.entry
    conditions = " ".join(filter(None, (entry.where, entry.key, entry.audience.where if entry.audience else None)))
    named = _NAMED.findall(conditions)
    known = frozenset(f"{'entry' if root == 'event' else root}.{kind}{path}" for root, kind, path in named)
    sends = {(node.template, node.category == TRANSACTIONAL) for node in plan.nodes.values() if isinstance(node, Send)}
    return try_out([(loaded[name], is_transactional) for name, is_transactional in sorted(sends)], known)


def _path_of_template(file: str, name: str) -> str:
    """Where an editor finds a template: in the folder `templates` beside the document, unless its name has a folder."""
    return str(PurePosixPath(file).parent / ("" if "/" in name else "templates") / name)


def _template_name(file: str) -> str:
    return file.rpartition("/")[2].partition(".")[0]


def _missing_templates(
    uses: list[tuple[Path, str, str]], templates: Mapping[str, str], source: YamlSource
) -> Iterator[Problem]:
    present = sorted({_template_name(file) for file in templates})
    for path, name, _ in uses:
        if name not in present and re.fullmatch(TEMPLATE_NAME, name):
            said = f"there is no template `{name}.liquid`"
            yield source.problem(path, said, did_you_mean(name, present, "Templates present"))


def _misplaced_templates(uses: list[tuple[Path, str, str]], loaded: Mapping[str, TemplateSet]) -> Iterator[Problem]:
    for name, channel in dict.fromkeys((name, channel) for _, name, channel in uses):
        if name in loaded and channel in CHANNELS:
            yield from loaded[name].check(channel)


def _in_order(problems: list[Problem], file: str) -> list[Problem]:
    """The document first, then its templates, each from top to bottom."""
    unique = dict.fromkeys(problems)
    ordered = sorted(unique, key=lambda problem: (problem.file != file, problem.file, problem.line))
    return ordered[:MAX_PROBLEMS]
