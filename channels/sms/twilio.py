"""Messages by Twilio: https://www.twilio.com/docs/messaging/api/message-resource.

No account was called yet: the requests follow the published document, and the meaning of its codes their pages.
"""

from base64 import b64encode
from typing import Final
from urllib.parse import urlencode

from channels.api_request import ApiRequest
from channels.http_call import TOTAL_SECONDS, HttpReply
from channels.provider_kind import ProviderContext, ProviderKind
from channels.retry_after import MAX_RETRY_AFTER
from channels.sms.api import PhoneApi, seconds_left
from channels.sms.twilio_reports import open_reader
from domain.sending.delivery import ACCOUNT, OPTED_OUT, Accepted, Delivery, Outbound, Rejected, Unavailable
from domain.sending.providers.twilio import TwilioModel

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
_BUSY_CODES: Final = frozenset({"20429", "21611"})


class Twilio(PhoneApi):
    """An account at Twilio, with a messaging service or a number that sends.

    `login` is the account or an API key, with its secret. Twilio calls `callback_url` back about each message.
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
    ) -> None:
        super().__init__(base, seconds=seconds)
        self._url = f"{base}/{_VERSION}/Accounts/{account}"
        self._sender = sender
        self._callback_url = callback_url
        self._headers = {"Authorization": f"Basic {b64encode(':'.join(login).encode()).decode()}"}

    def request(self, message: Outbound, number: str) -> ApiRequest:
        fields = {
            "To": number,
            **self._sender,
            "Body": message.content["text"],
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
        if code == _OPTED_OUT:
            return Rejected(OPTED_OUT, detail, "address")
        if code in _ADDRESS_CODES:
            return Rejected("recipient_refused", detail, "address")
        # A region that the account does not send to costs that message, and no other.
        return Rejected("message_refused", detail) if reply.status == 400 and code is not None else None

    async def check(self) -> Unavailable | None:
        return await self.calls.get(f"{self._url}.json", headers=self._headers)


def open_twilio(settings: TwilioModel, context: ProviderContext) -> Twilio:
    """Open the account; no connection is made yet."""
    secret = context.secrets.for_host(settings.token, HOST, is_fixed=True)
    named = {"MessagingServiceSid": settings.service, "From": settings.from_, "FallbackFrom": settings.fallback_from}
    sender = {name: value for name, value in named.items() if value is not None}
    return Twilio(settings.account, (settings.key or settings.account, secret), sender, context.callback_url, BASE)


KIND = ProviderKind(TwilioModel, open_twilio, open_reader=open_reader)
