"""Slack by its Web API: https://docs.slack.dev/reference/methods/chat.postMessage.

No workspace was called yet: the requests follow the published pages.
"""

import json
import ssl
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from channels.http_call import TOTAL_SECONDS, HttpCalls, HttpReply, judge, share_time
from channels.known_ids import KnownIds
from channels.provider_kind import ProviderContext, ProviderKind
from channels.retry_after import MAX_RETRY_AFTER
from domain.sending.delivery import ACCOUNT, Accepted, Ambiguous, Delivery, Never, Outbound, Rejected, Unavailable
from domain.sending.providers.slack import SlackModel

HOST: Final = "slack.com"
# Colleagues are looked up once a day.
_KNOWN_SECONDS: Final = 86_400.0
_ACCOUNT_CODES: Final = frozenset(
    {
        *("not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired", "missing_scope"),
        *("no_permission", "access_denied", "org_login_required", "ekm_access_denied", "not_allowed_token_type"),
        *("team_access_not_granted", "accesslimited", "enterprise_is_restricted"),
    }
)
_BUSY_CODES: Final = frozenset({"ratelimited", "rate_limited", "service_unavailable", "team_added_to_org"})
# The method may have worked by then.
_UNCERTAIN_CODES: Final = frozenset({"fatal_error", "internal_error", "request_timeout"})
_NOT_IN_CHANNEL: Final = "not_in_channel"


class SlackApi:
    """An app in a workspace, which answers 200 to everything that it understands."""

    name = "slack"
    repeats = Never()

    def __init__(
        self,
        token: str,
        base: str = f"https://{HOST}",
        seconds: float = TOTAL_SECONDS,
        *,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._base = f"{base}/api"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._calls = HttpCalls(self.name, tls_context=tls_context, seconds=seconds)
        self._seconds = seconds
        self._known = KnownIds(_KNOWN_SECONDS)

    def account(self, message: Outbound) -> str:
        return self.name

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        """Post the text to the channel or the colleague that it names."""
        with share_time(self._seconds):
            to: str = message.content["to"]
            if "@" in to:
                found = await self._find_colleague(to.lower())
                if not isinstance(found, str):
                    return found
                to = found
            body = {
                "channel": to,
                "text": message.content["text"],
                "metadata": {"event_type": "sojourn_message", "event_payload": {"message_id": message.message_id}},
            }
            headers = {**self._headers, "Content-Type": "application/json; charset=utf-8"}
            content = json.dumps(body).encode()
            return await self._calls.post(
                f"{self._base}/chat.postMessage", content=content, headers=headers, read=_read
            )

    async def check(self) -> Unavailable | None:
        """Try the token without posting."""
        return await self._calls.get(f"{self._base}/auth.test", headers=self._headers, read=_read)

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()

    async def _find_colleague(self, email: str) -> str | Rejected | Unavailable:
        """Return the id of a member of the workspace."""
        if (known := self._known.find(email)) is not None:
            return known
        url = f"{self._base}/users.lookupByEmail?{urlencode({'email': email})}"
        reply = await self._calls.call("GET", url, headers=self._headers)
        if not isinstance(reply, HttpReply):
            # Nothing was posted yet.
            return Unavailable("connection", reply.detail)
        id = reply.find_text("user", "id")
        if reply.find("ok") is True and id is not None:
            self._known.keep(email, id)
            return id
        if reply.find_text("error") == "users_not_found":
            return Rejected("recipient_refused", "slack: users_not_found")
        refused = _read(reply) or judge(reply, datetime.now(UTC))
        if isinstance(refused, Rejected | Unavailable):
            return refused
        return Unavailable(f"http_{reply.status}", f"slack answered {reply.status} to a look-up")


def _read(reply: HttpReply) -> Delivery | None:
    """Read a reply by its `ok` and `error`; None for the rules of all."""
    if reply.find("ok") is True:
        channel, time = reply.find_text("channel"), reply.find_text("ts")
        return Accepted(None if channel is None or time is None else f"{channel} {time}")
    code = reply.find_text("error")
    if reply.status != 200 or code is None:
        return None
    detail = f"slack: {code[:100]}"
    if code in _ACCOUNT_CODES:
        return Unavailable(ACCOUNT, detail, MAX_RETRY_AFTER)
    if code in _BUSY_CODES:
        return Unavailable("busy", detail)
    if code == _NOT_IN_CHANNEL:
        # Until the app is invited; the other channels have theirs.
        return Unavailable("deferred", detail, MAX_RETRY_AFTER)
    if code in _UNCERTAIN_CODES:
        return Ambiguous(detail)
    return Rejected("message_refused", detail)


def open_slack(settings: SlackModel, context: ProviderContext) -> SlackApi:
    """Open the app; no connection is made yet."""
    return SlackApi(context.secrets.for_host(settings.token, HOST, is_fixed=True))


KIND = ProviderKind(SlackModel, open_slack)
