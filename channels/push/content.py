"""The parts of a notification that push services share."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from domain.sending.delivery import Outbound

# All push services keep a notification for four weeks at most.
MAX_TTL: Final = 28 * 86_400
# APNs bounds the header by bytes.
MAX_COLLAPSE_BYTES: Final = 64
# The keys of the payload that apps and pages read; those of the template stand beside them.
MESSAGE_ID: Final = "message_id"
REPORT_URL: Final = "report_url"
_OF_APPS: Final = ("url", "image", "actions")


def find_ttl(message: Outbound) -> int:
    """Return how long a push service tries, in seconds."""
    if message.expires_at is None:
        return MAX_TTL
    return min(max(0, int((message.expires_at - message.at).total_seconds())), MAX_TTL)


def find_collapse_id(message: Outbound) -> str:
    """Return the id of what the notification replaces: an earlier attempt, or others."""
    written = str(message.content.get("collapse") or message.message_id)
    # A header takes no other letters.
    is_plain = written.isascii() and written.isprintable() and len(written) <= MAX_COLLAPSE_BYTES
    return written if is_plain else sha256(written.encode()).hexdigest()


def find_topic(message: Outbound) -> str:
    """Return the collapse id as web push has it: 32 characters of its alphabet."""
    if (written := message.content.get("collapse")) is None:
        return UUID(message.message_id).hex
    return sha256(str(written).encode()).hexdigest()[:32]


def is_pressing(message: Outbound) -> bool:
    """Return whether a sleeping device is woken for the notification."""
    return message.content.get("urgency", "normal") in ("normal", "high")


def list_values(message: Outbound) -> dict[str, Any]:
    """Return what an app reads of a notification besides its text."""
    content = message.content
    values = {**content.get("data", {}), MESSAGE_ID: message.message_id, REPORT_URL: message.report_url}
    values |= {key: content.get(key) for key in _OF_APPS}
    return {key: value for key, value in values.items() if value is not None}


def write_json(payload: Mapping[str, Any]) -> bytes:
    """Return a payload in as few bytes as JSON needs."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
