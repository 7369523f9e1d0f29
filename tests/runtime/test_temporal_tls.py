"""Temporal by TLS with client certificates and API keys, as in Temporal Cloud, and payloads that it cannot read."""

import json
import os
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from google.protobuf.message import Message
from temporalio.api.common.v1 import Header, Payload, SearchAttributes
from temporalio.client import Client, WorkflowHistory
from temporalio.testing import TimeSkipper
from temporalio.worker import Replayer

import wiring
from domain.deployment.findings import Away, TemporalFacts
from runtime.codec import data_converter
from runtime.temporal import WORKFLOWS, connect, workflow_runner
from runtime.temporal_probe import probe_temporal, read_failure
from settings_temporal import TemporalSettings
from tests import generated
from tests.engine.campaigns import CART
from tests.harness import open_harness
from tests.runtime.tls_front import TlsFront
from tests.servers import TemporalServer

API_KEY = generated.secret("API key of Temporal")
OLD, NEW = generated.payload_key("2025"), generated.payload_key("2026")


@pytest.fixture
async def front(temporal: TemporalServer) -> AsyncIterator[TlsFront]:
    async with TlsFront(temporal.port) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("SOJOURN_", "TEMPORAL_")) and name != "TEMPORAL_DEBUG":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


async def test_a_certificate_and_a_key_lead_to_temporal(
    front: TlsFront, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        **front.files(tmp_path),
        "TEMPORAL_API_KEY": API_KEY,
        "TEMPORAL_GRPC_META_X_TEAM": "crm",
    }.items():
        monkeypatch.setenv(name, value)
    settings = TemporalSettings()
    assert API_KEY not in repr(settings)
    facts = await probe_temporal(await wiring.connect_temporal(settings), settings.task_queue)
    assert facts == TemporalFacts("default", True, {}, {})
    assert front.subjects == ["worker.test"]
    calls = [call for call in front.metadata if call[":path"].endswith(("DescribeNamespace", "ListSearchAttributes"))]
    assert len(calls) == 2
    for call in calls:
        assert call["authorization"] == f"Bearer {API_KEY}"
        assert call["x-team"] == "crm"


@pytest.mark.parametrize(
    ("changed", "reason", "remedy"),
    [
        (
            {"TEMPORAL_TLS_CLIENT_CERT_PATH": "", "TEMPORAL_TLS_CLIENT_KEY_PATH": ""},
            # The refusal follows the handshake, and on a busy machine comes after the connection has gone.
            "for lack of a client's certificate|broken off",
            "_CERT_PATH",
        ),
        (
            {"TEMPORAL_TLS_SERVER_CA_CERT_PATH": ""},
            "its certificate is not trusted",
            "TEMPORAL_TLS_SERVER_CA_CERT_PATH",
        ),
        ({"TEMPORAL_TLS_SERVER_NAME": "another.test"}, "its certificate is not trusted", "TEMPORAL_TLS_SERVER_NAME"),
    ],
)
async def test_what_tls_fails_of_is_told_in_words(
    front: TlsFront,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, str],
    reason: str,
    remedy: str,
) -> None:
    for name, value in {**front.files(tmp_path), **changed}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RuntimeError) as failed:
        await wiring.connect_temporal(TemporalSettings())
    away = read_failure(failed.value)
    assert re.search(reason, away.reason), away
    assert remedy in str(away.remedy)
    assert away.is_refusal or "broken off" in away.reason


async def test_a_server_with_tls_is_not_called_without(front: TlsFront) -> None:
    with pytest.raises(RuntimeError) as failed:
        await wiring.connect_temporal(TemporalSettings.model_validate({"temporal_address": front.address}))
    away = read_failure(failed.value)
    assert away.reason == "the connection is broken off", away
    assert "TEMPORAL_TLS=true" in str(away.remedy)


