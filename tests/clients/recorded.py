"""The requests that tracking clients of other languages send, written down from their sources.

Each says which file of which version says so. They tell the same story: somebody identifies, does something and joins a
group. What differs is where each client puts things, and that is kept: path, authorization, compression, chunks, the
place of context and integrations, the form of times and of what is absent.
"""

import base64
import gzip
import json
from dataclasses import dataclass, field
from typing import Any

from tests.api.fakes import WRITE_KEY as KEY

ADA = {"email": "ada@example.com", "plan": "pro", "age": 36}
CART = {"cart_id": "c-9", "value": 129.5, "items": [{"sku": "A-1", "quantity": 2}]}
COMPANY = {"name": "Analytical Engines", "employees": 2}
INTEGRATIONS = {"All": True, "Salesforce": False}
METADATA: dict[str, list[str]] = {"bundled": [], "unbundled": [], "bundledIds": []}


@dataclass(frozen=True)
class Recorded:
    """One request, and what of its calls must be found in the database: of each type, fields by their names.

    `context` and `integrations` are those of each call. `is_anonymous` is True where the client sends an anonymous id.
    """

    client: str
    path: str
    headers: dict[str, str]
    body: bytes
    context: dict[str, Any]
    integrations: dict[str, Any] = field(default_factory=lambda: dict(INTEGRATIONS))
    traits: dict[str, Any] = field(default_factory=lambda: dict(ADA))
    types: tuple[str, ...] = ("identify", "track", "group")

    @property
    def user(self) -> str:
        return f"{self.client}-user"


def basic() -> str:
    return "Basic " + base64.b64encode(f"{KEY}:".encode()).decode()


def as_json(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def calls(
    client: str, timestamp: str, common: dict[str, Any], traits: dict[str, Any] = ADA, **identify: Any
) -> list[dict[str, Any]]:
    """Identify, track and group with what this client puts into each; `identify` replaces fields of the first."""
    around = {"userId": f"{client}-user", "timestamp": timestamp, **common}
    return [
        {"type": "identify", "messageId": f"{client}-1", "traits": traits, **around, **identify},
        {"type": "track", "messageId": f"{client}-2", "event": "Cart Abandoned", "properties": CART, **around},
        {"type": "group", "messageId": f"{client}-3", "groupId": "g-1", "traits": COMPANY, **around},
    ]


def go() -> Recorded:
    """segmentio/analytics-go 3.0.0: analytics.go `upload`, message.go `batch`, context.go `Context`.

    The context of the configuration stands only at the batch. Times have nanoseconds.
    """
    context = {"library": {"name": "analytics-go", "version": "3.0.0"}, "app": {"name": "shop"}}
    body = {
        "messageId": "go-batch",
        "sentAt": "2026-11-01T12:00:01.123456789Z",
        "batch": calls("go", "2026-11-01T12:00:00.012345678Z", {"integrations": INTEGRATIONS}),
        "context": context,
    }
    headers = {
        "User-Agent": "analytics-go (version: 3.0.0)",
        "Content-Type": "application/json",
        "Authorization": basic(),
    }
    return Recorded("go", "/v1/batch", headers, as_json(body), context)


def ruby() -> Recorded:
    """segmentio/analytics-ruby 2.5.0: transport.rb `send_request`, defaults.rb, field_parser.rb, utils.rb.

    A user id may be a number. Times have the offset of the server.
    """
    context = {"ip": "192.0.2.1", "library": {"name": "analytics-ruby", "version": "2.5.0"}}
    body = {
        "sentAt": "2026-11-01T13:00:01.004+01:00",
        "batch": calls(
            "ruby", "2026-11-01T13:00:00.003+01:00", {"context": context, "integrations": INTEGRATIONS, "options": {}}
        ),
    }
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": "analytics-ruby/2.5.0",
        "Authorization": basic(),
    }
    return Recorded("ruby", "/v1/import", headers, as_json(body), context)


