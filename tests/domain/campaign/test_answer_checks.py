"""References to answers name a step that sends, and a question that its survey has."""

import pytest

from domain.campaign.publication import check
from domain.errors import InvalidDocumentError

CAMPAIGN = """
key: ask
name: Ask
entry: {event: Order Delivered}
steps:
  - {id: ask-them, send: {channel: email, template: nps, category: transactional}}
  - {id: rest, delay: 1d}
  - id: grade
    branch:
      - when: CONDITION
        do: [{id: again, send: {channel: email, template: note, category: transactional}}]
    otherwise: []
"""
NPS = """---
channel: email
from: shop@example.com
subject: How likely?
survey: {questions: [{id: nps, type: nps, text: "How likely?"}, {id: the-why, type: text, text: "Why?"}]}
text: "{{ survey_url }}"
---
<p>{{ survey_url }}</p>
"""
NOTE = """---
channel: email
from: shop@example.com
subject: Thanks
text: "You gave {{ journey.answers['ask-them'].nps | default: 'nothing' }}"
---
<p>Thanks</p>
"""


def find(condition: str, note: str = NOTE) -> list[tuple[str, str, str]]:
    try:
        check(CAMPAIGN.replace("CONDITION", condition), "ask.yaml", {"nps.liquid": NPS, "note.liquid": note})
    except InvalidDocumentError as error:
        return [(one.file, one.message, one.suggestion) for one in error.problems]
    return []


@pytest.mark.parametrize(
    "condition",
    [
        "journey.answers['ask-them'].nps >= 9",
        "has(journey.answers['ask-them'].nps)",
        "journey.answers['ask-them']['the-why'] == 'journey.answers.none.none'",
    ],
)
def test_a_question_of_the_step_may_be_named(condition: str) -> None:
    assert find(condition) == []


@pytest.mark.parametrize(
    ("condition", "message", "suggestion"),
    [
        ("journey.answers.asked.nps >= 9", "there is no step `asked` that sends", "Did you mean `ask-them`?"),
        ("journey.answers.rest.nps >= 9", "there is no step `rest` that sends", ""),
        ("journey.answers['ask-them'].nsp >= 9", "the step `ask-them` does not ask `nsp`", "Did you mean `nps`?"),
        ("journey.answers.again.nps >= 9", "the step `again` does not ask `nps`", "Add `survey:` to its template"),
    ],
)
def test_another_step_or_question_is_refused(condition: str, message: str, suggestion: str) -> None:
    [found] = find(condition)
    assert found[0] == "ask.yaml"
    assert message in found[1]
    assert suggestion in found[2]


def test_a_template_names_a_question_too() -> None:
    [(file, message, _)] = find("journey.answers['ask-them'].nps >= 9", NOTE.replace("].nps", "].grade"))
    assert (file, message) == ("templates/note.liquid", "the step `ask-them` does not ask `grade`")
