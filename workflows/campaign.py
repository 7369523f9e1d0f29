"""The life of one campaign: scheduled transitions, and operations on its journeys."""

from datetime import datetime

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from workflows import options

with workflow.unsafe.imports_passed_through():
    from activities.campaign import AdvanceRequest, CampaignActivities
    from domain.campaign.life import AdvanceResult, describe


@workflow.defn(name="Campaign")
class CampaignWorkflow:
    """Applies due transitions, works on operations, and sleeps until the next change.

    All state is in the database: this workflow has none, and may be restarted at any time.
    """

    @workflow.init
    def __init__(self, campaign: str) -> None:
        self._campaign = campaign
        self._is_changed = False

    @workflow.run
    async def run(self, campaign: str) -> str:
        """Run until nothing is left to do; return the campaign's final state."""
        while True:
            self._is_changed = False
            result = await self._advance()
            workflow.set_current_details(describe(result))
            if result.operations:
                await self._work()
            elif result.is_over and not self._is_changed:
                return result.state
            else:
                await self._rest(result.look_again_at)
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(campaign)

    @workflow.signal
    def changed(self) -> None:
        """Handle a change of the campaign, or a request for an operation."""
        self._is_changed = True

    async def _advance(self) -> AdvanceResult:
        return await workflow.execute_activity_method(
            CampaignActivities.advance_campaign,
            AdvanceRequest(self._campaign, workflow.now()),
            start_to_close_timeout=options.DECISION_TIMEOUT,
            retry_policy=options.DECISION_RETRY,
            summary="what is due?",
        )

    async def _work(self) -> None:
        """Work on operations. One that fails repeatedly delays neither a start nor an end."""
        try:
            await workflow.execute_activity_method(
                CampaignActivities.work_on_operations,
                self._campaign,
                start_to_close_timeout=options.WORK_TIMEOUT,
                heartbeat_timeout=options.WORK_HEARTBEAT,
                retry_policy=options.WORK_RETRY,
                summary="operations",
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise

    async def _rest(self, until: datetime | None) -> None:
        timeout = None if until is None else until - workflow.now()
        try:
            await workflow.wait_condition(
                lambda: self._is_changed or workflow.info().is_continue_as_new_suggested(),
                timeout=timeout,
                timeout_summary="until something may be due",
            )
        except TimeoutError:
            return
