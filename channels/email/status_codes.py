"""Enhanced status codes of mail servers.

https://www.rfc-editor.org/rfc/rfc3463, https://www.iana.org/assignments/smtp-enhanced-status-codes
"""

import re
from typing import Final

from domain.sending.reports import Bounce

# By subject and detail: what the message or its sender is, and what passes.
# 5.1.0 says nothing closer, often of a refused sender; some servers answer a sender beyond its daily limit with 5.1.90.
_CONTENT: Final = ("5.2.3", "5.3.4", "5.6.", "5.7.")
_SENDER: Final = frozenset({"5.1.0", "5.1.7", "5.1.8", "5.1.90"})
_SOFT: Final = ("5.2.2", "5.3.", "5.4.", "5.5.")
# The mailbox or its domain does not exist, or is disabled.
_ABOUT_ADDRESS: Final = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
_AT_START: Final = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")


def judge_status(status: str) -> Bounce:
    """Return the bounce that a failure with a status is.

    Only a permanent failure is hard. A code that cannot be read does not prove one.
    """
    if status in _SENDER or status.startswith(_CONTENT):
        return "content"
    return "hard" if status.startswith("5.") and not status.startswith(_SOFT) else "soft"


def refuses_address(reply: str) -> bool:
    """Return whether a reply to a recipient says that there is no such address."""
    found = _AT_START.match(reply)
    return found is not None and found[1] in _ABOUT_ADDRESS
