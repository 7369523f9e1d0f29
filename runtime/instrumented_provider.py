"""A provider whose calls are counted, timed and traced."""

from time import perf_counter
from typing import assert_never

from opentelemetry.trace import SpanKind

from domain.sending.delivery import (
    Accepted,
    Ambiguous,
    Delivery,
    ManagedProvider,
    Outbound,
    Recall,
    RecallingProvider,
    Rejected,
    Repeats,
    Unavailable,
)
from runtime.metrics import PROVIDER_SECONDS
from runtime.tracing import child_span


def instrument(channel: str, provider: ManagedProvider) -> ManagedProvider:
    """Return a provider whose calls are counted, timed and traced."""
    if isinstance(provider, RecallingProvider):
        return InstrumentedRecalls(channel, provider, provider)
    return InstrumentedProvider(channel, provider)


class InstrumentedProvider:
    """A provider of a channel. The trace ends here: its context is not sent on."""

    def __init__(self, channel: str, provider: ManagedProvider) -> None:
        self._channel = channel
        self._provider = provider

    @property
    def name(self) -> str:
        return self._provider.name

    @property
    def repeats(self) -> Repeats:
        return self._provider.repeats

    def account(self, message: Outbound) -> str:
        return self._provider.account(message)

    async def check(self) -> Unavailable | None:
        return await self._provider.check()

    async def close(self) -> None:
        await self._provider.close()

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        """Hand the message over."""
        began = perf_counter()
        outcome = "failed"
        with child_span(f"deliver {self._channel}", SpanKind.CLIENT, {"sojourn.message": message.message_id}) as span:
            try:
                delivery = await self._provider.deliver(message, address)
                outcome = _outcome(delivery)
            finally:
                span.set_attribute("sojourn.outcome", outcome)
                PROVIDER_SECONDS.labels(self._channel, self.account(message), outcome).observe(perf_counter() - began)
        return delivery


class InstrumentedRecalls(InstrumentedProvider):
    """A provider that can take messages back as well."""

    def __init__(self, channel: str, provider: ManagedProvider, recalling: RecallingProvider) -> None:
        super().__init__(channel, provider)
        self._recalling = recalling

    @property
    def recall_seconds(self) -> float:
        return self._recalling.recall_seconds

    async def recall(self, message_id: str, provider_id: str | None) -> Recall:
        """Take a message back."""
        with child_span(f"recall {self._channel}", SpanKind.CLIENT, {"sojourn.message": message_id}):
            return await self._recalling.recall(message_id, provider_id)


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
