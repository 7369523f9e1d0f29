"""Callbacks of HubSpot: completed tasks, signed over method, URL, body and time.

https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation

They name a task by HubSpot's id alone: the tasks are read to find their messages.
"""

import hmac
import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from channels.http_call import HttpCalls, HttpReply
from channels.report_fields import find_id, find_text, read_epoch_milliseconds, read_json
from channels.signatures import check_age, read_epoch, refuse
from domain.errors import InvalidRequestError, UnavailableError
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.hubspot import HubspotModel
from domain.sending.reports import Callback, ProviderReport, ReportReader

HOST: Final = "api.hubapi.com"
# The unique property of tasks.
PROPERTY: Final = "sojourn_message_id"
MAX_AGE: Final = timedelta(minutes=5)
# HubSpot sends up to so many events in a callback.
MAX_EVENTS: Final = 100
# A task has some 500 bytes.
MAX_TASKS_BYTES: Final = 512 * 1024
_COMPLETED: Final = ("hs_task_status", "COMPLETED")


def open_reader(settings: HubspotModel, secrets: ProviderSecrets) -> ReportReader | None:
    """Open the reader of an app's webhooks; None without `callback_secret`."""
    if settings.callback_secret is None:
        return None
    secret, token = secrets.for_own_use(settings.callback_secret), secrets.for_host(settings.token, HOST, is_fixed=True)
    return TaskReader(secret, token)


class TaskReader:
    """Reads callbacks, and the tasks that they name."""

    def __init__(self, secret: str, token: str, base: str = f"https://{HOST}") -> None:
        self._secret = secret
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._url = f"{base}/crm/v3/objects/tasks/batch/read"
        self._calls = HttpCalls("hubspot", max_reply_bytes=MAX_TASKS_BYTES)

    async def __call__(self, callback: Callback, now: datetime) -> list[ProviderReport]:
        """Verify a callback and return its reports."""
        verify(self._secret, callback, now)
        data = read_json(callback.body)
        if not isinstance(data, list):
            raise InvalidRequestError("the body is not a JSON list")
        done = {id: one for one in data[:MAX_EVENTS] if (id := find_completed(one)) is not None}
        messages = await self._find_messages(list(done)) if done else {}
        return [
            ProviderReport(
                kind="completed",
                event_id=f"task {id} {find_text(one, 'eventId') or find_text(one, 'occurredAt')}",
                message_id=find_id(messages, id),
                at=read_epoch_milliseconds(one.get("occurredAt")) or now,
                provider_id=id,
            )
            for id, one in done.items()
            if id in messages
        ]

    async def _find_messages(self, ids: list[str]) -> Mapping[str, str]:
        """Return the message ids of tasks that are of messages."""
        body = {"properties": [PROPERTY], "inputs": [{"id": id} for id in ids]}
        reply = await self._calls.call("POST", self._url, content=json.dumps(body).encode(), headers=self._headers)
        tasks = reply.find("results") if isinstance(reply, HttpReply) and reply.status in (200, 207) else None
        if not isinstance(tasks, list):
            raise UnavailableError("the tasks of this callback cannot be read for now", retry_after=60)
        found: dict[str, str] = {}
        for one in tasks:
            id, message = find_text(one, "id"), find_text(one, "properties", PROPERTY)
            if id is not None and message is not None:
                found[id] = message
        return found


def verify(secret: str, callback: Callback, now: datetime) -> None:
    """Verify the third version of HubSpot's signatures."""
    time = callback.headers.get("x-hubspot-request-timestamp", "")
    if not (time.isascii() and time.isdigit()):
        raise refuse("it has no time")
    # In milliseconds.
    check_age(read_epoch(time[:-3] or "0"), now, MAX_AGE)
    signed = f"{callback.method}{callback.url}".encode() + callback.body + time.encode()
    expected = b64encode(hmac.new(secret.encode(), signed, sha256).digest())
    if not hmac.compare_digest(expected, callback.headers.get("x-hubspot-signature-v3", "").encode()):
        raise refuse("its signature does not match")


def find_completed(event: Any) -> str | None:
    """Return the id of the task that an event completes; None for another event."""
    if (find_text(event, "propertyName"), find_text(event, "propertyValue")) != _COMPLETED:
        return None
    return find_text(event, "objectId")
