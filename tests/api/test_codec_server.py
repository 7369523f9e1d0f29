"""The codec server, by the contract of the Temporal UI: payloads as JSON, CORS for one origin, and who may ask."""

import base64
import os
from typing import Any

import httpx
import pytest
from google.protobuf.json_format import MessageToDict
from temporalio.api.common.v1 import Payload

from api.codec_server import MAX_BODY_BYTES, create_codec_server
from domain.deployment.secrets import read_payload_keys
from runtime.embedded.ports import free_port
from runtime.encryption import EncryptionCodec
from tests import generated
from tests.forks import Fork, fork
from tests.harness import PATIENCE, looks

UI = "https://temporal.example.com"
OLD, NEW = generated.payload_key("2025"), generated.payload_key("2026")
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'{"user_id": "u-1"}')


def server(*, keys: str = f"{NEW},{OLD}", key: str | None = None, host: str = "localhost:8081") -> httpx.AsyncClient:
    app = create_codec_server(EncryptionCodec(read_payload_keys(keys)), ui_origin=UI, key=key)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{host}")


def body_of(*payloads: Payload) -> dict[str, Any]:
    return {"payloads": [MessageToDict(payload) for payload in payloads]}


async def test_what_is_encrypted_is_shown_and_what_is_not_is_left_as_it_is() -> None:
    [sealed] = await EncryptionCodec(read_payload_keys(OLD)).encode([PLAIN])
    async with server() as http:
        answer = await http.post("/decode", json=body_of(sealed, PLAIN), headers={"X-Namespace": "default"})
        assert (answer.status_code, answer.json()) == (200, body_of(PLAIN, PLAIN))
        encoded = (await http.post("/encode", json=body_of(PLAIN))).json()
        [made] = encoded["payloads"]
        assert base64.b64decode(made["metadata"]["encoding"]) == b"binary/encrypted"
        assert base64.b64decode(made["metadata"]["encryption-key-id"]) == b"2026"
        assert b"u-1" not in base64.b64decode(made["data"])
        assert (await http.post("/decode", json=encoded)).json() == body_of(PLAIN)


async def test_browsers_are_let_in_from_the_ui_alone() -> None:
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-namespace"}
    async with server() as http:
        allowed = await http.options("/decode", headers={"Origin": UI, **asks})
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == UI
        answer = await http.post("/decode", json=body_of(PLAIN), headers={"Origin": UI})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, UI)
        for origin in ("https://evil.example", "null", f"{UI}.evil.example", "http://temporal.example.com"):
            assert (await http.options("/decode", headers={"Origin": origin, **asks})).status_code == 400
            refused = await http.post("/decode", json=body_of(PLAIN), headers={"Origin": origin})
            assert refused.status_code == 403
            assert "access-control-allow-origin" not in refused.headers


async def test_without_a_key_it_is_reached_by_a_name_of_this_machine_alone() -> None:
    """A page of a stranger may have its own name lead to this machine."""
    for host, status in (("localhost:8081", 200), ("127.0.0.1:8081", 200), ("evil.example:8081", 403)):
        async with server(host=host) as http:
            assert (await http.post("/decode", json=body_of(PLAIN))).status_code == status


@pytest.mark.parametrize(
    ("given", "status"),
    [(None, 401), ("Bearer wrong", 401), ("Basic {key}", 401), ("Bearer {key}x", 401), ("Bearer {key}", 200)],
)
async def test_with_a_key_each_call_brings_it(given: str | None, status: int) -> None:
    key = generated.secret("codec")
    headers = {} if given is None else {"Authorization": given.format(key=key)}
    async with server(key=key, host="codec.example.com") as http:
        answer = await http.post("/decode", json=body_of(PLAIN), headers=headers)
    assert answer.status_code == status
    assert key not in answer.text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff", 400),
        (b'{"payloads": 1}', 400),
        (b'{"payloads": [{"metadata": {"encoding": "YmluYXJ5L2VuY3J5cHRlZA=="}, "data": "AAAA"}]}', 400),
        (b" " * (MAX_BODY_BYTES + 1), 413),
    ],
    ids=["cut", "no text", "no payloads", "key that is not there", "too large"],
)
async def test_what_cannot_be_read_is_refused(body: bytes, status: int) -> None:
    async with server() as http:
        assert (await http.post("/decode", content=body)).status_code == status


async def test_a_payload_that_was_changed_is_refused() -> None:
    [sealed] = await EncryptionCodec(read_payload_keys(NEW)).encode([PLAIN])
    forged = Payload(metadata=sealed.metadata, data=sealed.data[:-1] + bytes([sealed.data[-1] ^ 1]))
    async with server() as http:
        answer = await http.post("/decode", json=body_of(forged))
    assert (answer.status_code, answer.text.startswith("a payload was changed")) == (400, True)


async def _run(*arguments: str, **variables: str) -> tuple[Fork, int]:
    port = free_port()
    environment = {**os.environ, **{f"SOJOURN_{name}": value for name, value in variables.items()}}
    return await fork("codec-server", "--port", str(port), *arguments, variables=environment), port


async def test_beyond_this_machine_the_command_wants_a_key() -> None:
    process, _ = await _run("--host", "0.0.0.0", PAYLOAD_KEYS=NEW)  # noqa: S104 - it refuses to
    output, _ = await process.communicate()
    assert process.returncode == 1
    assert b"0.0.0.0 is reached from other machines: set SOJOURN_CODEC_KEY" in output


async def test_the_command_serves_on_loopback() -> None:
    process, port = await _run(PAYLOAD_KEYS=NEW, TEMPORAL_UI_URL=f"{UI}/path")
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            async for is_last in looks(PATIENCE):
                try:
                    answer = await http.post("/encode", json=body_of(PLAIN), headers={"Origin": UI})
                    break
                except httpx.TransportError:
                    assert not is_last
            assert answer.status_code == 200
    finally:
        process.terminate()
        await process.communicate()
