"""Requests for single messages, as a backend makes them."""

from typing import Any

import httpx

from tests.harness import ADMIN_KEY, Harness

RESET = """---
channel: email
from: Example Shop <hello@example.com>
subject: "A password for {{ profile.traits.first_name | default: 'you' }}"
text: "Code {{ entry.properties.code }}"
---
<p>Code {{ entry.properties.code }}
{% if unsubscribe_url %}<a href="{{ unsubscribe_url }}">Unsubscribe</a>{% endif %}</p>
"""


async def publish(harness: Harness, name: str = "reset", source: str = RESET, **more: Any) -> dict[str, Any]:
    published: dict[str, Any] = await harness.admin(
        "PUT", f"/v1/templates/email/{name}", {"files": {f"{name}.liquid": source}, **more}
    )
    return published


def message(**more: Any) -> dict[str, Any]:
    """The body of a request; to the user u-1 if it names nobody."""
    to = {} if "address" in more else {"user_id": "u-1"}
    return {"template": {"channel": "email", "name": "reset"}, "data": {"code": "4711"}, **to, **more}


async def send(harness: Harness, **more: Any) -> dict[str, Any]:
    """Request a message; the answer. Its hand-over is done by then, or left to a worker."""
    requested: dict[str, Any] = await harness.admin("POST", "/v1/messages", message(**more))
    return requested


async def ask(harness: Harness, **more: Any) -> httpx.Response:
    return await harness.act("POST", "/v1/messages", message(**more))


async def ask_under(harness: Harness, key: str, **more: Any) -> httpx.Response:
    """Request a message under an Idempotency-Key."""
    headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Idempotency-Key": key}
    return await harness.http.post("/v1/messages", json=message(**more), headers=headers)


async def show(harness: Harness, id: str) -> dict[str, Any]:
    shown: dict[str, Any] = await harness.admin("GET", f"/v1/messages/{id}")
    return shown
