"""What can be written on an envelope, how servers want it spelt, and under which spelling refusals are kept."""

import re
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from domain.blanks import strip_blanks

# RFC 5321, 4.5.3.1: 254 characters; some more leave room for what an ASCII form shortens. A longer text is no address,
# and is not looked at: patterns that look for one may take the square of its length, and an address is a key of an
# index, which holds 2.7 kB.
MAX_ADDRESS_CHARACTERS = 320
MAX_NAME_CHARACTERS = 998
_NOT_IN_NAMES = re.compile(r'["<>\x00-\x1f\x7f]')


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """A valid address: as people write it, and as a server without SMTPUTF8 takes it, or None where none exists.

    A domain always has an ASCII form; a local part beyond ASCII has none.
    """

    written: str
    ascii: str | None

    @property
    def spelling(self) -> str:
        """What goes on the wire: ASCII where there is one."""
        return self.ascii or self.written


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address with the name that people see before it, which may be empty."""

    name: str
    address: EmailAddress


def parse_email(address: str) -> EmailAddress | None:
    """The address, or None where the text is none. Nothing is looked up: the domain need not exist.

    Blanks around it are not a part of it. The part before the @ may be quoted (RFC 5321, 4.1.2).
    """
    address = strip_blanks(address)
    if len(address) > MAX_ADDRESS_CHARACTERS:
        return None
    try:
        valid = validate_email(address, check_deliverability=False, strict=True, allow_quoted_local=True)
    except EmailNotValidError:
        return None
    return EmailAddress(valid.normalized, valid.ascii_email)


def parse_mailbox(text: str) -> Mailbox | None:
    """`Name <address>`, or an address alone, or None where the text is neither. The name may hold commas."""
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


def is_reachable(address: str) -> bool:
    """Whether mail can be addressed to this text at all."""
    return parse_email(address) is not None


def normalize(address: str) -> str | None:
    """The spelling under which an address is known: letter case and blanks around it make no other address.

    None for what is empty or longer than any address.
    """
    plain = strip_blanks(address).lower()
    return plain if 0 < len(plain) <= MAX_ADDRESS_CHARACTERS else None
