"""The filter that counts and lists of messages share."""

from typing import Annotated

from fastapi import Depends, Query

from api.dependencies import TextField
from api.utc_days import CountedDays
from domain.sending.claim import MessageState
from store.daily_counts import MessageFilter


async def read_message_filter(
    period: CountedDays,
    campaign: Annotated[
        TextField | None,
        Query(
            max_length=255, examples=["abandoned-cart"], description="`email:NAME` for single messages by a template"
        ),
    ] = None,
    step: Annotated[TextField | None, Query(max_length=255, examples=["nudge"])] = None,
    state: Annotated[
        list[MessageState] | None, Query(max_length=6, description="in one of these; in any, if left out")
    ] = None,
    channel: Annotated[TextField | None, Query(max_length=255, examples=["email"])] = None,
    provider: Annotated[
        TextField | None, Query(max_length=255, examples=["smtp"], description="empty: those without one")
    ] = None,
) -> MessageFilter:
    """Read the filter of a query."""
    return MessageFilter(
        first=period.first,
        last=period.last,
        campaign=campaign,
        step=step,
        states=state or [],
        channel=channel,
        provider=provider,
    )


AskedMessages = Annotated[MessageFilter, Depends(read_message_filter)]
