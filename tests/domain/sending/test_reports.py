from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID

import pytest

from domain.sending.address_reports import SOFT_BOUNCES, BounceRow
from domain.sending.ledger_marks import LedgerMarks, marks_of, merge_marks
from domain.sending.report_events import ReportedMessage
from domain.sending.reports import MAX_AGE, MAX_LINK_CHARACTERS, ProviderReport, tidy

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
ID = UUID(int=7)
MESSAGE = ReportedMessage(ID, UUID(int=8), "u", None, "email", "c", "s", "t", "a@example.com")


def report(kind: str = "opened", hours: float = 0, **more: object) -> ProviderReport:
    known = {"event_id": "e", "message_id": ID, "at": NOW + timedelta(hours=hours), **more}
    return ProviderReport(kind=kind, **known)  # type: ignore[arg-type]


def test_marks_of_any_order_are_the_same() -> None:
    told = [
        marks_of(report("clicked", 3, link="c"), MESSAGE),
        marks_of(report("clicked", 1, link="a"), MESSAGE),
        marks_of(report("opened", 2), MESSAGE),
        marks_of(report("bounced", 5, bounce="soft"), MESSAGE),
        marks_of(report("bounced", 4, bounce="hard"), MESSAGE),
    ]
    merged = {repr(merge_marks(order)) for order in permutations(told)}
    assert len(merged) == 1
    [found] = merge_marks(told)
    assert (found.clicked_link, found.opened_at, found.bounce) == ("a", NOW + timedelta(hours=1), "hard")


def test_a_machine_marks_nothing_else() -> None:
    marks = marks_of(report("clicked", link="a", is_machine=True), MESSAGE)
    assert marks == LedgerMarks(id=ID, machine_at=NOW, is_accepted=True)


@pytest.mark.parametrize(("kind", "proves"), [("accepted", True), ("bounced", True), ("failed", False)])
def test_all_but_a_failure_prove_that_the_provider_has_it(kind: str, proves: bool) -> None:
    assert marks_of(report(kind), MESSAGE).is_accepted is proves


def test_a_row_of_soft_bounces_ends_with_a_delivery_and_begins_anew() -> None:
    empty = row = BounceRow()
    for number in range(SOFT_BOUNCES):
        assert not row.is_full_since(empty)
        row = row.follow(report("bounced", number, bounce="soft"), UUID(int=number))
    assert row.is_full_since(empty)
    assert not row.is_full_since(row)
    assert not row.follow(report("delivered", SOFT_BOUNCES), ID).is_full_since(empty)
    # One that was delivered before the row does not end it, and one message counts once.
    assert row.follow(report("delivered", -1), ID).length == SOFT_BOUNCES
    assert row.follow(report("bounced", 9, bounce="soft"), UUID(int=0)).length == SOFT_BOUNCES


def test_what_is_stored_is_bounded() -> None:
    strange = report(link="x\0" * 5_000, event_id="\ud800é" * 500, detail="y" * 10_000, provider_id="z" * 999)
    found = tidy(strange, NOW)
    assert found.link == "x" * MAX_LINK_CHARACTERS
    found.event_id.encode()
    assert tidy(report(data={"text": "a\0b" * 5_000, "rating": 4}), NOW).data == {"text": ("ab" * 4_000), "rating": 4}
    assert tidy(report(hours=1), NOW).at == NOW
    assert tidy(report(at=datetime.min.replace(tzinfo=UTC)), NOW).at == NOW - MAX_AGE
