"""Postcards and letters by Lob: https://docs.lob.com.

No account was called yet: the requests follow the published document.
"""

import json
import ssl
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

import httpx

from channels.http_call import TOTAL_SECONDS, HttpCalls, HttpReply, judge, share_time
from channels.post.lob_reports import open_reader
from channels.provider_kind import ProviderContext, ProviderKind
from channels.retry_after import read_epoch
from domain.channels.post import PieceFormat
from domain.people.postal_addresses import EnvelopeAddress, decode_postal_address
from domain.sending.delivery import (
    Accepted,
    Ambiguous,
    Delivery,
    Keyed,
    Outbound,
    Recall,
    Rejected,
    TakenBack,
    TooLate,
    Unavailable,
)
from domain.sending.providers.lob import LobModel

HOST: Final = "api.lob.com"
_DAY: Final = 86_400.0
# The account's own time, unless another edition has set it: https://help.lob.com, "cancellation window".
_USUAL_WAIT: Final = timedelta(minutes=5)
_MAX_NAME: Final = 40
_MAX_US_LINE: Final = 64
_PATHS: Final[Mapping[str, str]] = {"postcard": "postcards", "letter": "letters"}
# The ids of both formats begin so.
_PATHS_BY_ID: Final[Mapping[str, str]] = {"psc": "postcards", "ltr": "letters"}
_ADDRESS_CODES: Final = frozenset({"address_length_exceeds_limit", "failed_deliverability_strictness"})
_UNPAID_CODES: Final = frozenset({"billing_address_required", "feature_limit_reached", "payment_method_unverified"})


