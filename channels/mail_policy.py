"""How a mail is written down: ASCII only, and its headers folded so that every server passes them on unharmed."""

from email.header import Header
from email.headerregistry import AddressHeader
from email.policy import SMTP, EmailPolicy
from typing import Any

_LONG_TOKENS = frozenset({"list-unsubscribe", "message-id", "to", "x-sojourn-message"})


class _HeaderPolicy(EmailPolicy):
    """Folds where Python 3.11's own policy does harm.

    It encodes a long header without blanks as if it were prose, which breaks List-Unsubscribe, and it drops blanks
    between encoded words, which are at most 75 characters long (RFC 2047, 2).
    """

    def fold_binary(self, name: str, value: Any) -> bytes:
        is_token = name.lower() in _LONG_TOKENS
        if is_token or self.utf8 or value.isascii():
            return SMTP.clone(max_line_length=998 if is_token else 76, utf8=self.utf8).fold_binary(name, value)
        if not isinstance(value, AddressHeader):
            return f"{name}: {_encoded(value, name)}\r\n".encode("ascii")
        (mailbox,) = value.addresses
        return f"{name}: {_encoded(mailbox.display_name, name)}\r\n <{mailbox.addr_spec}>\r\n".encode("ascii")


def _encoded(text: str, name: str) -> str:
    return Header(text, "utf-8", maxlinelen=76, header_name=name).encode(linesep="\r\n")


# 7bit: a server need not offer 8BITMIME.
MAIL_POLICY = _HeaderPolicy(linesep="\r\n", cte_type="7bit")
