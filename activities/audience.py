"""The activity of an audience's workflow."""

from datetime import datetime

from msgspec import Struct
from temporalio import activity

from application.audience_schedule import AudienceRuns


class AudienceRun(Struct, frozen=True):
    """A run of a campaign's audience. `at` is its scheduled instant."""

    campaign: str
    at: datetime


class AudienceActivities:
    """The activities of audience workflows, on the journeys' task queue."""

    def __init__(self, audience_runs: AudienceRuns) -> None:
        self._audience_runs = audience_runs

    @activity.defn
    async def start_audience_run(self, run: AudienceRun) -> None:
        """Request the entry of the audience, unless it was requested before."""
        await self._audience_runs.begin(run.campaign, run.at)
