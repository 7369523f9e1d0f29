"""E-mail by Amazon SES.

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html

No account was called yet: the requests follow the model of the service.
"""

from base64 import b64encode
from datetime import UTC, datetime
from typing import Final

from channels.api_request import ApiRequest, json_request
from channels.aws_signature import AwsKey, read_error
from channels.email.api import EmailApi
from channels.email.content import EmailContent
from channels.email.ses_reports import open_reader
from channels.email.whole_mail import write_mail
from channels.http_call import TOTAL_SECONDS, HttpReply
from channels.provider_kind import ProviderContext, ProviderKind
from channels.retry_after import MAX_RETRY_AFTER
from domain.sending.delivery import ACCOUNT, Accepted, Delivery, Outbound, Rejected, Unavailable
from domain.sending.providers.ses import SesModel

_ACCOUNT_ERRORS: Final = frozenset(
    {
        "AccountSuspendedException",
        "LimitExceededException",
        "MailFromDomainNotVerifiedException",
        "NotFoundException",
        "SendingPausedException",
    }
)


class Ses(EmailApi):
    """An account at SES in one region."""

    name = "ses"

    def __init__(
        self, key: AwsKey, configuration_set: str | None, base: str | None = None, seconds: float = TOTAL_SECONDS
    ) -> None:
        super().__init__(base or f"https://{host_of(key.region)}", seconds=seconds)
        self._key = key
        self._configuration_set = configuration_set

    def request(self, content: EmailContent, message: Outbound) -> ApiRequest:
        # As a whole mail: it is in 7bit, which SES leaves as it is where it tracks. The mail names its sender: in
        # `FromEmailAddress`, a name that is not of ASCII would have to be in encoded words, too.
        body = {
            "Destination": {"ToAddresses": [content.recipient.ascii]},
            "Content": {"Raw": {"Data": b64encode(write_mail(content, message)).decode()}},
            "EmailTags": [{"Name": "message_id", "Value": message.message_id}],
            "ConfigurationSetName": self._configuration_set,
        }
        request = json_request(f"{self.base}/v2/email/outbound-emails", {}, body)
        headers = self._key.sign("POST", request.url, request.headers, request.content, datetime.now(UTC))
        return ApiRequest(request.url, headers, request.content)

    def read_reply(self, reply: HttpReply) -> Delivery | None:
        if reply.status == 200:
            return Accepted(reply.find_text("MessageId"))
        error = read_error(reply.headers, reply.find_text("__type"))
        detail = f"ses: {error}"
        if error == "TooManyRequestsException":
            return Unavailable("http_429", detail)
        said = reply.find_text("message") or reply.find_text("Message") or ""
        if error in _ACCOUNT_ERRORS or (error == "MessageRejected" and "not verified" in said):
            return Unavailable(ACCOUNT, detail, MAX_RETRY_AFTER)
        if error in ("MessageRejected", "BadRequestException"):
            return Rejected("message_refused", detail)
        return None

    async def check(self) -> Unavailable | None:
        url = f"{self.base}/v2/email/account"
        headers = self._key.sign("GET", url, {}, b"", datetime.now(UTC))
        return await self.calls.get(url, headers=headers, read=_read_account)


def _read_account(reply: HttpReply) -> Delivery | None:
    if reply.status == 200 and reply.find("SendingEnabled") is False:
        return Unavailable(ACCOUNT, "ses: sending is disabled for this account")
    return None


def host_of(region: str) -> str:
    """Return the host of the service in a region."""
    return f"email.{region}.amazonaws.com"


def open_ses(settings: SesModel, context: ProviderContext) -> Ses:
    """Open the account; no connection is made yet."""
    host = host_of(settings.region)
    id = context.secrets.for_host(settings.key, host, is_fixed=True)
    secret = context.secrets.for_own_use(settings.secret)
    return Ses(AwsKey(id, secret, settings.region, "ses"), settings.configuration_set)


KIND = ProviderKind(SesModel, open_ses, open_reader=open_reader)
