"""Previews of messages, and tests that go to an address of the operator's choice."""

from abc import abstractmethod
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends
from msgspec import convert
from pydantic import AfterValidator, Discriminator, Field, Tag

from api.auth import Operator, Reader, allow
from api.campaigns import PublishRequest, PublishWarning
from api.dependencies import ID_KIND, WHOLE, InstantField, RequestModel, ResponseModel, TextField, Using, example
from api.personal_fields import require_people
from api.problems import refusals
from api.routes import Route
from application.documents import CampaignText
from application.previews import DraftMessage, MessageChoice, PreviewInput, PublishedMessage, SingleMessageTemplate
from application.send_tests import SendTestOutcome
from domain.access import Scope
from domain.document.yaml_source import MAX_DEPTH
from domain.errors import (
    ConflictError,
    IdempotencyAnswerLostError,
    InvalidDocumentError,
    NotFoundError,
    OverloadedError,
    Problem,
)
from domain.local_time.zones import zone_name
from domain.people.identity import PersonRef
from domain.sending.previewed_people import GivenPerson
from domain.sending.previews import PreviewedMessage
from domain.templates.languages import LANGUAGE

router = APIRouter(
    prefix="/v1/templates", tags=["Templates"], dependencies=[Depends(allow(Scope.READ))], route_class=Route
)

_AT = "2026-12-24T08:00:00Z"
_PERSON: dict[str, Any] = {"traits": {"first_name": "Ada", "email": "ada@example.com"}}
_ENTRY: dict[str, Any] = {"event": "Cart Abandoned", "properties": {"cart_id": "c-1", "value": 120}}
_REQUEST: dict[str, Any] = {
    "campaign": "abandoned-cart",
    "step": "nudge",
    "profile": _PERSON,
    "entry": _ENTRY,
    "at": _AT,
    "language": "de",
}


def _refuse_depth(value: Any) -> Any:
    """Refuse data that is nested deeper than documents may be."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for one in level for inner in _list_inner(one)]
    if level:
        raise ValueError(f"must not be nested deeper than {MAX_DEPTH} levels")
    return value


def _list_inner(value: Any) -> list[Any]:
    match value:
        case dict():
            return list(value.values())
        case list():
            return value
    return []


Data = Annotated[dict[TextField, Any], AfterValidator(_refuse_depth)]
ShortText = Annotated[TextField, Field(min_length=1, max_length=255)]


class PreviewedTemplate(RequestModel):
    """A published template of single messages."""

    channel: ShortText = Field(examples=["email"])
    name: ShortText = Field(examples=["password-reset"])


class TemplateFiles(RequestModel):
    """A template of no campaign, given whole."""

    name: ShortText = Field(examples=["cart-nudge"])
    files: dict[TextField, TextField] = Field(description="file name to text: the template in all of its languages")
    category: ShortText = Field("marketing", description="`transactional` messages have no link to unsubscribe")


def _find_form(template: Any) -> str:
    """Return whether a template is given by its name or its files."""
    return "name" if isinstance(template, dict) and "channel" in template else "files"


class PreviewProfile(RequestModel):
    """An invented profile, or data in place of a real one's; a null trait is missing."""

    user_id: ShortText | None = None
    traits: Data = Field(default_factory=dict)
    computed: Data = Field(default_factory=dict)
    stage: ShortText | None = None
    country: ShortText | None = None
    app_version: ShortText | None = None
    first_seen: InstantField | None = None
    last_seen: InstantField | None = None


class PreviewAccount(RequestModel):
    """The account of the person."""

    id: ShortText | None = None
    role: ShortText | None = None
    traits: Data = Field(default_factory=dict)


class PreviewEntry(RequestModel):
    """The event that starts the journey."""

    event: ShortText | None = Field(None, description="that of the campaign's entry, if left out")
    properties: Data = Field(default_factory=dict)
    timestamp: InstantField | None = Field(None, description="the instant of the preview, if left out")
    anonymous_id: ShortText | None = None


