import pytest

from domain.campaign.document_warnings import cycle_warnings, reply_warnings
from domain.channels.kinds import CHANNELS
from tests.domain.campaign.documents import HEAD, publish, steps

SEND = "  - {id: nudge, send: {channel: email, template: hello, expires: 6h}}\n"
CHANNELS_LISTED = f"Channels: {', '.join(CHANNELS)}"
WINDOW = "send_window: {from: 09:00, to: 21:00}\n"


def warnings(text: str) -> list[tuple[int, str, str]]:
    return [(one.line, one.path, one.message) for one in publish(text).warnings]


def test_a_message_that_expires_overnight() -> None:
    text = HEAD + WINDOW + "steps:\n  - {id: rest, delay: 30m}\n" + SEND
    said = "it may expire before the send window opens, which is closed for up to 12h"
    assert warnings(text) == [(7, "steps[1].send.expires", said)]


@pytest.mark.parametrize(
    ("window", "expires", "is_said"),
    [
        ("{from: 09:00, to: 21:00}", "12h", True),
        ("{from: 09:00, to: 21:00}", "12h1s", False),
        ("{from: 09:00, to: 17:00, days: [mon, tue, wed, thu, fri]}", "2d16h", True),
        ("{from: 09:00, to: 17:00, days: [mon, tue, wed, thu, fri]}", "2d17h", False),
        ("{days: [mon]}", "7d", False),
    ],
)
def test_it_depends_on_how_long_the_window_is_closed(window: str, expires: str, is_said: bool) -> None:
    text = f"{HEAD}send_window: {window}\nsteps:\n{SEND.replace('6h', expires)}"
    assert bool(warnings(text)) == is_said


@pytest.mark.parametrize(
    ("before", "is_said"),
    [
        ("{until: 20:59}", False),
        ("{until: 21:00}", True),
        ("{until: 10:00, days: [sun]}", False),
        ("{date: profile.traits.ends_at, at: 10:00, if_past: go_on}", False),
        ("{date: profile.traits.ends_at, if_past: go_on}", True),
        ("{for: 1h..2h}", True),
    ],
)
def test_not_where_the_step_before_ends_at_an_hour_of_the_window(before: str, is_said: bool) -> None:
    text = f"{HEAD}{WINDOW}steps:\n  - {{id: rest, delay: {before}}}\n{SEND}"
    assert bool(warnings(text)) == is_said


@pytest.mark.parametrize(
    ("written", "is_said"), [("", True), (", if_past: skip_next", False), (", if_past: go_on", False)]
)
def test_what_becomes_of_those_whose_date_is_past_or_missing(written: str, is_said: bool) -> None:
    found = publish(steps("  - {id: due, delay: {date: profile.traits.ends_at" + written + "}}\n" + SEND)).warnings
    said = "the step `nudge` is skipped for people whose date is past or missing"
    assert [one.message for one in found] == [said] * is_said
    assert all(one.suggestion.startswith("Write `if_past: skip_next` if you mean that") for one in found)


def test_not_without_a_window_or_for_what_passes_it() -> None:
    assert warnings(steps(SEND)) == []
    assert warnings(HEAD + WINDOW + "steps:\n" + SEND.replace("6h", "6h, category: transactional")) == []


@pytest.mark.parametrize(
    ("step", "path"),
    [
        ("{id: a, wait_for: {event: Paid, timeout: 1d}}", "wait_for.event"),
        ("{id: a, wait_for: {events: [{event: Seen}, {event: Paid}], timeout: 1d}}", "wait_for.events[1].event"),
        ("{id: a, repeat: {every: 1d, until: {event: Paid}}, do: [{id: b, delay: 1h}]}", "repeat.until.event"),
        ("{id: a, wait_for: {event: Paid, where: 'true', timeout: 1d}}", None),
        ("{id: a, wait_for: {event: Left, timeout: 1d}}", None),
    ],
)
def test_what_ends_the_journey_is_not_heard(step: str, path: str | None) -> None:
    exits = "exit:\n  - event: Paid\n  - {event: Left, where: 'false'}\n"
    found = warnings(f"{HEAD}{exits}steps:\n  - {step}\n")
    said = "`Paid` is never heard here: it is an exit, and ends the journey first"
    assert found == ([] if path is None else [(8, f"steps[0].{path}", said)])