class Lob:
    """An account at Lob, which knows a piece by its key for a day.

    `sender` is the id of the address for returns. A piece is printed after `print_after`, and can be taken back until
    then.
    """

    name = "lob"
    repeats = Keyed(_DAY)

    def __init__(
        self,
        token: str,
        sender: str,
        print_after: timedelta | None = None,
        base: str = f"https://{HOST}",
        seconds: float = TOTAL_SECONDS,
        *,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._sender = sender
        self._print_after = print_after
        self._base = f"{base}/v1"
        self._headers = {"Authorization": "Basic " + b64encode(f"{token}:".encode()).decode()}
        self._calls = HttpCalls(self.name, tls_context=tls_context, seconds=seconds)
        self._seconds = seconds

    @property
    def recall_seconds(self) -> float:
        return (self._print_after or _USUAL_WAIT).total_seconds()

    def account(self, message: Outbound) -> str:
        return self.name

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        """Request the piece."""
        recipient = decode_postal_address(address)
        if recipient is None:
            return Rejected("invalid_address", "the recipient's postal address is incomplete")
        format: PieceFormat = message.content["format"]
        headers = {**self._headers, "Content-Type": "application/json", "Idempotency-Key": message.message_id}
        content = json.dumps(self._body(message, recipient)).encode()
        return await self._calls.post(
            f"{self._base}/{_PATHS[format]}", content=content, headers=headers, read=_read_reply
        )

    async def recall(self, message_id: str, provider_id: str | None) -> Recall:
        """Cancel the piece before it is printed."""
        with share_time(self._seconds):
            if provider_id is not None:
                return await self._cancel(provider_id)
            found: list[str] = []
            for path in _PATHS.values():
                listed = await self._find(path, message_id)
                if not isinstance(listed, list):
                    return listed
                found += listed
            for id in found:
                cancelled = await self._cancel(id)
                if not isinstance(cancelled, TakenBack):
                    return cancelled
            return TakenBack()

    async def check(self) -> Unavailable | None:
        """Try the account without printing."""
        return await self._calls.get(f"{self._base}/addresses?limit=1", headers=self._headers)

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()

    def _body(self, message: Outbound, to: EnvelopeAddress) -> dict[str, Any]:
        content = message.content
        body: dict[str, Any] = {
            "to": _format_address(to),
            "from": self._sender,
            # Only transactional messages have no link to unsubscribe.
            "use_type": "operational" if message.unsubscribe_url is None else "marketing",
            "metadata": {"message_id": message.message_id},
        }
        if content["format"] == "postcard":
            body |= {"front": content["front"], "back": content["back"], "size": content["size"]}
        else:
            body |= {"file": content["file"], "color": content["ink"] == "color"}
        if self._print_after is not None:
            # The same in each attempt: Lob refuses a key with another body.
            body["send_date"] = (message.at + self._print_after).astimezone(UTC).isoformat()
        return body

    async def _find(self, path: str, message_id: str) -> list[str] | Unavailable | Ambiguous:
        """Return the ids of the pieces of a message, of which there is one at most."""
        query = urlencode({"metadata[message_id]": message_id})
        reply = await self._calls.call("GET", f"{self._base}/{path}?{query}", headers=self._headers)
        if not isinstance(reply, HttpReply):
            return reply
        listed = reply.find("data")
        if reply.status != httpx.codes.OK or not isinstance(listed, list):
            return _judge_recall(reply)
        return [id for number in range(len(listed)) if (id := reply.find_text("data", number, "id"))]

    async def _cancel(self, id: str) -> Recall:
        url = f"{self._base}/{_PATHS_BY_ID.get(id.partition('_')[0], 'postcards')}/{id}"
        reply = await self._calls.call("DELETE", url, headers=self._headers)
        if not isinstance(reply, HttpReply):
            return reply
        if reply.status in (httpx.codes.OK, httpx.codes.NOT_FOUND):
            return TakenBack()
        if reply.status not in (httpx.codes.BAD_REQUEST, httpx.codes.CONFLICT, httpx.codes.UNPROCESSABLE_ENTITY):
            return _judge_recall(reply)
        # An earlier attempt, whose answer was lost, may have cancelled it.
        known = await self._calls.call("GET", url, headers=self._headers)
        if not isinstance(known, HttpReply):
            return known
        if known.status == httpx.codes.NOT_FOUND or known.find("deleted") is True:
            return TakenBack()
        if known.status != httpx.codes.OK:
            return _judge_recall(known)
        return TooLate(f"lob: {reply.find_text('error', 'code') or reply.status}")


def _read_reply(reply: HttpReply) -> Delivery | None:
    code = reply.find_text("error", "code")
    match reply.status, code:
        case 200 | 201, _:
            return Accepted(reply.find_text("id"))
        case 409, _:
            # The key is ours alone: an earlier attempt is being taken.
            return Unavailable("http_409", "lob: an earlier attempt is being taken")
        case 429, _:
            rest = read_epoch(reply.headers.get("x-rate-limit-reset"), datetime.now(UTC))
            return Unavailable("http_429", "lob answered 429", rest)
        case 400 | 422, str() if code in _UNPAID_CODES:
            return judge(HttpReply(402), datetime.now(UTC))
        case 400 | 422, str() if code in _ADDRESS_CODES:
            return Rejected("recipient_refused", f"lob: {code}", "address")
        case 400 | 422, str():
            return Rejected("message_refused", f"lob: {code}")
    return None


def _judge_recall(reply: HttpReply) -> Unavailable | Ambiguous:
    """Return why a recall is to be repeated; one that Lob does not understand also is."""
    judged = judge(reply, datetime.now(UTC))
    if isinstance(judged, Unavailable | Ambiguous):
        return judged
    return Unavailable(f"http_{reply.status}", f"lob answered {reply.status}")


def _format_address(address: EnvelopeAddress) -> dict[str, str]:
    longest = _MAX_US_LINE if address.country == "US" else len(address.line1)
    # A long first line goes on in the second, as on an envelope.
    line1, more = _wrap(address.line1, longest)
    parts = {
        "name": address.name[:_MAX_NAME],
        "address_line1": line1,
        "address_line2": ", ".join(part for part in (more, address.line2) if part),
        "address_city": address.city,
        "address_state": address.state,
        "address_zip": address.zip,
        "address_country": address.country,
    }
    return {name: text for name, text in parts.items() if text}


def _wrap(line: str, longest: int) -> tuple[str, str]:
    """Break a line at its last blank that fits."""
    if len(line) <= longest:
        return line, ""
    head, _, _ = line[: longest + 1].rpartition(" ")
    head = head or line[:longest]
    return head, line[len(head) :].strip()


def open_lob(settings: LobModel, context: ProviderContext) -> Lob:
    """Open the account; no connection is made yet."""
    print_after = None if settings.print_after is None else timedelta(seconds=settings.print_after)
    return Lob(context.secrets.for_host(settings.token, HOST, is_fixed=True), settings.sender, print_after)


KIND = ProviderKind(LobModel, open_lob, open_reader=open_reader)
