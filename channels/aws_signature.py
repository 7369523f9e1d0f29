"""Signatures of requests to AWS, version 4.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class AwsKey:
    """An access key for one service of one region."""

    id: str
    secret: str = field(repr=False)
    region: str
    service: str

    def sign(self, method: str, url: str, headers: Mapping[str, str], content: bytes, at: datetime) -> dict[str, str]:
        """Return the headers with the signature. `at` is the present instant, in UTC."""
        split, moment = urlsplit(url), f"{at:%Y%m%dT%H%M%SZ}"
        signed = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
        signed |= {"host": split.netloc, "x-amz-date": moment}
        names = ";".join(sorted(signed))
        query = sorted(parse_qsl(split.query, keep_blank_values=True))
        canonical = [
            method,
            quote(split.path or "/", safe="/~"),
            "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in query),
            *(f"{name}:{signed[name]}" for name in sorted(signed)),
            "",
            names,
            sha256(content).hexdigest(),
        ]
        scope = f"{moment[:8]}/{self.region}/{self.service}/aws4_request"
        request = sha256("\n".join(canonical).encode()).hexdigest()
        signature = _hmac(self._derive_key(scope), f"{_ALGORITHM}\n{moment}\n{scope}\n{request}").hex()
        credential = f"{_ALGORITHM} Credential={self.id}/{scope}, SignedHeaders={names}, Signature={signature}"
        return {**headers, "X-Amz-Date": moment, "Authorization": credential}

    def _derive_key(self, scope: str) -> bytes:
        key = f"AWS4{self.secret}".encode()
        for part in scope.split("/"):
            key = _hmac(key, part)
        return key


def read_error(headers: Mapping[str, str], type: str | None) -> str:
    """Return the name of an error: that before a colon, or behind a hash.

    It stands in a header, or is the member `__type` of the body.
    """
    return (headers.get("x-amzn-errortype") or type or "").partition(":")[0].rpartition("#")[2]


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
