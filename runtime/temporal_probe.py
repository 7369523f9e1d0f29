"""A probe of Temporal: its namespace, search attributes, and connection failures."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from domain.deployment.findings import Away, TemporalFacts
from domain.journey.records import campaign_workflow_id
from runtime.temporal import CALL_TIMEOUT, SEARCH_ATTRIBUTES

TIMEOUT = timedelta(seconds=CALL_TIMEOUT)
MAX_FOREIGN_CAMPAIGNS: Final = 1_000
VALUE_TYPES: Final = {
    "Text": IndexedValueType.INDEXED_VALUE_TYPE_TEXT,
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "KeywordList": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
    "Int": IndexedValueType.INDEXED_VALUE_TYPE_INT,
    "Double": IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE,
    "Bool": IndexedValueType.INDEXED_VALUE_TYPE_BOOL,
    "Datetime": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
}
# Temporal Cloud allows only its console to list and add them.
NOT_OFFERED: Final = {RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED}

_ADDRESS: Final = "correct SOJOURN_TEMPORAL_ADDRESS or TEMPORAL_ADDRESS"
_KEY: Final = "correct SOJOURN_TEMPORAL_API_KEY or TEMPORAL_API_KEY, or the client's certificate and its rights"
_CLIENT_CERTIFICATE: Final = (
    "give TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH, of an authority that it trusts"
)
# Texts of the SDK's core, and their meaning. The first match counts.
_REASONS: Final = (
    (("ConnectionRefused",), Away("the connection is refused", f"start Temporal, or {_ADDRESS}")),
    (("dns error", "failed to lookup"), Away("its name is not known", _ADDRESS)),
    (
        ("CertificateRequired", "HandshakeFailure", "BadCertificate"),
        Away("it asks for the certificate of a client", _CLIENT_CERTIFICATE, is_refusal=True),
    ),
    (
        ("UnknownIssuer", "NotValidForName", "InvalidCertificate", "invalid peer certificate", "UnknownCa"),
        Away(
            "its certificate is not trusted",
            "give its authority by TEMPORAL_TLS_SERVER_CA_CERT_PATH, or the name in it by TEMPORAL_TLS_SERVER_NAME",
            is_refusal=True,
        ),
    ),
    (
        ("close_notify",),
        Away(
            "it breaks off once TLS has begun, as for lack of a client's certificate",
            _CLIENT_CERTIFICATE,
            is_refusal=True,
        ),
    ),
    (
        ("InvalidContentType", "WrongVersionNumber"),
        Away("it does not speak TLS", f"unset TEMPORAL_TLS, or {_ADDRESS}", is_refusal=True),
    ),
    (
        ("Unauthenticated", "PermissionDenied", "UNAUTHENTICATED", "PERMISSION_DENIED"),
        Away("the credentials are not accepted", _KEY, is_refusal=True),
    ),
    (
        ("http2 error", "h2 protocol error", "connection closed", "ConnectionReset", "BrokenPipe", "UnexpectedEof"),
        Away(
            "the connection is broken off",
            "set TEMPORAL_TLS=true if it wants TLS, TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH if "
            f"it wants the certificate of a client, or {_ADDRESS}",
        ),
    ),
)


async def probe_temporal(client: Client, task_queue: str) -> TemporalFacts | Away:
    """Read the namespace, its search attributes, and campaigns of other task queues."""
    try:
        try:
            await client.workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace=client.namespace), timeout=TIMEOUT
            )
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return TemporalFacts(client.namespace, False, {}, {})
        known = await _list_attributes(client)
    except RPCError as error:
        return read_failure(error)
    missing = {name: type for name, type in SEARCH_ATTRIBUTES.items() if known is not None and name not in known}
    mistyped = {
        name: type
        for name, type in SEARCH_ATTRIBUTES.items()
        if known is not None and known.get(name, VALUE_TYPES[type]) != VALUE_TYPES[type]
    }
    return TemporalFacts(client.namespace, True, missing, mistyped, await _foreign_campaigns(client, task_queue))


async def make_search_attributes(client: Client, missing: Mapping[str, str]) -> None:
    """Add search attributes to the namespace; some may exist by now. Raises RPCError."""
    request = AddSearchAttributesRequest(
        namespace=client.namespace, search_attributes={name: VALUE_TYPES[type] for name, type in missing.items()}
    )
    try:
        await client.operator_service.add_search_attributes(request, timeout=TIMEOUT)
    except RPCError as error:
        if error.status != RPCStatusCode.ALREADY_EXISTS:
            raise


def read_failure(error: Exception) -> Away:
    """Explain why a call to Temporal failed.

    The SDK's own text, which may contain addresses, is the detail.
    """
    status = f"{error.status.name}: " if isinstance(error, RPCError) else ""
    text = status + (str(error) or type(error).__name__)
    detail = " ".join(text.split())[:500]
    for words, away in _REASONS:
        if any(word in text for word in words):
            return replace(away, detail=detail)
    if isinstance(error, TimeoutError) or "DEADLINE_EXCEEDED" in text or "timed out" in text.lower():
        return Away(f"there was no answer within {CALL_TIMEOUT} s", None, detail)
    return Away("the call failed", None, detail)


async def _foreign_campaigns(client: Client, task_queue: str) -> dict[str, str]:
    """Return the task queues of other deployments' campaigns, by campaign key."""
    query = f"WorkflowType = 'Campaign' AND ExecutionStatus = 'Running' AND TaskQueue != '{task_queue}'"
    try:
        return {
            one.id.removeprefix(campaign_workflow_id("")): one.task_queue
            async for one in client.list_workflows(query, limit=MAX_FOREIGN_CAMPAIGNS, rpc_timeout=TIMEOUT)
        }
    except RPCError:
        # The index is not essential: events, journeys and messages work without it.
        return {}


async def _list_attributes(client: Client) -> Mapping[str, IndexedValueType.ValueType] | None:
    try:
        listed = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace), timeout=TIMEOUT
        )
    except RPCError as error:
        if error.status in NOT_OFFERED:
            return None
        raise
    return listed.custom_attributes
