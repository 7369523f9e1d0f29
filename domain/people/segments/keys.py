"""Keys of segments."""

import re
from typing import Final

from domain.campaign.schema import quote_value, refuse

# Those with a dot are made by other documents: `stage.loyalty`, `rfm.champions`.
SEGMENT_KEY_PATTERN: Final = r"([a-z]+\.)?[a-z][a-z0-9-]{0,62}"
AUTHORED_KEY_PATTERN: Final = r"[a-z][a-z0-9-]{0,62}"
_FORM: Final = re.compile(SEGMENT_KEY_PATTERN)
_AUTHORED: Final = re.compile(AUTHORED_KEY_PATTERN)
_RULE: Final = "Lowercase letters, digits and hyphens, a letter first"


def check_segment_key(key: str) -> str:
    """Return a key that may be one of a segment; refuse any other."""
    if not _FORM.fullmatch(key):
        refuse(f"{quote_value(key)} is not a segment's key", _RULE)
    return key


def is_authored(key: str) -> bool:
    """Whether an author may give a segment this key."""
    return _AUTHORED.fullmatch(key) is not None


def check_authored_key(key: str) -> str:
    """Return a key that an author may give; refuse any other."""
    if not is_authored(key):
        proposal = re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")[:63]
        refuse(
            f"{quote_value(key)} is not a segment's key",
            f"Did you mean `{proposal}`? {_RULE}" if is_authored(proposal) else _RULE,
        )
    return key
