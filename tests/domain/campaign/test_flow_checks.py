from random import Random
from typing import Any

import pytest

from domain.campaign.compile import compile_plan
from domain.campaign.definition import CampaignDocument
from domain.campaign.flow_checks import check_flow
from domain.document.yaml_source import YamlSource
from tests.domain.campaign.documents import problem, problems, steps
from tests.domain.campaign.test_compile import reached

WAIT = "  - id: w\n    wait_for: {event: Seen, timeout: 1d}\n"
EVENTS = (
    "  - id: w\n    wait_for: {events: [{event: Seen, do: [{exit: a}]}, {event: Paid, do: [{exit: b}]}], timeout: 1d}\n"
)
SPLIT = "  - id: s\n    split: {arms: {a: 1, b: 1}}\n"
REPEAT = "  - id: r\n    repeat: {every: 1d}\n    do: [{id: d, delay: 1h}]\n"
SKIP = "  - {id: skip, delay: {date: profile.traits.x, if_past: skip_next}}\n"
LATER = "  - {id: later, delay: 1h}\n"


@pytest.mark.parametrize(
    "before",
    [
        "  - {exit: done}\n",
        WAIT + "    on_event: [{exit: a}]\n    on_timeout: [{id: x, delay: 1h}, {exit: b}]\n",
        EVENTS + "    on_timeout: [{exit: b}]\n",
        "  - {id: b, branch: [{when: 'true', do: [{exit: a}]}], otherwise: [{exit: b}]}\n",
        SPLIT + "    a: [{exit: a}]\n    b: [{exit: b}]\n",
        SPLIT + "    a: [{exit: a}]\n    b:\n    " + REPEAT.replace("\n", "\n    ").rstrip(" "),
        WAIT
        + "    on_event: [{exit: a}]\n    on_timeout: [{id: d, delay: {date: entry.timestamp, if_past: skip_next}},"
        " {exit: b}, {exit: c}]\n",
    ],
)
def test_a_step_after_the_end_is_never_reached(before: str) -> None:
    found = problem(steps(before + LATER + LATER.replace("later", "latest")))
    assert found.path == "steps[1]"
    assert found.message == "this step is never reached"
    assert found.suggestion == "The step before it, on line 5, always ends the journey: remove one of them"


def test_a_step_after_a_repetition_without_end_is_never_reached() -> None:
    found = problem(steps(REPEAT + LATER))
    assert (found.path, found.message) == ("steps[1]", "this step is never reached")
    assert found.suggestion == (
        "The step before it, on line 5, repeats forever: give it `times` or `until`, or remove one of them"
    )


@pytest.mark.parametrize(
    "before",
    [
        WAIT,
        WAIT + "    on_event: [{exit: a}]\n",
        WAIT + "    on_event: [{exit: a}]\n    on_timeout: []\n",
        EVENTS,
        EVENTS.replace(", do: [{exit: b}]", "") + "    on_timeout: [{exit: b}]\n",
        "  - {id: b, branch: [{when: 'true', do: [{exit: a}]}]}\n",
        "  - {id: b, branch: [{when: 'true', do: []}], otherwise: [{exit: a}]}\n",
        SPLIT + "    a: [{exit: a}]\n    b: []\n",
        REPEAT.replace("1d}", "1d, times: 2}"),
        REPEAT.replace("1d}", "1d, until: {event: Paid}}"),
        REPEAT.replace("1d}", "1d, until: {when: profile.traits.done == true}}"),
        SKIP + "  - {exit: too-late}\n",
    ],
)
def test_a_way_left_open_reaches_what_follows(before: str) -> None:
    assert problems(steps(before + LATER)) == []


def test_an_exit_that_is_not_skipped_ends_what_follows() -> None:
    found = problem(steps(SKIP + "  - {id: x, delay: 1h}\n  - {exit: done}\n" + LATER))
    assert (found.path, found.message) == ("steps[3]", "this step is never reached")


def test_a_repetition_comes_to_a_second_round() -> None:
    found = problem(
        steps(REPEAT.replace("1d}", "1d, until: {event: Paid}}").replace("{id: d, delay: 1h}", "{exit: a}"))
    )
    assert (found.line, found.path) == (7, "steps[0].do")
    assert found.message == "there is no second round: nothing leads to the end of these steps"


