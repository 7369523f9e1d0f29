"""Where no trait says it, the zone and the language of a person are those of their device."""

from typing import Any

from tests.engine.test_windows import HOUR, NUDGE, REYKJAVIK, TOKYO, decisions, hours
from tests.harness import MAIL, Harness, ago

HELLO = """
key: hello
name: Hello
entry: {event: Signed Up}
steps:
  - {id: hello, send: {channel: email, template: note}}
"""
NUMBER = MAIL.replace("<p>Cart", "<p>{{ 1234.5 | number }} Cart")


async def test_the_zone_and_the_language_of_the_device_serve_where_no_trait_does(harness: Harness) -> None:
    # Closed in all of the zones.
    window, *_ = hours("UTC", 16 * HOUR, 17 * HOUR)
    await harness.run_campaign(NUDGE.replace("WINDOW", window))
    await harness.run_campaign(HELLO, {"note.liquid": NUMBER})
    device = {"timezone": "asia/tokyo", "locale": "de-"}
    unknown = {"timezone": "undefined", "locale": "undefined"}
    # The traits of each, the context of their identify, and that of the event that lets them in.
    people: dict[str, tuple[dict[str, Any], dict[str, str], dict[str, str]]] = {
        "identified": ({}, device, {}),
        "entered": ({}, {}, device),
        "trait": ({"timezone": REYKJAVIK, "locale": "en"}, device, device),
        "silent": ({}, unknown, unknown),
        # Said before, and received later.
        "moved": ({}, device, {"timezone": REYKJAVIK, "locale": "en"}),
    }
    for user, (traits, of_identify, of_entry) in people.items():
        traits = {"email": f"{user}@example.com"} | traits
        await harness.post("identify", {"userId": user, "traits": traits, "context": of_identify})
        earlier = {"timestamp": ago(hours=3)} if user == "moved" else {}
        for event in ("Cart Abandoned", "Signed Up"):
            await harness.post("track", {"userId": user, "event": event, "context": of_entry, **earlier})
    await harness.decisions.until(5, kind="send", outcome="deferred")
    zones = {}
    for user in people:
        [zones[user]] = {data["timezone"] for _, _, data in await decisions(harness, user) if "timezone" in data}
    assert zones == {
        "identified": TOKYO,
        "entered": TOKYO,
        "trait": REYKJAVIK,
        "silent": "UTC",
        "moved": TOKYO,
    }
    for user, zone in zones.items():
        [now] = (await harness.admin("GET", f"/v1/users/{user}/timeline"))["now"]
        assert now["timezone"] == zone, user
    await harness.messages.until(5, state="sent")
    numbers = {mail.recipients[0].partition("@")[0]: "1.234,5" in str(mail.html) for mail in harness.inbox.messages}
    assert numbers == {"identified": True, "entered": True, "trait": False, "silent": False, "moved": True}
    kept = await harness.query("SELECT user_id, context FROM profiles ORDER BY user_id")
    known = {"timezone": TOKYO, "locale": "de"}
    assert {row["user_id"]: row["context"] for row in kept} == {
        "identified": known,
        "entered": known,
        "trait": known,
        "silent": {},
        "moved": known,
    }
