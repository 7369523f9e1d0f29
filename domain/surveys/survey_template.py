"""The questions of a survey as an author writes them, and the way through them.

Each answer may choose the next question. A survey is refused if a question is never reached, or could come twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from domain.errors import Problem
from domain.suggestions import did_you_mean
from domain.surveys.survey import END, GRADES, QuestionOutline, QuestionType
from domain.templates.front_matter import Tree
from domain.templates.liquid_context import Rendering
from domain.templates.liquid_text import LiquidText, SourceLocation
from domain.templates.mapping_reader import MappingReader
from domain.templates.shown_parts import PartTree, render_parts, texts_of_parts

QUESTION_TYPES: Final[tuple[QuestionType, ...]] = get_args(QuestionType)
CHOICES: Final = ("single", "multi")
MAX_QUESTIONS: Final = 20
MAX_OPTIONS: Final = 20
MAX_RULES: Final = 20


@dataclass(frozen=True, slots=True)
class SurveyTemplate:
    """A survey in one language."""

    content: dict[str, PartTree]
    questions: tuple[QuestionOutline, ...]

    def render(self, rendering: Rendering) -> dict[str, Any]:
        """Return {title, questions, thanks}. Raises TemplateRenderError."""
        rendered: dict[str, Any] = render_parts(self.content, rendering)
        return rendered

    def texts(self) -> Iterator[LiquidText]:
        """Iterate over the texts that are rendered."""
        yield from texts_of_parts(self.content)


def compile_survey(
    tree: Tree | None, place: SourceLocation, problems: list[Problem], warnings: list[Problem]
) -> SurveyTemplate | None:
    """Compile the mapping of a survey, or return None with `problems`."""
    before = len(problems)
    reader = MappingReader(tree, place, problems, warnings)
    content = read_survey(reader)
    reader.finish()
    if len(problems) > before:
        return None
    parts = {key: part for key, part in content.items() if part is not None}
    return SurveyTemplate(parts, outline_questions(content["questions"]))


def outline_questions(questions: Sequence[Mapping[str, PartTree]]) -> tuple[QuestionOutline, ...]:
    """Return the outlines of questions that were read."""
    return tuple(
        QuestionOutline(one["id"], one["type"], tuple(option["value"] for option in one.get("options", ())))
        for one in questions
    )


def read_survey(reader: MappingReader) -> dict[str, PartTree]:
    """Read the keys of a survey: `title`, `questions` and `thanks`."""
    title = reader.read_line("title")
    readers = reader.read_items("questions", MAX_QUESTIONS, is_required=True)
    questions: list[dict[str, PartTree]] = []
    for item in readers:
        question = _read_question(item)
        if question["id"] is not None and question["id"] in (one["id"] for one in questions):
            item.report(f"the question '{question['id']}' stands here twice", "Give it another id", "id")
        questions.append(question)
    _check_way(readers, questions)
    shown = [{key: part for key, part in one.items() if part is not None} for one in questions]
    return {"title": title, "questions": shown, "thanks": reader.read_rich_text("thanks")}


def _read_question(item: MappingReader) -> dict[str, PartTree]:
    id = item.read_name("id", is_required=True)
    if id == END:
        item.report(f"'{END}' is the end of a survey", "Give the question another id", "id")
    type = item.read_choice("type", QUESTION_TYPES, "text")
    if not item.has("type"):
        item.report("'type' is missing", f"Write one of {', '.join(QUESTION_TYPES)}")
    question: dict[str, PartTree] = {
        "id": id,
        "type": type,
        "text": item.read_rich_text("text", is_required=True),
        "required": item.read_flag("required", False),
        "options": _read_options(item) if type in CHOICES else None,
        "low": item.read_line("low") if type in GRADES else None,
        "high": item.read_line("high") if type in GRADES else None,
    }
    readers = item.read_items("next", MAX_RULES)
    question["next"] = [_read_rule(rule, question) for rule in readers] or None
    used = _list_used_rules(question)
    for number, rule in enumerate(readers):
        if number not in used:
            rule.report("no answer takes this rule", "Earlier rules are for all of its answers: take it out")
    item.finish()
    return question


def _read_options(item: MappingReader) -> list[dict[str, PartTree]]:
    options: list[dict[str, PartTree]] = []
    for one in item.read_items("options", MAX_OPTIONS, is_required=True):
        value = one.read_name("value", is_required=True)
        if value is not None and value in (option["value"] for option in options):
            one.report(f"the option '{value}' stands here twice", "Keep one of them", "value")
        options.append({"value": value, "label": one.read_line("label", is_required=True)})
        one.finish()
    return options


def _read_rule(rule: MappingReader, question: dict[str, PartTree]) -> dict[str, Any]:
    """Read for which answers another question follows; all of them without `when`."""
    to, when = rule.read_name("to", is_required=True), rule.read_mapping("when")
    rule.finish()
    if when is None:
        return {"when": {}, "to": to}
    found: dict[str, Any] = {}
    scale = GRADES.get(question["type"])
    if scale is not None:
        low, high = (when.read_number(key, scale[0], scale[-1]) for key in ("min", "max"))
        found |= {"min": low} if low is not None else {}
        found |= {"max": high} if high is not None else {}
    listed = when.read_values("is", MAX_OPTIONS) if question["type"] != "text" else None
    if listed is not None:
        answers = list_answers(question)
        for value in listed:
            if value not in answers or isinstance(value, bool):
                shown = did_you_mean(str(value), map(str, answers), "Answers")
                when.report(f"the question has no answer '{str(value)[:60]}'", shown, "is")
        if found:
            when.report("'is' stands beside bounds", "Write min and max, or list the answers by is", "is")
        found["is"] = listed
    when.finish()
    if not found and not when.list_keys():
        when.report("'when' names no answers", "Write {min: 9}, {max: 6} or {is: [price]}, or leave when out")
    return {"when": found, "to": to}


def list_answers(question: dict[str, PartTree]) -> list[Any]:
    """Return the answers of which one is given; none for a text."""
    if (scale := GRADES.get(question["type"])) is not None:
        return list(scale)
    return [option["value"] for option in question.get("options") or ()]


def fits(when: dict[str, Any], answer: Any) -> bool:
    """Return whether a rule is for an answer."""
    if "is" in when:
        return answer in when["is"]
    return not when or bool(when.get("min", answer) <= answer <= when.get("max", answer))


def _check_way(readers: Sequence[MappingReader], questions: Sequence[dict[str, PartTree]]) -> None:
    """Find questions that are never reached, or that could come twice."""
    numbers = {question["id"]: number for number, question in enumerate(questions) if question["id"] is not None}
    if len(numbers) < len(questions):
        return
    is_sound = True
    for item, question in zip(readers, questions, strict=True):
        for rule in question["next"] or ():
            if rule["to"] is not None and rule["to"] != END and rule["to"] not in numbers:
                remedy = did_you_mean(rule["to"], [*numbers, END], "Questions")
                item.report(f"there is no question '{rule['to']}'", remedy, "next")
                is_sound = False
            is_sound = is_sound and rule["to"] is not None
    if not is_sound:
        return
    ways = [_list_ways(question, number, numbers) for number, question in enumerate(questions)]
    reached, circle = _walk(ways)
    if circle is not None:
        shown = " → ".join(questions[number]["id"] for number in circle)
        readers[circle[-2]].report(f"the survey goes in a circle: {shown}", "Lead on, or to `end`", "next")
    for number, item in enumerate(readers):
        if number not in reached:
            said = f"the question '{questions[number]['id']}' is never reached"
            item.report(said, "Let an answer lead to it, or take it out", "id")


def _list_used_rules(question: dict[str, PartTree]) -> list[int | None]:
    """Return the rules that an answer takes, by number; None where it takes none.

    If several answers are given at once, the first rule for any of them is taken.
    """
    rules = question["next"] or []
    used = [
        next((n for n, rule in enumerate(rules) if fits(rule["when"], one)), None) for one in list_answers(question)
    ]
    # A text, and any question that is not answered, takes the first rule that is for all answers.
    if question["type"] == "text" or not question["required"]:
        used.append(next((number for number, rule in enumerate(rules) if not rule["when"]), None))
    return used


def _list_ways(question: dict[str, PartTree], number: int, numbers: dict[str, int]) -> list[int]:
    """Return the questions that may follow; the number of all is the end."""
    rules = question["next"] or []
    targets = [None if used is None else rules[used]["to"] for used in _list_used_rules(question)]
    following = (number + 1 if to is None else numbers.get(to, len(numbers)) for to in targets)
    return sorted(set(following))


def _walk(ways: Sequence[Sequence[int]]) -> tuple[set[int], list[int] | None]:
    """Return the questions reached from the first, and a circle if there is one."""
    reached: set[int] = set()
    done: set[int] = set()
    circle: list[int] | None = None

    def visit(number: int, before: list[int]) -> None:
        nonlocal circle
        if number in before:
            circle = circle or [*before[before.index(number) :], number]
        elif number < len(ways) and number not in done:
            reached.add(number)
            for following in ways[number]:
                visit(following, [*before, number])
            done.add(number)

    if ways:
        visit(0, [])
    return reached, circle