async def test_a_server_without_tls_is_not_called_with(temporal: TemporalServer) -> None:
    with pytest.raises(RuntimeError) as failed:
        await connect(temporal.address, "default", tls=True)
    away = read_failure(failed.value)
    assert isinstance(away, Away)
    assert away.reason == "it does not speak TLS", away
    assert away.is_refusal


# What the SDK itself writes: which local activity ran when, that a patch is in force, and the step of each event.
OF_THE_SDK = {"details.data.payloads", "details.patch-data.payloads", "event_group_markers.label.label"}
LOCAL_ACTIVITY = {
    *("seq", "attempt", "activity_id", "activity_type", "activation_index"),
    *("complete_time", "backoff", "original_schedule_time"),
}


def payloads_of(message: Message, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Payload]]:
    """All payloads of a history, each with the end of its path, but for what the server itself must read.

    Those are search attributes, and the headers of traces.
    """
    if isinstance(message, SearchAttributes | Header):
        return
    if isinstance(message, Payload):
        yield ".".join(path[-3:]), message
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        parts: list[tuple[tuple[str, ...], Message]]
        if field.message_type.GetOptions().map_entry:
            parts = [((field.name, name), one) for name, one in value.items() if isinstance(one, Message)]
        else:
            parts = [((field.name,), one) for one in ([value] if isinstance(value, Message) else value)]
        for names, one in parts:
            yield from payloads_of(one, (*path, *names))


def check_encrypted(history: WorkflowHistory, key_id: bytes) -> None:
    sealed = 0
    for path, payload in (found for event in history.events for found in payloads_of(event)):
        if path in OF_THE_SDK:
            told = json.loads(payload.data)
            assert told in STEPS or told.keys() <= LOCAL_ACTIVITY | {"id", "deprecated"}, (path, told)
            continue
        assert payload.metadata["encoding"] == b"binary/encrypted", (path, payload)
        assert payload.metadata["encryption-key-id"] == key_id
        sealed += 1
    assert sealed > 5


STEPS = ("cool-off", "nudge")


async def test_a_journey_runs_encrypted_through_tls_and_replays(
    database_url: str,
    temporal: TemporalServer,
    client: Client,
    front: TlsFront,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The worker reaches Temporal by TLS alone; what lies there is read by nobody without the keys."""
    for name, value in {**front.files(tmp_path), "TEMPORAL_API_KEY": API_KEY}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SOJOURN_PAYLOAD_KEYS", f"{NEW},{OLD}")
    given = TemporalSettings()
    keys = given.payload_keys_by_id
    through = {
        name: getattr(given, name) for name in ("temporal_address", "temporal_tls", "temporal_api_key", "payload_keys")
    }
    async with open_harness(database_url, temporal, temporal_settings=through) as harness:
        harness.temporal = await connect(temporal.address, temporal.namespace, payload_keys=keys)
        harness.skipper = TimeSkipper(harness.temporal)
        await harness.run_campaign(CART)
        await harness.identify("u1", email="u1@example.com")
        await harness.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
        handle = await harness.journey("u1")
        await harness.rests(handle, "cool-off")
        await harness.skip(handle, minutes=30)
        assert await handle.result() == "completed"
        assert len(harness.inbox.messages) == 1
        raw = await client.get_workflow_handle(handle.id).fetch_history()
    check_encrypted(raw, b"2026")
    assert all(call.get("authorization") == f"Bearer {API_KEY}" for call in front.metadata)

    def replayer(payload_keys: dict[str, bytes]) -> Replayer:
        return Replayer(
            workflows=WORKFLOWS, workflow_runner=workflow_runner(), data_converter=data_converter(payload_keys)
        )

    await replayer(keys).replay_workflow(raw)
    rotated = {"2027": os.urandom(32), **keys}
    await replayer(rotated).replay_workflow(raw)
    lacking = await replayer({"2025": keys["2025"]}).replay_workflow(raw, raise_on_replay_failure=False)
    assert lacking.replay_failure is not None
