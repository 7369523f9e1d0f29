"""A channel whose calls are counted, timed and traced. It changes nothing about them."""

from collections.abc import Callable
from time import perf_counter
from typing import assert_never

from opentelemetry.trace import SpanKind

from domain.sending.delivery import Accepted, Ambiguous, Channel, Delivery, Outbound, Rejected, Unavailable
from runtime.metrics import PROVIDER_SECONDS
from runtime.tracing import child_span


class WatchedChannel:
    """`provider` says who takes a message: the mail server, or the host of a webhook, which its template names.

    The trace ends here: whoever receives a message learns nothing of it.
    """

    def __init__(self, channel: Channel, provider: Callable[[Outbound], str]) -> None:
        self.name = channel.name
        self.honours_idempotency_key = channel.honours_idempotency_key
        self._channel = channel
        self._provider = provider

    async def deliver(self, message: Outbound) -> Delivery:
        """Hand the message over."""
        began = perf_counter()
        outcome = "failed"
        with child_span(f"deliver {self.name}", SpanKind.CLIENT, {"sojourn.message": message.message_id}) as span:
            try:
                delivery = await self._channel.deliver(message)
                outcome = _outcome(delivery)
            finally:
                span.set_attribute("sojourn.outcome", outcome)
                PROVIDER_SECONDS.labels(self.name, self._provider(message), outcome).observe(perf_counter() - began)
        return delivery


def _outcome(delivery: Delivery) -> str:
    match delivery:
        case Accepted():
            return "accepted"
        case Rejected():
            return "rejected"
        case Unavailable():
            return "unavailable"
        case Ambiguous():
            return "ambiguous"
        case _:
            assert_never(delivery)
