"""Check a campaign document and its templates, or refuse them with every problem."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from msgspec import structs

from domain.campaign.answer_checks import check_answers
from domain.campaign.compile import compile_plan
from domain.campaign.definition import CampaignDocument
from domain.campaign.deployment_checks import check_audiences, check_categories, check_expressions, check_templates
from domain.campaign.derive_rules import derive_rules
from domain.campaign.document_checks import check_document
from domain.campaign.document_warnings import document_warnings
from domain.campaign.form_checks import find_stray_keys
from domain.campaign.plan import Message, Plan, fill_channels, template_for
from domain.campaign.raw_steps import iter_steps
from domain.campaign.reference_checks import check_saved_names, unknown_saved
from domain.campaign.rules import Rules
from domain.campaign.schema_errors import validate
from domain.campaign.steps.send import TEMPLATE_NAME, raw_choice
from domain.campaign.triggers.kinds import TRIGGERS
from domain.channels.kinds import CHANNELS
from domain.deployed_names import DeployedNames
from domain.document.yaml_source import Path, YamlSource, read
from domain.errors import InvalidDocumentError, Problem
from domain.sending.caps import is_transactional
from domain.suggestions import did_you_mean
from domain.templates.composition import FILE_NAME, SHARED_FOLDERS, folder_of
from domain.templates.languages import TemplateLanguages
from domain.templates.liquid_text import LiquidText
from domain.templates.parts import CompiledBody
from domain.templates.template_sets import TemplateSet, load
from domain.templates.trial import Trials, try_templates

# Enough for one round of repairs; 128 KB of the same fault would fill megabytes.
MAX_PROBLEMS = 200
# Places in one warning.
MAX_PLACES = 5


@dataclass(frozen=True, slots=True)
class Published:
    """A campaign that may run, and the templates that it uses by file name.

    `compiled_bodies` are those of its templates of MJML. `warnings` are the doubtful places of the document and the
    templates, and `languages` those of the templates. `needs` are the variables without which a message fails.
    """

    source: YamlSource
    definition: CampaignDocument
    plan: Plan
    rules: Rules
    templates: dict[str, str]
    compiled_bodies: dict[str, CompiledBody]
    warnings: list[Problem]
    languages: list[TemplateLanguages]
    needs: frozenset[str] = frozenset()


def check(source: str, file: str, templates: Mapping[str, str], names: DeployedNames | None = None) -> Published:
    """Check and compile a document.

    `templates` are texts by file name, with the files that they share.

    `names` are the deployment's; None if they are not known, and not checked. Raises InvalidDocumentError with every
    problem of the document and of the templates that it uses.
    """
    read_source = read(source, file)
    definition, problems = validate(CampaignDocument, read_source, find_stray_keys(read_source))
    uses = _template_uses(read_source, templates)
    used = {name for _, name, _ in uses}
    shared = {name: text for name, text in templates.items() if folder_of(name) in SHARED_FOLDERS}
    own = {name: text for name, text in templates.items() if name not in shared and _template_name(name) in used}
    problems += [*read_source.problems, *check_document(read_source)]
    problems += _find_missing_templates(uses, templates, read_source)
    paths = {_path_of_template(file, name): name for name in (*own, *shared)}
    loaded, template_problems = load({path: templates[name] for path, name in paths.items()})
    template_problems += _check_channels(uses, loaded)
    if (saved := _find_saved_names(uses, loaded)) is not None:
        template_problems += _check_saved_names(read_source, loaded, saved)
    template_problems += check_answers(read_source, _list_questions(uses, read_source, loaded), _iter_texts(loaded))
    if names is not None:
        problems += [
            *check_expressions(read_source, names),
            *check_categories(read_source, names),
            *check_audiences(read_source, names),
        ]
        template_problems += check_templates(loaded, names)
    if definition is None or problems:
        raise InvalidDocumentError(_sort_problems([*problems, *template_problems], file))
    plan = fill_channels(compile_plan(definition), _channels_by_template(templates))
    parts = {name: template.max_parts for name, template in sorted(loaded.items()) if template.max_parts > 1}
    surveys = {name: template.questions for name, template in sorted(loaded.items()) if template.questions}
    rules = structs.replace(derive_rules(definition), max_parts=parts, surveys=surveys)
    trials = _render_trials(definition, plan, loaded)
    if template_problems or trials.problems:
        raise InvalidDocumentError(_sort_problems([*template_problems, *trials.problems], file))
    doubts = [*read_source.warnings, *(doubt for template in loaded.values() for doubt in template.warnings)]
    doubts += _group_places(trials.warnings)
    warnings = _sort_problems([*document_warnings(read_source, plan, rules), *doubts], file)
    languages = [loaded[name].languages for name in sorted(loaded)]
    used_files = {paths[path] for template in loaded.values() for path in template.shared}
    kept = own | {name: shared[name] for name in sorted(used_files)}
    bodies = {
        paths[path]: body.rename_files(paths)
        for template in loaded.values()
        for path, body in template.compiled_bodies.items()
    }
    return Published(read_source, definition, plan, rules, kept, bodies, warnings, languages, trials.needs)


def find_shared_keys(campaigns: Iterable[Published]) -> Iterator[Problem]:
    """Campaigns that are published together and have the key of one before them."""
    first: dict[str, str] = {}
    for published in campaigns:
        key, source = published.definition.key, published.source
        if key in first:
            said = f"`{key}` is the key of {first[key]} as well"
            yield source.problem(("key",), said, "Give each campaign a key of its own")
        first.setdefault(key, source.file)


_SAVED = "journey.saved."


def _template_uses(source: YamlSource, templates: Mapping[str, str]) -> list[tuple[Path, str, str]]:
    """List the references to templates: path, template's name and channel."""
    present = _channels_by_template(templates)
    uses: list[tuple[Path, str, str]] = []
    for path, step in iter_steps(source):
        send = step.get("send")
        if isinstance(send, dict) and isinstance(name := send.get("template"), str):
            channel, at = send.get("channel"), (*path, "send", "template")
            choice = raw_choice(channel)
            if choice is not None:
                chosen = choice or present.get(name) or list(CHANNELS)[:1]
                uses += [(at, template_for(name, one), one) for one in chosen]
            else:
                one = channel[0] if isinstance(channel, list) and channel else channel
                uses.append((at, name, one if isinstance(one, str) else ""))
    return uses


