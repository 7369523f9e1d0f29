"""The time zone and the language of a person's device, if no trait says them.

Source: Segment's spec, common fields, `context.locale` and `context.timezone`. Mobile clients send both with each call.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from domain.local_time.zones import zone_name

# The start of a BCP 47 tag, or of one with underscores. Without a country, clients write `de-` and `es-(null)`
# (analytics-android 4.11.4 AnalyticsContext.java, analytics-ios 4.1.8 SEGUtils.m), and `undefined` for nothing.
_LOCALE: Final = re.compile(r"\s*([A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*)(?![A-Za-z0-9])")


def read_surroundings(context: dict[str, Any]) -> dict[str, str]:
    """Return `timezone`, in the IANA spelling, and `locale`, as far as they are valid."""
    found: dict[str, str] = {}
    if (zone := zone_name(context.get("timezone"))) is not None:
        found["timezone"] = zone
    locale = context.get("locale")
    if isinstance(locale, str) and (match := _LOCALE.match(locale)) is not None:
        found["locale"] = match[1][:35]
    return found


def recipient_locale(traits: Mapping[str, Any], surroundings: Mapping[str, str]) -> str | None:
    """Return the recipient's language: the trait, else that of their device."""
    locale = traits.get("locale")
    return locale if isinstance(locale, str) and locale else surroundings.get("locale")
