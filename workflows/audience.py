"""One run of a repeated audience, started by the campaign's schedule."""

from temporalio import workflow
from temporalio.common import SearchAttributeKey

from workflows import options

with workflow.unsafe.imports_passed_through():
    from activities.audience import AudienceActivities, AudienceRun

# The scheduled instant, however late the run is.
SCHEDULED = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")


@workflow.defn(name="Audience")
class AudienceWorkflow:
    """Requests the entry of the audience, which the campaign's workflow carries out."""

    @workflow.run
    async def run(self, campaign: str) -> None:
        at = workflow.info().typed_search_attributes.get(SCHEDULED) or workflow.info().start_time
        await workflow.execute_activity_method(
            AudienceActivities.start_audience_run,
            AudienceRun(campaign, at),
            start_to_close_timeout=options.DECISION_TIMEOUT,
            retry_policy=options.DECISION_RETRY,
            summary=f"the audience of {campaign}",
        )
