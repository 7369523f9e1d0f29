"""Email addresses: their validity, their spelling for servers, their normal form."""

import re
from dataclasses import dataclass
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

from domain.blanks import strip_blanks

# RFC 5321, 4.5.3.1: 254 characters; some more leave room for an ASCII form that is shorter. A longer text is refused
# unread: patterns may take the square of its length, and an address is a key of an index, which holds 2.7 kB.
MAX_ADDRESS_CHARACTERS = 320
MAX_NAME_CHARACTERS = 998
# The beginning of an encoded word (RFC 2047). No address has one, and a server that decodes it sends to another.
_ENCODED = "=?"
_NOT_IN_NAMES = re.compile(r'["<>\x00-\x1f\x7f]')


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """A valid address: as written, and in ASCII for servers without SMTPUTF8.

    A domain always has an ASCII form; a local part beyond ASCII has none, and `ascii` is None.
    """

    written: str
    ascii: str | None

    @property
    def spelling(self) -> str:
        """The spelling for the SMTP envelope: ASCII if there is one."""
        return self.ascii or self.written

    @property
    def ascii_domain(self) -> str:
        """The domain in ASCII."""
        return self.spelling.rpartition("@")[2].encode("idna").decode()


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address with the name shown before it, which may be empty."""

    name: str
    address: EmailAddress


def parse_email(address: str) -> EmailAddress | None:
    """Parse an address; None if it is not valid. The domain is not looked up.

    Blanks around it are ignored. The part before the @ may be quoted (RFC 5321, 4.1.2).
    """
    address = strip_blanks(address)
    if len(address) > MAX_ADDRESS_CHARACTERS or _ENCODED in address:
        return None
    try:
        valid = validate_email(address, check_deliverability=False, strict=True, allow_quoted_local=True)
    except EmailNotValidError:
        return None
    return EmailAddress(valid.normalized, valid.ascii_email)


def parse_mailbox(text: str) -> Mailbox | None:
    """Parse `Name <address>`, with any name, or a plain address; else None."""
    text = text.strip()
    name, inner = "", text
    if text.endswith(">"):
        name, bracket, inner = text[:-1].rpartition("<")
        name = name.strip().removeprefix('"').removesuffix('"')
        if not bracket or len(name) > MAX_NAME_CHARACTERS or _NOT_IN_NAMES.search(name):
            return None
    if "<" in inner or ">" in inner:
        return None
    address = parse_email(inner.strip())
    return None if address is None else Mailbox(name, address)


# The gate and the claim of each message ask about the same address: 100 µs each time without the cache.
@lru_cache(maxsize=16_384)
def is_reachable(address: str) -> bool:
    """Return whether a text is a valid address."""
    return parse_email(address) is not None


def normalize(address: str) -> str | None:
    """Return the key of an address: lower case, without blanks; None if unfit."""
    plain = strip_blanks(address).lower()
    return plain if 0 < len(plain) <= MAX_ADDRESS_CHARACTERS else None
