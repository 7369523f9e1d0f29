"""Audiences of Google Ads, by its Data Manager.

https://developers.google.com/data-manager/api/reference/rest. Google works on a request later: what became of the
people is known by asking. No account was called yet: the requests follow the published document.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from channels.ad_platforms.kind import AdPlatformKind
from channels.google_token import GoogleToken
from channels.http_call import TOTAL_SECONDS, HttpCalls, HttpReply
from channels.report_fields import MAX_COUNT, find_count, find_items, find_text
from domain.ad_audiences.identifiers import HashedIdentifiers, IdentifierKind
from domain.ad_audiences.uploads import UploadAction, UploadProgress, UploadResult, UploadState
from domain.errors import InvalidRequestError
from domain.sending.delivery import Accepted, Delivery, Rejected, Unavailable
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.google import GoogleModel

HOST: Final = "datamanager.googleapis.com"
SCOPE: Final = "https://www.googleapis.com/auth/datamanager"

_FIELDS: Final[Mapping[IdentifierKind, str]] = {"email": "emailAddress", "phone": "phoneNumber"}
_METHODS: Final[Mapping[UploadAction, str]] = {"add": "ingest", "remove": "remove"}
_STATES: Final[Mapping[str, UploadState]] = {"SUCCESS": "done", "PARTIAL_SUCCESS": "done", "FAILED": "failed"}
# Everyone who is added has consented.
_CONSENT: Final = {
    "consent": {"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_GRANTED"},
    "termsOfService": {"customerMatchTermsOfServiceStatus": "ACCEPTED"},
}
_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,99}")


class Google:
    """An account at Google Ads, reached by a service account."""

    name = "google"

    def __init__(
        self,
        account: str,
        login_account: str | None,
        token: GoogleToken,
        base: str = f"https://{HOST}",
        seconds: float = TOTAL_SECONDS,
    ) -> None:
        self._accounts: dict[str, Any] = {"operatingAccount": _account(account)}
        if login_account is not None:
            self._accounts["loginAccount"] = _account(login_account)
        self._token = token
        self._base = f"{base}/v1"
        self._calls = HttpCalls(self.name, seconds=seconds)

    async def upload(self, audience: str, action: UploadAction, people: Sequence[HashedIdentifiers]) -> UploadResult:
        """Add people, or remove them; Google answers with the request's id."""
        if isinstance(token := await self._token.get(), Unavailable):
            return UploadResult(token)
        body = {
            "destinations": [{**self._accounts, "productDestinationId": audience}],
            "audienceMembers": [
                {"userData": {"userIdentifiers": [{_FIELDS[kind]: value} for kind, value in person.items()]}}
                for person in people
            ],
            "encoding": "HEX",
            **(_CONSENT if action == "add" else {}),
        }
        request_id: str | None = None

        def read(reply: HttpReply) -> Delivery | None:
            nonlocal request_id
            request_id = reply.find_text("requestId")
            return read_reply(reply)

        delivery = await self._calls.post(
            f"{self._base}/audienceMembers:{_METHODS[action]}",
            content=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            read=read,
        )
        return UploadResult(delivery, request_id=request_id if isinstance(delivery, Accepted) else None)

    async def look_up(self, request_id: str) -> UploadProgress | Unavailable:
        """Ask what became of the people of a request."""
        if isinstance(token := await self._token.get(), Unavailable):
            return token
        found = UploadProgress("processing")

        def read(reply: HttpReply) -> Delivery | None:
            nonlocal found
            found = read_progress(reply)
            return None

        url = f"{self._base}/requestStatus:retrieve?requestId={quote(request_id, safe='')}"
        failure = await self._calls.get(url, headers={"Authorization": f"Bearer {token}"}, read=read)
        return failure or found

    async def check(self) -> Unavailable | None:
        """Try the key; the account itself is tried by the first request."""
        token = await self._token.get()
        return token if isinstance(token, Unavailable) else None

    async def close(self) -> None:
        """Close the connections."""
        await self._token.close()
        await self._calls.close()


def _account(id: str) -> dict[str, str]:
    return {"accountType": "GOOGLE_ADS", "accountId": id}


def read_reply(reply: HttpReply) -> Delivery | None:
    """Read a reply; a refusal has the reason by its code."""
    if reply.status == 200:
        return Accepted(reply.find_text("requestId"))
    if reply.status == 400:
        code = reply.find_text("error", "details", 0, "reason") or ""
        said = f": {code}" if _CODE.fullmatch(code) else ""
        return Rejected("http_400", f"google refuses the request{said}")
    return None


def read_progress(reply: HttpReply) -> UploadProgress:
    """Read the state of a request for its only destination."""
    place = "requestStatusPerDestination", 0
    state = _STATES.get(reply.find_text(*place, "requestStatus") or "", "processing")
    invalid, codes = 0, list[str]()
    for error in find_items(reply.find(*place, "errorInfo", "errorCounts")):
        code = find_text(error, "reason") or ""
        invalid += find_count(error, "recordCount")
        codes += [code] if _CODE.fullmatch(code) else []
    return UploadProgress(state, min(invalid, MAX_COUNT), ", ".join(codes))


def open_google(settings: GoogleModel, secrets: ProviderSecrets) -> Google:
    """Open the account; no connection is made yet.

    Raises InvalidRequestError for a key that is none.
    """
    try:
        token = GoogleToken(secrets.for_own_use(settings.key), SCOPE)
    except ValueError as error:
        raise InvalidRequestError(f"the secret {settings.key} is not the key of a service account") from error
    return Google(settings.account, settings.login_account, token)


KIND = AdPlatformKind(GoogleModel, open_google)
