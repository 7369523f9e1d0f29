"""A timeline is a table that says each thing once, in UTC, also where a row is long."""

from typing import Any

import pytest

from cli.explain import print_timeline

Output = pytest.CaptureFixture[str]


def item(summary: str, reason: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "at": "2026-11-02T08:00:00-05:00",
        "kind": "send",
        "summary": summary,
        "campaign": "cart",
        "reason": reason,
        "url": "http://localhost:8233/j",
        "changes": [],
        "data": {},
        **more,
    }


def test_instants_are_in_utc_and_the_head_says_so(capsys: Output) -> None:
    print_timeline([item("nudge: granted")])
    head, row, link = capsys.readouterr().out.splitlines()
    assert head.split() == ["TIME", "(UTC)", "CAMPAIGN", "LINK", "WHAT"]
    assert row == "2026-11-02 13:00:00  cart      [1]   send: nudge: granted"
    assert link == "[1] http://localhost:8233/j"


def test_a_long_row_widens_no_other(capsys: Output) -> None:
    print_timeline([item("nudge: granted"), item("x" * 300)])
    _, short, long, _ = capsys.readouterr().out.splitlines()
    assert short == "2026-11-02 13:00:00  cart      [1]   send: nudge: granted"
    assert long.endswith("x" * 300)


@pytest.mark.parametrize(
    ("summary", "reason", "said"),
    [
        ("nudge: failed: template_error: no name", "template_error", "nudge: failed: template_error: no name"),
        ("nudge: refused: no consent", "no_consent", "nudge: refused: no consent"),
        ("nudge: refused: quiet hours", "send_window", "nudge: refused: quiet hours (send_window)"),
    ],
)
def test_a_reason_is_said_once(capsys: Output, summary: str, reason: str, said: str) -> None:
    print_timeline([item(summary, reason)], is_of_one=True)
    assert capsys.readouterr().out.splitlines()[1] == f"2026-11-02 13:00:00  send: {said}"


REPORT = {"campaign": "cart", "step": "card", "template": "cart-card", "channel": "in_app", "message_id": "m"}


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({}, "Reported (card of cart)"),
        ({"reason": "anchor"}, "Reported (card of cart, anchor)"),
        ({"action": "buy"}, "Reported (card of cart, buy)"),
        ({"question": "nps", "type": "nps", "score": 0}, "Reported (card of cart, nps 0)"),
        ({"question": "why", "type": "multi", "values": ["price", "size"]}, "Reported (card of cart, why price size)"),
        ({"question": "story", "type": "text", "text": "private words"}, "Reported (card of cart, story)"),
        ({"campaign": None, "step": "message"}, "Reported (cart-card)"),
    ],
)
def test_a_report_names_its_message(capsys: Output, properties: dict[str, Any], said: str) -> None:
    data = {"source": "sojourn", "properties": REPORT | properties}
    print_timeline([item("Reported", kind="event", data=data)], is_of_one=True)
    assert capsys.readouterr().out.splitlines()[1] == f"2026-11-02 13:00:00  event: {said}"


def test_an_event_of_another_source_is_no_report(capsys: Output) -> None:
    print_timeline([item("Seen", kind="event", data={"source": "shop", "properties": REPORT})], is_of_one=True)
    assert capsys.readouterr().out.splitlines()[1] == "2026-11-02 13:00:00  event: Seen"
