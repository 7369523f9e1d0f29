"""The Temporal client and sandbox that workers, tests and replays share."""

from collections.abc import Mapping

from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode, TLSConfig
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from runtime.codec import data_converter
from runtime.tracing import trace_interceptors
from workflows import search_attributes
from workflows.audience import AudienceWorkflow
from workflows.campaign import CampaignWorkflow
from workflows.journey import JourneyWorkflow
from workflows.retry import RetryWorkflow

SEARCH_ATTRIBUTES = search_attributes.TYPES
WORKFLOWS = [JourneyWorkflow, CampaignWorkflow, AudienceWorkflow, RetryWorkflow]
# The timeout of a call to Temporal, in seconds.
CALL_TIMEOUT = 5
# Temporal is away or busy, and the call is not at fault. A call that runs into its timeout is CANCELLED.
TRANSIENT = {
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.RESOURCE_EXHAUSTED,
    RPCStatusCode.CANCELLED,
    RPCStatusCode.ABORTED,
    RPCStatusCode.INTERNAL,
    RPCStatusCode.UNKNOWN,
}


def workflow_runner() -> SandboxedWorkflowRunner:
    """Return the sandbox; the linter keeps `domain` and `workflows` pure.

    `activities` only lends its types to workflows. Other modules are imported anew for each journey: `workflows` alone
    took 3 to 5 ms.
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
    """Connect to the server. `payload_keys`, the newest first, encrypt payloads.

    Raises RuntimeError if the server cannot be reached, or refuses the API key or the certificate.
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


def is_without_workflow(error: RPCError) -> bool:
    """Return whether the workflow was not found, rather than its namespace."""
    if error.status != RPCStatusCode.NOT_FOUND:
        return False
    return not any(detail.Is(NamespaceNotFoundFailure.DESCRIPTOR) for detail in error.grpc_status.details)
