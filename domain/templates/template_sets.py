"""Message templates: Liquid files with front matter, in language variants.

`NAME.liquid` is the default, `NAME.LANG.liquid` a variant for that language, which inherits the front matter of the
default. `NAME.CHANNEL.liquid` is for one channel of a step that has several. The body of `NAME.mjml` is compiled to
HTML. `blocks/` and `layouts/` are shared by templates.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple

from domain.channels.kind import ChannelKind, Variant
from domain.channels.kinds import CHANNELS
from domain.errors import Problem
from domain.sending.senders import NO_SENDERS, DeployedSenders
from domain.suggestions import did_you_mean
from domain.surveys.survey import QuestionOutline
from domain.surveys.survey_template import compile_survey
from domain.templates.attachments import AttachingVariant, find_attachments
from domain.templates.composition import (
    ATTACHMENTS,
    BODY,
    FILE_NAME,
    HTML_ENDING,
    MJML_ENDING,
    SHARED_FOLDERS,
    Composer,
    SharedFiles,
    folder_of,
)
from domain.templates.front_matter import QUOTE, Field, Leaf, TemplateSource, parse
from domain.templates.languages import DEFAULT, LANGUAGE, TemplateLanguages, choose_language, list_languages
from domain.templates.linked_surveys import SURVEY, SurveyingVariant, check_outlines, check_survey_link
from domain.templates.liquid_context import Localization, MissingRead, Rendering
from domain.templates.liquid_text import SourceLocation, TemplateRenderError, compile_liquid
from domain.templates.mjml import compile_mjml, find_stray_mjml
from domain.templates.parts import CompiledBody

__all__ = ["TemplateRenderError", "TemplateSet", "load"]

MAX_FILE_BYTES = 256 * 1024

LAYOUT = "layout"


@dataclass(frozen=True, slots=True)
class TemplateSet:
    """One template in all of its languages.

    `channel` is None if the default has problems, and a variant with problems is absent. `saved_names` are the names
    under which a journey keeps values of the receiver's reply, in all languages; None if a file's front matter has
    problems. `warnings` are doubtful places of the files. `language` is that of the default, if it says so. `shared`
    are the blocks, layouts and attachments that it uses, and `compiled_bodies` those of its files of MJML. `questions`
    are those of its survey.
    """

    name: str
    channel: str | None
    place: SourceLocation
    variants: Mapping[str, Variant] = field(default_factory=dict)
    saved_names: frozenset[str] | None = None
    warnings: tuple[Problem, ...] = ()
    language: str | None = None
    shared: frozenset[str] = frozenset()
    questions: tuple[QuestionOutline, ...] = ()
    compiled_bodies: Mapping[str, CompiledBody] = field(default_factory=dict)

    def check(self, channel: str) -> list[Problem]:
        """Find why the template cannot be sent on this channel."""
        if self.channel is None or self.channel == channel:
            return []
        message = f"'{self.name}' is a template for {self.channel}, not for {channel}"
        return [self.place.problem(message, f"Send it on {self.channel}, or name another template")]

    @property
    def known_paths(self) -> frozenset[str]:
        """The variables that every recipient of this template has."""
        return CHANNELS[self.channel].known_paths if self.channel else frozenset()

    def render(
        self,
        variables: Mapping[str, Any],
        locale: str | None,
        zone: tzinfo = UTC,
        now: datetime | None = None,
        missing: list[MissingRead] | None = None,
        senders: DeployedSenders = NO_SENDERS,
    ) -> dict[str, Any]:
        """Render one message in the variant of the locale, its language, or the default.

        `variables` are those of domain/templates/variables.py. A null counts as missing, and lines end in a line feed.
        Dates and numbers are formatted for the locale and the zone; a template can use `now` unless it is None. The
        missing variables that are read are added to `missing`. A mail is from one of the `senders`, if its template
        names an owner.

        E-mail gives {from, reply_to, subject, text, html}, all texts but `reply_to`, which may be None; a webhook
        gives its request (domain/channels/webhook.py). Raises TemplateRenderError, whose detail quotes nothing of the
        user's.
        """
        if (variant := self._variant(locale)) is None:
            raise TemplateRenderError(self.place, "the template has problems and cannot be rendered")
        return variant.render(Rendering(variables, Localization(locale, zone, now), senders, missing=missing))

    def is_repeatable(self, locale: str | None) -> bool:
        """Return whether a message for this locale may be repeated, if its provider may."""
        variant = self._variant(locale)
        return self.channel is None or variant is None or CHANNELS[self.channel].is_repeatable(variant)

    @property
    def max_parts(self) -> int:
        """The most parts of a message, in any language, that are charged one by one."""
        kind = CHANNELS[self.channel] if self.channel else None
        return max((kind.count_max_parts(one) for one in self.variants.values() if kind is not None), default=1)

    @property
    def languages(self) -> TemplateLanguages:
        """The languages that it is written in."""
        return TemplateLanguages(self.name, tuple(sorted(self.variants.keys() - {DEFAULT})), self.language)

    def _variant(self, locale: str | None) -> Variant | None:
        return self.variants.get(choose_language(self.variants, locale))


def load(
    files: Mapping[str, str], compiled_bodies: Mapping[str, CompiledBody] | None = None
) -> tuple[dict[str, TemplateSet], list[Problem]]:
    """Compile files (name to text) to templates by name, with all problems.

    Every name of a file is a key, so that a template with problems does not count as missing. With problems, nothing
    may be published. `compiled_bodies` are those of a version's files of MJML.
    """
    problems: list[Problem] = []
    named: dict[str, dict[str, _File]] = {}
    for file, text in sorted(files.items()):
        if folder_of(file) in SHARED_FOLDERS:
            continue
        match = FILE_NAME.fullmatch(file.rpartition("/")[2])
        place = SourceLocation(file, 1, "file name")
        if match is None:
            problems.append(
                place.problem("this does not name a template", "Call it NAME.liquid, NAME.LANG.liquid or NAME.mjml")
            )
            continue
        variants = named.setdefault(match["name"], {})
        language = (match["language"] or DEFAULT).lower()
        if language in variants:
            problems.append(place.problem(f"{variants[language].name} is the same template", "Keep one of them"))
            continue
        variants[language] = _File(file, match["ending"], _source(file, text, problems))
    shared = SharedFiles(files)
    sets = {
        name: _template_set(name, variants, problems, shared, compiled_bodies or {}) for name, variants in named.items()
    }
    # A fault in inherited front matter is found again in each variant.
    return sets, sorted(dict.fromkeys(problems), key=lambda problem: (problem.file, problem.line))


class _File(NamedTuple):
    name: str
    ending: str
    source: TemplateSource | None


def _source(file: str, text: str, problems: list[Problem]) -> TemplateSource | None:
    if len(text.encode(errors="replace")) > MAX_FILE_BYTES:
        place = SourceLocation(file, 1, "file")
        problems.append(place.problem(f"the file is larger than {MAX_FILE_BYTES // 1024} KB", "Make it smaller"))
        return None
    source, faults = parse(file, text)
    problems += faults
    return source


def _template_set(
    name: str,
    files: Mapping[str, _File],
    problems: list[Problem],
    shared: SharedFiles,
    compiled_bodies: Mapping[str, CompiledBody],
) -> TemplateSet:
    if DEFAULT not in files:
        place = SourceLocation(next(iter(files.values())).name, 1, "file name")
        problems.append(place.problem(f"'{name}' has no default language", f"Add {name}.liquid"))
        problems += _check_liquid(files)
        return TemplateSet(name, None, place)
    default = files[DEFAULT].source
    unreadable = TemplateSet(name, None, SourceLocation(files[DEFAULT].name, 1, "front matter"))
    if default is None:
        problems += _check_liquid(files)
        return unreadable
    channel = default.fields.get("channel")
    if channel is None or channel.value not in CHANNELS:
        place = default.key_places.get("channel", unreadable.place)
        problems.append(place.problem("the channel is missing or unknown", f"Say channel: {' or '.join(CHANNELS)}"))
        problems += _check_liquid(files)
        return unreadable
    kind = CHANNELS[channel.value]
    problems += _find_missing_keys(default, unreadable.place, kind)
    own_language = default.fields["language"].value.strip().lower() if "language" in default.fields else None
    variants: dict[str, Variant] = {}
    bodies: dict[str, CompiledBody] = {}
    used: set[str] = set()
    saved: set[str] = set()
    warnings: list[Problem] = []
    outlines: dict[str, Sequence[QuestionOutline]] = {}
    asking: dict[str, SourceLocation] = {}
    for language, file in files.items():
        if file.source is not None:
            faults = list(_check_keys(file.source, kind, channel.value))
            faults += _check_language(file.source, language)
            warnings += file.source.warnings
            fields = _fields_of(default, kind) | _fields_of(file.source, kind)
            saved |= kind.saved_names(fields)
            composer = Composer(shared, list_languages(language))
            spoken = own_language if language == DEFAULT else language
            if spoken is not None:
                # The name of the file says it for a variant.
                fields["language"] = Field(spoken, SourceLocation(file.name, 1, "language"))
            body = _compose(composer, kind, file, fields, compiled_bodies.get(file.name), spoken)
            attached = fields[ATTACHMENTS] if kind.can_attach and ATTACHMENTS in fields else None
            attachments = find_attachments(attached, shared.list_files(ATTACHMENTS), faults)
            used |= composer.files | attachments.keys()
            faults += composer.problems
            variant = None if composer.problems else kind.compile(fields, body, faults, warnings)
            asked = fields.get(SURVEY)
            survey = None if asked is None else compile_survey(asked.tree, asked.place, faults, warnings)
            if variant is not None and not faults:
                outlines[language] = kind.list_questions(variant) if survey is None else survey.questions
                faults += check_survey_link(variant, asked)
                asking[language] = body.place if asked is None else asked.place
            problems += faults
            if variant is not None and not faults:
                if survey is not None:
                    variant = SurveyingVariant(variant, survey)
                if attached is not None:
                    variant = AttachingVariant(variant, tuple(attachments.values()), attached.place)
                variants[language] = variant
                if file.ending == MJML_ENDING:
                    bodies[file.name] = CompiledBody.of(body)
    problems += check_outlines(outlines, asking)
    is_readable = all(file.source is not None for file in files.values())
    saved_names = frozenset(saved) if is_readable else None
    return TemplateSet(
        name,
        channel.value,
        channel.place,
        variants,
        saved_names,
        tuple(warnings),
        own_language,
        frozenset(used),
        tuple(outlines.get(DEFAULT, ())),
        bodies,
    )


def _compose(
    composer: Composer,
    kind: ChannelKind,
    file: _File,
    fields: dict[str, Field],
    compiled: CompiledBody | None,
    language: str | None,
) -> Field:
    """Put layouts and blocks into the `fields` and the body, and return the body."""
    if file.source is None:
        raise ValueError("a file that cannot be read has no body")
    body = file.source.body
    if not kind.composed:
        if file.ending == MJML_ENDING:
            place = SourceLocation(file.name, 1, "file name")
            composer.problems.append(place.problem(f"a template for {kind.name} is not MJML", "End it in .liquid"))
        return body
    layout = composer.layout(fields[LAYOUT], file.ending) if LAYOUT in fields else {}
    for key in kind.composed:
        if key in fields:
            fields[key] = composer.compose(fields[key], HTML_ENDING, layout.get(key))
    if compiled is not None:
        return compiled.as_field(body.place)
    composed = composer.compose(body, file.ending, layout.get(BODY))
    if file.ending != MJML_ENDING:
        composer.problems += find_stray_mjml(composed)
        return composed
    if not composed.place.origins and not composer.problems:
        composer.problems += compile_liquid(composed.value, composed.place)[1]
    html, faults = (None, []) if composer.problems else compile_mjml(composed, language)
    composer.problems += faults
    return html or composed


def _check_liquid(files: Mapping[str, _File]) -> Iterator[Problem]:
    """Find the faults of files of an unknown channel."""
    for source in (file.source for file in files.values() if file.source is not None):
        for text in (*source.fields.values(), source.body):
            yield from compile_liquid(text.value, text.place, may_render=True)[1]


def _find_missing_keys(default: TemplateSource, place: SourceLocation, kind: ChannelKind) -> Iterator[Problem]:
    for key in kind.required:
        if key not in default.key_places:
            yield place.problem(f"'{key}' is missing", f"Add it to the front matter, as {key}: …")


def _fields_of(source: TemplateSource, kind: ChannelKind) -> dict[str, Field]:
    """Return the values whose form is that of their keys."""
    return {key: field for key, field in source.fields.items() if _has_form(key, field, kind)}


def _has_form(key: str, field: Field, kind: ChannelKind) -> bool:
    if key in kind.structured:
        return isinstance(field.tree, dict | list)
    if key in kind.numbers:
        return isinstance(field.tree, Leaf) and type(field.tree.value) is int
    return field.tree is None


def _check_keys(source: TemplateSource, kind: ChannelKind, channel: str) -> Iterator[Problem]:
    known = ("channel", *kind.required, *kind.optional, *kind.structured, *kind.numbers, "language")
    for key, place in source.key_places.items():
        field = source.fields[key]
        if key not in known:
            yield place.problem(f"there is no key '{key}'", did_you_mean(key, known, "Keys"))
        elif key in kind.structured:
            if not isinstance(field.tree, dict | list):
                said, remedy = kind.forms.get(key, ("a YAML mapping", f"one name: value a line below {key}:"))
                yield place.problem(f"'{key}' must be {said}", f"Write {remedy}")
        elif key in kind.numbers:
            if not _has_form(key, field, kind):
                yield place.problem(f"'{key}' must be a whole number", f"Write {key}: 2")
        elif field.tree is not None:
            yield place.problem("this must be a text", QUOTE)
        elif not field.value.strip():
            yield place.problem(f"'{key}' is empty", "Give it a text, or leave it out")
    if "channel" in source.fields and source.fields["channel"].value != channel:
        yield source.key_places["channel"].problem(f"the default language is for {channel}", "Leave the channel out")


def _check_language(source: TemplateSource, variant: str) -> Iterator[Problem]:
    """Find a fault of the key by which the default says its language."""
    if "language" not in source.fields or source.fields["language"].tree is not None:
        return
    place = source.key_places["language"]
    if variant != DEFAULT:
        yield place.problem("the name of the file says the language", "Leave it out here")
    elif not re.fullmatch(LANGUAGE, source.fields["language"].value.strip()):
        yield place.problem("this is not a language", "Write its code, as en or pt-BR")
