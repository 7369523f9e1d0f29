"""Keys of segments."""

import re
from typing import Final

from domain.campaign.schema import quote_value, refuse

# Those with a dot are made by other documents: `stage.loyalty`, `rfm.champions`.
SEGMENT_KEY_PATTERN: Final = r"([a-z]+\.)?[a-z][a-z0-9-]{0,62}"
_FORM: Final = re.compile(SEGMENT_KEY_PATTERN)


def check_segment_key(key: str) -> str:
    """Return a key that may be one of a segment; refuse any other."""
    if not _FORM.fullmatch(key):
        refuse(f"{quote_value(key)} is not a segment's key", "Lowercase letters, digits and hyphens, a letter first")
    return key
