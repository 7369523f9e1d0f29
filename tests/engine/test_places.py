"""Places and areas: where people are, when they arrive, and what conditions ask of it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from application.segments import SegmentText, apply_segments
from domain.access import SOJOURN
from domain.people.segment_document import parse_segment
from store import campaigns
from store.database import Database
from tests.harness import Harness

PLACES = """
places:
  - {key: harbour-shop, name: Harbour shop, point: [53.5438, 9.9666], radius: 150, tags: [shop]}
  - {key: old-town-shop, point: [53.5503, 9.9920], radius: 150, tags: [shop]}
areas:
  - key: storm-12
    polygon: {type: Polygon, coordinates: [[[9, 53], [11, 53], [11, 54], [9, 54], [9, 53]]]}
"""
# As far as Berlin.
EASTWARD = "[[[9, 52], [15, 52], [15, 54], [9, 54], [9, 52]]]"
AT_SHOP, NEAR_SHOP, AWAY, BERLIN = (53.5438, 9.9666), (53.54525, 9.9666), (53.60, 9.9666), (52.52, 13.405)
WELCOME = """
key: welcome
name: Welcome
entry: {arrives: {place: PLACE}, reentry: always}
steps:
  - {id: hello, send: {channel: email, template: note}}
"""
NOTE = """---
channel: email
from: Example Shop <hello@example.com>
subject: At {{ entry.properties.name }}
text: "{{ entry.properties.distance }} m away"
---
<p>{{ entry.properties.distance }} m away</p>
"""


async def put_places(harness: Harness, source: str = PLACES) -> None:
    await harness.admin("PUT", "/v1/places", {"source": source, "file": "places.yaml"})


async def locate(harness: Harness, user: str, at: tuple[float, float], **more: Any) -> str:
    latitude, longitude = at
    properties = {"latitude": latitude, "longitude": longitude}
    return await harness.track(user, "Location Updated", properties, **more)


async def location(harness: Harness) -> dict[str, Any]:
    [row] = await harness.query("SELECT context -> 'location' AS location FROM profiles WHERE user_id = 'u1'")
    found: dict[str, Any] = row["location"]
    return found


async def arrivals(harness: Harness) -> list[tuple[str, dict[str, Any]]]:
    rows = await harness.query("SELECT name, properties FROM events WHERE type = 'arrives' ORDER BY recorded_at, name")
    return [(row["name"], row["properties"]) for row in rows]


@pytest.mark.parametrize("place", ["harbour-shop", "shop"])
async def test_an_arrival_enters_once_and_the_message_knows_the_place(harness: Harness, place: str) -> None:
    await put_places(harness)
    await harness.run_campaign(WELCOME.replace("PLACE", place), {"note.liquid": NOTE})
    await harness.identify("u1", email="u1@example.com")
    await locate(harness, "u1", AWAY)
    await locate(harness, "u1", AT_SHOP)
    # Near the border, inside again, and on from there: no other arrival.
    for at in (NEAR_SHOP, AT_SHOP, AWAY, AT_SHOP):
        await locate(harness, "u1", at)
    [(name, properties)] = await arrivals(harness)
    assert name == place
    assert properties == {"place": "harbour-shop", "name": "Harbour shop", "tags": ["shop"], "distance": 0}
    [told] = [item["summary"] for item in await harness.timeline("u1") if item["summary"].startswith("arrives")]
    assert told == ("arrives shop (harbour-shop)" if place == "shop" else "arrives harbour-shop")
    await harness.until("SELECT FROM journeys WHERE state = 'completed'")
    [mail] = harness.inbox.messages
    assert mail.subject == "At Harbour shop"


async def test_each_place_has_arrivals_of_its_own_and_again_after_a_time(harness: Harness) -> None:
    await put_places(harness, f"again_after: 1h\n{PLACES}")
    await harness.run_campaign(WELCOME.replace("PLACE", "shop"))
    start = datetime.now(UTC) - timedelta(hours=6)
    route = [(AT_SHOP, 0), ((53.5503, 9.9920), 20), (AT_SHOP, 40), (AWAY, 50), (AT_SHOP, 90)]
    for at, minutes in route:
        await locate(harness, "u1", at, timestamp=(start + timedelta(minutes=minutes)).isoformat())
    assert [properties["place"] for _, properties in await arrivals(harness)] == [
        "harbour-shop",
        "old-town-shop",
        "harbour-shop",
    ]


async def test_a_location_is_kept_once_with_its_time_and_without_history(harness: Harness) -> None:
    await put_places(harness)
    await harness.post(
        "track",
        {"userId": "u1", "event": "App Used", "context": {"location": {"latitude": 53.6, "longitude": 9.9666}}},
    )
    assert await location(harness) == {"latitude": 53.6, "longitude": 9.9666}
    await harness.identify("u1", latitude=53.5438, longitude=9.9666)
    assert (await location(harness))["latitude"] == 53.5438
    shown = (await harness.admin("GET", "/v1/users/u1"))["device"]["location"]["value"]
    assert shown == {"latitude": 53.5438, "longitude": 9.9666, "places": ["harbour-shop"]}
    await harness.identify("u1", address={"latitude": 1, "longitude": 2})
    # Nobody is at the zero of a client that knows nothing, and an older location does not overwrite a newer one.
    await locate(harness, "u1", (0, 0))
    await locate(harness, "u1", BERLIN, timestamp="2020-01-01T00:00:00Z")
    found = await location(harness)
    assert (found["latitude"], found["longitude"]) == (1, 2)
    assert await harness.query("SELECT changes FROM profile_changes WHERE part = 'context'") == []


async def test_who_stands_still_costs_no_write(harness: Harness) -> None:
    await put_places(harness)
    await locate(harness, "u1", AWAY)
    [before] = await harness.query("SELECT xmin::text, said FROM profiles WHERE user_id = 'u1'")
    await locate(harness, "u1", (AWAY[0] + 0.0001, AWAY[1]))
    assert await harness.query("SELECT xmin::text, said FROM profiles WHERE user_id = 'u1'") == [before]
    await locate(harness, "u1", (AWAY[0] + 0.001, AWAY[1]))
    assert (await location(harness))["latitude"] == AWAY[0] + 0.001


STORM = """
key: storm
name: Storm
entry: {joins: in-storm}
exit: [{leaves: in-storm}]
steps:
  - id: where
    branch:
      - {when: 'in_area(profile, "storm-12")', do: [{id: warn, send: {channel: email, template: note}}]}
  - {id: rest, delay: 3d}
