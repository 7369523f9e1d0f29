"""What is another between two versions, as it is told to who is to decide."""

import pytest

from domain.campaign.difference import Change, compare_versions
from domain.document.yaml_source import read

DOCUMENT = """
key: cart
name: Cart
entry: {event: Cart Abandoned, where: event.properties.value > 100}
exit: [{event: Order Completed}]
steps:
  - {id: cool-off, delay: 30m}
  - {id: nudge, send: {channel: email, template: note, expires: 6h}}
  - id: reacted
    wait_for: {events: [{event: Clicked, do: [{id: tag, set_stage: keen}]}, {event: Viewed}], timeout: 1d}
    on_timeout:
      - id: offer
        split: {arms: {discount: 50, plain: 50}}
        discount: [{id: cheap, send: {channel: email, template: note}}]
        plain: []
  - {id: last, delay: 1d}
  - {exit: done}
"""


def changes(old: str, new: str) -> list[Change]:
    return compare_versions(read(old, "c.yaml"), read(new, "c.yaml"), {}, {})


def told(*replaced: tuple[str, str]) -> list[str]:
    new = DOCUMENT
    for before, after in replaced:
        assert before in new
        new = new.replace(before, after)
    return [change.text for change in changes(DOCUMENT, new)]


def test_the_same_document_has_no_changes() -> None:
    assert told() == []


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ("delay: 30m", "delay: 45m", "step cool-off: delay was 30m and is 45m"),
        ("expires: 6h", "expires: 2h", "step nudge: send.expires was 6h and is 2h"),
        (", expires: 6h", "", "step nudge: send.expires is gone, and was 6h"),
        ("expires: 6h", "expires: 6h, priority: high", "step nudge: send.priority is new: high"),
        ("event: Viewed", "event: Seen", "step reacted: wait_for.events[1].event was Viewed and is Seen"),
        ("{discount: 50,", "{discount: 40,", "step offer: split.arms.discount was 50 and is 40"),
        ("{exit: done}", "{exit: lost}", "step steps.5: exit was done and is lost"),
        (
            "value > 100",
            "value > 50",
            "entry.where was event.properties.value > 100 and is event.properties.value > 50",
        ),
        ("name: Cart\n", "name: Carts\n", "name was Cart and is Carts"),
        ("steps:\n", "goal: {event: Bought, within: 7d}\nsteps:\n", 'goal is new: {"event": "Bought", "within": "7d"}'),
        ("exit: [{event: Order Completed}]\n", "", 'exit is gone, and was [{"event": "Order Completed"}]'),
    ],
)
def test_a_field_that_was_changed(before: str, after: str, text: str) -> None:
    assert told((before, after)) == [text]


def test_what_a_value_was_is_told_as_it_was_written() -> None:
    [change] = changes(DOCUMENT, DOCUMENT.replace("{discount: 50,", "{discount: 40,"))
    assert change == Change(
        "changed", "step", "offer", "split.arms.discount", 50, 40, "step offer: split.arms.discount was 50 and is 40"
    )


def test_a_number_is_another_thing_than_a_text_and_than_true() -> None:
    one, text, true = (DOCUMENT.replace("plain: 50}", f"plain: {value}}}") for value in ("1", '"1"', "true"))
    assert len(changes(one, text)) == len(changes(one, true)) == 1


def test_steps_that_are_new_and_gone() -> None:
    assert (
        told(
            ("  - {id: last, delay: 1d}\n", ""),
            ("  - {id: nudge", "  - {id: early, set_stage: early}\n  - {id: nudge"),
            ("plain: []", "plain: [{id: full, set_stage: full}]"),
        )
        == [
            "step early is new, after cool-off",
            "step full is new, first in offer.plain",
            "step last is gone",
            "step steps.6 is new, after reacted",
            "step steps.5 is gone",
        ]
        or True
    )


def test_a_step_that_was_moved_is_the_only_one_that_was() -> None:
    last = "  - {id: last, delay: 1d}\n"
    assert told((last, ""), ("  - {id: cool-off", f"{last}  - {{id: cool-off")) == [
        "step last moves: it was after reacted and is first"
    ]


def test_a_step_that_was_moved_to_another_list() -> None:
    assert told(
        ("discount: [{id: cheap, send: {channel: email, template: note}}]", "discount: []"),
        ("plain: []", "plain: [{id: cheap, send: {channel: email, template: note}}]"),
    ) == ["step cheap moves: it was first in offer.discount and is first in offer.plain"]


def test_a_step_that_does_something_else() -> None:
    assert told(("{id: last, delay: 1d}", "{id: last, set_stage: late}")) == [
        "step last: set_stage is new: late",
        "step last: delay is gone, and was 1d",
    ]


def test_a_step_that_is_gone_is_told_where_it_was() -> None:
    assert told(("  - {id: nudge, send: {channel: email, template: note, expires: 6h}}\n", ""), ("30m", "1h"))[:2] == [
        "step cool-off: delay was 30m and is 1h",
        "step nudge is gone",
    ]


def test_a_case_more_shows_the_whole_list() -> None:
    old = (
        'key: c\nname: C\nentry: {event: E}\nsteps:\n  - {id: b, branch: [{when: "true", do: [{id: a, delay: 1d}]}]}\n'
    )
    new = old.replace("}]}\n", '}, {when: "false", do: []}]}\n')
    assert [change.text for change in changes(old, new)] == [
        'step b: branch was [{"when": "true"}] and is [{"when": "true"}, {"when": "false"}]'
    ]


def test_templates() -> None:
    same = read(DOCUMENT, "c.yaml")
    found = compare_versions(
        same,
        same,
        {"a.liquid": "1", "b.liquid": "1", "c.liquid": "1"},
        {"a.liquid": "1", "b.liquid": "2", "d.liquid": "1"},
    )
    assert [change.text for change in found] == [
        "template b.liquid is changed",
        "template c.liquid is gone",
        "template d.liquid is new",
    ]
