"""A request of a provider's API, and its JSON body."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A POST for one message."""

    url: str
    headers: Mapping[str, str]
    content: bytes


def json_request(url: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> ApiRequest:
    """Return a request with a JSON body. Members that are None are left out."""
    content = {key: value for key, value in body.items() if value is not None}
    return ApiRequest(url, {"Content-Type": "application/json", **headers}, msgspec.json.encode(content))
