"""Messages of Amazon SNS over HTTPS: signatures, certificates and confirmations.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

import asyncio
import re
from base64 import b64decode
from collections.abc import Awaitable, Callable, Collection
from contextvars import Context
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any, Final

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import Certificate, load_pem_x509_certificate

from channels.report_fields import find_instant, find_text, read_object
from channels.signatures import check_age, refuse
from domain.errors import SojournError, UnavailableError

FETCH_SECONDS: Final = 10.0
MAX_FETCHED_BYTES: Final = 64 * 1024
# SNS repeats a delivery by HTTPS for an hour.
MAX_AGE: Final = timedelta(hours=2)
MAX_CERTIFICATES: Final = 8
# Certificates that are fetched at once, and those that are waited for.
MAX_FETCHES: Final = 2
MAX_WAITING_FETCHES: Final = 20
MAX_FAILURES: Final = 1_000
# After a failure, a certificate is not fetched again for so long. SNS repeats a delivery for longer.
RETRY_SECONDS: Final = 60.0

_ARN: Final = re.compile(r"arn:aws(?:-cn|-us-gov)?:sns:([a-z0-9-]+):[0-9]{12}:[A-Za-z0-9_-]{1,256}")
_CERTIFICATE: Final = re.compile(r"https://[^/]+/SimpleNotificationService-[A-Za-z0-9]+\.pem")
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
        self._certificates = Certificates(self._fetch)

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
        if not (is_of_region(url, region) and _CERTIFICATE.fullmatch(url)):
            raise refuse("its certificate is not one of SNS in the topic's region")
        if (at := find_instant(message, "Timestamp")) is None:
            raise refuse("it has no time")
        check_age(at, now, MAX_AGE)
        signed = "".join(f"{name}\n{value}\n" for name in names if (value := find_text(message, name)) is not None)
        certificate = await self._certificates.find(url)
        key = certificate.public_key()
        if not isinstance(key, RSAPublicKey):
            raise refuse("its certificate is of another kind")
        try:
            signature = b64decode(find_text(message, "Signature") or "", validate=True)
            key.verify(signature, signed.encode(), PKCS1v15(), SHA256() if version == "2" else SHA1())  # noqa: S303
        except (ValueError, InvalidSignature) as error:
            raise refuse("its signature does not match") from error
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise refuse("its certificate is not valid now")


class Certificates:
    """Certificates of AWS by their URLs, each fetched once.

    Anyone who knows a topic can name any URL of AWS, so a failure is remembered as well, and only few are fetched at
    once. Those that are known need no fetch, whatever else is asked for.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._known: dict[str, Certificate] = {}
        self._failed: dict[str, tuple[float, SojournError]] = {}
        self._fetching: dict[str, asyncio.Task[Certificate]] = {}
        self._slots = asyncio.Semaphore(MAX_FETCHES)

    async def find(self, url: str) -> Certificate:
        """Return a certificate.

        Raises UnverifiedCallbackError, and UnavailableError if SNS is to repeat the callback.
        """
        if (known := self._known.get(url)) is not None:
            return known
        until, error = self._failed.get(url, (0.0, None))
        if error is not None and monotonic() < until:
            raise error.with_traceback(None)
        task = self._fetching.get(url)
        if task is None:
            if len(self._fetching) >= MAX_WAITING_FETCHES:
                raise UnavailableError("too many certificates of SNS are asked for", retry_after=RETRY_SECONDS)
            task = self._fetching[url] = asyncio.create_task(self._load(url), context=Context())
            task.add_done_callback(partial(self._forget, url))
        # The client of one callback may leave, and others wait for the same certificate.
        return await asyncio.shield(task)

    def _forget(self, url: str, task: asyncio.Task[Certificate]) -> None:
        del self._fetching[url]
        if not task.cancelled():
            # All that waited may have left.
            task.exception()

    async def _load(self, url: str) -> Certificate:
        try:
            async with self._slots:
                certificate = load_pem_x509_certificate(await self._fetch(url))
        except (ValueError, SojournError) as fault:
            error = fault if isinstance(fault, SojournError) else refuse("its certificate cannot be read")
            _make_room(self._failed, MAX_FAILURES)
            self._failed[url] = monotonic() + RETRY_SECONDS, error
            raise error from fault
        _make_room(self._known, MAX_CERTIFICATES)
        self._known[url] = certificate
        return certificate


def _make_room(known: dict[str, Any], most: int) -> None:
    """Forget the oldest entry of a full cache."""
    if len(known) >= most:
        del known[next(iter(known))]


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
        raise _away() from error
    raise _away()


def _away() -> UnavailableError:
    return UnavailableError("a certificate or confirmation of SNS cannot be fetched", retry_after=RETRY_SECONDS)