def test_what_is_skipped_is_there() -> None:
    found = problem(steps(LATER + SKIP))
    assert (found.path, found.message) == ("steps[1].delay.if_past", "there is no step that could be skipped")


@pytest.mark.parametrize("key", ["if_past", "if_unreadable"])
def test_a_date_that_ends_a_list_says_what_follows(key: str) -> None:
    """Left out, the flow would go on elsewhere at once, for want of a step that could be skipped."""
    other = {"if_past": "if_unreadable", "if_unreadable": "if_past"}[key]
    within = "  - {id: b, branch: [{when: 'true', do: [{id: d, delay: {date: profile.traits.x, %s: go_on}}]}]}\n"
    found = problem(steps(within % other + LATER))
    assert found.path == f"steps[0].branch[0].do[0].delay.{key}"
    assert found.message == f"`{key}` is missing, and there is no step that could be skipped"
    assert found.suggestion.endswith(f"or write `{key}: go_on`")


def test_a_date_that_ends_the_campaign_needs_no_more() -> None:
    assert problems(steps("  - {id: d, delay: {date: profile.traits.x}}\n")) == []


class _Careless:
    """Makes small documents that may have steps which nothing leads to."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._count = 0

    def document(self) -> dict[str, Any]:
        return {"key": "a", "name": "A", "entry": {"event": "Started"}, "steps": self._block(2, least=1)}

    def _block(self, depth: int, least: int = 0) -> list[Any]:
        return [self._step(depth) for _ in range(self._random.randint(least, 3))]

    def _step(self, depth: int) -> dict[str, Any]:
        self._count += 1
        kind = self._random.choice(_SINGLE + (_HOLDING if depth else []))
        return {"id": f"s{self._count}", **kind(self, depth - 1)}

    def _one_of(self, *choices: Any) -> Any:
        return self._random.choice(choices)

    def _list(self, key: str, depth: int) -> dict[str, Any]:
        return {key: self._block(depth)} if self._random.random() < 0.7 else {}

    def delay(self, depth: int) -> dict[str, Any]:
        return {"delay": "1h"}

    def skip(self, depth: int) -> dict[str, Any]:
        return {"delay": {"date": "entry.timestamp", "if_past": "skip_next"}}

    def exit(self, depth: int) -> dict[str, Any]:
        return {"exit": "done"}

    def wait(self, depth: int) -> dict[str, Any]:
        wait = {"wait_for": {"event": "Seen", "timeout": "1d"}}
        return wait | self._list("on_event", depth) | self._list("on_timeout", depth)

    def events(self, depth: int) -> dict[str, Any]:
        events = [{"event": "Seen", **self._list("do", depth)} for _ in range(self._random.randint(1, 2))]
        return {"wait_for": {"events": events, "timeout": "1d"}} | self._list("on_timeout", depth)

    def branch(self, depth: int) -> dict[str, Any]:
        return {"branch": [{"when": "true", "do": self._block(depth)}]} | self._list("otherwise", depth)

    def split(self, depth: int) -> dict[str, Any]:
        return {"split": {"arms": {"a": 1, "b": 1}}, "a": self._block(depth), "b": self._block(depth)}

    def repeat(self, depth: int) -> dict[str, Any]:
        until = self._one_of({}, {}, {"until": {"event": "Paid"}}, {"until": {"when": "true"}})
        return {"repeat": {"every": "1d", **self._one_of({}, {"times": 2}), **until}, "do": self._block(depth, least=1)}


_SINGLE = [_Careless.delay, _Careless.skip, _Careless.exit, _Careless.exit]
_HOLDING = [_Careless.wait, _Careless.events, _Careless.branch, _Careless.split, _Careless.repeat]


def test_steps_are_never_reached_where_the_plan_says_so() -> None:
    missed = 0
    for seed in range(1_000):
        document = _Careless(seed).document()
        plan = compile_plan(CampaignDocument.model_validate(document))
        said = {found.message for found in check_flow(YamlSource("a.yaml", document))}
        missed += (is_missed := reached(plan) != set(plan.nodes))
        assert ("this step is never reached" in said) == is_missed, f"{seed=} {document}"
    assert 100 < missed < 900
