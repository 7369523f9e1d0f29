"""Tell the story of test_real_clients.py by rudder-sdk-python, unmodified: URL, key and prefix of the ids."""

import json
import sys
from datetime import UTC, datetime
from typing import Any

from rudderstack.analytics.client import Client

URL, KEY, PREFIX = sys.argv[1:]
AROUND: dict[str, Any] = {"context": {"ip": "192.0.2.1"}, "integrations": {"All": True}}
LEAVES, BUYS, ANONYMOUS = (f"{PREFIX}-{name}" for name in ("leaves", "buys", "anonymous"))


def main() -> None:
    failures: list[list[Any]] = []
    client = Client(
        KEY,
        host=URL + "/",
        max_retries=2,
        on_error=lambda error, _: failures.append([type(error).__name__, getattr(error, "code", None)]),
    )
    client.page(anonymous_id=ANONYMOUS, category="Docs", name="Pricing", properties={"tab": 2}, **AROUND)
    for user in (LEAVES, BUYS):
        client.identify(user, {"email": f"{user}@example.com", "since": datetime(2026, 1, 2, tzinfo=UTC)}, **AROUND)
    client.alias(ANONYMOUS, LEAVES, **AROUND)
    client.group(LEAVES, "g-1", {"name": "Analytical Engines"}, **AROUND)
    client.screen(LEAVES, name="Basket", properties={"tab": 3}, **AROUND)
    for user in (LEAVES, BUYS):
        client.track(user, "Cart Abandoned", {"cart_id": "c-9", "value": 129.5}, **AROUND)
    client.track(BUYS, "Order Completed", {"cart_id": "c-9"}, **AROUND)
    client.flush()
    client.join()
    print(json.dumps(failures))  # noqa: T201 - what the test reads


main()