def php() -> Recorded:
    """segmentio/analytics-php 3.8.2: Consumer/LibCurl.php `flushBatch`, Client.php `message`, `formatTime`.

    An empty array is a list in JSON. Times have no fractions. Slashes and letters beyond ASCII are escaped.
    """
    library = {"name": "analytics-php", "version": "3.8.2", "consumer": "LibCurl"}
    context = {"library": library, "page": {"url": "https://shop.example.com/ü"}}
    batch = calls("php", "2026-11-01T12:00:00+00:00", {"context": context, "integrations": []})
    batch[1]["properties"] = {**CART, "coupons": []}
    text = json.dumps({"batch": batch, "sentAt": "2026-11-01T12:00:01+00:00"}).replace("/", "\\/")
    headers = {
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
        "User-Agent": "analytics-php/3.8.2",
        "Authorization": basic(),
    }
    return Recorded("php", "/v1/batch", headers, gzip.compress(text.encode()), context, integrations={})


def kotlin() -> Recorded:
    """segmentio/analytics-kotlin 1.24.1: HTTPClient.kt `upload`, StorageImpl.kt, Events.kt, AndroidContextPlugin.kt.

    The key stands in the body alone, which is gzip and called text.
    """
    context = {
        "library": {"name": "analytics-kotlin", "version": "1.24.1"},
        "instanceId": "6ecd9eff-7b9a-4b0e-8a4a-5b3fd0d2d3f1",
        "device": {"id": "d-1", "manufacturer": "Google", "model": "Pixel 9", "name": "tokay", "type": "android"},
        "screen": {"density": 2.625, "height": 2_209, "width": 1_080},
        "network": {"wifi": True, "bluetooth": False, "cellular": False},
        "locale": "de-DE",
        "userAgent": "Dalvik/2.1.0",
        "timezone": "Europe/Berlin",
    }
    common = {"anonymousId": "kotlin-device", "context": context, "integrations": INTEGRATIONS, "_metadata": METADATA}
    body = {
        "batch": calls("kotlin", "2026-11-01T12:00:00.003Z", common),
        "sentAt": "2026-11-01T12:00:01.004Z",
        "writeKey": KEY,
    }
    headers = {"Content-Type": "text/plain", "Content-Encoding": "gzip", "User-Agent": "analytics-kotlin/1.24.1"}
    return Recorded("kotlin", "/v1/b", headers, gzip.compress(as_json(body)), context)


def swift() -> Recorded:
    """segmentio/analytics-swift 1.9.4: HTTPClient.swift `configuredRequest`, DirectoryStore.swift, Context.swift."""
    context = {
        "library": {"name": "analytics-swift", "version": "1.9.4"},
        "instanceId": "5F2B9E1A-0C0C-4E5E-9B53-0D2B9C6F5A11",
        "device": {"manufacturer": "Apple", "type": "ios", "model": "iPhone17,1", "name": "iPhone", "id": "d-2"},
        "os": {"name": "iOS", "version": "26.1"},
        "locale": "pt-BR",
        "timezone": "America/Sao_Paulo",
    }
    common = {"anonymousId": "swift-device", "context": context, "integrations": INTEGRATIONS, "_metadata": METADATA}
    body = {
        "batch": calls("swift", "2026-11-01T12:00:00.003Z", common),
        "sentAt": "2026-11-01T12:00:01.004Z",
        "writeKey": KEY,
    }
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "analytics-ios/1.9.4",
        "Accept-Encoding": "gzip",
    }
    return Recorded("swift", "/v1/b", headers, as_json(body), context)


