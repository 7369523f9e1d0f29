"""Messages by Vonage: https://developer.vonage.com/en/api/messages.

No account was called yet: the requests follow the published pages.
"""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from channels.api_request import ApiRequest, json_request
from channels.http_call import TOTAL_SECONDS, HttpReply
from channels.phone_api import PhoneApi, seconds_left
from channels.provider_kind import ProviderContext, ProviderKind
from channels.sms.vonage_reports import open_reader
from domain.sending.delivery import Accepted, Delivery, Outbound, Rejected, Unavailable
from domain.sending.outbound_secrets import SecretRefusal
from domain.sending.providers.vonage import VonageModel

HOST: Final = "api.nexmo.com"
BASE: Final = f"https://{HOST}"
# https://developer.vonage.com/en/messages/concepts/time-to-live
_VALIDITY: Final = (20, 604_800)
TOKEN_LIFETIME: Final = timedelta(minutes=15)


class Vonage(PhoneApi):
    """An application at Vonage. It calls `callback_url` back about each message."""

    name = "vonage"

    def __init__(
        self,
        application: str,
        key: RSAPrivateKey,
        sender: str,
        callback_url: str,
        base: str,
        seconds: float = TOTAL_SECONDS,
    ) -> None:
        super().__init__(base, seconds=seconds)
        self._application = application
        self._key = key
        self._sender = sender.lstrip("+")
        self._callback_url = callback_url

    def request(self, message: Outbound, number: str) -> ApiRequest:
        body = {
            "message_type": "text",
            "channel": "sms",
            "to": number.lstrip("+"),
            "from": self._sender,
            "text": message.content["text"],
            "client_ref": message.message_id,
            "webhook_url": self._callback_url,
            "webhook_version": "v1",
            "ttl": seconds_left(message, *_VALIDITY),
        }
        return json_request(f"{self.base}/v1/messages", self._authorize(), body)

    def read_reply(self, reply: HttpReply) -> Delivery | None:
        if reply.status == 202:
            return Accepted(reply.find_text("message_uuid"))
        if reply.status == 422:
            return Rejected("message_refused", "vonage: the message is not valid")
        return None

    async def check(self) -> Unavailable | None:
        # The cheapest call that takes the same token: a message that is not there.
        url = f"{self.base}/v1/messages/00000000-0000-0000-0000-000000000000"
        return await self.calls.get(url, headers=self._authorize(), read=_read_missing)

    def _authorize(self) -> dict[str, str]:
        now = datetime.now(UTC)
        claims = {"application_id": self._application, "iat": now, "exp": now + TOKEN_LIFETIME, "jti": str(uuid4())}
        return {"Authorization": f"Bearer {jwt.encode(claims, self._key, 'RS256')}"}


def _read_missing(reply: HttpReply) -> Delivery | None:
    return Accepted(None) if reply.status in (404, 405) else None


def open_vonage(settings: VonageModel, context: ProviderContext) -> Vonage:
    """Open the application; no connection is made yet."""
    try:
        key = load_pem_private_key(context.secrets.for_own_use(settings.key).encode(), None)
    except ValueError as error:
        raise SecretRefusal("secret_refused", f"the secret {settings.key} is not a private key in PEM") from error
    if not isinstance(key, RSAPrivateKey):
        raise SecretRefusal("secret_refused", f"the secret {settings.key} is not an RSA key")
    return Vonage(settings.application, key, settings.from_, context.callback_url, BASE)


KIND = ProviderKind(VonageModel, open_vonage, open_reader=open_reader)
