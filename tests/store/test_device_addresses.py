"""The address of a device belongs to whoever registered it last, and follows its person."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from application.catalogue import Catalogue
from application.device_registrations import DeviceRegistry
from application.ingest import Ingest
from application.merges import Merges
from application.users import Users
from domain.access import SOJOURN
from domain.errors import InvalidRequestError, NotFoundError
from domain.people.device_addresses import DeviceAddress
from domain.people.identity import PersonRef
from domain.tracking.event import Event, Trust
from store import device_addresses
from store.database import Database
from tests.store.test_activity import consume, consume_at_once

START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, pool_size=6) as opened:
        yield opened


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def phone(minutes: float, user: str, token: str, name: str = "Viewed", **more: Any) -> Event:
    id = uuid4()
    device = {"id": f"phone of {token}", "type": "android", "token": token, **more}
    return Event(
        id=id,
        source="app",
        message_id=str(id),
        type="track",
        name=name,
        user_id=user,
        anonymous_id=None,
        properties={},
        context={"device": device},
        timestamp=at(minutes),
    )


def address(minutes: float, value: str, device: str = "d1", app: str = "") -> DeviceAddress:
    return DeviceAddress(value=value, kind="token", seen_at=at(minutes), device_id=device, app=app)


async def learn(database: Database, *events: Event) -> None:
    """Have events reported, and the consumer read them."""
    await Ingest(database, Catalogue())(list(events), received_at=at(100))
    await consume(database, len(events))


async def owners(database: Database) -> dict[str, str]:
    """The user of each address, or why it is not reached any more."""
    async with database.transaction() as connection:
        cursor = await connection.execute(
            """
            SELECT value, COALESCE(removed_reason, user_id) AS owner
            FROM device_addresses JOIN profiles ON profiles.id = profile_id
            """
        )
        return {row["value"]: row["owner"] async for row in cursor}


async def profile_ids(database: Database, *users: str) -> list[UUID]:
    async with database.transaction() as connection:
        cursor = await connection.execute("SELECT user_id, id FROM profiles")
        known = {row["user_id"]: row["id"] async for row in cursor}
    return [known[user] for user in users]


async def test_an_address_is_of_whoever_reported_it_last(database: Database) -> None:
    await learn(database, phone(0, "u1", "t1"), phone(1, "u1", "t2"))
    assert await owners(database) == {"t1": "u1", "t2": "u1"}
    await learn(database, phone(2, "u2", "t1"))
    assert await owners(database) == {"t1": "u2", "t2": "u1"}
    # An event that was on its way for longer.
    await learn(database, phone(1.5, "u1", "t1"))
    assert (await owners(database))["t1"] == "u2"
    # Within the minutes in which nothing else about a device is written.
    await learn(database, phone(3, "u1", "t1"))
    assert (await owners(database))["t1"] == "u1"


async def test_another_word_about_the_same_device_is_written_after_minutes_only(database: Database) -> None:
    await learn(database, phone(0, "u1", "t1"))
    for minutes, seen in ((4, 0), (6, 6)):
        await learn(database, phone(minutes, "u1", "t1"))
        async with database.transaction() as connection:
            known = await (await device_addresses.find(connection, ["t1"])).get()
        assert known["t1"].address.seen_at == at(seen)


async def test_a_new_token_of_a_device_replaces_the_old_one(database: Database) -> None:
    await learn(database, phone(0, "u1", "t1", id="d1"), phone(1, "u1", "t2", id="d1"), phone(2, "u1", "t3", id="d2"))
    assert await owners(database) == {"t1": "replaced", "t2": "u1", "t3": "u1"}
    # History does not bring the old one back.
    await learn(database, phone(0.5, "u1", "t1", id="d1"), phone(0.2, "u1", "t0", id="d1"))
    assert await owners(database) == {"t0": "replaced", "t1": "replaced", "t2": "u1", "t3": "u1"}


async def test_a_removed_app_is_reached_again_once_it_is_back(database: Database) -> None:
    await learn(database, phone(0, "u1", "t1"))
    await learn(database, phone(1, "u1", "t1", "Application Uninstalled"))
    assert await owners(database) == {"t1": "Application Uninstalled"}
    await learn(database, phone(0.5, "u1", "t1"))
    assert await owners(database) == {"t1": "Application Uninstalled"}
    await learn(database, phone(2, "u1", "t1"))
    assert await owners(database) == {"t1": "u1"}


async def test_an_unverified_event_registers_nothing(database: Database) -> None:
    claimed = phone(0, "u1", "t1")
    await learn(database, phone(0, "u2", "t1"), Event(**{**_fields(claimed), "trust": Trust.UNVERIFIED}))
    assert await owners(database) == {"t1": "u2"}


def _fields(event: Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__struct_fields__}


async def test_a_server_registers_and_removes_devices(database: Database) -> None:
    await learn(database, phone(0, "u1", "other"), phone(0, "u2", "another"))
    devices = DeviceRegistry(database)
    await devices.register(PersonRef("u1", "user"), address(10, "t1"))
    await devices.register(PersonRef("u1", "user"), address(11, "t2", app="second"))
    await devices.register(PersonRef("u2", "user"), address(12, "t1"))
    assert await owners(database) == {"other": "u1", "another": "u2", "t1": "u2", "t2": "u1"}
    with pytest.raises(NotFoundError, match="has no device d9 that could be reached"):
        await devices.remove(PersonRef("u1", "user"), "d9")
    await devices.remove(PersonRef("u1", "user"), "d1")
    assert (await owners(database))["t2"] == "logged_out"
    assert (await owners(database))["t1"] == "u2"
    with pytest.raises(NotFoundError):
        await devices.register(PersonRef("nobody", "user"), address(1, "t3"))
    with pytest.raises(InvalidRequestError, match="without blanks"):
        await devices.register(PersonRef("u1", "user"), address(1, "t 3"))


async def test_addresses_follow_a_merge_and_its_undo(database: Database) -> None:
    await learn(database, phone(0, "u1", "t1"), phone(0, "u2", "t2"))
    await DeviceRegistry(database).register(PersonRef("u2", "user"), address(0, "by-server"))
    merges = Merges(database, Catalogue())
    await merges.merge("u1", "u2", by=SOJOURN)
    assert await owners(database) == {"t1": "u1", "t2": "u1", "by-server": "u1"}
    # A device of the merged user that comes while both are one person.
    await learn(database, phone(5, "u2", "t3"))
    assert (await owners(database))["t3"] == "u1"
    await merges.undo("u1", "u2", by=SOJOURN)
    assert await owners(database) == {"t1": "u1", "t2": "u2", "by-server": "u2", "t3": "u2"}


async def test_two_people_who_register_the_same_devices_at_once_do_not_wait_for_each_other_for_ever(
    database: Database,
) -> None:
    await learn(database, phone(0, "u1", "t1"), phone(0, "u2", "t2"))
    one, other = await profile_ids(database, "u1", "u2")
    tokens = [f"s{number}" for number in range(8)]

    async def register(id: UUID, values: list[str], minutes: float) -> None:
        async with database.transaction() as connection:
            await device_addresses.register(
                connection, [(id, address(minutes, value, f"d of {value}")) for value in values]
            )

    await asyncio.gather(
        *(register(one, tokens, minutes) for minutes in range(10)),
        *(register(other, tokens[::-1], minutes + 0.5) for minutes in range(10)),
    )
    assert {owner for token, owner in (await owners(database)).items() if token in tokens} == {"u2"}


async def test_a_refused_address_is_removed_unless_it_was_registered_since(database: Database) -> None:
    await learn(database, phone(0, "u1", "t1"), phone(0, "u1", "t2"))
    refused = [address(0, "t1"), address(0, "t2")]
    await learn(database, phone(10, "u2", "t2"))
    async with database.transaction() as connection:
        await device_addresses.remove(connection, [(one, "unregistered") for one in refused])
    assert await owners(database) == {"t1": "unregistered", "t2": "u2"}


async def test_a_person_is_shown_with_their_devices(database: Database) -> None:
    await learn(database, phone(0, "u1", "t1"), phone(1, "u1", "t2"), phone(2, "u1", "t1", "Device Deleted"))
    shown = await Users(database, Catalogue(), "{workflow_id}").get(PersonRef("u1", "user"), by=SOJOURN)
    found = [(one.value, one.kind, one.is_reached, one.removed_reason) for one in shown.push_addresses]
    assert found == [("t2", "token", True, None), ("t1", "token", False, "Device Deleted")]


async def test_a_page_of_events_without_news_of_devices_takes_one_more_statement(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await learn(database, phone(0, "u1", "t1"), phone(0, "u2", "t2"))
    ingest = Ingest(database, Catalogue())
    await ingest([phone(1, "u1", "t1"), phone(1, "u2", "t2")], received_at=at(100))
    sent = await consume_at_once(database, 2, monkeypatch)
    assert len([one for one in sent if "device_addresses" in one]) == 1


async def test_old_addresses_are_forgotten_and_registered_anew(database: Database) -> None:
    days = 24 * 60.0
    seen = {"new": -80 * days, "old": -100 * days, "just removed": -100 * days, "long removed": -110 * days}
    await learn(database, *(phone(minutes, "u1", value.replace(" ", "-")) for value, minutes in seen.items()))
    await learn(
        database,
        phone(-10, "u1", "just-removed", "Device Deleted"),
        phone(-105 * days, "u1", "long-removed", "Device Deleted"),
    )
    for _ in range(3):
        async with database.transaction() as connection:
            if not await device_addresses.forget_old(connection, 1):
                break
    assert await owners(database) == {"new": "u1", "just-removed": "Device Deleted"}
    await learn(database, phone(0, "u1", "old"))
    assert (await owners(database))["old"] == "u1"
