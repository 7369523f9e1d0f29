"""Matched audiences at LinkedIn.

https://learn.microsoft.com/linkedin/marketing/matched-audiences/create-and-manage-segment-users. No account was called
yet: the requests follow the published pages. LinkedIn ends a version of its API after a year.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from channels.ad_platforms.kind import AdPlatformKind
from channels.http_call import TOTAL_SECONDS, HttpCalls, HttpReply
from channels.retry_after import MAX_RETRY_AFTER
from domain.ad_audiences.identifiers import HashedIdentifiers
from domain.ad_audiences.uploads import UploadAction, UploadProgress, UploadResult
from domain.sending.delivery import ACCOUNT, Accepted, Delivery, Unavailable
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.linkedin import LinkedInModel

HOST: Final = "api.linkedin.com"
VERSION: Final = "202610"

_ACTIONS: Final[Mapping[UploadAction, str]] = {"add": "ADD", "remove": "REMOVE"}
# A result for each person.
MAX_REPLY_BYTES: Final = 4 * 1024 * 1024
# The version is over, or never was.
_UPGRADE: Final = 426


class LinkedIn:
    """A member at LinkedIn with a role in the ad account."""

    name = "linkedin"

    def __init__(self, token: str, base: str = f"https://{HOST}", seconds: float = TOTAL_SECONDS) -> None:
        self._base = f"{base}/rest"
        self._headers = {
            "Authorization": f"Bearer {token}",
            "LinkedIn-Version": VERSION,
            "X-Restli-Protocol-Version": "2.0.0",
        }
        self._calls = HttpCalls(self.name, seconds=seconds, max_reply_bytes=MAX_REPLY_BYTES)

    async def upload(self, audience: str, action: UploadAction, people: Sequence[HashedIdentifiers]) -> UploadResult:
        """Add people, or remove them; each has a result of their own."""
        elements = [
            {"action": _ACTIONS[action], "userIds": [{"idType": "SHA256_EMAIL", "idValue": person["email"]}]}
            for person in people
        ]
        refused: dict[int, str] = {}

        def read(reply: HttpReply) -> Delivery | None:
            found = reply.find("elements")
            for index, element in enumerate(found if isinstance(found, list) else ()):
                status = element.get("status") if isinstance(element, dict) else None
                if isinstance(status, int) and status >= 400:
                    refused[index] = f"linkedin answered {status}"
            return read_reply(reply)

        delivery = await self._calls.post(
            f"{self._base}/dmpSegments/{audience}/users",
            content=json.dumps({"elements": elements}).encode(),
            headers={**self._headers, "X-RestLi-Method": "BATCH_CREATE", "Content-Type": "application/json"},
            read=read,
        )
        if not isinstance(delivery, Accepted):
            return UploadResult(delivery)
        return UploadResult(delivery, invalid=len(refused), refused=refused)

    async def look_up(self, request_id: str) -> UploadProgress | Unavailable:
        """Requests are answered at once."""
        return UploadProgress("done")

    async def check(self) -> Unavailable | None:
        """Try the token by the list of its ad accounts."""
        return await self._calls.get(f"{self._base}/adAccounts?q=search&pageSize=1", headers=self._headers)

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()


def read_reply(reply: HttpReply) -> Delivery | None:
    """Read a reply by LinkedIn's own codes."""
    if reply.status == _UPGRADE:
        said = f"linkedin has ended the version {VERSION} of its API: update Sojourn"
        return Unavailable(ACCOUNT, said, MAX_RETRY_AFTER)
    if reply.status == 404:
        return Unavailable(ACCOUNT, "linkedin does not know the audience", MAX_RETRY_AFTER)
    return None


def open_linkedin(settings: LinkedInModel, secrets: ProviderSecrets) -> LinkedIn:
    """Open the account; no connection is made yet."""
    return LinkedIn(secrets.for_host(settings.token, HOST, is_fixed=True))


KIND = AdPlatformKind(LinkedInModel, open_linkedin)
