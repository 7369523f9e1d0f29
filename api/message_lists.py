"""Messages of the ledger in lists."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.auth import Reader, allow
from api.dependencies import ResponseModel, TextField, Using, example
from api.message_filters import AskedMessages
from api.messages import REPORTS, MessageReports
from api.pages import DEFAULT_LIMIT, After, Limit, cut, position
from api.personal_fields import PeopleAnswer, Personal
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.errors import InvalidCursorError, InvalidRequestError, NotFoundError
from domain.sending.claim import MessageState
from domain.sending.single_messages import split_template_key
from store.message_lists import ListedMessage, MessagePosition

router = APIRouter(
    prefix="/v1/messages", tags=["Messages"], dependencies=[Depends(allow(Scope.READ))], route_class=Route
)

_MESSAGE: dict[str, Any] = {
    "id": "019a9b3e-7d2c-5c41-9d6e-2f1c3b5a7e90",
    "journey_id": "019a9b3e-7d2c-7c41-9d6e-2f1c3b5a7e90",
    "user_id": "u-4711",
    "campaign": "abandoned-cart",
    "step": "nudge",
    "channel": "email",
    "template": "cart-nudge",
    "category": "marketing",
    "provider": "relay",
    "state": "sent",
    "reason": None,
    "detail": None,
    "at": "2026-11-22T08:00:00Z",
    "settled_at": "2026-11-22T08:00:01Z",
    "reports": REPORTS,
}


class MessageItem(ResponseModel):
    """A message in a list; `GET /v1/messages/{id}` says why it was sent, or was not."""

    id: UUID
    journey_id: UUID
    user_id: str | None = Field(description="null for a person without a user id")
    campaign: str | None = Field(description="null for a single message")
    step: str = Field(description="the step of the campaign; `message` for a single message")
    channel: str
    template: str
    category: str
    provider: str | None = Field(description="null for one that no provider has had")
    state: MessageState
    reason: str | None = Field(description="why it failed, was cancelled or is unknown")
    detail: Personal[str | None]
    at: datetime = Field(description="when it was granted, or last handed over")
    settled_at: datetime | None
    reports: MessageReports


class MessageList(PeopleAnswer):
    model_config = example({"messages": [_MESSAGE], "next": None})

    messages: list[MessageItem]
    next: str | None = Field(description="pass it as `after` for older ones; null at the end")


@router.get("", responses=refusals(InvalidRequestError, InvalidCursorError, NotFoundError))
async def list_messages(
    which: AskedMessages,
    services: Using,
    reader: Reader,
    user: Annotated[
        TextField | None, Query(max_length=255, examples=["u-4711"], description="a user's id, or an anonymous one")
    ] = None,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> MessageList:
    """Messages granted on these days, the latest first.

    Those that the gate refused are none: `GET /v1/non-sends/people` has them.
    """
    rows = await services.message_lists.list(
        which, user=user, limit=limit + 1, after=position(after, MessagePosition), by=reader
    )
    shown, next = cut(rows, limit, lambda row: MessagePosition(row.at, row.id))
    return MessageList(messages=[_show(row) for row in shown], next=next)


def _show(row: ListedMessage) -> MessageItem:
    return MessageItem(
        id=row.id,
        journey_id=row.journey_id,
        user_id=row.user_id,
        campaign=None if split_template_key(row.campaign_key) else row.campaign_key,
        step=row.step,
        channel=row.channel,
        template=row.template,
        category=row.category,
        provider=row.provider,
        state=row.state,
        reason=row.reason,
        detail=row.detail,
        at=row.at,
        settled_at=row.settled_at,
        reports=MessageReports.model_validate(row),
    )
