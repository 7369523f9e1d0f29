"""Callbacks of Brevo.

https://developers.brevo.com/docs/transactional-webhooks

They are not signed: the webhook's authorization says whose they are, `callback_secret` as its bearer token, or as the
password of Basic.
"""

from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from channels.report_fields import find, find_id, find_text, read_epoch_milliseconds, read_object
from channels.signatures import verify_shared_secret
from domain.errors import InvalidRequestError
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.brevo import BrevoModel
from domain.sending.reports import Bounce, Callback, ProviderReport, ReportKind, ReportReader

_KINDS: Final[dict[str, ReportKind]] = {
    "request": "accepted",
    "deferred": "deferred",
    "delivered": "delivered",
    "opened": "opened",
    "unique_opened": "opened",
    "proxy_open": "opened",
    "unique_proxy_open": "opened",
    "click": "clicked",
    "hard_bounce": "bounced",
    "invalid_email": "bounced",
    "soft_bounce": "bounced",
    "spam": "complained",
    "unsubscribe": "unsubscribed",
    "unsubscribed": "unsubscribed",
    # The account blocks the address, for any reason.
    "blocked": "failed",
    "error": "failed",
}
_BOUNCES: Final[dict[str, Bounce]] = {"hard_bounce": "hard", "invalid_email": "hard", "soft_bounce": "soft"}
_BY_MACHINES: Final = frozenset({"proxy_open", "unique_proxy_open"})


def open_reader(settings: BrevoModel, secrets: ProviderSecrets) -> ReportReader | None:
    """Open the reader of an account's webhooks; None without `callback_secret`."""
    if settings.callback_secret is None:
        return None
    secret = secrets.for_own_use(settings.callback_secret)

    async def read(callback: Callback, now: datetime) -> list[ProviderReport]:
        verify_shared_secret(callback.headers, secret)
        data = read_object(callback.body)
        if data is None:
            raise InvalidRequestError("the body is not a JSON object")
        report = read_report(data, sha256(callback.body).hexdigest(), now)
        return [] if report is None else [report]

    return read


def read_report(data: dict[str, Any], digest: str, now: datetime) -> ProviderReport | None:
    """Return the report of a webhook's body; None for a kind without one."""
    event = find_text(data, "event") or ""
    kind = _KINDS.get(event)
    if kind is None:
        return None
    message_id = find_id(data, "X-Mailin-custom")
    # The other times are in the zone of the account.
    at = read_epoch_milliseconds(find(data, "ts_epoch"))
    return ProviderReport(
        kind=kind,
        event_id=digest if kind != "opened" or at is None else _identify_opening(event, message_id, at),
        message_id=message_id,
        at=at or now,
        provider_id=find_text(data, "message-id"),
        bounce=_BOUNCES.get(event),
        is_machine=event in _BY_MACHINES,
        link=find_text(data, "link") if kind == "clicked" else None,
        detail=event,
    )


def _identify_opening(event: str, message_id: UUID | None, at: datetime) -> str:
    """Return the id of an opening.

    Brevo reports the first twice, as `opened` and as `unique_opened`.
    """
    return f"{event.removeprefix('unique_')} {message_id} {at:%Y-%m-%dT%H:%M:%S}"
