"""Messages by the WhatsApp Cloud API.

https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages

No account was called yet: templates follow the published document, free texts, marketing messages and the meanings of
codes are from memory of Meta's pages.
"""

from collections.abc import Mapping
from typing import Any, Final

from channels.api_request import ApiRequest, json_request
from channels.http_call import TOTAL_SECONDS, HttpReply
from channels.phone_api import PhoneApi
from channels.provider_kind import ProviderContext, ProviderKind
from channels.retry_after import MAX_RETRY_AFTER
from channels.whatsapp.cloud_reports import answer_challenge, open_reader
from domain.sending.delivery import (
    ACCOUNT,
    MARKETING_STOPPED,
    TEMPLATE_REFUSED,
    WINDOW,
    Accepted,
    Delivery,
    Outbound,
    Rejected,
    Unavailable,
)
from domain.sending.providers.whatsapp import WhatsAppModel

HOST: Final = "graph.facebook.com"
BASE: Final = f"https://{HOST}"
_VERSION: Final = "v23.0"

# https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes
# Too many calls, messages or messages to one number, or a service that is away: by seconds until the next attempt.
_BUSY_CODES: Final[Mapping[str, float | None]] = {
    "2": None,
    "4": None,
    "80007": None,
    "130429": None,
    "131016": None,
    # One message in six seconds to one number.
    "131056": 6.0,
    # Too many people have blocked the sender.
    "131048": MAX_RETRY_AFTER,
    "131057": MAX_RETRY_AFTER,
    "133004": None,
}
# The token, the payment, the number or the account itself.
_ACCOUNT_CODES: Final = frozenset(
    {
        *("0", "3", "10", "33", "190", "200", "368"),
        *("131005", "131031", "131037", "131042", "131045", "133010"),
    }
)
_NO_WHATSAPP_CODE: Final = "131026"
_WINDOW_CODE: Final = "131047"
_MARKETING_STOPPED_CODE: Final = "131050"
# 132xxx: the template is not there in the language, or paused, or has other values.
_TEMPLATE_CODES: Final = "132"


class WhatsAppCloud(PhoneApi):
    """A number that sends.

    With `is_marketing`, marketing by templates has an endpoint of its own.
    """

    name = "whatsapp"

    def __init__(
        self,
        token: str,
        number: str,
        base: str,
        seconds: float = TOTAL_SECONDS,
        *,
        is_marketing: bool = False,
    ) -> None:
        super().__init__(base, seconds=seconds)
        self._url = f"{base}/{_VERSION}/{number}"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._is_marketing = is_marketing

    def refuse(self, message: Outbound) -> Rejected | None:
        if "name" in message.content.get("template", {"name": ""}):
            return None
        return Rejected("invalid_message", "whatsapp: a template needs its `name` and its `language`")

    def request(self, message: Outbound, number: str) -> ApiRequest:
        template = message.content.get("template")
        is_marketing = self._is_marketing and template is not None and message.unsubscribe_url is not None
        body = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": number,
            **(_write_text(message.content["text"]) if template is None else _write_template(template)),
            "biz_opaque_callback_data": message.message_id,
        }
        return json_request(f"{self._url}/{'marketing_messages' if is_marketing else 'messages'}", self._headers, body)

    def read_reply(self, reply: HttpReply) -> Delivery | None:
        if reply.status == 200:
            return Accepted(reply.find_text("messages", 0, "id"))
        code = reply.find_text("error", "code") or ""
        detail = f"whatsapp: error {code}"
        if code in _ACCOUNT_CODES:
            return Unavailable(ACCOUNT, detail, MAX_RETRY_AFTER)
        if code in _BUSY_CODES:
            return Unavailable("deferred", detail, _BUSY_CODES[code])
        if code == _NO_WHATSAPP_CODE:
            return Rejected("recipient_refused", detail, "address")
        if code == _MARKETING_STOPPED_CODE:
            return Rejected(MARKETING_STOPPED, detail, "address")
        if code == _WINDOW_CODE:
            return Rejected(WINDOW, detail)
        if code.startswith(_TEMPLATE_CODES) and len(code) == 6:
            return Rejected(TEMPLATE_REFUSED, detail)
        return Rejected("message_refused", detail) if reply.status == 400 and code else None

    async def check(self) -> Unavailable | None:
        return await self.calls.get(f"{self._url}?fields=id", headers=self._headers)


def _write_text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": {"body": text}}


def _write_template(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return a template with its components; variables by numbers are in order."""
    variables: Mapping[str, str] = template.get("variables", {})
    are_numbered = all(name.isdigit() for name in variables)
    parameters: list[dict[str, str]] = [
        {"type": "text", "text": variables[name]}
        if are_numbered
        else {"type": "text", "parameter_name": name, "text": variables[name]}
        for name in (sorted(variables, key=int) if are_numbered else variables)
    ]
    components: list[dict[str, Any]] = []
    for kind, value in template.get("header", {}).items():
        filled = value if kind == "text" else {"link": value}
        components.append({"type": "header", "parameters": [{"type": kind, kind: filled}]})
    if parameters:
        components.append({"type": "body", "parameters": parameters})
    components += [_write_button(button) for button in template.get("buttons", ())]
    language = {"policy": "deterministic", "code": template["language"]}
    made = {"name": template["name"], "language": language, "components": components}
    return {"type": "template", "template": {key: value for key, value in made.items() if value}}


def _write_button(button: Mapping[str, Any]) -> dict[str, Any]:
    sub_type, parameter = (
        ("url", {"type": "text", "text": button["url"]})
        if "url" in button
        else ("quick_reply", {"type": "payload", "payload": button["payload"]})
    )
    return {"type": "button", "sub_type": sub_type, "index": str(button["index"]), "parameters": [parameter]}


def open_whatsapp(settings: WhatsAppModel, context: ProviderContext) -> WhatsAppCloud:
    """Open the number; no connection is made yet."""
    token = context.secrets.for_host(settings.token, HOST, is_fixed=True)
    return WhatsAppCloud(token, settings.number, BASE, is_marketing=settings.marketing_messages)


KIND = ProviderKind(WhatsAppModel, open_whatsapp, open_reader=open_reader, answer_challenge=answer_challenge)
