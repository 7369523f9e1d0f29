"""Patterns that modules compile when they are imported: each process of the product waits for them."""

import re
import sys
import time
from typing import Any

import cli.main  # noqa: F401
import worker  # noqa: F401

PRODUCT = ("activities", "api", "application", "channels", "cli", "domain", "runtime", "store", "workflows")
MAX_SECONDS = 0.05


def patterns() -> dict[str, "re.Pattern[Any]"]:
    """Return those of the imported modules, by where they are."""
    return {
        f"{module}.{name}": value
        for module in sorted(sys.modules)
        if module.partition(".")[0] in PRODUCT
        for name, value in vars(sys.modules[module]).items()
        if isinstance(value, re.Pattern)
    }


def seconds_to_compile(pattern: "re.Pattern[Any]") -> float:
    re.purge()
    begun = time.process_time()
    re.compile(pattern.pattern, pattern.flags)
    return time.process_time() - begun


def test_every_pattern_is_compiled_at_once() -> None:
    found = patterns()
    assert len(found) > 100
    # Whatever else the process does, one of three tries is undisturbed.
    slow = {name for name, one in found.items() if min(seconds_to_compile(one) for _ in range(3)) > MAX_SECONDS}
    assert slow == set()
