"""Push by Firebase Cloud Messaging, its API of HTTP version 1.

https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages. No account was called yet: the requests follow
the published document.
"""

import json
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from channels.google_token import GoogleToken
from channels.http_call import TOTAL_SECONDS, HttpCalls, HttpReply, share_time
from channels.provider_kind import ProviderContext, ProviderKind
from channels.push.content import find_collapse_id, find_topic, find_ttl, is_pressing, list_values, write_json
from channels.retry_after import MAX_RETRY_AFTER, read_retry_after
from domain.sending.delivery import ACCOUNT, Accepted, Delivery, Outbound, Rejected, Replaces, Unavailable
from domain.sending.outbound_secrets import SecretRefusal
from domain.sending.providers.fcm import FcmModel

HOST: Final = "fcm.googleapis.com"
SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
# The notification with its data, by the documentation.
MAX_PAYLOAD_BYTES: Final = 4_096
# Without a header that says when.
QUOTA_SECONDS: Final = 60.0

_FCM_ERROR: Final = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_GONE: Final = frozenset({"UNREGISTERED"})
_ACCOUNT_CODES: Final = frozenset({"SENDER_ID_MISMATCH", "THIRD_PARTY_AUTH_ERROR"})
_BUSY: Final = frozenset({"QUOTA_EXCEEDED"})


class Fcm:
    """A project of Firebase, with the token of its service account.

    `base` is the beginning of all URLs. `seconds` bounds a call as a whole.
    """

    name = "fcm"
    repeats = Replaces()

    def __init__(
        self, project: str, token: GoogleToken, base: str = f"https://{HOST}", seconds: float = TOTAL_SECONDS
    ) -> None:
        self._url = f"{base}/v1/projects/{quote(project, safe='')}/messages:send"
        self._token = token
        self._seconds = seconds
        self._calls = HttpCalls(self.name, seconds=seconds)

    def account(self, message: Outbound) -> str:
        return self.name

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        """Request the notification."""
        built = build_message(message, address)
        size = len(write_json({**built["notification"], **built["data"]}))
        if size > MAX_PAYLOAD_BYTES:
            return Rejected("invalid_message", f"the notification has {size} bytes of {MAX_PAYLOAD_BYTES}")
        content = json.dumps({"message": built}).encode()

        def read(reply: HttpReply) -> Delivery | None:
            if reply.status == 401:
                self._token.forget()
            return read_reply(reply)

        with share_time(self._seconds):
            token = await self._token.get()
            if isinstance(token, Unavailable):
                return token
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            return await self._calls.post(self._url, content=content, headers=headers, read=read)

    async def check(self) -> Unavailable | None:
        """Ask for a token, which sends nothing."""
        token = await self._token.get()
        return token if isinstance(token, Unavailable) else None

    async def close(self) -> None:
        """Close the connections."""
        await self._token.close()
        await self._calls.close()


def build_message(message: Outbound, address: str) -> dict[str, Any]:
    """Return the `message` of a request, for Android, Apple's devices and pages."""
    content, collapse_id, ttl = message.content, find_collapse_id(message), find_ttl(message)
    is_fid = message.device is not None and message.device.kind == "fid"
    shown = {key: content[key] for key in ("title", "body", "image") if key in content}
    sound, badge = content.get("sound"), content.get("badge")
    expires = int(message.at.timestamp()) + ttl
    values = list_values(message)
    if "actions" in values:
        values["actions"] = json.dumps(values["actions"], ensure_ascii=False, separators=(",", ":"))
    link = values.get("url", "")
    built: dict[str, Any] = {
        "fid" if is_fid else "token": address,
        "notification": shown,
        "data": values,
        "android": {
            "ttl": f"{ttl}s",
            "collapseKey": collapse_id,
            "priority": "HIGH" if is_pressing(message) else "NORMAL",
            "notification": _drop_missing({"tag": collapse_id, "sound": sound, "notificationCount": badge}),
        },
        "apns": {
            "headers": {
                "apns-collapse-id": collapse_id,
                "apns-expiration": str(expires),
                "apns-priority": "10" if is_pressing(message) else "5",
            },
            "payload": {
                "aps": _drop_missing(
                    {"sound": sound, "badge": badge, "mutable-content": 1 if "image" in content else None}
                )
            },
        },
        "webpush": {
            "headers": {
                "TTL": str(ttl),
                "Topic": find_topic(message),
                "Urgency": str(content.get("urgency", "normal")),
            },
            "notification": {"tag": collapse_id},
        },
    }
    if link.startswith("https://"):
        built["webpush"]["fcmOptions"] = {"link": link}
    if "image" in content:
        built["apns"]["fcmOptions"] = {"image": content["image"]}
    return built


def read_reply(reply: HttpReply) -> Delivery | None:
    """Read a reply by the code of its details, and never by its text."""
    if reply.status in range(200, 300):
        return Accepted(reply.find_text("name"))
    code = _find_code(reply)
    if code is None:
        return None
    said = f"fcm: {code}"
    if code in _GONE or (code == "INVALID_ARGUMENT" and not _blames_payload(reply)):
        return Rejected(code.lower(), said, "address")
    if code in _ACCOUNT_CODES:
        # A project of its own must not delete the devices of another.
        return Unavailable(ACCOUNT, said, MAX_RETRY_AFTER)
    if code in _BUSY:
        seconds = read_retry_after(reply.headers.get("retry-after"), datetime.now(UTC))
        return Unavailable("http_429", said, QUOTA_SECONDS if seconds is None else seconds)
    return None


def _find_code(reply: HttpReply) -> str | None:
    """Return the code of FCM's own detail; None without one, as for a fault of ours."""
    details = reply.find("error", "details")
    for index in range(len(details) if isinstance(details, list) else 0):
        if reply.find_text("error", "details", index, "@type") == _FCM_ERROR:
            return reply.find_text("error", "details", index, "errorCode")
    return None


def _blames_payload(reply: HttpReply) -> bool:
    """Return whether the request itself is wrong, and not its token."""
    details = reply.find("error", "details")
    types = [reply.find_text("error", "details", index, "@type") for index in range(len(details or ()))]
    return "type.googleapis.com/google.rpc.BadRequest" in types


def _drop_missing(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def open_fcm(settings: FcmModel, context: ProviderContext) -> Fcm:
    """Open the project; no connection is made yet."""
    key = context.secrets.for_own_use(settings.service_account)
    try:
        return Fcm(str(json.loads(key)["project_id"]), GoogleToken(key, SCOPE))
    except (ValueError, TypeError, KeyError) as error:
        said = f"the secret {settings.service_account} is not the JSON of a service account with its project"
        raise SecretRefusal("secret_malformed", said) from error


KIND = ProviderKind(FcmModel, open_fcm)
