"""The demo proves the main job on its own; here it runs, and its check is shown to message what is wrong."""

import re
import subprocess
import sys
from datetime import UTC, datetime, time, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

import pytest

from cli.demo.cast import DESK, FORWARDED, Expected, Performance, Scenario
from cli.demo.check import failures
from cli.demo.person import DemoPerson, World
from cli.demo.receiver import ReceivedCall
from cli.demo.scenarios import SCENARIOS
from cli.demo.story import Arrival, StoryVerdict, active_journeys, verdicts
from runtime.embedded.mail import ReceivedMail

HALF_AN_HOUR = timedelta(minutes=30)
ENTERED_AT = datetime(2026, 11, 1, 10, tzinfo=UTC)


def verdict(place: str, outcome: str, reason: str | None, after: timedelta, arrival: Arrival | None) -> StoryVerdict:
    return StoryVerdict(place, outcome, reason, ENTERED_AT + after, after, "told", arrival)


SENT = verdict("cart/nudge", "sent", None, HALF_AN_HOUR, Arrival("mail", "Hello"))
CALLED = verdict("cart/crm", "sent", None, HALF_AN_HOUR, Arrival("webhook", "ring"))
URL = "http://localhost:8233/namespaces/default/workflows/cart%2Fada%2F1"


@pytest.mark.takes_long
def test_the_demo_comes_out_as_expected(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "cli.main", "demo", "--once"],
        cwd=Path(__file__).parents[2],
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path), "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stderr == ""
    # A busy machine takes a minute or more of the journeys' time.
    for line in (
        r"    \+3\dm  mail “Ada, your cart is waiting”",
        r" \+20h3\dm  mail “We saved your cart”",
        r"    \+3\dm  nudge taken back before the mail had gone",
        r"    \+3\dm  nudge waits for 09:00 in ",
        r"    \+3\dm  no nudge: capped, 2 of 2 in 1d \(daily\), frees at \+(1d(\dm)?|23h5\dm)",
        r"    \+13d  webhook “trial_ending”",
        r"    \+\d+h\d+m  mail “Eva, your cart is waiting”, opened, clicked",
        r"    \+3\dm  mail “Ugo, your cart is waiting”, bounced hard",
        r" \+20h3\dm  no reminder: suppressed",
        r"    \+3\dm  mail “Vera, your cart is waiting”, complained",
        r"    \+3\dm  mail “Will, your cart is waiting”, replied",
        r"    \+3\dm  ended by Email Replied",
        r"    \+3\dm  mail “Xena, your cart is waiting”, read by a machine",
        r"Life cycle: \d+ moves, \d+ % as designed; \d+ % go acquisition > retention, drawn nowhere\.",
        r"Everything is as expected\.",
    ):
        assert re.search(line, run.stdout), line
    assert not list(tmp_path.glob("sojourn-*"))


def test_every_user_is_cast_once() -> None:
    users = [scenario.user for scenario in SCENARIOS]
    assert len(users) == len(set(users)) == 24


def performance(
    found: list[StoryVerdict],
    error: str | None = None,
    mails: tuple[Expected, ...] = (Expected(HALF_AN_HOUR, "Hello"),),
) -> Performance:
    scenario = Scenario(
        "ada",
        "does something",
        ("cart/nudge sent", "cart/crm sent"),
        mails,
        (Expected(HALF_AN_HOUR, "ring"),),
        cast("Any", None),
    )
    return Performance(scenario, DemoPerson("ada", cast("World", None), found), is_over=True, error=error)


def mail(subject: str, address: str = "ada@example.com") -> ReceivedMail:
    message = EmailMessage()
    message["Subject"] = subject
    return ReceivedMail(1, "shop@example.com", (address,), message, datetime.now(UTC))


FORWARD = mail(FORWARDED[0], DESK)
CALL = ReceivedCall("m1", {"user_id": "ada", "action": "ring"})


def found_wrong(**changes: Any) -> list[str]:
    """What the check says of an outcome that is right but for the changes."""
    outcome: dict[str, Any] = {
        "performances": [performance([SENT, CALLED])],
        "mails": [mail("Hello"), FORWARD],
        "calls": [CALL],
        "refused_calls": 0,
        "running_journeys": 0,
        "has_empty_outbox": True,
        "deviations": ["acquisition > retention"],
    }
    return failures(**outcome | changes)


def test_the_check_finds_nothing_where_nothing_is_wrong() -> None:
    assert found_wrong() == []


