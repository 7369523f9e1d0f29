"""Checks of references to answers.

`journey.answers.STEP.QUESTION` names a question of the step's survey.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from domain.campaign.raw_steps import iter_steps
from domain.campaign.reference_checks import iter_expressions
from domain.document.yaml_source import YamlSource
from domain.errors import Problem
from domain.suggestions import did_you_mean
from domain.templates.liquid_text import LiquidText

_PART: Final = r"""(?:\.([A-Za-z_]\w*+(?!-[A-Za-z]))|\[\s*(?:'([^'\\]*)'|"([^"\\]*)")\s*\])"""
_ANSWERS: Final = "journey.answers."
_ANSWER: Final = re.compile(rf"(?<![\w.])journey\.answers{_PART}{_PART}")


def check_answers(
    source: YamlSource, questions: Mapping[str, Sequence[str]], texts: Iterable[LiquidText]
) -> Iterator[Problem]:
    """Find answers to questions that the survey of a step does not have.

    `questions` are those of the steps that are known to ask some, or none.
    """
    for placed in iter_steps(source):
        for path, text in iter_expressions(placed):
            for found in _find_unknown(text, questions):
                yield source.problem(path, *found)
    for each in texts:
        for variable in sorted(each.variables):
            step, _, question = variable.removeprefix(_ANSWERS).partition(".")
            if variable.startswith(_ANSWERS) and question:
                for found in _check(step, question, questions):
                    yield each.place.problem(*found)


def _find_unknown(text: str, questions: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    for match in _ANSWER.finditer(text):
        step, question = (next(part for part in match.groups()[at : at + 3] if part is not None) for at in (0, 3))
        yield from _check(step, question, questions)


def _check(step: str, question: str, questions: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    known = questions.get(step)
    if known is not None and question not in known:
        remedy = did_you_mean(question, known, "Its questions") if known else "Add `survey:` to its template"
        yield f"the step `{step}` does not ask `{question}`", remedy
