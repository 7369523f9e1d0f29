"""Keys and tags of places and areas."""

import re
from typing import Final

from domain.campaign.schema import quote_value, refuse

KEY_PATTERN: Final = r"[a-z][a-z0-9-]{0,62}"


def check_place_key(key: str) -> str:
    """Return a key or tag of a place; refuse any other text."""
    if not re.fullmatch(KEY_PATTERN, key):
        proposal = re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")[:63]
        rule = "Lowercase letters, digits and hyphens, a letter first"
        refuse(
            f"{quote_value(key)} is not a key of a place",
            f"Did you mean `{proposal}`? {rule}" if re.fullmatch(KEY_PATTERN, proposal) else rule,
        )
    return key
