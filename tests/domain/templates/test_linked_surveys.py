"""A mail that links to a survey: kept beside its text, asked in each language, and linked to."""

from domain.surveys.survey import QuestionOutline
from domain.templates.template_sets import load
from tests.domain.templates.sources import email, only, variables

SURVEY = "{title: 'Hi {{ profile.traits.name }}', questions: [{id: ask, type: csat, text: 'How was **it**?'}]}"
OTHER = '{questions: [{id: ask, type: nps, text: "Wie war es?"}]}'
LINK = "{{ survey_url }}?answer=5"


def test_a_rendered_mail_has_its_survey_and_a_link() -> None:
    template = only(email(text=LINK, survey=SURVEY))
    assert template.questions == (QuestionOutline("ask", "csat"),)
    content = template.render(variables({"name": "**Ada**"}), None)
    assert content["text"] == "https://example.com/s/abc?answer=5"
    assert content["survey"]["title"] == "Hi **Ada**"
    [question] = content["survey"]["questions"]
    assert (question["id"], question["type"], question["required"]) == ("ask", "csat", False)
    [paragraph] = question["text"]
    assert [node["t"] for node in paragraph["c"]] == ["text", "b", "text"]


def test_a_survey_without_a_link_and_a_link_without_a_survey_are_refused() -> None:
    _, [unlinked] = load({"t.liquid": email(survey=SURVEY)})
    assert (unlinked.message, unlinked.path) == ("no text links to the survey", "survey")
    _, [stray] = load({"t.liquid": email(text=LINK)})
    assert stray.message == "`survey_url` leads to no survey"


def test_a_fault_of_a_question_has_its_line() -> None:
    survey = "\n  questions:\n    - {id: ask, type: nbs, text: How}"
    _, [problem] = load({"t.liquid": email(text=LINK, survey=survey)})
    assert problem.line == 8
    assert "there is no type 'nbs'" in problem.message


def test_languages_ask_the_same_questions() -> None:
    files = {"t.liquid": email(text=LINK, survey=SURVEY), "t.de.liquid": f"---\nsurvey: {OTHER}\n---\nGerman"}
    _, [problem] = load(files)
    assert (problem.file, problem.line) == ("t.de.liquid", 2)
    assert problem.message == "the survey asks other questions than that of the default language"
    files["t.de.liquid"] = f"---\nsurvey: {OTHER.replace('nps', 'csat')}\n---\nGerman"
    sets, problems = load(files)
    assert problems == []
    content = sets["t"].render(variables(), "de")
    assert content["survey"]["questions"][0]["text"][0]["c"][0]["v"] == "Wie war es?"


def test_only_mails_link_to_surveys() -> None:
    _, problems = load({"t.liquid": f"---\nchannel: sms\nsurvey: {SURVEY}\n---\nHi"})
    assert "there is no key 'survey'" in [one.message for one in problems]
