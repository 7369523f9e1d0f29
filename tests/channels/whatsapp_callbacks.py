"""Callbacks of the WhatsApp Cloud API, as its pages show them."""

import hmac
import json
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from domain.sending.reports import Callback

NUMBER_ID = "106540352242922"
WRITER = "4915112345678"
URL = "https://sojourn.example.com/v1/callbacks/whatsapp"


def value_of(**items: Any) -> dict[str, Any]:
    """A notification about our number."""
    metadata = {"display_phone_number": "15550783881", "phone_number_id": NUMBER_ID}
    return change(value={"messaging_product": "whatsapp", "metadata": metadata, **items})


def change(**named: Any) -> dict[str, Any]:
    changes = [{"field": "messages", **named}]
    return {"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": changes}]}


def status(state: str, id: str, message_id: Any, at: datetime, code: int | None = None) -> dict[str, Any]:
    errors = {} if code is None else {"errors": [{"code": code, "title": "what a person may read"}]}
    return value_of(
        statuses=[
            {
                "id": id,
                "status": state,
                "timestamp": str(int(at.timestamp())),
                "recipient_id": WRITER,
                "biz_opaque_callback_data": str(message_id),
                **errors,
            }
        ]
    )


def message(id: str, at: datetime, sender: str = WRITER, **content: Any) -> dict[str, Any]:
    """A message of a person: `text`, or another content by its type."""
    [type] = content
    held = {"body": content["text"]} if type == "text" else content[type]
    item = {"from": sender, "id": id, "timestamp": str(int(at.timestamp())), "type": type, type: held}
    return value_of(contacts=[{"profile": {"name": "Ada"}, "wa_id": sender}], messages=[item])


def choice(value: str, at: datetime, sender: str = WRITER) -> dict[str, Any]:
    return value_of(
        user_preferences=[
            {
                "wa_id": sender,
                "detail": "User requested to stop marketing messages",
                "category": "marketing_messages",
                "value": value,
                "timestamp": int(at.timestamp()),
            }
        ]
    )


def sign(body: bytes, secret: str) -> dict[str, str]:
    return {"x-hub-signature-256": "sha256=" + hmac.new(secret.encode(), body, sha256).hexdigest()}


def called(data: Any, secret: str) -> Callback:
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return Callback("POST", URL, sign(body, secret), body)


AN_HOUR = timedelta(hours=1)