"""
SEGMENT = 'key: in-storm\nname: In the storm\nwhere: in_area(profile, "storm-12")\non_change: trigger\n'


async def put_segment(harness: Harness) -> None:
    checked = parse_segment(SEGMENT, "in-storm.yaml")
    url = harness.settings.database_url.get_secret_value()
    async with Database(url, pool_size=1) as database, database.transaction() as connection:
        await campaigns.lock_registry_exclusive(connection)
        text = SegmentText(checked.key, checked.name, SEGMENT, checked.rule)
        await apply_segments(connection, [text], SOJOURN)


async def test_an_area_is_an_input_of_segments(harness: Harness) -> None:
    """Who enters it joins, who leaves it leaves, and another shape judges everyone anew."""
    await put_places(harness)
    await put_segment(harness)
    await harness.run_campaign(STORM)
    for user in ("u1", "u2"):
        await harness.identify(user, email=f"{user}@example.com")
    await locate(harness, "u2", BERLIN)
    await locate(harness, "u1", AT_SHOP)
    await harness.journeys.until(user_id="u1", step="rest")
    assert [mail.recipients for mail in harness.inbox.messages] == [("u1@example.com",)]
    await locate(harness, "u1", BERLIN)
    assert (await harness.ended("u1"))["ended_by"] is not None
    await put_places(harness, PLACES.replace("[[[9, 53], [11, 53], [11, 54], [9, 54], [9, 53]]]", EASTWARD))
    await harness.journeys.until(user_id="u2")


async def test_one_campaign_reaches_who_is_inside_and_who_enters_while_it_runs(harness: Harness) -> None:
    """Once each, also those who enter while the audience does."""
    await put_places(harness)
    await put_segment(harness)
    inside, coming = ([f"{name}{number}" for number in range(6)] for name in ("in", "come"))
    for users, at in ((inside, AT_SHOP), (coming, BERLIN)):
        for user in users:
            await harness.identify(user, email=f"{user}@example.com")
            await locate(harness, user, at)
    source = STORM.replace(
        "{joins: in-storm}",
        "{joins: in-storm, audience: {where: '\"in-storm\" in profile.segments', rate: 20}, reentry: never}",
    )
    await asyncio.gather(harness.run_campaign(source), *(locate(harness, user, AT_SHOP) for user in coming[:3]))
    for user in coming[3:]:
        await locate(harness, user, AT_SHOP)
    await harness.until("SELECT FROM journeys WHERE step = 'rest' HAVING count(*) = 12")
    await harness.until("SELECT FROM operations WHERE kind = 'enrol' AND state = 'done'")
    warned = sorted(mail.recipients for mail in harness.inbox.messages)
    assert warned == sorted((f"{user}@example.com",) for user in (*inside, *coming))


@pytest.mark.parametrize(
    ("entry", "message", "remedy"),
    [
        ("{audience: {where: 'in_area(profile, \"storm-13\")'}}", "there is no area `storm-13`", "`storm-12`"),
        ("{arrives: {place: harbor-shop}}", "there is no place `harbor-shop`", "`harbour-shop`"),
        ("{arrives: {shop: harbour-shop}}", "names no place", "{place: harbour-shop}"),
    ],
)
async def test_what_is_not_there_is_refused_at_publish(harness: Harness, entry: str, message: str, remedy: str) -> None:
    await put_places(harness)
    source = WELCOME.replace("{arrives: {place: PLACE}, reentry: always}", entry)
    answer = await harness.act("POST", "/v1/campaigns", {"source": source, "file": "welcome.yaml", "templates": {}})
    assert answer.status_code == 422
    problems = answer.json()["problems"]
    assert any(message in one["message"] and remedy in one["suggestion"] for one in problems), problems


async def test_what_a_campaign_names_cannot_be_removed(harness: Harness) -> None:
    await put_places(harness)
    await harness.run_campaign(WELCOME.replace("PLACE", "shop"))
    answer = await harness.act(
        "PUT", "/v1/places", {"source": PLACES.replace("shop]", "store]"), "file": "places.yaml"}
    )
    assert answer.status_code == 409
    assert "`shop` is read by" in answer.json()["detail"]
