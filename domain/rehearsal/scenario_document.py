"""The document of scenarios: the actions of a person, and their effects.

It stands beside its campaign, as `abandoned-cart.test.yaml`, and is run by the simulator, or by the engine itself.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Final, get_args

from pydantic import AfterValidator, Field

from domain.campaign.schema import DocumentModel, Given, Listed, Text, pattern_check, refuse
from domain.campaign.schema_errors import validate
from domain.campaign.time_fields import Duration
from domain.document.yaml_source import Path, YamlSource, read
from domain.errors import InvalidDocumentError, Problem
from domain.local_time.zones import find_zone, guess_zone
from domain.rehearsal.scenarios import (
    LOCAL_TIME,
    CampaignScenario,
    DoneLine,
    ExpectedKind,
    ExpectedLine,
    MessageFate,
    ReactionName,
    Reacts,
    ReportedCall,
    ScenarioPerson,
    Scenarios,
    parse_local_time,
)
from domain.tracking.event import CallType
from domain.tracking.traits import CONSENT

# How long a scenario is watched after its last line, unless it says so.
WATCHED_SECONDS: Final = 90 * 86_400
DONE_KINDS: Final = ("event", "page", "screen", "traits", "consent", "opens", "clicks")
EXPECTED_KINDS: Final[tuple[ExpectedKind, ...]] = get_args(ExpectedKind)


def _check_local_time(value: str) -> str:
    try:
        parse_local_time(value)
    except ValueError:
        refuse(f"`{value[:60]}` is not a local time", 'Write `"15:30"`, `Tue 15:30` or `2026-03-03 15:30`')
    return value


def _check_zone(value: str) -> str:
    if find_zone(value) is None:
        guess = guess_zone(value)
        refuse(
            f"`{value}` is not a time zone",
            f"Did you mean `{guess}`?" if guess else "Write a name of the IANA database",
        )
    return value


ShownTime = Annotated[
    str, AfterValidator(_check_local_time), pattern_check(LOCAL_TIME, "15:30", "Tue 15:30", "2026-03-03 15:30")
]
NamedValues = dict[str, Any]


class PersonSpec(DocumentModel):
    """The person of a scenario, as they are known before it begins."""

    traits: NamedValues = Field(
        {}, description="their traits, `null` for none: `{email: ada@example.com, timezone: Europe/Berlin}`"
    )
    consent: dict[str, bool] = Field({}, description="their consent by channel: `{email: false}`")
    context: NamedValues = Field(
        {}, description="the context that their client reports: `{device: {type: android, token: t1}}`"
    )
    arms: dict[str, str] = Field({}, description="the arms of splits that they are in, by step: `{offer: discount}`")


class DoneSpec(DocumentModel):
    """Something that the person does, or that is reported of them."""

    synonyms: ClassVar[Mapping[str, str]] = {"track": "event", "open": "opens", "click": "clicks", "wait": "after"}

    at: Annotated[ShownTime | None, Given] = Field(None, description="when, by their clocks; the next such time")
    after: Annotated[Duration | None, Given] = Field(None, description="how long after the line before: `30m`")
    event: Annotated[Text | None, Given] = Field(None, description="an event that is reported: `Order Completed`")
    page: Annotated[Text | None, Given] = Field(None, description="a page that they see")
    screen: Annotated[Text | None, Given] = Field(None, description="a screen that they see")
    properties: NamedValues = Field({}, description="the properties of the event, page or screen")
    context: NamedValues = Field({}, description="the context that their client reports")
    traits: Annotated[NamedValues | None, Given] = Field(None, description="traits that change")
    consent: Annotated[dict[str, bool] | None, Given] = Field(None, description="consent that changes, by channel")
    opens: Annotated[Text | None, Given] = Field(None, description="the step whose message they open")
    clicks: Annotated[Text | None, Given] = Field(None, description="the step in whose message they click")


class ExpectedSpec(DocumentModel):
    """Something that comes of it."""

    synonyms: ClassVar[Mapping[str, str]] = {"sends": "sent", "reason": "because", "exits": "ends", "ended": "ends"}

    sent: Annotated[Text | None, Given] = Field(None, description="the step whose message goes")
    not_sent: Annotated[Text | None, Given] = Field(None, description="the step whose message does not go")
    waits: Annotated[Text | None, Given] = Field(None, description="the step whose message is put off")
    ends: Annotated[Text | None, Given] = Field(None, description="the outcome of the journey: `completed`")
    goal: Annotated[Text | None, Given] = Field(None, description="the event that reaches the goal")
    not_entered: Annotated[Text | None, Given] = Field(None, description="why an event begins no journey: `already_in`")
    because: Annotated[Text | None, Given] = Field(None, description="why it does not go, or waits: `capped`")
    channel: Annotated[Text | None, Given] = Field(None, description="the channel by which it goes")
    at: Annotated[ShownTime | None, Given] = Field(
        None, description="what the person's clocks show: `Tue 09:00`, `15:30:20`"
    )
    after: Annotated[Duration | None, Given] = Field(None, description="how long after the line before: `30d`")


class ScenarioSpec(DocumentModel):
    """A person, what they do, and everything that comes of it."""

    synonyms: ClassVar[Mapping[str, str]] = {"scenario": "name", "person": "given", "expect": "then", "does": "when"}

    name: Text = Field(description="what happens, in words")
    given: PersonSpec = Field(PersonSpec(), description="the person; traits are added to those of all scenarios")
    at: Annotated[ShownTime | None, Given] = Field(None, description="when it begins, by the clocks of the person")
    providers: dict[str, MessageFate] = Field(
        {}, description="messages that do not arrive, by step or channel: `{nudge: refused}`"
    )
    when: Annotated[tuple[DoneSpec, ...], Listed, Field(min_length=1)] = Field(description="what happens, in order")
    until: Annotated[Duration | None, Given] = Field(None, description="how long it is watched after the last line")
    then: Annotated[tuple[ExpectedSpec, ...], Listed] = Field(
        description="what comes of it, in order: every message that goes or does not, and the end of each journey"
    )


class ScenariosDocument(DocumentModel):
    """Scenarios of one campaign, in the local times of its people."""

    synonyms: ClassVar[Mapping[str, str]] = {"tests": "scenarios", "documents": "deployed", "with": "deployed"}

    campaign: Annotated[Text | None, Given] = Field(
        None, description="the file of the campaign; left out, that of the same name"
    )
    deployed: Annotated[tuple[Text, ...], Listed] = Field(
        (), description="files of other campaigns and documents in force: `caps/frequency-caps.yaml`"
    )
    timezone: Annotated[Text, AfterValidator(_check_zone)] = Field("UTC", description="the deployment's time zone")
    at: ShownTime = Field(description="the local time at which scenarios begin: `Mon 15:00`")
    given: PersonSpec = Field(PersonSpec(), description="the person of all scenarios")
    scenarios: Annotated[tuple[ScenarioSpec, ...], Listed, Field(min_length=1)] = Field(description="the scenarios")


def parse_scenarios(text: str, file: str) -> Scenarios:
    """Check a document by itself. Raises InvalidDocumentError with all problems."""
    source = read(text, file)
    document, problems = validate(ScenariosDocument, source)
    problems += source.problems
    if document is not None:
        problems += _check_lines(document, source)
    if document is None or problems:
        raise InvalidDocumentError(sorted(problems, key=lambda problem: problem.line))
    scenarios = [_make_scenario(document, spec, place, source) for place, spec in enumerate(document.scenarios)]
    return Scenarios(file, document.campaign, document.deployed, document.timezone, tuple(scenarios))


def _check_lines(document: ScenariosDocument, source: YamlSource) -> Iterator[Problem]:
    """Check that each line says one thing."""
    for place, scenario in enumerate(document.scenarios):
        for number, done in enumerate(scenario.when):
            path = ("scenarios", place, "when", number)
            said = [name for name in DONE_KINDS if getattr(done, name) is not None]
            if {*said} not in ({"traits", "consent"}, *({name} for name in DONE_KINDS)):
                yield source.problem(path, _count_things(said), f"Write one of {_join(DONE_KINDS)}")
            if done.at is not None and done.after is not None:
                yield source.problem(path, "`at` and `after` stand here together", "Keep one of them")
            if done.properties and not {"event", "page", "screen"} & {*said}:
                yield source.problem((*path, "properties"), "these are the properties of no event", "Leave them out")
        for number, expected in enumerate(scenario.then):
            path = ("scenarios", place, "then", number)
            said = [name for name in EXPECTED_KINDS if getattr(expected, name) is not None]
            if len(said) != 1:
                yield source.problem(path, _count_things(said), f"Write one of {_join(EXPECTED_KINDS)}")
            if expected.because is not None and not {"not_sent", "waits"} & {*said}:
                yield source.problem((*path, "because"), "only a message has a reason", "Leave it out")
            if expected.channel is not None and "sent" not in said:
                yield source.problem((*path, "channel"), "only a message that goes has a channel", "Leave it out")


def _count_things(said: Sequence[str]) -> str:
    return f"the line says {len(said)} things: {_join(said)}" if said else "the line says nothing"


def _join(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _make_scenario(document: ScenariosDocument, spec: ScenarioSpec, place: int, source: YamlSource) -> CampaignScenario:
    path: Path = ("scenarios", place)
    common, own = document.given, spec.given
    traits = {name: value for name, value in (common.traits | own.traits).items() if value is not None}
    return CampaignScenario(
        name=spec.name,
        line=source.line(path),
        at=parse_local_time(spec.at or document.at),
        person=ScenarioPerson(
            traits, common.consent | own.consent, common.arms | own.arms, common.context | own.context
        ),
        refusals=dict(spec.providers),
        when=tuple(_make_done(one, source.line((*path, "when", number))) for number, one in enumerate(spec.when)),
        then=tuple(_make_expected(one, source.line((*path, "then", number))) for number, one in enumerate(spec.then)),
        watched=timedelta(seconds=spec.until or WATCHED_SECONDS),
    )


def _make_done(spec: DoneSpec, line: int) -> DoneLine:
    at = None if spec.at is None else parse_local_time(spec.at)
    after = timedelta(seconds=spec.after or 0)
    calls: dict[CallType, str | None] = {"track": spec.event, "page": spec.page, "screen": spec.screen}
    for type, name in calls.items():
        if name is not None:
            return DoneLine(line, at, after, ReportedCall(type, name, spec.properties, spec.context))
    reactions: dict[ReactionName, str | None] = {"opened": spec.opens, "clicked": spec.clicks}
    for kind, step in reactions.items():
        if step is not None:
            return DoneLine(line, at, after, Reacts(kind, step))
    consent = {} if spec.consent is None else {CONSENT: spec.consent}
    return DoneLine(line, at, after, ReportedCall("identify", None, {**(spec.traits or {}), **consent}, spec.context))


def _make_expected(spec: ExpectedSpec, line: int) -> ExpectedLine:
    kind: ExpectedKind = next(name for name in EXPECTED_KINDS if getattr(spec, name) is not None)
    at = None if spec.at is None else parse_local_time(spec.at)
    after = None if spec.after is None else timedelta(seconds=spec.after)
    return ExpectedLine(line, kind, getattr(spec, kind), spec.because, spec.channel, at, after)
