"""Previews: a message as it would be sent to a person, without sending it.

A preview renders by the function that sends. Its links to refuse or confirm open nothing, and links are not tracked.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from domain.campaign.plan import Message, Plan
from domain.campaign.rules import LinkRule, Rules
from domain.channels.kinds import CHANNELS
from domain.errors import InvalidDocumentError, NotFoundError, Problem
from domain.local_time.zones import recipient_zone
from domain.people.links import INERT, list_purposes
from domain.people.surroundings import recipient_locale
from domain.people.topics.subscription import read_request
from domain.sending.attachment import Attachment, StoredFile
from domain.sending.previewed_people import PreviewedPerson, make_entry
from domain.sending.senders import DeployedSenders, PostalAddressRule
from domain.sending.tracking.links import LinkRewriting
from domain.suggestions import did_you_mean
from domain.templates.composition import ATTACHMENTS
from domain.templates.expected_data import ExpectedData
from domain.templates.languages import DEFAULT, choose_language
from domain.templates.liquid_context import Localization, MissingRead, Rendering
from domain.templates.liquid_text import SourceLocation, TemplateRenderError
from domain.templates.parts import CompiledBody
from domain.templates.template_sets import TemplateSet, load
from domain.templates.trial import find_fitting, make_facts
from domain.templates.variables import TemplateFacts, build_variables

MESSAGE_ID: Final = "00000000-0000-0000-0000-000000000000"


class PreviewedMessage(Struct, frozen=True):
    """The message of a step, with the files of its template.

    `compiled_bodies` are those of a published version, whose templates of MJML are not compiled again. `channels` are
    those of its step, in the author's order; none for a template without a step. `entry_event` is the event by which
    the campaign is entered, and `timezone` the campaign's.
    """

    template: str
    category: str
    files: Mapping[str, str]
    compiled_bodies: Mapping[str, CompiledBody] = {}
    campaign: str = "preview"
    campaign_name: str = "Preview"
    step: str = "preview"
    channels: tuple[str, ...] = ()
    entry_event: str | None = None
    timezone: str | None = None
    links: LinkRule = LinkRule()


# Without a deployment there is no address, and every footer would fail.
SAMPLE_SENDERS: Final = DeployedSenders([PostalAddressRule("1 Sample Street")])


class PreviewOptions(Struct, frozen=True):
    """The instant of a preview, and a language and a zone in place of the person's.

    `deployment_timezone` is for people without a zone, `public_url` begins the links of a message, and `senders` are
    those of the deployment.
    """

    at: datetime
    language: str | None = None
    timezone: str | None = None
    deployment_timezone: str | None = None
    public_url: str = "http://localhost:8080"
    senders: DeployedSenders = SAMPLE_SENDERS


class MissingVariable(Struct, frozen=True):
    """A variable without a value for the person, where a template reads it.

    `printed` is the output that it is part of; None if it is only tested or looped over, or fails the message.
    """

    variable: str
    file: str
    line: int
    printed: str | None


class MessagePreview(Struct, frozen=True):
    """A message as a person would get it.

    `language` is that of the variant, None for the default. It `is_fallback` if the person has another language.
    `content` is what the channel sends besides `attachments`; None if the message fails, for the `problems`. `page` is
    HTML that shows it, on a channel whose content is none. `channels` are all of the step, each of which has a preview
    of its own.
    """

    campaign: str
    step: str
    channel: str
    channels: list[str]
    template: str
    language: str | None
    languages: list[str]
    locale: str | None
    is_fallback: bool
    timezone: str
    at: datetime
    category: str
    is_invented: bool
    content: dict[str, Any] | None
    problems: list[Problem]
    missing: list[MissingVariable]
    warnings: list[str]
    attachments: list[StoredFile | Attachment] = []
    page: str | None = None


def find_message(
    key: str,
    plan: Plan,
    rules: Rules,
    files: Mapping[str, str],
    step: str,
    channel: str | None,
    compiled_bodies: Mapping[str, CompiledBody],
) -> PreviewedMessage:
    """Return the message of a step on one of its channels.

    Without a name, the first one is meant. Raises NotFoundError for any other step or channel.
    """
    node = plan.nodes.get(step)
    if not isinstance(node, Message):
        sending = [id for id, one in plan.nodes.items() if isinstance(one, Message)]
        said = f"step {step} of {key} sends nothing" if node is not None else f"{key} has no step {step}"
        raise NotFoundError(f"{said}. {did_you_mean(step, sending, 'Steps that send')}", steps=sending)
    if channel is not None and channel not in node.channels:
        said = f"step {step} of {key} has no channel {channel}"
        hint = did_you_mean(channel, node.channels, "Its channels")
        raise NotFoundError(f"{said}. {hint}", channels=list(node.channels))
    return PreviewedMessage(
        template=node.by(channel or node.channel).template,
        category=node.category,
        files=files,
        compiled_bodies=compiled_bodies,
        campaign=key,
        campaign_name=rules.name,
        step=step,
        channels=node.channels,
        entry_event=rules.entry.event,
        timezone=rules.timezone,
        links=rules.links,
    )


def render_preview(
    message: PreviewedMessage, person: PreviewedPerson | None, options: PreviewOptions
) -> MessagePreview:
    """Render a message; without a person, for one whose data the template expects.

    Raises InvalidDocumentError for templates with problems.
    """
    return render_loaded(load_template(message), message, person, options)


def render_loaded(
    template: TemplateSet, message: PreviewedMessage, person: PreviewedPerson | None, options: PreviewOptions
) -> MessagePreview:
    """Render a message whose template is loaded, for one of many people."""
    channel = template.channel or ""
    is_invented = person is None
    if person is None:
        person = _invent(template, message, options)
    locale = options.language or recipient_locale(person.traits, person.context)
    zone = recipient_zone(
        {"timezone": options.timezone or person.traits.get("timezone")},
        person.context.get("timezone"),
        message.timezone,
        options.deployment_timezone,
    )
    variables = build_variables(_make_facts(message, person, channel, locale, options))
    missing: list[MissingRead] = []
    content: dict[str, Any] | None = None
    problems: list[Problem] = []
    doubts: list[str] = []
    attachments: list[StoredFile | Attachment] = []
    try:
        content = template.render(variables, locale, zone, options.at, missing, options.senders)
    except TemplateRenderError as failure:
        problems = _find_problems(template, failure, variables, Localization(locale, zone, options.at))
    else:
        attachments = content.pop(ATTACHMENTS, [])
        content = _add_utm(message, channel, content, options)
        doubts = list(CHANNELS[channel].find_doubts(content))
    language = choose_language(template.variants, locale)
    languages = template.languages
    is_fallback = locale is not None and languages.are_known and not languages.serves(locale)
    if is_fallback:
        gets = f"`{languages.default}`" if languages.default is not None else "the default"
        doubts.insert(0, f"{template.name} is not written in `{locale}`: the person gets {gets}")
    return MessagePreview(
        campaign=message.campaign,
        step=message.step,
        channel=channel,
        channels=list(message.channels or (channel,)),
        template=template.name,
        language=None if language == DEFAULT else language,
        languages=list(languages.variants),
        locale=locale,
        is_fallback=is_fallback,
        timezone=str(zone),
        at=options.at,
        category=message.category,
        is_invented=is_invented,
        content=content,
        problems=problems,
        missing=_list_missing(missing),
        warnings=doubts,
        attachments=attachments,
        page=None if content is None else CHANNELS[channel].draw_page(content),
    )


def _list_missing(missing: Iterable[MissingRead]) -> list[MissingVariable]:
    """List each missing variable once for a place and an output, by place."""
    listed = {MissingVariable(one.variable, one.file, one.line, one.printed) for one in missing}
    printed = {replace(one, printed=None) for one in listed if one.printed is not None}
    return sorted(listed - printed, key=lambda one: (one.file, one.line, one.variable, one.printed or ""))


def load_template(message: PreviewedMessage) -> TemplateSet:
    """Compile the template of a message. Raises InvalidDocumentError."""
    sets, problems = load(message.files, message.compiled_bodies)
    if problems:
        raise InvalidDocumentError(problems)
    if message.template not in sets:
        place = SourceLocation(f"{message.template}.liquid", 1, "template")
        remedy = did_you_mean(message.template, list(sets), "Templates present")
        raise InvalidDocumentError([place.problem(f"there is no template `{message.template}.liquid`", remedy)])
    return sets[message.template]


def _invent(template: TemplateSet, message: PreviewedMessage, options: PreviewOptions) -> PreviewedPerson:
    """Invent a person with data that the template can render, if possible."""
    variant = template.variants[choose_language(template.variants, options.language)]
    expected = ExpectedData(text.nodes for text in variant.texts())
    invented: list[PreviewedPerson] = []
    for values in find_fitting(expected):
        facts = make_facts(expected.sample(values))
        person = PreviewedPerson(
            user_id=facts.user_id,
            traits=facts.traits,
            computed=facts.computed,
            stage=facts.stage,
            learned=facts.learned,
            account=facts.account,
            entry=make_entry(
                message.entry_event, options.at, properties=facts.properties, anonymous_id=facts.anonymous_id
            ),
            saved=facts.saved,
            answers=facts.answers,
        )
        invented.append(person)
        variables = build_variables(_make_facts(message, person, template.channel or "", options.language, options))
        with suppress(TemplateRenderError):
            template.render(variables, options.language, now=options.at)
            return person
    return invented[0]


def _make_facts(
    message: PreviewedMessage, person: PreviewedPerson, channel: str, locale: str | None, options: PreviewOptions
) -> TemplateFacts:
    entry = person.entry or make_entry(message.entry_event, options.at)
    purposes = list_purposes(message.category, channel, read_request(entry))
    if not purposes and not person.is_real:
        # A template that asks for a consent can be shown for anyone who is invented.
        purposes = ("confirm",)
    urls = {purpose: f"{options.public_url}/{purpose}/{INERT}" for purpose in purposes}
    return TemplateFacts(
        user_id=person.user_id,
        traits=person.traits,
        event=entry["name"],
        anonymous_id=entry["anonymous_id"],
        properties=entry["properties"],
        timestamp=entry["timestamp"],
        campaign_key=message.campaign,
        campaign_name=message.campaign_name,
        message_id=MESSAGE_ID,
        unsubscribe_url=urls.get("unsubscribe"),
        preferences_url=urls.get("preferences"),
        confirm_url=urls.get("confirm"),
        survey_url=f"{options.public_url}/survey/{INERT}",
        booking_reference=INERT,
        saved=person.saved,
        answers=person.answers,
        computed=person.computed,
        stage=person.stage,
        account=person.account,
        learned=person.learned,
        locale=locale,
        postal_address=options.senders.postal_address,
    )


def _find_problems(
    template: TemplateSet, failure: TemplateRenderError, variables: Mapping[str, Any], localization: Localization
) -> list[Problem]:
    """Find all places that fail, the first being where the message fails."""
    variant = template.variants[choose_language(template.variants, localization.locale)]
    rendering = Rendering(variables, localization)
    failures = [failure, *(one for text in variant.texts() for one in text.failures(rendering))]
    problems = [
        one.place.problem(
            one.reason,
            "Give it a `default`, or a value" if one.lacks_value else "Test the value with an `if` before it is used",
        )
        for one in failures
    ]
    return list(dict.fromkeys(problems))


def _add_utm(
    message: PreviewedMessage, channel: str, content: dict[str, Any], options: PreviewOptions
) -> dict[str, Any]:
    utm = message.links.find_utm(message.campaign, message.step)
    if utm is None:
        return content
    wanted = LinkRewriting(
        own=f"{options.public_url}/", utm=utm, link_url=None, trap_url=None, pixel_url=None, known=()
    )
    return dict(CHANNELS[channel].rewrite_links(content, wanted).content)
