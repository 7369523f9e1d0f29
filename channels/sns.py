"""Messages of Amazon SNS over HTTPS: signatures, certificates and confirmations.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

import re
from base64 import b64decode
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import Certificate, load_pem_x509_certificate

from channels.report_fields import find_text, read_object
from channels.signatures import check_age, refuse
from domain.errors import UnavailableError

FETCH_SECONDS: Final = 10.0
MAX_FETCHED_BYTES: Final = 64 * 1024
# SNS repeats a delivery by HTTPS for an hour.
MAX_AGE: Final = timedelta(hours=2)
MAX_CERTIFICATES: Final = 8

_ARN: Final = re.compile(r"arn:aws(?:-cn|-us-gov)?:sns:([a-z0-9-]+):[0-9]{12}:[A-Za-z0-9_-]{1,256}")
_CERTIFICATE_PATH: Final = re.compile(r"/SimpleNotificationService-[A-Za-z0-9]+\.pem")
_SIGNED: Final = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}

Fetch = Callable[[str], Awaitable[bytes]]


class SnsTopics:
    """The configured topics. `fetch` gets a URL of AWS, without redirects."""

    def __init__(self, topics: Collection[str], fetch: Fetch | None = None) -> None:
        self._topics = frozenset(topics)
        self._fetch = fetch or fetch_url
        self._certificates: dict[str, Certificate] = {}

    async def read(self, body: bytes, now: datetime) -> tuple[str, str] | None:
        """Verify a message; return its id and content, None for a subscription."""
        message = read_object(body)
        if message is None:
            raise refuse("it is not JSON")
        topic = find_text(message, "TopicArn") or ""
        # Before anything else: another's topic is signed by AWS as well.
        if topic not in self._topics or (arn := _ARN.fullmatch(topic)) is None:
            raise refuse("its topic is not one of the provider's `topics`")
        await self._verify(message, arn[1], now)
        id, content = find_text(message, "MessageId"), find_text(message, "Message")
        if message["Type"] == "Notification" and id and content is not None:
            return id, content
        if message["Type"] == "SubscriptionConfirmation":
            url = find_text(message, "SubscribeURL") or ""
            if not is_of_region(url, arn[1]):
                raise refuse("its SubscribeURL is not one of SNS in the topic's region")
            await self._fetch(url)
        return None

    async def _verify(self, message: dict[str, Any], region: str, now: datetime) -> None:
        names = _SIGNED.get(find_text(message, "Type") or "")
        url, version = find_text(message, "SigningCertURL") or "", find_text(message, "SignatureVersion")
        if names is None or version not in ("1", "2"):
            raise refuse("it is of no known kind")
        if not (is_of_region(url, region) and _CERTIFICATE_PATH.fullmatch(urlsplit(url).path)):
            raise refuse("its certificate is not one of SNS in the topic's region")
        signed = "".join(f"{name}\n{value}\n" for name in names if (value := find_text(message, name)) is not None)
        certificate = await self._find_certificate(url)
        key = certificate.public_key()
        try:
            signature = b64decode(find_text(message, "Signature") or "", validate=True)
            if not isinstance(key, RSAPublicKey):
                raise refuse("its certificate is of another kind")
            key.verify(signature, signed.encode(), PKCS1v15(), SHA256() if version == "2" else SHA1())  # noqa: S303
            at = datetime.fromisoformat(find_text(message, "Timestamp") or "")
        except (ValueError, InvalidSignature) as error:
            raise refuse("its signature does not match") from error
        if at.tzinfo is None:
            raise refuse("it has no time")
        check_age(at, now, MAX_AGE)
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise refuse("its certificate is not valid now")

    async def _find_certificate(self, url: str) -> Certificate:
        known = self._certificates.get(url)
        if known is not None:
            return known
        try:
            certificate = load_pem_x509_certificate(await self._fetch(url))
        except ValueError as error:
            raise refuse("its certificate cannot be read") from error
        if len(self._certificates) >= MAX_CERTIFICATES:
            self._certificates.clear()
        self._certificates[url] = certificate
        return certificate


def is_of_region(url: str, region: str) -> bool:
    """Return whether a URL is one of SNS in a region; case counts."""
    hosts = (f"https://sns.{region}.amazonaws.com/", f"https://sns.{region}.amazonaws.com.cn/")
    return url.startswith(hosts) and url.isascii() and not re.search(r"[\s\\@#]", url)


async def fetch_url(url: str) -> bytes:
    """Get a URL of AWS. Raises UnavailableError: SNS repeats what is not answered."""
    try:
        async with (
            httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=FETCH_SECONDS) as client,
            client.stream("GET", url) as answer,
        ):
            content = b""
            async for chunk in answer.aiter_bytes():
                content += chunk
                if len(content) > MAX_FETCHED_BYTES:
                    break
            if answer.status_code == 200 and len(content) <= MAX_FETCHED_BYTES:
                return content
    except httpx.HTTPError as error:
        raise UnavailableError("a certificate or confirmation of SNS cannot be fetched", retry_after=60) from error
    raise UnavailableError("a certificate or confirmation of SNS cannot be fetched", retry_after=60)
