"""The senders of a deployment: the mailboxes of owners, and the postal address."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

POSTAL_ADDRESS: Final = "postal_address"


class SenderRule(Struct, frozen=True, tag="sender", tag_field="kind"):
    """The mailbox of an owner of people or accounts.

    `owner` is the value by which traits name them: an id, or their address.
    """

    owner: str
    mailbox: str
    reply_to: str | None = None


class PostalAddressRule(Struct, frozen=True, tag="postal_address", tag_field="kind"):
    """The postal address that the law wants in commercial mails."""

    text: str


SendersRule = SenderRule | PostalAddressRule


class DeployedSenders:
    """The senders in force.

    Only their addresses are ever sent from, never the value of a trait.
    """

    def __init__(self, rules: Iterable[SendersRule] = ()) -> None:
        self.by_owner: dict[str, SenderRule] = {}
        self.postal_address: str | None = None
        for rule in rules:
            if isinstance(rule, SenderRule):
                self.by_owner[key_of_owner(rule.owner)] = rule
            else:
                self.postal_address = rule.text

    def find(self, owner: object) -> SenderRule | None:
        """Return the sender that a trait names; None if it names none of them."""
        is_name = isinstance(owner, str | int) and not isinstance(owner, bool)
        return self.by_owner.get(key_of_owner(str(owner))) if is_name else None


NO_SENDERS: Final = DeployedSenders()


def key_of_owner(owner: str) -> str:
    """Return the form in which owners are compared: without capitals and blanks."""
    return owner.strip().lower()
