"""The activity of a retry's workflow, beside those of journeys."""

from temporalio import activity

from application.retries import RetryGate
from domain.sending.gate_answers import Answer
from domain.sending.retries import RetryRequest


class RetryActivities:
    """The activities of retries, on the journeys' task queue."""

    def __init__(self, gate: RetryGate) -> None:
        self._gate = gate

    @activity.defn
    async def authorize_retry(self, request: RetryRequest) -> Answer:
        """Ask the shared gate whether a failed message may go now after all."""
        return await self._gate.authorize(request)