def _channels_by_template(templates: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the channels for which a template has files of its own, by its name."""
    found: dict[str, list[str]] = {}
    files = {_template_name(file) for file in templates if folder_of(file) not in SHARED_FOLDERS}
    for name in sorted({name.partition(".")[0] for name in files}):
        found[name] = [channel for channel in CHANNELS if template_for(name, channel) in files]
    return found


# Names of the entry's conditions, which templates use as well.
_NAMED = re.compile(r"\b(event|profile)\.(properties|traits)((?:\.[A-Za-z_]\w*)+)")


def _render_trials(definition: CampaignDocument, plan: Plan, loaded: Mapping[str, TemplateSet]) -> Trials:
    """Render the messages for generated people."""
    entry = definition.entry
    conditions = " ".join(filter(None, (entry.where, entry.key, entry.audience.where if entry.audience else None)))
    named = _NAMED.findall(conditions)
    given = [name for kind in TRIGGERS if getattr(entry, kind.key) is not None for name in kind.given]
    known = frozenset(
        [f"{'entry' if root == 'event' else root}.{kind}{path}" for root, kind, path in named]
        + [f"entry.properties.{name}" for name in given]
    )
    sends = {
        (node.by(channel).template, is_transactional(node.category))
        for node in plan.nodes.values()
        if isinstance(node, Message)
        for channel in node.channels
    }
    return try_templates([(loaded[name], is_transactional) for name, is_transactional in sorted(sends)], known)


def _group_places(warnings: Iterable[Problem]) -> Iterator[Problem]:
    """Make one warning of those that say the same of several places."""
    grouped: dict[tuple[str, str], list[Problem]] = {}
    for warning in sorted(warnings, key=lambda warning: (warning.file, warning.line)):
        grouped.setdefault((warning.message, warning.suggestion), []).append(warning)
    for first, *others in grouped.values():
        places = list(dict.fromkeys(f"{other.file}:{other.line}" for other in others))
        more = f" and {len(places) - MAX_PLACES} more" if len(places) > MAX_PLACES else ""
        also = f", also at {', '.join(places[:MAX_PLACES])}{more}" if places else ""
        yield replace(first, message=first.message + also)


def _find_saved_names(uses: list[tuple[Path, str, str]], loaded: Mapping[str, TemplateSet]) -> set[str] | None:
    """Return the names that templates save; None if one with problems may save more."""
    saved: set[str] = set()
    for _, name, channel in uses:
        names = loaded[name].saved_names if name in loaded else None
        if names is not None:
            saved |= names
        elif channel not in CHANNELS or CHANNELS[channel].can_save:
            return None
    return saved


def _check_saved_names(
    source: YamlSource, loaded: Mapping[str, TemplateSet], saved: Collection[str]
) -> Iterator[Problem]:
    """Find values that a condition or a template reads, and no template saves."""
    yield from check_saved_names(source, saved)
    for variant in (variant for template in loaded.values() for variant in template.variants.values()):
        for text in variant.texts():
            read = {
                re.split(r"[.\[]", path.removeprefix(_SAVED))[0] for path in text.variables if path.startswith(_SAVED)
            }
            for name in sorted(read.difference(saved)):
                yield text.place.problem(*unknown_saved(name, saved))


def _list_questions(
    uses: list[tuple[Path, str, str]], source: YamlSource, loaded: Mapping[str, TemplateSet]
) -> dict[str, list[str]]:
    """Return the questions of each step that sends, if its templates are readable."""
    ids = {placed.path: placed.step.get("id") for placed in iter_steps(source)}
    found: dict[str, list[str]] = {}
    for path, name, _ in uses:
        id, template = ids[path[:-2]], loaded.get(name)
        if isinstance(id, str) and template is not None and template.variants:
            found.setdefault(id, []).extend(one.id for one in template.questions)
    return found


def _iter_texts(loaded: Mapping[str, TemplateSet]) -> Iterator[LiquidText]:
    for template in loaded.values():
        for variant in template.variants.values():
            yield from variant.texts()


def _path_of_template(file: str, name: str) -> str:
    """Return a template's path: in `templates`, unless its name has another folder."""
    is_beside = PurePosixPath(name).parent.as_posix() in (".", *SHARED_FOLDERS)
    return str(PurePosixPath(file).parent / ("templates" if is_beside else "") / name)


def _template_name(file: str) -> str:
    name = file.rpartition("/")[2]
    found = FILE_NAME.fullmatch(name)
    return name.partition(".")[0] if found is None else found["name"]


def _find_missing_templates(
    uses: list[tuple[Path, str, str]], templates: Mapping[str, str], source: YamlSource
) -> Iterator[Problem]:
    present = sorted({_template_name(file) for file in templates if folder_of(file) not in SHARED_FOLDERS})
    for path, name, _ in uses:
        if name not in present and re.fullmatch(TEMPLATE_NAME, name.partition(".")[0]):
            said = f"there is no template `{name}.liquid`"
            yield source.problem(path, said, did_you_mean(name, present, "Templates present"))


def _check_channels(uses: list[tuple[Path, str, str]], loaded: Mapping[str, TemplateSet]) -> Iterator[Problem]:
    for name, channel in dict.fromkeys((name, channel) for _, name, channel in uses):
        if name in loaded and channel in CHANNELS:
            yield from loaded[name].check(channel)


def _sort_problems(problems: list[Problem], file: str) -> list[Problem]:
    """Sort problems: the document first, then its templates, each by line."""
    unique = dict.fromkeys(problems)
    ordered = sorted(unique, key=lambda problem: (problem.file != file, problem.file, problem.line))
    return ordered[:MAX_PROBLEMS]
