"""The client, and what workers, tests and replays of journeys share: converter, sandbox and interceptors."""

from temporalio.client import Client
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from runtime.codec import DATA_CONVERTER
from runtime.tracing import trace_interceptors
from workflows import search_attributes
from workflows.audience import AudienceWorkflow
from workflows.campaign import CampaignWorkflow
from workflows.journey import JourneyWorkflow

SEARCH_ATTRIBUTES = search_attributes.TYPES
WORKFLOWS = [JourneyWorkflow, CampaignWorkflow, AudienceWorkflow]
# How long a call to Temporal may take before it counts as failed, in seconds.
CALL_TIMEOUT = 5


def workflow_runner() -> SandboxedWorkflowRunner:
    """The sandbox. `domain` and `workflows` are kept pure by the linter, `activities` lends workflows only its types.

    What is not passed through is imported anew for each journey: `workflows` alone took 3 to 5 ms.
    """
    return SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules(
            "activities", "application", "channels", "domain", "store", "workflows", "msgspec"
        )
    )


async def connect(address: str, namespace: str) -> Client:
    """Raises RuntimeError when the server cannot be reached."""
    return await Client.connect(
        address, namespace=namespace, data_converter=DATA_CONVERTER, interceptors=trace_interceptors()
    )
