"""The senders of the deployment: put in force."""

from collections.abc import Sequence

from msgspec import to_builtins

from application.references import describe_readers, find_postal_address_readers
from domain.access import Actor
from domain.errors import ConflictError
from domain.sending.senders import POSTAL_ADDRESS, DeployedSenders, SendersRule
from store.database import Connection


async def apply_senders(connection: Connection, rules: Sequence[SendersRule], by: Actor) -> None:
    """Put stored rules in force; the caller holds the registry's exclusive lock.

    Raises ConflictError if a campaign prints the postal address, and there is none any more.
    """
    if DeployedSenders(rules).postal_address is not None:
        return
    if readers := await find_postal_address_readers(connection, [POSTAL_ADDRESS]):
        raise ConflictError(
            f"{describe_readers(readers)}: keep it, or first publish versions without it",
            read_by=to_builtins(readers),
        )