def android() -> Recorded:
    """segmentio/analytics-android 4.11.4: ConnectionFactory.java, SegmentIntegration.java, AnalyticsContext.java.

    The traits of the user stand in the context of each call, also of a group, whose own are another thing. What is not
    known is the text `undefined`.
    """
    traits = {"anonymousId": "android-device", "userId": "android-user", **ADA}
    context = {
        "traits": traits,
        "library": {"name": "analytics-android", "version": "4.11.4"},
        "device": {"id": "d-3", "manufacturer": "samsung", "model": "SM-S931B", "name": "pa1q", "type": "android"},
        "network": {"bluetooth": False, "carrier": "", "cellular": True, "wifi": False},
        "locale": "fr-",
        "userAgent": "undefined",
        "timezone": "undefined",
    }
    common = {
        "channel": "mobile",
        "anonymousId": "android-device",
        "context": context,
        "integrations": INTEGRATIONS,
    }
    body = {
        "batch": calls("android", "2026-11-01T12:00:00.003Z", common, traits=traits),
        "sentAt": "2026-11-01T12:00:01Z",
        "writeKey": KEY,
    }
    headers = {
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
        "User-Agent": "analytics-android/4.11.4",
    }
    return Recorded("android", "/v1/import", headers, gzip.compress(as_json(body)), context, traits=traits)


def ios() -> Recorded:
    """segmentio/analytics-ios 4.1.8: SEGHTTPClient.m `upload`, SEGSegmentIntegration.m `sendData`, SEGUtils.m.

    Integrations that the app brings along are False. An unknown country is the text `(null)`.
    """
    context = {
        "library": {"name": "analytics-ios", "version": "4.1.8"},
        "app": {"name": "Shop", "version": "2.1", "build": "7", "namespace": "com.example.shop"},
        "device": {"manufacturer": "Apple", "type": "ios", "name": "iPhone", "model": "iPhone14,2", "id": "d-4"},
        "locale": "es-(null)",
        "timezone": "Europe/Madrid",
        "network": {"wifi": True, "cellular": False},
        "traits": ADA,
    }
    common = {"anonymousId": "ios-device", "context": context, "integrations": INTEGRATIONS}
    body = {
        "batch": calls("ios", "2026-11-01T12:00:00.003Z", common),
        "writeKey": KEY,
        "sentAt": "2026-11-01T12:00:01.004Z",
    }
    headers = {
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
        "User-Agent": "analytics-ios/4.1.8",
        "Accept-Encoding": "gzip",
    }
    return Recorded("ios", "/v1/batch", headers, gzip.compress(as_json(body)), context)


def dotnet() -> Recorded:
    """segmentio/Analytics.NET 3.8.1: BlockingRequestHandler.cs `MakeRequest`, Model/Batch.cs, Model/BaseAction.cs.

    The key of the body is internal there, and so not sent. Times have seven digits and the server's offset.
    """
    context = {"library": {"name": "Analytics.NET", "version": "3.8.1"}, "ip": "192.0.2.7"}
    common = {"context": context, "integrations": INTEGRATIONS, "anonymousId": None}
    body = {
        "messageId": "0b0f9f8e-6f0a-4b7e-8b8f-2f0e0a5d9d11",
        "sentAt": "2026-11-01T07:00:01.0040000-05:00",
        "batch": calls("dotnet", "2026-11-01T07:00:00.0030000-05:00", common),
    }
    headers = {
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
        "User-Agent": "Analytics.NET/3.8.1",
        "Authorization": basic(),
    }
    return Recorded("dotnet", "/v1/import", headers, gzip.compress(as_json(body)), context)


def csharp() -> Recorded:
    """segmentio/Analytics-CSharp 2.6.0: HTTPClient.cs `DoPost`, Storage.cs `End`, Types.cs, ContextPlugin.cs.

    It says of no body what it is, and has null where nothing is.
    """
    context = {"library": {"name": "Analytics-CSharp", "version": "2.6.0"}, "os": "Linux 6.8", "platform": ".NET 9"}
    common = {
        "anonymousId": "csharp-device",
        "context": context,
        "integrations": INTEGRATIONS,
        "metrics": None,
        "_metadata": METADATA,
    }
    body = {
        "batch": calls("csharp", "2026-11-01T12:00:00.0030000Z", common),
        "sentAt": "2026-11-01T12:00:01.0040000Z",
        "writeKey": KEY,
    }
    headers = {"Content-Encoding": "gzip", "Accept": "text/plain", "Connection": "close"}
    return Recorded("csharp", "/v1/b", headers, gzip.compress(as_json(body)), context)


RECORDED = [go(), ruby(), php(), kotlin(), swift(), android(), ios(), dotnet(), csharp()]
