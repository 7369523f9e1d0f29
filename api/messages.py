"""Send single messages, and look at any message."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, BackgroundTasks, Depends, Path
from pydantic import BeforeValidator, Field

from api.auth import Reader, allow
from api.dependencies import RequestModel, ResponseModel, TextField, Using, example
from api.message_templates import TEMPLATE_PATTERN
from api.personal_fields import PeopleAnswer, Personal
from api.problems import refusals
from api.routes import Route
from api.users import TimelineItem
from application.single_messages import MessageRequest, MessageView
from domain.access import Actor, Scope
from domain.campaign.durations import DurationError, parse_duration
from domain.campaign.schema import SLUG
from domain.channels.kinds import CHANNELS
from domain.errors import InvalidRequestError, NotFoundError, PayloadTooLargeError
from domain.people.addresses import MAX_ADDRESS_CHARACTERS
from domain.sending.single_messages import MAX_NAME_CHARACTERS, split_template_key

router = APIRouter(prefix="/v1/messages", tags=["Messages"], route_class=Route)

_ID = "019a9b3e-7d2c-5c41-9d6e-2f1c3b5a7e90"
_REQUESTED: dict[str, Any] = {"id": _ID, "state": "reserved", "reason": None, "until": None}
MessageId = Annotated[UUID, Path(examples=[_ID])]
Sending = Annotated[Actor, Depends(allow(Scope.SEND))]


def _seconds(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("must be a duration, such as `1h`")
    try:
        return parse_duration(value)
    except DurationError as error:
        raise ValueError(f"{error}: {error.suggestion}") from error


class TemplateRef(RequestModel):
    """A published template."""

    model_config = example({"channel": "email", "name": "password-reset"})

    channel: Annotated[str, Field(min_length=1, max_length=32)]
    name: Annotated[str, Field(pattern=TEMPLATE_PATTERN, max_length=MAX_NAME_CHARACTERS)]


class NewMessage(RequestModel):
    model_config = example(
        {
            "template": {"channel": "email", "name": "password-reset"},
            "address": "ada@example.com",
            "data": {"link": "https://shop.example.com/reset/9f3c"},
            "expires": "15m",
        }
    )

    template: TemplateRef
    user_id: Annotated[
        TextField | None, Field(min_length=1, max_length=255, description="the recipient, who was reported before")
    ] = None
    address: Annotated[
        TextField | None,
        Field(
            min_length=1,
            max_length=MAX_ADDRESS_CHARACTERS,
            description="or: the recipient's address on the channel. The profile is that of the address; a new one "
            "is made where there is none",
        ),
    ] = None
    data: Annotated[
        dict[str, Any], Field(description="the values that the template has as `entry.properties`, up to 32 KB")
    ] = Field(default_factory=dict)
    category: Annotated[
        TextField | None,
        Field(pattern=SLUG, max_length=64, description="what consent and caps ask for; by default the template's"),
    ] = None
    expires: Annotated[
        int,
        BeforeValidator(_seconds),
        Field(
            ge=1,
            le=366 * 86_400,
            description="it goes no later than this after the request",
            json_schema_extra={"type": "string", "pattern": r"^(\d+[a-z]+)+$", "examples": ["15m"]},
        ),
    ] = 7 * 86_400
    on_capped: Annotated[
        Literal["skip", "wait"], Field(description="what to do when a cap is full: nothing more, or wait for room")
    ] = "skip"


class RequestedMessage(ResponseModel):
    model_config = example(_REQUESTED)

    id: UUID = Field(description="also in the reports of its provider, and in the events that they become")
    state: Literal["reserved", "deferred", "held", "refused"] = Field(
        description="the answer of the gate: granted, and about to be handed over; waiting until an instant; held; or "
        "refused for good"
    )
    reason: str | None = Field(examples=["suppressed"], description="why it is not granted")
    until: datetime | None = Field(description="the end of a deferral or a hold")


class MessageReports(ResponseModel):
    """The reports of a message, each by its first time."""

    delivered_at: datetime | None
    opened_at: datetime | None
    clicked_at: datetime | None
    clicked_link: Personal[str | None]
    bounced_at: datetime | None
    bounce: str | None
    complained_at: datetime | None
    replied_at: datetime | None
    dismissed_at: datetime | None = Field(description="a notification, by the person")


REPORTS: dict[str, Any] = {
    "delivered_at": "2026-11-22T08:00:03Z",
    "opened_at": None,
    "clicked_at": None,
    "clicked_link": None,
    "bounced_at": None,
    "bounce": None,
    "complained_at": None,
    "replied_at": None,
    "dismissed_at": None,
}


class Message(PeopleAnswer):
    model_config = example(
        {
            "id": _ID,
            "journey_id": "019a9b3e-7d2c-7c41-9d6e-2f1c3b5a7e90",
            "campaign": None,
            "step": "message",
            "channel": "email",
            "template": "password-reset",
            "category": "transactional",
            "user_id": "u-4711",
            "state": "sent",
            "reason": None,
            "detail": None,
            "until": None,
            "attempts": 1,
            "provider": "relay",
            "provider_id": "<019a9b3e@mail.example.com>",
            "requested_at": "2026-11-22T08:00:00Z",
            "expires_at": "2026-11-22T08:15:00Z",
            "settled_at": "2026-11-22T08:00:01Z",
            "reports": REPORTS,
            "explanation": [
                {
                    "at": "2026-11-22T08:00:00Z",
                    "kind": "send",
                    "summary": "message: granted",
                    "outcome": "granted",
                    "campaign": "email:password-reset",
                    "journey_id": "019a9b3e-7d2c-7c41-9d6e-2f1c3b5a7e90",
                    "step": "message",
                    "reason": None,
                    "data": {},
                    "url": None,
                }
            ],
        }
    )

    id: UUID
    journey_id: UUID
    campaign: str | None = Field(description="null for a single message")
    step: str = Field(description="the step of the campaign; `message` for a single message")
    channel: str
    template: str
    category: str
    user_id: str | None = Field(description="null for a person without a user id")
    state: Literal[
        "requested",
        "deferred",
        "held",
        "refused",
        "reserved",
        "sending",
        "sent",
        "failed",
        "cancelled",
        "unknown",
    ] = Field(description="before it is granted the answer of the gate, then the state of the ledger")
    reason: str | None
    detail: Personal[str | None]
    until: datetime | None = Field(description="the end of a deferral or a hold")
    attempts: int
    provider: str | None
    provider_id: str | None = Field(description="the provider's id of the message")
    requested_at: datetime
    expires_at: datetime | None
    settled_at: datetime | None
    reports: MessageReports
    explanation: list[TimelineItem] = Field(description="its lines of the person's timeline, oldest first")


@router.post("", status_code=202, responses=refusals(NotFoundError, PayloadTooLargeError))
async def send_message(
    request: NewMessage, services: Using, by: Sending, after_answer: BackgroundTasks
) -> RequestedMessage:
    """Send one message to a user or an address, through the gate of campaigns.

    It is answered once the gate has decided and this is stored: a granted message goes out at once, whatever crashes.
    With an `Idempotency-Key`, a repeat sends nothing more.
    """
    if (request.user_id is None) == (request.address is None):
        raise InvalidRequestError("a message is to one `user_id` or `address`: name one of them")
    if request.template.channel not in CHANNELS:
        channels = ", ".join(CHANNELS)
        raise InvalidRequestError(f"`template.channel`: there is no channel {request.template.channel}: {channels}")
    asked = MessageRequest(
        channel=request.template.channel,
        template=request.template.name,
        user_id=request.user_id,
        address=request.address,
        data=request.data,
        category=request.category,
        expires=request.expires,
        on_capped=request.on_capped,
    )
    requested = await services.single_messages.request(asked, by=by)
    if requested.hand_over is not None:
        # After the commit of what is answered, which may be that of an Idempotency-Key.
        after_answer.add_task(services.single_messages.hand_over, requested.hand_over)
    return RequestedMessage(id=requested.id, state=requested.state, reason=requested.reason, until=requested.until)


@router.get("/{id}", responses=refusals(NotFoundError))
async def get_message(id: MessageId, services: Using, by: Reader) -> Message:
    """A message, single or of a campaign: its state, its reports, and the reasons."""
    return _show(await services.single_messages.get(id, by=by))


def _show(view: MessageView) -> Message:
    stored, single = view.stored, view.stored.single
    return Message(
        id=stored.id,
        journey_id=stored.journey_id,
        campaign=None if split_template_key(stored.campaign_key) else stored.campaign_key,
        step=stored.step,
        channel=stored.channel or (single.channel if single else ""),
        template=stored.template or (single.template if single else ""),
        category=stored.category or (single.category if single else ""),
        user_id=stored.user_id,
        state=view.state,
        reason=view.reason,
        detail=stored.detail,
        until=view.until,
        attempts=stored.attempts or 0,
        provider=stored.provider,
        provider_id=stored.provider_id,
        requested_at=stored.requested_at,
        expires_at=stored.expires_at,
        settled_at=stored.settled_at,
        reports=MessageReports.model_validate(stored),
        explanation=[TimelineItem.model_validate(each) for each in view.explanation],
    )
