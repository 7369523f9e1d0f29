"""Messages by AWS End User Messaging SMS.

https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SendTextMessage.html

No account was called yet: the requests follow the model of the service.
"""

from datetime import UTC, datetime
from typing import Final

from channels.api_request import ApiRequest, json_request
from channels.aws_signature import AwsKey, read_error
from channels.http_call import TOTAL_SECONDS, HttpReply
from channels.phone_api import PhoneApi, seconds_left
from channels.provider_kind import ProviderContext, ProviderKind
from channels.retry_after import MAX_RETRY_AFTER
from channels.sms.aws_sms_reports import open_reader
from domain.sending.delivery import ACCOUNT, OPTED_OUT, Accepted, Delivery, Outbound, Rejected, Unavailable
from domain.sending.providers.aws_sms import AwsSmsModel

_TARGET: Final = "PinpointSMSVoiceV2"
_VALIDITY: Final = (5, 259_200)
# The protocol answers a refused key with 400:
# https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/CommonErrors.html
_ACCOUNT_ERRORS: Final = frozenset(
    {
        *("AccessDeniedException", "ResourceNotFoundException", "ServiceQuotaExceededException"),
        *("UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException"),
        *("IncompleteSignatureException", "MissingAuthenticationTokenException", "ExpiredTokenException"),
    }
)
# Conflicts that every message has until the account is mended. One in the sandbox sends to verified numbers only.
_ACCOUNT_REASONS: Final = frozenset(
    {"NO_ORIGINATION_IDENTITIES_FOUND", "RESOURCE_NOT_ACTIVE", "DESTINATION_PHONE_NUMBER_NOT_VERIFIED"}
)


class AwsSms(PhoneApi):
    """An account at the service in one region."""

    name = "aws_sms"

    def __init__(
        self,
        key: AwsKey,
        sender: str,
        configuration_set: str | None,
        base: str | None = None,
        seconds: float = TOTAL_SECONDS,
    ) -> None:
        super().__init__(base or f"https://{host_of(key.region)}", seconds=seconds)
        self._key = key
        self._sender = sender
        self._configuration_set = configuration_set

    def request(self, message: Outbound, number: str) -> ApiRequest:
        body = {
            "DestinationPhoneNumber": number,
            "OriginationIdentity": self._sender,
            "MessageBody": message.content["text"],
            "MessageType": "TRANSACTIONAL" if message.unsubscribe_url is None else "PROMOTIONAL",
            "TimeToLive": seconds_left(message, *_VALIDITY),
            "Context": {"message_id": message.message_id},
            "ConfigurationSetName": self._configuration_set,
        }
        return self._sign("SendTextMessage", body)

    def read_reply(self, reply: HttpReply) -> Delivery | None:
        if reply.status == 200:
            return Accepted(reply.find_text("MessageId"))
        error, reason = read_error(reply.headers, reply.find_text("__type")), reply.find_text("Reason")
        detail = f"aws_sms: {error}" + (f" {reason}" if reason else "")
        if error == "ThrottlingException":
            return Unavailable("http_429", detail)
        if error in _ACCOUNT_ERRORS or (error == "ConflictException" and reason in _ACCOUNT_REASONS):
            return Unavailable(ACCOUNT, detail, MAX_RETRY_AFTER)
        if reason == "DESTINATION_PHONE_NUMBER_OPTED_OUT":
            return Rejected(OPTED_OUT, detail, "address")
        return Rejected("message_refused", detail) if error in ("ConflictException", "ValidationException") else None

    async def check(self) -> Unavailable | None:
        request = self._sign("DescribeAccountAttributes", {})
        delivery = await self.calls.post(
            request.url, content=request.content, headers=request.headers, read=self.read_reply
        )
        match delivery:
            case Accepted():
                return None
            case Unavailable():
                return delivery
        return Unavailable(ACCOUNT, delivery.detail)

    def _sign(self, operation: str, body: dict[str, object]) -> ApiRequest:
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"{_TARGET}.{operation}"}
        request = json_request(f"{self.base}/", headers, body)
        signed = self._key.sign("POST", request.url, request.headers, request.content, datetime.now(UTC))
        return ApiRequest(request.url, signed, request.content)


def host_of(region: str) -> str:
    """Return the host of the service in a region."""
    return f"sms-voice.{region}.amazonaws.com"


def open_aws_sms(settings: AwsSmsModel, context: ProviderContext) -> AwsSms:
    """Open the account; no connection is made yet."""
    id = context.secrets.for_host(settings.key, host_of(settings.region), is_fixed=True)
    secret = context.secrets.for_own_use(settings.secret)
    return AwsSms(AwsKey(id, secret, settings.region, "sms-voice"), settings.from_, settings.configuration_set)


KIND = ProviderKind(AwsSmsModel, open_aws_sms, open_reader=open_reader)
