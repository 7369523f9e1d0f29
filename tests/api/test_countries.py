"""The country of a browser's address, by a database that the test writes."""

import json
from pathlib import Path

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from pydantic import ValidationError

from api.countries import Countries
from settings import Settings
from tests.api.fakes import SETTINGS
from tests.api.live import open_live


def _text(value: str) -> bytes:
    return bytes([2 << 5 | len(value)]) + value.encode()


def _number(type: int, value: int) -> bytes:
    size = (value.bit_length() + 7) // 8
    return (bytes([size, type - 7]) if type > 7 else bytes([type << 5 | size])) + value.to_bytes(size, "big")


def _map(**members: bytes) -> bytes:
    return bytes([7 << 5 | len(members)]) + b"".join(_text(name) + value for name, value in members.items())


def write_database(file: Path, first_byte: int, country: str) -> None:
    """All addresses of IPv4 with this first byte are of a country, others of none."""
    nodes = 8
    tree = b""
    for place in range(nodes):
        here = nodes + 16 if place == nodes - 1 else place + 1
        bit = first_byte >> (7 - place) & 1
        tree += b"".join((here if side == bit else nodes).to_bytes(3, "big") for side in (0, 1))
    about = _map(
        node_count=_number(6, nodes),
        record_size=_number(5, 24),
        ip_version=_number(5, 4),
        database_type=_text("Test-Country"),
        languages=bytes([0, 4]),
        binary_format_major_version=_number(5, 2),
        binary_format_minor_version=_number(5, 0),
        build_epoch=_number(9, 1_790_000_000),
        description=_map(en=_text("test")),
    )
    data = _map(country=_map(iso_code=_text(country)))
    file.write_bytes(tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + about)


def test_an_address_has_a_country_or_none(tmp_path: Path) -> None:
    write_database(tmp_path / "c.mmdb", 127, "DE")
    countries = Countries(tmp_path / "c.mmdb")
    assert [countries.find(client) for client in ("127.0.0.1", "203.0.113.9", "2001:db8::/64", "testclient", "")] == [
        "DE",
        None,
        None,
        None,
        None,
    ]
    assert Countries(None).find("127.0.0.1") is None


@pytest.mark.parametrize("text", ["", "not a database"])
def test_a_file_of_another_kind_is_refused_at_once(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.mmdb").write_text(text)
    given = SETTINGS.model_dump(include={"database_url", "link_secret", "webhook_signing_secret"})
    with pytest.raises(ValidationError, match="MaxMind"):
        Settings(**given, country_database=tmp_path / "c.mmdb")


async def test_the_events_of_browsers_have_the_country_and_not_the_address(
    database_url: str, operator: httpx.AsyncClient, live: FastAPI, tmp_path: Path
) -> None:
    write_database(tmp_path / "c.mmdb", 127, "DE")
    body = {"name": "shop", "kind": "browser", "origins": ["https://shop.example"]}
    key = (await operator.post("/v1/keys", json=body)).json()["token"]
    said = {"anonymousId": "a", "context": {"ip": "127.0.0.1", "location": {"country": "FR"}}}
    async with open_live(database_url, country_database=tmp_path / "c.mmdb") as app:
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://sojourn.test") as client:
            for call in ({"anonymousId": "a"}, said):
                assert (await client.post("/v1/page", json=call, headers={"X-Write-Key": key})).is_success
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        rows = await (await connection.execute("SELECT context FROM events ORDER BY recorded_at")).fetchall()
    assert [row[0] for row in rows] == [{"location": {"country": "DE"}}, {"location": {"country": "FR"}}]
    assert "127.0.0.1" not in json.dumps(rows)
