"""Scores by breakpoints, and the segments of scores."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from msgspec.structs import replace

from domain.conditions.expressions import EvaluationTime, ExpressionScope, compile_condition
from domain.errors import InvalidDocumentError
from domain.people.rfm.rule import LAST, ORDERS, SPENT, RfmRule
from domain.people.rfm.scores import (
    Breakpoints,
    Cell,
    Population,
    RfmValues,
    explain_refusal,
    find_breakpoints,
    read_values,
    score,
)
from domain.people.rfm.segments import SEGMENTS, average_spent, make_segment_rule, segment_of
from domain.people.rfm_document import parse_rfm, to_rfm_document
from tests.engine.rfm_harness import NAMES

AT = datetime(2026, 12, 1, 12, tzinfo=UTC)
POINTS = Breakpoints((3, 10, 30, 90), (1, 1, 2, 4), (10.0, 20.0, 30.0, 40.0))
POPULATION = Population(100, (50, 3, 3), POINTS.recency, POINTS.frequency, POINTS.monetary or (), ())


def test_each_of_the_25_cells_is_in_one_segment() -> None:
    cells = [cell for segment in SEGMENTS for cell in segment.cells]
    assert sorted(cells) == [(recency, frequency) for recency in range(1, 6) for frequency in range(1, 6)]
    assert {cell: segment_of(*cell).name for cell in cells} == NAMES
    assert len(SEGMENTS) == 10


def test_a_value_at_a_breakpoint_is_in_the_lower_fifth() -> None:
    scores = [(one.recency, one.frequency, one.monetary) for one in (score(values, POINTS) for values in VALUES)]
    assert scores == [(5, 1, 1), (5, 3, 1), (4, 4, 2), (1, 5, 5)]
    assert score(VALUES[0], replace(POINTS, monetary=None)).monetary is None


VALUES = [RfmValues(0, 1, 10.0), RfmValues(3, 2, 0.0), RfmValues(4, 4, 10.01), RfmValues(91, 5, 99.0)]


@pytest.mark.parametrize(
    ("population", "refusal"),
    [
        (POPULATION, None),
        (replace(POPULATION, buyers=99), "99 buyers are too few: scores need 100"),
        (replace(POPULATION, distinct=(2, 3, 3)), "recency has 2 different values: scores need 3"),
        (replace(POPULATION, distinct=(3, 2, 3)), "frequency has 2 different values: scores need 3"),
    ],
)
def test_too_little_data_has_no_breakpoints(population: Population, refusal: str | None) -> None:
    assert explain_refusal(population) == refusal
    assert (find_breakpoints(population) is None) == (refusal is not None)


def test_equal_sums_have_no_breakpoints_of_their_own() -> None:
    found = find_breakpoints(replace(POPULATION, distinct=(50, 3, 1)))
    assert found == replace(POINTS, monetary=None)


def test_the_conditions_of_segments_say_what_the_scores_say() -> None:
    """Exactly one segment holds for a buyer, and it is that of the scores, also with an order ahead of the clock."""
    draw = Random(7)
    for _ in range(40):
        recency, frequency = (sorted(draw.randrange(1, 12) for _ in range(4)) for _ in range(2))
        points = Breakpoints(tuple(recency), tuple(frequency), None)  # type: ignore[arg-type]
        rules = {segment.key: make_segment_rule(segment, points, "2026-12-01") for segment in SEGMENTS}
        for _ in range(20):
            last = AT - timedelta(hours=draw.choice((-1, 0, 24 * draw.randrange(14), draw.randrange(14 * 24))))
            computed = {LAST: last, ORDERS: draw.randrange(1, 13), SPENT: 1.0}
            values = read_values(computed, AT)
            assert values is not None
            scores = score(values, points)
            person = {"computed": computed, "traits": {}, "context": {}}
            holding = [
                key
                for key, rule in rules.items()
                if compile_condition(rule.where, ExpressionScope.SEGMENT_WHERE)
                .evaluate(EvaluationTime(AT), profile=person)
                .holds
            ]
            assert holding == [segment_of(scores.recency, scores.frequency).key], (points, computed)


def test_without_breakpoints_no_one_is_in_a_segment() -> None:
    assert {make_segment_rule(segment, None, None).where for segment in SEGMENTS} == {"false"}


def test_the_average_of_a_segment_is_that_of_its_people() -> None:
    cells = [Cell(5, 4, 1, 10.0), Cell(5, 5, 3, 110.0), Cell(1, 1, 7, 7.0)]
    assert average_spent(segment_of(5, 5), cells) == 30.0
    assert average_spent(segment_of(3, 3), cells) is None


def test_a_document_has_defaults() -> None:
    [rule] = parse_rfm("rfm: {event: Sold, value: event.properties.price}\n", "rfm.yaml")
    assert rule == RfmRule("Sold", "event.properties.price", 365 * 86_400, "UTC")
    assert to_rfm_document(rule) == {
        "name": "rfm",
        "event": "Sold",
        "value": "event.properties.price",
        "within": "365d",
        "timezone": "UTC",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{event: Sold}", "`value` is missing: what an order is worth"),
        ("{value: event.properties.a}", "`event` is missing: which event is an order"),
        ("{within: 30d}", "`event` is missing: which event is an order"),
        ("{event: Sold, value: event.name}", "`value` is a number, and this is another"),
        ("{event: Sold, value: profile.traits.a}", "`profile` is not known here"),
        ("{event: Sold, value: event.properties.a, within: 2y}", "`2y` is not a duration"),
        ("{event: Sold, value: event.properties.a, timezone: Berlin}", "`Berlin` is not a time zone"),
        ("{event: '\"Sold\"', value: event.properties.a}", 'the quotes are part of the name `"Sold"`'),
    ],
)
def test_a_wrong_document_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(InvalidDocumentError) as refused:
        parse_rfm(f"rfm: {text}\n", "rfm.yaml")
    assert message in next(problem.message for problem in refused.value.problems)
