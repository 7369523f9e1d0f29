"""Mails that come back, handed over by the mail server that received them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from api.auth import allow
from api.dependencies import ResponseModel, TextField, Using, example
from api.limits import read_body
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.errors import PayloadTooLargeError
from domain.people.addresses import MAX_ADDRESS_CHARACTERS
from domain.sending.incoming_mail import MAX_READ_BYTES, MailOutcome

router = APIRouter(
    prefix="/v1/mails", tags=["Recipients"], dependencies=[Depends(allow(Scope.INGEST))], route_class=Route
)

_MAIL = "From: Ada <ada@example.net>\r\nSubject: Re: Your cart\r\n\r\nYes, please call me.\r\n"


class MailReceipt(ResponseModel):
    model_config = example({"outcome": "replied"})

    outcome: MailOutcome = Field(
        description="`reported`: a bounce or complaint; `automatic`: nothing follows; `unassigned`: it is about no "
        "message of ours, and kept among the rejects"
    )


@router.post(
    "",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"message/rfc822": {"schema": {"type": "string", "format": "binary"}, "example": _MAIL}},
        }
    },
    responses=refusals(PayloadTooLargeError),
)
async def receive_mail(
    request: Request,
    services: Using,
    recipient: Annotated[
        TextField | None,
        Query(
            max_length=MAX_ADDRESS_CHARACTERS,
            examples=["hello@example.com"],
            description="the envelope's; left out, the headers of the mail say it",
        ),
    ] = None,
    sender: Annotated[
        str | None,
        Query(
            max_length=MAX_ADDRESS_CHARACTERS,
            examples=["ada@example.net"],
            description="the envelope's; empty for a bounce",
        ),
    ] = None,
) -> MailReceipt:
    """Take a mail: a bounce, a complaint, a reply or an unsubscription.

    At most its first 1 MiB. With 200, what it says is in force; it may be sent again.
    """
    body = await read_body(request, MAX_READ_BYTES)
    return MailReceipt(outcome=await services.incoming_mails.receive(body, recipient=recipient, sender=sender))
