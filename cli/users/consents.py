"""Consents as the commands name them: `email`, or `newsletter.email` for a topic."""

from collections.abc import Mapping
from typing import Any

TOPICS = "topics"


def nest_consent(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return consents as the API has them: those of topics by topic and channel."""
    consent: dict[str, Any] = {name: value for name, value in given.items() if "." not in name}
    for name, value in given.items():
        topic, is_given, channel = name.removeprefix(f"{TOPICS}.").partition(".")
        if is_given:
            consent.setdefault(TOPICS, {}).setdefault(topic, {})[channel] = value
    return consent
