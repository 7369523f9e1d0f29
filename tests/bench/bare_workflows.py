"""What the journeys are held against: workflows of timers and empty activities, and nothing else."""

from datetime import timedelta

from temporalio import activity, workflow

TIMEOUT = timedelta(seconds=20)


@activity.defn
async def authorize(number: int) -> int:
    return number


@activity.defn
async def send(number: int) -> int:
    return number


@workflow.defn(name="Bare")
class BareWorkflow:
    @workflow.run
    async def run(self, number: int, rests: list[float]) -> int:
        """A timer and two activities for each rest; a rest of 0 is none."""
        for rest in rests:
            if rest:
                await workflow.sleep(timedelta(seconds=rest))
            await workflow.execute_activity(authorize, number, start_to_close_timeout=TIMEOUT)
            await workflow.execute_activity(send, number, start_to_close_timeout=TIMEOUT)
        return number