@pytest.mark.parametrize(("exits", "is_said"), [("true", True), ("false", False)])
def test_a_goal_that_is_an_exit_is_not_heard(exits: str, is_said: bool) -> None:
    goal = f"goal: {{event: Paid, within: 1d, exit_on_goal: {exits}}}\n"
    found = warnings(f"{HEAD}{goal}steps:\n  - {{id: a, wait_for: {{event: Paid, timeout: 1d}}}}\n")
    assert bool(found) == is_said


@pytest.mark.parametrize(
    ("step", "path"),
    [
        ("{id: a, update_profile: {last: entry.properties.x, b: 1}}", "update_profile.last"),
        ("{id: a, emit_event: {event: E, properties: {p: profile.traits.x}}}", "emit_event.properties.p"),
        ("{id: a, update_profile: {x: {cel: profile.traits.x}, y: my profile.traits}}", None),
    ],
)
def test_texts_that_look_like_expressions(step: str, path: str | None) -> None:
    found = publish(steps(f"  - {step}\n")).warnings
    assert [(one.path, one.suggestion.split()[-1]) for one in found] == (
        [] if path is None else [(f"steps[0].{path}", "expression")]
    )


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("key: a\nname: A\nentry: {consent: phone}\nsteps: [{id: a, delay: 1d}]\n", "entry.consent"),
        (steps("  - {id: a, wait_for: {consent: phone, timeout: 1d}}\n"), "wait_for.consent"),
        (steps("  - {id: a, emit_event: {event: E, properties: {consent: phone}}}\n"), None),
        ('key: a\nname: A\nentry: {consent: "*"}\nsteps: [{id: a, delay: 1d}]\n', None),
        ("key: a\nname: A\nentry: {consent: email}\nsteps: [{id: a, delay: 1d}]\n", None),
    ],
)
def test_a_consent_to_a_channel_that_does_not_exist(text: str, path: str | None) -> None:
    found = publish(text).warnings
    assert [one.message for one in found] == ([] if path is None else ["there is no channel `phone`"])
    assert all(one.path.endswith(path or "") and one.suggestion == CHANNELS_LISTED for one in found)


def test_a_cycle_is_said_at_the_step_that_leads_into_it() -> None:
    ping = publish(
        "key: ping\nname: Ping\nentry: {event: Ping}\nsteps:\n"
        "  - {id: s, split: {arms: {a: 1, b: 1}}, a: [{id: told, emit_event: {event: Pong}}], b: []}\n"
    )
    pong = publish("key: pong\nname: Pong\nentry: {event: Pong}\nsteps: [{id: told, emit_event: {event: Ping}}]\n")
    (found,) = cycle_warnings(ping.source, "ping", {"ping": ping.rules, "pong": pong.rules})
    assert (found.file, found.line, found.path) == ("campaign.yaml", 5, "steps[0].a[0].emit_event")
    assert found.message == "campaigns form a cycle: ping → pong → ping by `Pong`, `Ping`"
    assert found.suggestion.startswith("It ends after 10 journeys.")
    assert cycle_warnings(ping.source, "ping", {"ping": ping.rules}) == []


def test_replies_that_no_domain_takes() -> None:
    text = HEAD + "replies: {forward_to: sales@example.com}\nsteps: [{id: rest, delay: 30m}]\n"
    asking, silent = publish(text), publish(text.replace("replies: {forward_to: sales@example.com}\n", ""))
    [found] = reply_warnings(asking.source, asking.rules, takes_replies=False)
    assert (found.path, found.message.split(":")[0]) == ("replies", "no reply arrives")
    assert "SOJOURN_REPLY_DOMAIN" in found.suggestion
    assert reply_warnings(asking.source, asking.rules, takes_replies=True) == []
    assert reply_warnings(silent.source, silent.rules, takes_replies=False) == []
