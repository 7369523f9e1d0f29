"""One message, handed over to an account at a server of the test's own."""

from collections.abc import Callable

from domain.sending.delivery import Delivery, ManagedProvider, Outbound
from tests.channels.servers import Receiver, Request, answer, listening

# Opens an account whose API answers at a port.
OpenAccount = Callable[[int], ManagedProvider]


async def deliver_by(opened_at: OpenAccount, receiver: Receiver, message: Outbound, to: str) -> Delivery:
    async with listening(receiver.talk) as port:
        account = opened_at(port)
        try:
            return await account.deliver(message, to)
        finally:
            await account.close()


async def request_of(opened_at: OpenAccount, message: Outbound, to: str) -> Request:
    """The one request that a message makes."""
    receiver = Receiver(answer(201, b"{}"))
    await deliver_by(opened_at, receiver, message, to)
    [request] = receiver.requests
    return request