class PersonPreviewRequest(RequestModel):
    """The person, the instant and the language of a preview."""

    user_id: ShortText | None = Field(
        None, description="a person; their entry is that of their newest journey in the campaign"
    )
    id_kind: Annotated[str, Field(pattern=ID_KIND)] | None = Field(
        None, description="of `user_id`, as `anonymous`; without it a user id, else an anonymous one"
    )
    profile: PreviewProfile | None = Field(
        None, description="without it and without `user_id`, a person is invented who has all that the template reads"
    )
    account: PreviewAccount | None = None
    entry: PreviewEntry | None = None
    saved: Data | None = Field(None, description="`journey.saved`: values of webhooks' replies")
    at: InstantField | None = Field(None, description="when the message would be sent; now, if left out")
    language: Annotated[str, Field(max_length=35, pattern=f"^{LANGUAGE}$")] | None = Field(
        None, description="in place of the person's"
    )
    timezone: ShortText | None = Field(None, description="in place of the person's, as Europe/Berlin")

    @abstractmethod
    def choose_message(self) -> MessageChoice:
        """Return the message."""

    def read_input(self) -> PreviewInput:
        """Return the request as use cases take it.

        Raises InvalidDocumentError, and ForbiddenError where the caller may not see the person.
        """
        if self.user_id is not None:
            require_people("a preview of a person")
        zone = None if self.timezone is None else zone_name(self.timezone)
        if self.timezone is not None and zone is None:
            said = f"`{self.timezone}` is not a time zone"
            raise InvalidDocumentError([Problem("request", 1, "timezone", said, "Write its name, as Europe/Berlin")])
        return PreviewInput(
            message=self.choose_message(),
            user=None if self.user_id is None else PersonRef(self.user_id, self.id_kind),
            given=self._read_person(),
            at=self.at,
            language=self.language,
            timezone=zone,
        )

    def _read_person(self) -> GivenPerson | None:
        given = self.model_dump(include={"profile", "account", "entry", "saved"}, exclude_unset=True)
        return convert(given, GivenPerson) if any(part is not None for part in given.values()) else None


ChannelOfStep = Annotated[
    ShortText | None,
    Field(description="one of a step that has several; a preview is of the first one, if left out", examples=["push"]),
]


class PublishedPreview(PersonPreviewRequest):
    """The message of a published campaign."""

    model_config = example(_REQUEST)

    campaign: ShortText = Field(description="the key of the campaign")
    version: Annotated[int, Field(ge=1, description="the latest one, if left out"), WHOLE] | None = None
    step: ShortText = Field(description="the step that sends")
    channel: ChannelOfStep = None

    def choose_message(self) -> MessageChoice:
        return PublishedMessage(self.campaign, self.step, self.version, self.channel)


class DraftPreview(PersonPreviewRequest):
    """The message of a campaign that need not be published."""

    document: PublishRequest
    step: ShortText = Field(description="the step that sends")
    channel: ChannelOfStep = None

    def choose_message(self) -> MessageChoice:
        text = CampaignText(self.document.source, self.document.file, self.document.templates)
        return DraftMessage(text, self.step, self.channel)


class TemplatePreview(PersonPreviewRequest):
    """A template of no campaign."""

    template: Annotated[
        Annotated[PreviewedTemplate, Tag("name")] | Annotated[TemplateFiles, Tag("files")], Discriminator(_find_form)
    ]

    def choose_message(self) -> MessageChoice:
        if isinstance(self.template, PreviewedTemplate):
            return SingleMessageTemplate(self.template.channel, self.template.name)
        return PreviewedMessage(self.template.name, self.template.category, self.template.files)


class MissingVariable(ResponseModel):
    """A variable that the person lacks, where a template reads it."""

    variable: str = Field(examples=["profile.traits.first_name"])
    file: str
    line: int
    printed: str | None = Field(
        examples=["there"], description="the output that it is part of; null where it is only tested or looped over"
    )


_PREVIEW: dict[str, Any] = {
    "campaign": "abandoned-cart",
    "step": "nudge",
    "template": "cart-nudge",
    "channel": "email",
    "channels": ["email"],
    "category": "marketing",
    "language": "de",
    "languages": ["de"],
    "locale": "de",
    "is_fallback": False,
    "timezone": "Europe/Berlin",
    "at": _AT,
    "is_invented": False,
    "content": {
        "from": "Example Shop <hello@example.com>",
        "reply_to": None,
        "subject": "Ihr Warenkorb",
        "text": "Noch interessiert?",
        "html": "<p>Noch interessiert?</p>",
    },
    "problems": [],
    "missing": [],
    "warnings": [],
    "attachments": [],
    "page": None,
}


