"""docs/channels.md is true: its campaign runs by its templates, its calls are answered, its tables are the code's."""

import asyncio
import json
import re
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from channels.calendars.cal import read_reports
from domain.campaign.publication import check
from domain.channels.approved_template import MAX_VALUE_CHARACTERS, TEMPLATE_KEYS
from domain.channels.kinds import CHANNELS
from domain.channels.sms import DEFAULT_SEGMENTS, MAX_SEGMENTS
from domain.channels.sms_segments import count_segments
from domain.channels.whatsapp import MAX_CHARACTERS, WINDOW
from domain.conditions.expressions import ExpressionScope, check_names, compile_condition
from domain.deployed_names import DeployedNames
from domain.local_time.legal_hours import LegalHours, next_allowed
from domain.people.consent import ConsentFacts, find_refusal
from domain.people.topics.deployed import DeployedTopics, RegimeRule
from domain.sending.bookings import EVENTS, OF_MESSAGE, Booker, build_event
from domain.sending.incoming_texts import find_word
from domain.sending.providers_document import parse_providers
from tests.channels.servers import listening
from tests.docs.curl import curl_lines, read_curl
from tests.docs.tables import rows
from tests.domain.templates.sources import only, variables
from tests.harness import ADMIN_KEY, PATIENCE, WRITE_KEY, Harness

