"""Numbers by provider and recipient domain, and pauses of marketing."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from api.auth import Operator, allow
from api.dependencies import ResponseModel, TextField, Using, example
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.errors import NotFoundError
from domain.sending.deliverability import DeliveryCounts, PauseCause
from store.provider_pauses import PauseRow

router = APIRouter(
    prefix="/v1/deliverability", tags=["Deliverability"], dependencies=[Depends(allow(Scope.READ))], route_class=Route
)

MAX_DAYS = 30

_PAUSE: dict[str, Any] = {
    "id": "019a9b3e-7d2c-7c41-9d6e-2f1c3b5a7e94",
    "provider": "postmark",
    "cause": "complaints",
    "number": 12,
    "messages": 8000,
    "rate": 0.0015,
    "limit": 0.001,
    "paused_at": "2026-11-22T08:00:00Z",
    "resumed_at": None,
    "resumed_by": None,
}
_NUMBERS: dict[str, Any] = {
    "provider": "postmark",
    "domain": "gmail.com",
    "sent": 5000,
    "delivered": 4950,
    "hard_bounced": 20,
    "refused": 10,
    "soft_bounced": 30,
    "complained": 3,
    "complained_by_mail": 0,
    "opened": 1500,
    "clicked": 240,
    "rates": {
        "delivered": 0.99,
        "hard_bounced": 0.004,
        "refused": 0.001996,
        "soft_bounced": 0.006,
        "complained": 0.0006,
        "opened": 0.303,
        "clicked": 0.0485,
    },
}


class DeliverabilityPause(ResponseModel):
    """A pause of a provider's marketing: `number` of `messages` were too many."""

    model_config = example(_PAUSE)

    id: UUID
    provider: str
    cause: PauseCause
    number: int = Field(description="complaints, or hard bounces and refused addresses, in a day or in three")
    messages: int = Field(description="deliveries; for hard bounces, with these")
    rate: float
    limit: float
    paused_at: datetime
    resumed_at: datetime | None = Field(description="null while it is paused")
    resumed_by: str | None = Field(description="the name of the key")


class DeliveryRates(ResponseModel):
    """Shares: of the messages sent the first four, of those delivered the others.

    Refused addresses are a share of these and the messages sent.
    """

    delivered: float | None = Field(description="null, as the others, without messages")
    hard_bounced: float | None
    refused: float | None
    soft_bounced: float | None
    complained: float | None
    opened: float | None
    clicked: float | None


class DomainNumbers(ResponseModel):
    """The messages of a provider to a recipient domain, each once in each number."""

    provider: str
    domain: str = Field(description="a large mailbox provider's, `other`, or empty on channels without domains")
    sent: int
    delivered: int = Field(description="as the provider reports it; and so on")
    hard_bounced: int = Field(description="each address once, also in `refused` and `complained`")
    refused: int = Field(description="addresses that the provider refused at the hand-over")
    soft_bounced: int = Field(description="and those that bounced for their content")
    complained: int = Field(description="marked as spam")
    complained_by_mail: int = Field(description="of these, by a mail, which proves less")
    opened: int = Field(description="by people, not by machines")
    clicked: int
    rates: DeliveryRates


class DeliverabilityNumbers(ResponseModel):
    model_config = example({"since": "2026-11-21T08:00:00Z", "numbers": [_NUMBERS], "pauses": [_PAUSE]})

    since: datetime = Field(description="the numbers are of messages sent in the hours that began after it")
    numbers: list[DomainNumbers]
    pauses: list[DeliverabilityPause] = Field(description="the latest of each provider that had one")


class DeliverabilityState(ResponseModel):
    model_config = example(
        {"provider": "postmark", "pause": {**_PAUSE, "resumed_at": "2026-11-22T09:30:00Z", "resumed_by": "support"}}
    )

    provider: str
    pause: DeliverabilityPause | None = Field(description="its latest pause; null if it never had one")


@router.get("")
async def get_deliverability(
    services: Using,
    days: Annotated[int, Query(ge=1, le=MAX_DAYS, examples=[7], description="how many days back")] = 1,
) -> DeliverabilityNumbers:
    """Messages by provider and recipient domain, and the pauses of marketing."""
    found = await services.deliverability.read(days)
    return DeliverabilityNumbers(
        since=found.since,
        numbers=[_show(row.provider, row.domain, row.counts) for row in found.rows],
        pauses=[_show_pause(pause) for pause in found.pauses],
    )


@router.post("/{provider}/resume", responses=refusals(NotFoundError))
async def resume_marketing(
    provider: Annotated[TextField, Path(max_length=255, examples=["postmark"])], services: Using, by: Operator
) -> DeliverabilityState:
    """Resume the marketing of a provider: its messages go on.

    Its numbers begin anew. One that is not paused stays as it is.
    """
    pause = await services.deliverability.resume(provider, by=by)
    return DeliverabilityState(provider=provider, pause=None if pause is None else _show_pause(pause))


def _show(provider: str, domain: str, counts: DeliveryCounts) -> DomainNumbers:
    sent, deliveries = counts.sent, counts.deliveries
    return DomainNumbers(
        provider=provider,
        domain=domain,
        sent=sent,
        delivered=counts.delivered,
        hard_bounced=counts.hard_bounced,
        refused=counts.refused,
        soft_bounced=counts.soft_bounced,
        complained=counts.complained,
        complained_by_mail=counts.complained_by_mail,
        opened=counts.opened,
        clicked=counts.clicked,
        rates=DeliveryRates(
            delivered=_share(counts.delivered, sent),
            hard_bounced=_share(counts.hard_bounced, sent),
            refused=_share(counts.refused, sent + counts.refused),
            soft_bounced=_share(counts.soft_bounced, sent),
            complained=_share(counts.complained, deliveries),
            opened=_share(counts.opened, deliveries),
            clicked=_share(counts.clicked, deliveries),
        ),
    )


def _show_pause(pause: PauseRow) -> DeliverabilityPause:
    return DeliverabilityPause(
        id=pause.id,
        provider=pause.provider,
        cause=pause.cause,
        number=pause.number,
        messages=pause.messages,
        rate=pause.number / pause.messages,
        limit=pause.limit,
        paused_at=pause.paused_at,
        resumed_at=pause.resumed_at,
        resumed_by=pause.resumed_by,
    )


def _share(number: int, whole: int) -> float | None:
    return round(number / whole, 6) if whole else None
