"""Messages to phones and WhatsApp by Twilio.

https://www.twilio.com/docs/messaging/api/message-resource

No account was called yet: the requests follow the published document, and the meaning of its codes their pages. Those
of WhatsApp, 63xxx, are from memory.
"""

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from channels.api_request import ApiRequest
from channels.http_call import TOTAL_SECONDS, HttpReply
from channels.phone_api import PhoneApi, seconds_left
from channels.provider_kind import ProviderContext, ProviderKind
from channels.retry_after import MAX_RETRY_AFTER
from channels.sms.twilio_reports import open_reader
from domain.sending.delivery import (
    ACCOUNT,
    OPTED_OUT,
    TEMPLATE_REFUSED,
    WINDOW,
    Accepted,
    Delivery,
    Outbound,
    Rejected,
    Unavailable,
)
from domain.sending.providers.twilio import SCHEMES, TwilioModel

HOST: Final = "api.twilio.com"
BASE: Final = f"https://{HOST}"
_VERSION: Final = "2010-04-01"
# https://www.twilio.com/docs/messaging/api/message-resource#validityperiod
_VALIDITY: Final = (1, 36_000)

# https://www.twilio.com/docs/api/errors
_OPTED_OUT: Final = "21610"
_ADDRESS_CODES: Final = frozenset({"21211", "21214", "21217", "21614"})
# The account or its sender is not there or cannot send; the account's money or daily limit is used up.
_ACCOUNT_CODES: Final = frozenset(
    {"20003", "20404", "21212", "21603", "21606", "21660", "21701", "21703", "21705", "63038"}
)
# Too many messages at once, or waiting.
_BUSY_CODES: Final = frozenset({"20429", "21611", "63018"})
# WhatsApp has no such number; the person's last text is too long ago; the template or its values are not as approved.
_NO_WHATSAPP_CODES: Final = frozenset({"63003", "63024"})
_WINDOW_CODE: Final = "63016"
_TEMPLATE_CODES: Final = frozenset({"21655", "21656", "63005", "63021", "63027", "63028", "63040", "63041", "63042"})


class Twilio(PhoneApi):
    """An account at Twilio, with a messaging service or a number that sends.

    `login` is the account or an API key, with its secret. Twilio calls `callback_url` back about each message. `scheme`
    stands before the numbers of people: `whatsapp:`.
    """

    name = "twilio"

    def __init__(
        self,
        account: str,
        login: tuple[str, str],
        sender: dict[str, str],
        callback_url: str,
        base: str,
        seconds: float = TOTAL_SECONDS,
        *,
        scheme: str = "",
    ) -> None:
        super().__init__(base, seconds=seconds)
        self._scheme = scheme
        self._url = f"{base}/{_VERSION}/Accounts/{account}"
        self._sender = sender
        self._callback_url = callback_url
        self._headers = {"Authorization": f"Basic {b64encode(':'.join(login).encode()).decode()}"}

    def refuse(self, message: Outbound) -> Rejected | None:
        template = message.content.get("template")
        if template is None or "content_sid" in template:
            return None
        return Rejected("invalid_message", "twilio: a template needs its `content_sid`")

    def request(self, message: Outbound, number: str) -> ApiRequest:
        fields = {
            "To": f"{self._scheme}{number}",
            **self._sender,
            **_write_content(message.content),
            "StatusCallback": f"{self._callback_url}?message_id={message.message_id}",
            "ValidityPeriod": seconds_left(message, *_VALIDITY),
        }
        headers = {**self._headers, "Content-Type": "application/x-www-form-urlencoded"}
        return ApiRequest(f"{self._url}/Messages.json", headers, urlencode(fields).encode())

    def read_reply(self, reply: HttpReply) -> Delivery | None:
        if reply.status == 201:
            return Accepted(reply.find_text("sid"))
        code = reply.find_text("code")
        detail = f"twilio: error {code or reply.status}"
        if code in _ACCOUNT_CODES or reply.status == 404:
            return Unavailable(ACCOUNT, detail, MAX_RETRY_AFTER)
        if code in _BUSY_CODES:
            return Unavailable("deferred", detail)
        if code == _WINDOW_CODE:
            return Rejected(WINDOW, detail)
        if code in _TEMPLATE_CODES:
            return Rejected(TEMPLATE_REFUSED, detail)
        if code == _OPTED_OUT:
            return Rejected(OPTED_OUT, detail, "address")
        if code in _ADDRESS_CODES | _NO_WHATSAPP_CODES:
            return Rejected("recipient_refused", detail, "address")
        # A region that the account does not send to costs that message, and no other.
        return Rejected("message_refused", detail) if reply.status == 400 and code is not None else None

    async def check(self) -> Unavailable | None:
        return await self.calls.get(f"{self._url}.json", headers=self._headers)


def _write_content(content: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of a text, or of a template at Twilio."""
    template = content.get("template")
    if template is None:
        return {"Body": content["text"]}
    variables = json.dumps(template.get("variables", {}), ensure_ascii=False)
    return {"ContentSid": template["content_sid"], "ContentVariables": variables}


def open_twilio(settings: TwilioModel, context: ProviderContext) -> Twilio:
    """Open the account; no connection is made yet."""
    secret = context.secrets.for_host(settings.token, HOST, is_fixed=True)
    scheme = SCHEMES[settings.channel]
    number = f"{scheme}{settings.from_}" if settings.from_ else None
    named = {"MessagingServiceSid": settings.service, "From": number, "FallbackFrom": settings.fallback_from}
    sender = {name: value for name, value in named.items() if value is not None}
    login = (settings.key or settings.account, secret)
    return Twilio(settings.account, login, sender, context.callback_url, BASE, scheme=scheme)


KIND = ProviderKind(TwilioModel, open_twilio, open_reader=open_reader)
