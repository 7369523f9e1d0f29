"""Callbacks of Lob as its pages show them, and the reports that they are."""

import hmac
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from tests.channels.recorded_callbacks import MESSAGE, SECRET, Recorded, Told


def by_lob(body: bytes, at: datetime) -> tuple[bytes, Mapping[str, str]]:
    time = str(int(at.timestamp() * 1000))
    digest = hmac.new(SECRET.encode(), time.encode() + b"." + body, "sha256").hexdigest()
    return body, {"lob-signature": digest, "lob-signature-timestamp": time}


def lob(happened: str, format: str = "postcard") -> dict[str, Any]:
    return {
        "id": f"evt_{sha256(f'{format}{happened}'.encode()).hexdigest()[:12]}",
        "body": {
            "id": "psc_208e45e48d271294",
            "description": "",
            "metadata": {"message_id": str(MESSAGE)},
            "to": {"id": "adr_1", "name": "JOHN DOE", "address_line1": "210 KING ST"},
            "object": format,
        },
        "reference_id": "psc_208e45e48d271294",
        "event_type": {"id": f"{format}.{happened}", "enabled_for_test": True, "resource": f"{format}s"},
        "date_created": "2026-12-01T11:59:00.000Z",
        "object": "event",
    }


LOB = Recorded(
    "lob",
    {"kind": "lob", "token": {"env": "SOJOURN_SECRET_TOKEN"}, "sender": "adr_210a8d4b0b76d77b"},
    SECRET,
    "another-secret-of-the-tests",
    by_lob,
    [
        (lob("mailed"), Told("accepted")),
        (lob("delivered"), Told("delivered")),
        (lob("delivered", "letter"), Told("delivered")),
        (lob("returned_to_sender"), Told("bounced", "hard")),
        (lob("viewed"), Told("opened")),
        (lob("rejected"), Told("failed")),
        (lob("in_transit"), None),
        (lob("re-routed"), None),
        (lob("delivered", "check"), None),
    ],
    channel="post",
)
