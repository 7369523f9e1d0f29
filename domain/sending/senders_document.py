"""The document of senders: the mailboxes of owners, and the postal address."""

from collections.abc import Iterator
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from domain.campaign.schema import DocumentModel, Given, Listed, quote_value, refuse
from domain.campaign.schema_errors import validate
from domain.document.yaml_source import YamlSource, read
from domain.errors import InvalidDocumentError, Problem
from domain.people.addresses import parse_mailbox
from domain.sending.senders import POSTAL_ADDRESS, PostalAddressRule, SenderRule, SendersRule, key_of_owner

INITIAL_SENDERS: Final = "senders: []\n"
MAX_SENDERS: Final = 1_000
MAX_ADDRESS_CHARACTERS: Final = 500


def _check_mailbox(text: str) -> str:
    if parse_mailbox(text) is None:
        refuse(f"{quote_value(text)} is not an address", "Write it as `Anna Berg <anna@example.com>`")
    return text


def _check_address(text: str) -> str:
    if not text.strip():
        refuse("the postal address is empty", "Write one, or leave the line out")
    return text.strip()


MailboxText = Annotated[str, Field(max_length=400), AfterValidator(_check_mailbox)]
PostalAddress = Annotated[str, Field(max_length=MAX_ADDRESS_CHARACTERS), AfterValidator(_check_address)]


class SenderModel(DocumentModel):
    """An owner of people or accounts, and the mailbox that sends for them."""

    owner: Annotated[str, Field(min_length=1, max_length=320)] = Field(
        description="the value by which a trait names the owner, in capitals or not: an id, or an address"
    )
    sender: MailboxText = Field(
        alias="from", description="the sender of the mails: `Anna Berg <anna@example.com>`, or an address alone"
    )
    reply_to: Annotated[MailboxText | None, Given] = Field(
        None, description="where replies go; to the sender if left out"
    )


class SendersDocument(DocumentModel):
    """The senders of the deployment, and its postal address."""

    senders: Annotated[tuple[SenderModel, ...], Listed, Field(max_length=MAX_SENDERS)] = Field(
        description="the owners of people and accounts; `[]` for none"
    )
    postal_address: Annotated[PostalAddress | None, Given] = Field(
        None, description="the postal address of the sending company, for the footers of mails"
    )


def parse_senders(text: str, file: str) -> tuple[SendersRule, ...]:
    """Return the rules of a document. Raises InvalidDocumentError with all problems."""
    source = read(text, file)
    document, problems = validate(SendersDocument, source)
    problems += source.problems
    if document is not None:
        problems += list(_find_repeated(document, source))
    if document is None or problems:
        raise InvalidDocumentError(sorted(problems, key=lambda problem: problem.line))
    address = (PostalAddressRule(document.postal_address),) if document.postal_address is not None else ()
    return (*(SenderRule(one.owner.strip(), one.sender, one.reply_to) for one in document.senders), *address)


def _find_repeated(document: SendersDocument, source: YamlSource) -> Iterator[Problem]:
    owners: set[str] = set()
    for number, one in enumerate(document.senders):
        key = key_of_owner(one.owner)
        if key in owners:
            said = f"`{one.owner}` is the owner of another sender"
            yield source.problem(("senders", number, "owner"), said, "Give each owner one sender")
        owners.add(key)


def name_of(rule: SendersRule) -> str:
    """Return the name by which rules are compared."""
    return key_of_owner(rule.owner) if isinstance(rule, SenderRule) else POSTAL_ADDRESS


def to_document(rule: SendersRule) -> dict[str, Any]:
    """Return a rule as authors write it."""
    if isinstance(rule, PostalAddressRule):
        return {POSTAL_ADDRESS: rule.text}
    reply_to = {} if rule.reply_to is None else {"reply_to": rule.reply_to}
    return {"owner": rule.owner, "from": rule.mailbox, **reply_to}
