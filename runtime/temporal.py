"""The client, and what workers, tests and replays of journeys share: converter, sandbox and interceptors."""

from collections.abc import Mapping

from temporalio.client import Client
from temporalio.service import TLSConfig
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from runtime.codec import data_converter
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


async def connect(
    address: str,
    namespace: str,
    *,
    tls: bool | TLSConfig = False,
    api_key: str | None = None,
    grpc_meta: Mapping[str, str] | None = None,
    payload_keys: Mapping[str, bytes] | None = None,
) -> Client:
    """A client of the server. `payload_keys`, the newest first, encrypt what travels.

    Raises RuntimeError when the server cannot be reached, or refuses the API key or the certificate.
    """
    return await Client.connect(
        address,
        namespace=namespace,
        tls=tls,
        api_key=api_key,
        rpc_metadata=grpc_meta or {},
        data_converter=data_converter(payload_keys or {}),
        interceptors=trace_interceptors(),
    )
