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