late = verdict("cart/nudge", "sent", None, timedelta(hours=2), Arrival("mail", "Hello"))
refused = verdict("cart/nudge", "refused", "capped", HALF_AN_HOUR, None)


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"mails": [FORWARD]}, ["ada: missing in the inbox: Hello"]),
        ({"mails": [mail("Hello")]}, [f"missing in the inbox of {DESK}: {FORWARDED[0]}"]),
        ({"mails": [mail("Hello"), mail("Hello"), FORWARD]}, ["ada: not expected in the inbox: Hello"]),
        (
            {"mails": [mail("Hello"), FORWARD, mail("Hi", "eve@example.com")]},
            ["a mail went to eve@example.com, an unknown user: Hi"],
        ),
        ({"calls": []}, ["ada: missing at the webhooks' receiver: ring"]),
        ({"performances": [performance([SENT, CALLED], "broke")]}, ["ada: broke"]),
        (
            {"performances": [performance([refused, CALLED])]},
            [
                "ada: missing on the timeline: cart/nudge sent",
                "ada: not expected on the timeline: cart/nudge refused: capped",
            ],
        ),
        ({"performances": [performance([late, CALLED])]}, ["ada: “Hello” came after 2:00:00 and not after 0:30:00"]),
        ({"refused_calls": 1}, ["1 webhooks were not signed as they should be"]),
        ({"running_journeys": 2}, ["2 journeys are still running in Temporal"]),
        ({"has_empty_outbox": False}, ["the outbox holds what Temporal was never told"]),
        (
            {"deviations": ["acquisition > loyalty"]},
            [
                "missing among the moves outside the designed life cycle: acquisition > retention",
                "not expected among the moves outside the designed life cycle: acquisition > loyalty",
            ],
        ),
    ],
)
def test_the_check_says_what_is_wrong(changes: dict[str, Any], wrong: list[str]) -> None:
    assert found_wrong(**changes) == wrong


@pytest.mark.parametrize(
    ("timezone", "wrong"),
    [("Asia/Tokyo", []), ("Europe/Berlin", ["ada: “Hello” came after 0:30:00 and not at 19:30"])],
)
def test_the_check_looks_at_the_clocks_where_a_user_lives(timezone: str, wrong: list[str]) -> None:
    evening = performance([SENT, CALLED], mails=(Expected(time(19, 30), "Hello"),))
    evening.person.timezone = timezone
    assert found_wrong(performances=[evening]) == wrong


def item(
    kind: str, summary: str, at: str, outcome: str | None, reason: str | None = None, **data: Any
) -> dict[str, Any]:
    return {
        "at": f"2026-11-01T{at}:00Z",
        "kind": kind,
        "summary": summary,
        "outcome": outcome,
        "campaign": None if kind == "event" else "cart",
        "journey_id": None if kind == "event" else "j1",
        "step": "nudge" if kind in ("send", "message") else None,
        "reason": reason,
        "data": data,
        "url": None if kind == "event" else URL,
    }


ENTERED = item("entry", "entered cart", "10:00", "entered", event_id="e1")
CAPPED = {"rule": "daily", "limit": 2, "count": 2, "window_seconds": 86400}


def told(*items: dict[str, Any], arrivals: dict[str, Arrival] | None = None) -> list[tuple[str, str, timedelta | None]]:
    return [(str(verdict), verdict.told, verdict.after) for verdict in verdicts([ENTERED, *items], arrivals or {})][1:]


def test_a_mail_came_when_it_was_granted_by_the_clock_of_its_journey() -> None:
    granted = item("send", "nudge: granted", "10:30", "granted")
    sent = item("message", "nudge: email cart-nudge sent", "10:00", "sent", message_id="m1", attempts=2)
    assert told(granted, sent, arrivals={"m1": Arrival("mail", "Hello")}) == [
        ("cart/nudge sent", "mail “Hello”, at attempt 2", HALF_AN_HOUR)
    ]


def test_a_mail_that_did_not_arrive_is_not_told_as_one() -> None:
    granted = item("send", "nudge: granted", "10:30", "granted")
    sent = item("message", "nudge: email cart-nudge sent", "10:00", "sent", message_id="m1")
    assert told(granted, sent) == [("cart/nudge sent", "nudge was sent, and did not arrive", HALF_AN_HOUR)]


def test_a_cap_is_told_with_its_rule_and_when_it_frees() -> None:
    refused = item("send", "nudge: refused: …", "10:30", "refused", "capped", frees_at="2026-11-02T09:00:00Z", **CAPPED)
    deferred = item("send", "nudge: deferred: …", "10:30", "deferred", "capped", until="2026-11-02T09:00:00Z", **CAPPED)
    assert told(refused, deferred) == [
        ("cart/nudge refused: capped", "no nudge: capped, 2 of 2 in 1d (daily), frees at +23h", HALF_AN_HOUR),
        ("cart/nudge deferred: capped", "nudge waits until +23h: capped, 2 of 2 in 1d (daily)", HALF_AN_HOUR),
    ]


def test_a_message_put_off_until_the_morning_says_where_that_is() -> None:
    window = {"until": "2026-11-02T09:00:00+09:00", "timezone": "Asia/Tokyo"}
    deferred = item("send", "nudge: deferred: …", "22:30", "deferred", "send_window", **window)
    assert told(deferred) == [
        ("cart/nudge deferred: send_window", "nudge waits for 09:00 in Asia/Tokyo", timedelta(hours=12, minutes=30))
    ]


def test_an_exit_names_its_event_and_the_clock_never_goes_back() -> None:
    order = item("event", "Order Completed", "10:05", None, event_id="e2")
    refused = item(
        "send", "nudge: refused: …", "10:30", "refused", "unreachable", detail="the profile has no trait email"
    )
    left = item("exit", "left cart: …", "10:00", "exited", "exit_event", event_id="e2")
    assert told(order, refused, left)[-1] == ("cart exited: exit_event", "ended by Order Completed", HALF_AN_HOUR)


def test_only_journeys_that_are_not_over_have_a_clock_to_move() -> None:
    assert active_journeys([ENTERED]) == ["cart/ada/1"]
    assert active_journeys([ENTERED, item("end", "cart is over: completed", "10:30", "completed")]) == []
