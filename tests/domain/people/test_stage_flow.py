"""The moves of people between stages, compared with the designed ones."""

from domain.people.lifecycle import StageRule
from domain.people.stage_flow import CountedMove, MoveMessage, compare_flow, format_share

STAGES = (
    StageRule("reach", "Visitors", 1, "true", ("conversion",)),
    StageRule("conversion", "Buyers", 2, "true", ("retention",)),
    StageRule("retention", "Customers", 3, "true", ("loyalty",)),
    StageRule("loyalty", "Regulars", 4, "true"),
)
COUNTED = [
    CountedMove(None, "reach", 100, 100, None),
    CountedMove("conversion", "retention", 77, 70, 3.5),
    CountedMove("conversion", "old", 3, 3, None),
    CountedMove("conversion", "reach", 20, 20, 9.0),
    CountedMove("reach", "conversion", 100, 100, 1.0),
]
MESSAGES = [MoveMessage("conversion", "retention", "a", "x", 2), MoveMessage("conversion", "retention", "b", "y", 5)]


def test_moves_have_their_share_and_stand_in_the_order_of_stages() -> None:
    flow = compare_flow(STAGES, COUNTED, MESSAGES)
    assert [(move.before, move.after, move.share) for move in flow.moves] == [
        ("reach", "conversion", 1.0),
        ("conversion", "reach", 0.2),
        ("conversion", "retention", 0.77),
        ("conversion", "old", 0.03),
    ]
    assert [one.campaign for one in flow.moves[2].messages] == ["b", "a"]
    assert flow.entered == {"reach": 100}


def test_deviations_are_ranked_and_moves_that_nobody_made_are_named() -> None:
    flow = compare_flow(STAGES, COUNTED, ())
    assert flow.designed_share == 177 / 200
    assert [move.text for move in flow.deviations] == [
        "20 % go conversion > reach, drawn nowhere",
        "3 % go conversion > old, drawn nowhere",
    ]
    assert flow.unused == [("retention", "loyalty")]


def test_without_moves_no_share_is_said() -> None:
    flow = compare_flow(STAGES, (), ())
    assert (flow.moves, flow.designed_share, flow.entered) == ([], None, {})


def test_a_share_is_read_as_a_percentage() -> None:
    assert [format_share(share) for share in (0, 0.001, 0.23, 1)] == ["0 %", "<1 %", "23 %", "100 %"]
