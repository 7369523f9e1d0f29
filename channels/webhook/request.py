"""Build a webhook's request: an envelope of Standard Webhooks, or as written."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from standardwebhooks import Webhook

from domain.channels.webhook import IDEMPOTENT

_MAX_PORT = 65_535
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """One request. `is_repeatable`: repeating it has no further effect.

    The receiver knows its id, or the method is idempotent. `save` maps names to paths of the reply.
    """

    method: str
    url: httpx.URL
    headers: Mapping[str, str]
    body: bytes
    is_repeatable: bool
    save: Mapping[str, str]


def build(
    content: Mapping[str, Any], message_id: str, happened: datetime, signers: Sequence[Webhook], now: datetime
) -> WebhookRequest:
    """Build the request of rendered content with its secrets.

    The content is that of domain/channels/webhook.py. `now` is the real time, which receivers of a signature compare
    with their own clocks. Raises ValueError or httpx.InvalidURL if the URL is invalid, or the data is not JSON.
    """
    url = httpx.URL(content["url"])
    is_host = bool(url.raw_host) and b"%" not in url.raw_host
    is_port = url.port is None or 0 < url.port <= _MAX_PORT
    if url.scheme not in {"http", "https"} or not is_host or not is_port:
        raise ValueError("the URL is not an absolute http or https one")
    # Replies are read unencoded: an encoded one could be far larger than it looks.
    own = {"user-agent": "Sojourn", "accept-encoding": "identity", "idempotency-key": message_id}
    body = b""
    is_signed = "data" in content
    if is_signed:
        own["content-type"] = _JSON
        body = _json(_envelope(content["data"], happened))
    elif "body" in content:
        own["content-type"] = _JSON
        body = _json(content["body"])
    headers = httpx.Headers({**own, **{name.lower(): value.strip() for name, value in content["headers"].items()}})
    if is_signed:
        headers.update(_signature(signers, message_id, now, body))
    method = content["method"]
    return WebhookRequest(method, url, headers, body, is_signed or method in IDEMPOTENT, content.get("save", {}))


def _envelope(data: Any, happened: datetime) -> dict[str, Any]:
    timestamp = happened.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return {"type": "sojourn.message", "timestamp": timestamp, "data": data}


def _signature(signers: Sequence[Webhook], message_id: str, now: datetime, body: bytes) -> dict[str, str]:
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signer.sign(message_id, now, body.decode()) for signer in signers),
    }


def _json(data: Any) -> bytes:
    return json.dumps(data, separators=(",", ":"), allow_nan=False).encode()