class PreviewedAttachment(ResponseModel):
    """A file that the mail attaches."""

    model_config = example({"name": "terms.pdf", "media_type": "application/pdf", "size": 48211})

    name: str
    media_type: str
    size: int = Field(description="in bytes")


class MessagePreview(ResponseModel):
    model_config = example(_PREVIEW)

    campaign: str
    step: str
    template: str
    channel: str
    channels: list[str] = Field(description="all of the step, in the author's order")
    category: str
    language: str | None = Field(description="of the variant that was chosen; null for the default")
    languages: list[str] = Field(description="of the template's variants")
    locale: str | None = Field(description="of the person, or the one asked for")
    is_fallback: bool = Field(description="whether the person gets another language than their own")
    timezone: str
    at: datetime
    is_invented: bool = Field(description="whether the person was invented for want of `user_id` and `profile`")
    content: dict[str, Any] | None = Field(
        description="what the channel sends: of a mail `from`, `reply_to`, `subject`, `text` and `html`, of a webhook "
        "its request; null where the message fails. Links to unsubscribe, prefer and confirm end in `/preview` and "
        "open nothing; links are not tracked"
    )
    problems: list[PublishWarning] = Field(description="why the message fails for this person")
    missing: list[MissingVariable]
    warnings: list[str]
    attachments: list[PreviewedAttachment]
    page: str | None = Field(
        description="HTML that shows the message in its place, of a channel whose content has none: in-app messages"
    )


class _Addressed(RequestModel):
    to: ShortText = Field(description="the address that gets it")


class PublishedTest(_Addressed, PublishedPreview):
    model_config = example({**_REQUEST, "to": "marketing@example.com"})


class DraftTest(_Addressed, DraftPreview):
    """A test of a campaign that need not be published."""


class TemplateTest(_Addressed, TemplatePreview):
    """A test of a template of no campaign."""


def _find_kind(body: Any) -> str:
    """Return the member that names the message; `campaign` if none does."""
    return next((name for name in ("document", "template") if isinstance(body, dict) and name in body), "campaign")


AnyPreview = Annotated[
    Annotated[PublishedPreview, Tag("campaign")]
    | Annotated[DraftPreview, Tag("document")]
    | Annotated[TemplatePreview, Tag("template")],
    Discriminator(_find_kind),
    Body(openapi_examples={"campaign": {"value": _REQUEST}}),
]
AnyTest = Annotated[
    Annotated[PublishedTest, Tag("campaign")]
    | Annotated[DraftTest, Tag("document")]
    | Annotated[TemplateTest, Tag("template")],
    Discriminator(_find_kind),
    Body(openapi_examples={"campaign": {"value": {**_REQUEST, "to": "marketing@example.com"}}}),
]


class SentTest(ResponseModel):
    model_config = example(
        {
            "message_id": "019a9b3e-7d2c-7c41-9d6e-2f1c3b5a7e90",
            "provider": "smtp",
            "outcome": "accepted",
            "provider_id": None,
            "detail": None,
            "preview": _PREVIEW,
        }
    )

    message_id: UUID
    provider: str
    outcome: SendTestOutcome = Field(description="what the provider said: accepted, rejected, unavailable or unknown")
    provider_id: str | None
    detail: str | None = Field(description="why it was not accepted")
    preview: MessagePreview


@router.post("/preview", responses=refusals(NotFoundError, InvalidDocumentError, OverloadedError))
async def preview(request: AnyPreview, services: Using, by: Reader) -> MessagePreview:
    """A message as it would be sent to a person, at an instant, in a language.

    Nothing is sent or changed. A message that fails for the person is answered as well, with `problems`.
    """
    return MessagePreview.model_validate(await services.previews.preview(request.read_input(), by=by))


@router.post(
    "/send-test",
    responses=refusals(NotFoundError, ConflictError, IdempotencyAnswerLostError, InvalidDocumentError, OverloadedError),
)
async def send_test(request: AnyTest, services: Using, by: Operator) -> SentTest:
    """Send a preview through its real provider to one address, marked as a test.

    It counts for no cap and stands in no ledger; the audit log has it. An address that bounced, complained or refuses
    such messages is refused.
    """
    return SentTest.model_validate(await services.send_tests.send(request.read_input(), request.to, by=by))