PAGE = (Path(__file__).parents[2] / "docs" / "channels.md").read_text()
BLOCKS = {
    f"{language} {name}".strip(): text
    for language, name, text in re.findall(r"^```(\w+) ?(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
}


def test_every_block_is_run() -> None:
    assert set(BLOCKS) == {
        *(
            "yaml campaign",
            "liquid email",
            "liquid sms",
            "liquid webhook",
            "yaml providers",
            "sh",
            "yaml reaction",
            "cel",
        ),
        *("liquid postcard", "liquid letter", "yaml post"),
        *("liquid slack", "yaml slack", "liquid chat", "yaml chat"),
        *("liquid call", "yaml call", "liquid push"),
        *("liquid booking", "json cal", "json booked", "yaml booking"),
        *("liquid whatsapp", "liquid answer", "yaml whatsapp"),
    }
    assert PAGE.count("```") == 2 * len(BLOCKS)


async def test_the_campaign_reaches_the_person_and_the_system(harness: Harness) -> None:
    called: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        called.append(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()

    async with listening(answer) as port:
        hook = BLOCKS["liquid webhook"].replace("https://crm.example.com", f"http://127.0.0.1:{port}")
        templates = {"cart-note.liquid": BLOCKS["liquid email"], "crm-note.liquid": hook}
        await harness.run_campaign(BLOCKS["yaml campaign"], templates)
        await harness.identify("u1", email="Ada@Example.com", first_name="Ada")
        await harness.track("u1", "Cart Abandoned", {"cart_id": "c-1"})
        [mail] = await harness.inbox.wait_for(1, timeout=PATIENCE)
        await harness.messages.until(channel="webhook", state="sent")
    assert mail.recipients == ("Ada@example.com",)
    assert b'"cart":"c-1"' in called[0].replace(b" ", b"")
    [row] = await harness.messages.all(channel="email")
    assert row["address"] == "ada@example.com"


async def test_the_calls_are_answered(harness: Harness) -> None:
    known = {"URL": "http://sojourn.example.com", "WRITE_KEY": WRITE_KEY, "KEY": ADMIN_KEY}
    for line in curl_lines(PAGE):
        call = read_curl(line, known)
        answer = await harness.http.send(call.request)
        assert answer.status_code == call.status, (line, answer.text)
        if "address=" in line:
            assert [user["user_id"] for user in answer.json()["users"]] == ["u-1"]


def test_the_documents_are_valid() -> None:
    assert [rule.name for rule in parse_providers(BLOCKS["yaml providers"], "providers.yaml")] == [
        "shown-mails",
        "shown-texts",
        "shown-pushes",
        "shown-calls",
    ]
    assert check(BLOCKS["yaml reaction"], "campaign.yaml", {}).definition.key == "after-a-click"
    for text in BLOCKS["cel"].splitlines():
        compile_condition(text, ExpressionScope.BRANCH_WHEN)
        check_names(text, ExpressionScope.BRANCH_WHEN, DeployedNames({}, [], topics=["newsletter"]))


def test_the_pieces_of_direct_mail_are_valid() -> None:
    templates = {"we-miss-you.liquid": BLOCKS["liquid postcard"]}
    assert check(BLOCKS["yaml post"], "campaign.yaml", templates).definition.key == "come-back"
    card = only(BLOCKS["liquid postcard"]).render(variables({"first_name": "Ada"}), None)
    assert (card["format"], "We miss you, Ada" in card["front"]) == ("postcard", True)
    letter = only(BLOCKS["liquid letter"]).render(variables({"first_name": "Ada"}, renews_at="2026-12-24"), None)
    assert (letter["ink"], "24 December" in letter["file"]) == ("black", True)


def test_a_text_for_slack_is_valid() -> None:
    templates = {"owner-note.liquid": BLOCKS["liquid slack"]}
    assert check(BLOCKS["yaml slack"], "campaign.yaml", templates).definition.key == "owner-note"
    content = only(BLOCKS["liquid slack"]).render(variables({"name": "Ada"}), None)
    assert (content["to"], content["text"].startswith("*Ada* of acme")) == ("#sales", True)


def test_a_chat_is_valid() -> None:
    templates = {"pricing-help.liquid": BLOCKS["liquid chat"]}
    assert check(BLOCKS["yaml chat"], "campaign.yaml", templates).definition.key == "pricing-help"
    content = only(BLOCKS["liquid chat"]).render(variables(), None)
    assert content == {"text": "Hi there, can I help you to compare the plans?"}


def test_a_call_is_valid() -> None:
    templates = {"demo-call.liquid": BLOCKS["liquid call"]}
    assert check(BLOCKS["yaml call"], "campaign.yaml", templates).definition.key == "demo-call"
    content = only(BLOCKS["liquid call"]).render(variables({"name": "Ada"}, plan="Plus"), None)
    assert (content["subject"], content["owner"], content["due_seconds"]) == ("Call Ada about the demo", None, 7_200)


def test_a_booking_is_valid_and_its_callback_becomes_the_event() -> None:
    assert check(BLOCKS["yaml booking"], "campaign.yaml", {"demo-reminder.liquid": BLOCKS["liquid email"]})
    content = only(BLOCKS["liquid booking"]).render(variables({"email": "ada@example.com"}), None)
    assert "demo?email=ada%40example.com&metadata%5Bsojourn_message%5D=abc" in content["text"]
    [report] = read_reports(json.loads(BLOCKS["json cal"]), datetime.now(UTC))
    booked = json.loads(BLOCKS["json booked"])
    message = {name: booked["properties"][name] for name in OF_MESSAGE}
    event = build_event("demos", report, Booker("u-1", None, message))
    assert {"event": event.name, "properties": event.properties} == booked
    told = {
        trigger: re.findall(r"`(Call \w+)`", event)
        for triggers, event in rows(PAGE, "### Bookings")
        for trigger in re.findall(r"`(\w+)`", triggers)
    }
    for trigger, names in told.items():
        payload = {"uid": "b-2", "rescheduleUid": "b-1", "attendees": [{"noShow": True}]}
        reports = read_reports({"triggerEvent": trigger, "payload": payload}, datetime.now(UTC))
        assert [EVENTS[one.kind] for one in reports] == names
    assert {name for names in told.values() for name in names} == set(EVENTS.values())


def test_a_template_and_a_free_text_for_whatsapp_are_valid() -> None:
    templates = {"answer.liquid": BLOCKS["liquid answer"]}
    assert check(BLOCKS["yaml whatsapp"], "campaign.yaml", templates).definition.key == "whatsapp-help"
    free = only(BLOCKS["liquid answer"]).render(variables({"first_name": "Ada"}), None)
    assert free["text"].startswith("Thank you, Ada")
    template = only(BLOCKS["liquid whatsapp"]).render(variables({"first_name": "Ada"}, cart_id="c-1"), None)["template"]
    assert (template["variables"], template["buttons"][0]["url"]) == ({"1": "Ada"}, "c-1")
    keys = {key for row in rows(PAGE, "## WhatsApp") for key in re.findall(r"`(\w+)`", row[0])}
    assert keys == {*TEMPLATE_KEYS, "content_sid"}
    assert keys >= template.keys()
    hours = WINDOW // timedelta(hours=1)
    assert f"within {hours} hours" in PAGE
    assert f"{MAX_CHARACTERS:,} characters" in PAGE
    assert f"{MAX_VALUE_CHARACTERS:,} characters" in PAGE


def test_the_table_of_channels_is_the_codes() -> None:
    names, *table = table_after("# Channels")
    kinds = [CHANNELS[name.strip("`")] for name in names[1:]]
    assert {kind.name for kind in kinds} == set(CHANNELS)
    assert only(BLOCKS["liquid push"]).render(variables(cart_id="c-1"), None)["body"] == "Cart c-1 is still there."
    cells = {row[0]: row[1:] for row in table}
    for kind, needs in zip(kinds, cells["a template needs"], strict=True):
        assert set(kind.required) <= set(re.findall(r"`(\w+)`", needs))
    for kind, saves, reports in zip(kinds, *(cells[name] for name in list(cells)[-2:]), strict=True):
        assert kind.can_save == (saves == "yes")
        assert bool(kind.report_events) == (reports == "yes")
    traits = {"email": "Ada@Example.COM ", "phone": "+49 151 12345678"}
    assert CHANNELS["email"].normalized_address(traits) == "ada@example.com"
    assert CHANNELS["sms"].normalized_address(traits) == "+4915112345678"
    hours = cells["it keeps [legal hours](#legal-hours)"]
    assert [kind.legal_hours(traits) is not None for kind in kinds] == [each == "yes" for each in hours]
    anywhere = DeployedTopics([RegimeRule("opt_in")])
    silent = ConsentFacts({}, {})
    for kind, address, allows, regime in zip(
        kinds,
        cells["the address"],
        cells["silence, without [topics](consent.md#topics)"],
        cells["regimes of a country concern it"],
        strict=True,
    ):
        assert kind.address_traits == set(re.findall(r"the trait `(\w+)`", address))
        assert (find_refusal(kind.name, None, silent) is None) == (allows == "allows")
        assert (find_refusal(kind.name, None, silent, anywhere) is not None) == (regime == "yes")


def test_the_table_of_reports_is_the_codes() -> None:
    names, *table = table_after("## Reports")
    listed = {
        re.findall(r"`(\w+)`", name)[0]: {
            row[0].strip("`"): set(re.findall(r"`([^`]+)`", row[number])) for row in table if row[number]
        }
        for number, name in enumerate(names)
        if number
    }
    events: dict[str, dict[str, set[str]]] = {}
    for kind in CHANNELS.values():
        for reported, name in kind.list_events():
            events.setdefault(kind.name, {}).setdefault(reported, set()).add(name)
    assert listed == events


def test_a_text_message_is_rendered_within_its_segments() -> None:
    template = only(BLOCKS["liquid sms"])
    assert template.warnings == ()
    content = template.render(variables({"first_name": "Ada"}, cart_id="c-1"), None)
    assert content["text"] == "Example Shop: Ada, cart c-1 is saved. Reply STOP to end texts."
    assert f"left out, it is {DEFAULT_SEGMENTS}, and\n{MAX_SEGMENTS} is the most" in PAGE
    twice = re.findall("`(.)`", PAGE[PAGE.index("GSM alphabet has") : PAGE.index("count twice")])
    assert all(count_segments(each * 81).number == 2 for each in twice)
    assert len(twice) == 9


def test_the_words_are_those_of_the_code() -> None:
    for word, *by_language, _ in rows(PAGE, "### Replies and words"):
        listed = [each for cell in by_language for each in cell.split(", ") if each != "–"]
        assert listed
        assert {find_word(each) for each in listed} == {word.strip("`")}


def test_the_legal_hours_are_those_of_the_code() -> None:
    numbers = {"US": "+12125550123", "IN": "+919812345678", "FR": "+33612345678", "any other": "+4915112345678"}
    for region, hours, days in rows(PAGE, "### Legal hours"):
        law = CHANNELS["sms"].legal_hours({"phone": numbers[region.strip("`")]})
        assert law is not None
        zone = ZoneInfo(law.zones[0])
        begins, ends = (time.fromisoformat(clock) for clock in hours.split("–"))
        sunday = datetime(2026, 11, 29, 12, tzinfo=zone)
        monday = sunday + timedelta(days=1)

        def is_open(at: datetime, law: LegalHours = law, zone: ZoneInfo = zone) -> bool:
            return next_allowed(law, None, zone, at) == at

        assert is_open(monday.replace(hour=begins.hour))
        assert not is_open(monday.replace(hour=begins.hour) - timedelta(minutes=1))
        assert is_open(monday.replace(hour=ends.hour) - timedelta(minutes=1))
        assert not is_open(monday.replace(hour=ends.hour))
        assert is_open(sunday) == (days == "every day")


def table_after(heading: str) -> list[list[str]]:
    """The first table below a heading: its head, and its rows."""
    [table] = re.findall(r"\A.*?^(\|.*?\n)$", PAGE[PAGE.index(heading) :], re.MULTILINE | re.DOTALL)
    cells = [[cell.strip() for cell in line[1:-1].split("|")] for line in table.splitlines()]
    return [cells[0], *cells[2:]]
