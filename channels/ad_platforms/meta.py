"""Custom audiences at Meta.

https://developers.facebook.com/docs/marketing-api/reference/custom-audience/users. No account was called yet: the
requests follow the published pages.
"""

import json
import ssl
from collections.abc import Mapping, Sequence
from typing import Final

from channels.ad_platforms.kind import AdPlatformKind
from channels.http_call import TOTAL_SECONDS, HttpCalls, HttpReply
from channels.report_fields import find_count
from channels.retry_after import MAX_RETRY_AFTER
from domain.ad_audiences.identifiers import HashedIdentifiers, IdentifierKind
from domain.ad_audiences.uploads import UploadAction, UploadProgress, UploadResult
from domain.sending.delivery import ACCOUNT, Accepted, Delivery, Unavailable
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.meta import MetaModel

HOST: Final = "graph.facebook.com"
VERSION: Final = "v25.0"

_COLUMNS: Final[Mapping[IdentifierKind, str]] = {"external_id": "EXTERN_ID", "email": "EMAIL", "phone": "PHONE"}
_METHODS: Final[Mapping[UploadAction, str]] = {"add": "POST", "remove": "DELETE"}
# Codes of errors: https://developers.facebook.com/docs/marketing-api/error-reference. From memory: token, permission
# and terms; then limits of calls. 2650 is an audience that is being updated.
_ACCOUNT_CODES: Final = frozenset({"10", "102", "190", "200", "294", "2655"})
_BUSY_CODES: Final = frozenset({"1", "2", "4", "17", "32", "341", "368", "613", "2650", "80000", "80003", "80004"})
# The audience is flagged, and takes no one until an appeal.
_FLAGGED: Final = "1713230"


class Meta:
    """A system user at Meta."""

    name = "meta"

    def __init__(
        self,
        token: str,
        base: str = f"https://{HOST}",
        seconds: float = TOTAL_SECONDS,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._base = f"{base}/{VERSION}"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._calls = HttpCalls(self.name, tls_context=tls_context, seconds=seconds)

    async def upload(self, audience: str, action: UploadAction, people: Sequence[HashedIdentifiers]) -> UploadResult:
        """Add people, or remove them, by all identifiers that any of them has."""
        kinds = [kind for kind in _COLUMNS if any(kind in person for person in people)]
        payload = {
            "schema": [_COLUMNS[kind] for kind in kinds],
            "data": [[person.get(kind, "") for kind in kinds] for person in people],
        }
        invalid = 0

        def read(reply: HttpReply) -> Delivery | None:
            nonlocal invalid
            invalid = find_count(reply.json, "num_invalid_entries")
            return read_reply(reply)

        delivery = await self._calls.post(
            f"{self._base}/{audience}/users",
            content=json.dumps({"payload": payload}).encode(),
            headers={**self._headers, "Content-Type": "application/json"},
            read=read,
            method=_METHODS[action],
        )
        return UploadResult(delivery, invalid=invalid if isinstance(delivery, Accepted) else 0)

    async def look_up(self, request_id: str) -> UploadProgress | Unavailable:
        """Requests are answered at once."""
        return UploadProgress("done")

    async def check(self) -> Unavailable | None:
        return await self._calls.get(f"{self._base}/me", headers=self._headers, read=read_reply)

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()


def read_reply(reply: HttpReply) -> Delivery | None:
    """Read a reply by Meta's own codes, which most errors have under the status 400."""
    code, subcode = reply.find_text("error", "code"), reply.find_text("error", "error_subcode")
    if reply.status == 200:
        return Accepted(reply.find_text("session_id"))
    if subcode == _FLAGGED:
        return Unavailable(ACCOUNT, "meta has flagged the audience: appeal in its Audience Manager", MAX_RETRY_AFTER)
    if code in _ACCOUNT_CODES:
        return Unavailable(ACCOUNT, f"meta refuses the account: code {code}", MAX_RETRY_AFTER)
    if code in _BUSY_CODES:
        return Unavailable("busy", f"meta asks for a pause: code {code}", MAX_RETRY_AFTER)
    return None


def open_meta(settings: MetaModel, secrets: ProviderSecrets) -> Meta:
    """Open the account; no connection is made yet."""
    return Meta(secrets.for_host(settings.token, HOST, is_fixed=True))


KIND = AdPlatformKind(MetaModel, open_meta)
