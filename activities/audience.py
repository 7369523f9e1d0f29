"""What a run of an audience asks of the world."""

from datetime import datetime

from msgspec import Struct
from temporalio import activity

from application.audience_schedule import AudienceRuns


class AudienceRun(Struct, frozen=True):
    """The audience of a campaign is to enter. `at` is the instant that the schedule meant."""

    campaign: str
    at: datetime


class AudienceActivities:
    """The activities of audiences' workflows, on the journeys' own task queue."""

    def __init__(self, audience_runs: AudienceRuns) -> None:
        self._audience_runs = audience_runs

    @activity.defn
    async def start_audience_run(self, run: AudienceRun) -> None:
        """Ask for the entry of the audience, unless that was done."""
        await self._audience_runs.begin(run.campaign, run.at)
