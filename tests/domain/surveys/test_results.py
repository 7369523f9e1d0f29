"""The results of surveys: known values, and intervals that contain the truth."""

from math import isclose
from random import Random

import pytest

from domain.surveys.intervals import Interval, find_mean, find_nps, find_share
from domain.surveys.results import AnswerCount, ShownCount, compute_results
from domain.surveys.survey import QuestionOutline, QuestionType
from tests.proofs import rounds

NPS = QuestionOutline("nps", "nps")
WHY = QuestionOutline("why", "multi", ("price", "speed"))


def close(found: Interval | None, value: float, low: float, high: float) -> bool:
    assert found is not None
    return all(
        isclose(one, wanted, abs_tol=0.05)
        for one, wanted in ((found.value, value), (found.low, low), (found.high, high))
    )


def test_the_interval_of_a_net_promoter_score_is_the_adjusted_wald() -> None:
    # By hand: 36 promoters, 42 passives, 22 detractors: (36.75 - 22.75) / 103 = 13.59 %, its error 7.368 %.
    assert close(find_nps({9: 20, 10: 16, 7: 30, 8: 12, 6: 10, 0: 12}), 14.0, -0.85, 28.03)
    # A plain interval has no width here.
    assert close(find_nps({10: 5}), 100.0, 17.49, 100.0)
    assert close(find_nps({0: 1}), -100.0, -100.0, 48.5)
    assert find_nps({0: 0, 10: 0}) is None


def test_a_mean_has_its_standard_error() -> None:
    # 1, 2, 3, 4, 5: the deviation is 1.5811, its error 0.7071.
    assert close(find_mean({1: 1, 2: 1, 3: 1, 4: 1, 5: 1}), 3.0, 1.61, 4.39)
    assert close(find_mean(dict.fromkeys(range(1, 6), 0) | {4: 1}), 4.0, 1.0, 5.0)
    assert close(find_mean(dict.fromkeys(range(1, 6), 0) | {4: 1, 5: 3}), 4.75, 4.26, 5.0)
    assert find_mean(dict.fromkeys(range(1, 6), 0)) is None


def test_a_share_has_wilsons_interval() -> None:
    found = find_share(10, 1_000)
    assert found is not None
    assert (round(found.low, 5), found.value, round(found.high, 5)) == (0.00544, 0.01, 0.01831)
    assert close(find_share(0, 4), 0.0, 0.0, 0.49)
    assert find_share(0, 0) is None


@pytest.mark.parametrize("weights", [(10, 20, 70), (30, 40, 30), (60, 30, 10), (1, 2, 97)])
def test_of_a_hundred_intervals_some_95_contain_the_score(weights: tuple[int, int, int]) -> None:
    random = Random(20_261_201)
    detracting, _, promoting = weights
    truth = promoting - detracting
    tries = rounds(400, 10_000)
    hits = 0
    for _ in range(tries):
        answers = random.choices((3, 8, 9), weights, k=40)
        found = find_nps({score: answers.count(score) for score in (3, 8, 9)})
        assert found is not None
        hits += found.low <= truth <= found.high
    assert 0.92 <= hits / tries <= 1.0


def count(question: QuestionOutline, number: int, score: int | None = None, choice: str | None = None) -> AnswerCount:
    return AnswerCount("", question.id, question.type, score, choice, number)


def test_results_have_each_question_in_its_order_with_all_values() -> None:
    counts = [
        count(WHY, 3),
        count(WHY, 2, choice="speed"),
        count(WHY, 1, choice="other"),
        count(NPS, 4),
        count(NPS, 3, score=10),
        count(NPS, 1, score=2),
    ]
    [found] = compute_results([NPS, WHY], [ShownCount("", 8, 4)], counts)
    assert (found.shown, found.answered) == (8, 4)
    assert found.response_rate is not None
    assert found.response_rate.value == 0.5
    nps, why = found.questions
    assert (nps.question, nps.answers, nps.csat) == ("nps", 4, None)
    assert nps.nps is not None
    assert nps.nps.value == 50.0
    assert nps.mean is not None
    assert nps.mean.value == 8.0
    assert [(one.value, one.answers) for one in nps.distribution if one.answers] == [("2", 1), ("10", 3)]
    assert len(nps.distribution) == 11
    # Of those who answered; a choice that is no longer offered was one.
    assert [(one.value, one.answers, round(one.share.value, 2)) for one in why.distribution] == [
        ("price", 0, 0.0),
        ("speed", 2, 0.67),
        ("other", 1, 0.33),
    ]
    assert (why.nps, why.csat, why.mean) == (None, None, None)


def test_a_group_without_answers_and_one_without_messages_are_results() -> None:
    ask: QuestionType = "csat"
    counts = [AnswerCount("b", "ask", ask, None, None, 2), AnswerCount("b", "ask", ask, 4, None, 2)]
    first, second = compute_results([QuestionOutline("ask", ask)], [ShownCount("a", 5, 0)], counts)
    assert (first.group, first.shown, first.questions[0].answers, first.questions[0].csat) == ("a", 5, 0, None)
    assert first.questions[0].distribution == ()
    assert (second.group, second.shown, second.response_rate) == ("b", 0, None)
    assert second.questions[0].csat is not None
    assert second.questions[0].csat.value == 1.0
    assert compute_results([NPS], [], []) == []
