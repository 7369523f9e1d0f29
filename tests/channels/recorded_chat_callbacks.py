"""Callbacks of chats as their pages show them, and the reports that they are."""

import hmac
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from tests.channels.recorded_callbacks import HAPPENED, MESSAGE, SECRET, Recorded, Told


def by_chatwoot(body: bytes, at: datetime) -> tuple[bytes, Mapping[str, str]]:
    time = str(int(at.timestamp()))
    digest = hmac.new(SECRET.encode(), time.encode() + b"." + body, "sha256").hexdigest()
    return body, {"x-chatwoot-signature": f"sha256={digest}", "x-chatwoot-timestamp": time}


def chatwoot_message(event: str, type: str, **more: Any) -> dict[str, Any]:
    return {
        "event": event,
        "id": 1208,
        "content": "How much for ten people?",
        "message_type": type,
        "created_at": "2026-12-01T11:59:00.000Z",
        "sender": {"id": 5, "name": "John", "email": "john@example.com"},
        "conversation": {"id": 42, "custom_attributes": {"sojourn_message_id": str(MESSAGE)}, "status": "open"},
        **more,
    }


def chatwoot_status(status: str) -> dict[str, Any]:
    return {
        "event": "conversation_status_changed",
        "id": 42,
        "status": status,
        "custom_attributes": {"sojourn_message_id": str(MESSAGE)},
        "meta": {"sender": {"email": "john@example.com"}},
        "updated_at": HAPPENED.timestamp(),
    }


RATED = {"submitted_values": {"csat_survey_response": {"rating": 5, "feedback_message": "Quick"}}}
CHATWOOT = Recorded(
    "chatwoot",
    {
        "kind": "chatwoot",
        "url": "https://app.chatwoot.com",
        "account": 7,
        "inbox": 3,
        "token": {"env": "SOJOURN_SECRET_TOKEN"},
    },
    SECRET,
    "another-secret-of-the-tests",
    by_chatwoot,
    [
        (chatwoot_message("message_created", "incoming"), Told("replied")),
        (chatwoot_status("resolved"), Told("resolved")),
        (
            chatwoot_message("message_updated", "template", content_attributes=RATED, updated_at=HAPPENED.isoformat()),
            Told("rated"),
        ),
        (chatwoot_message("message_created", "outgoing"), None),
        (chatwoot_message("message_updated", "template"), None),
        (chatwoot_status("open"), None),
        ({"event": "contact_created", "id": 5}, None),
    ],
    channel="chat",
)


def by_intercom(body: bytes, _at: datetime) -> tuple[bytes, Mapping[str, str]]:
    return body, {"x-hub-signature": "sha1=" + hmac.new(SECRET.encode(), body, "sha1").hexdigest()}


def intercom(topic: str, **item: Any) -> dict[str, Any]:
    return {
        "type": "notification_event",
        "id": f"notif_{sha256(topic.encode()).hexdigest()[:12]}",
        "topic": topic,
        "created_at": int(HAPPENED.timestamp()),
        "data": {
            "item": {
                "type": "conversation",
                "id": "77",
                "custom_attributes": {"sojourn_message_id": str(MESSAGE)},
                "source": {"author": {"email": "john@example.com"}},
                **item,
            }
        },
    }


REPLY = {"conversation_parts": {"conversation_parts": [{"body": "<p>For ten &amp; more?</p>"}]}}
INTERCOM = Recorded(
    "intercom",
    {"kind": "intercom", "token": {"env": "SOJOURN_SECRET_TOKEN"}, "admin": "814"},
    SECRET,
    "another-secret-of-the-tests",
    by_intercom,
    [
        (intercom("conversation.user.replied", **REPLY), Told("replied")),
        (intercom("conversation.admin.closed"), Told("resolved")),
        (intercom("conversation.rating.added", conversation_rating={"rating": 4, "remark": "Quick"}), Told("rated")),
        (intercom("conversation.admin.replied"), None),
    ],
    channel="chat",
    is_timed=False,
)
