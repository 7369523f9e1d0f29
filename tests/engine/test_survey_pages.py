"""The page of a survey: what is missing, what is skipped, the language, and links that are not ours."""

import pytest

from domain.people.links import INERT
from domain.retention_document import DEFAULT_DAYS
from runtime.maintenance import apply_retention
from tests.docs.test_surveys import TEMPLATE
from tests.harness import PATIENCE, Harness

CAMPAIGN = """
key: ask
name: Ask
entry: {event: Order Delivered}
steps:
  - {id: ask, send: {channel: email, template: nps}}
  - {id: rest, delay: 30d}
"""


async def link(harness: Harness, **traits: str) -> str:
    await harness.run_campaign(CAMPAIGN, {"nps.liquid": TEMPLATE})
    await harness.identify("ada", email="ada@example.com", **traits)
    await harness.track("ada", "Order Delivered")
    [mail] = await harness.inbox.wait_for(1, timeout=PATIENCE)
    text = mail.message.get_body(("plain",))
    assert text is not None
    return f"/survey/{text.get_content().partition('/survey/')[2].strip()}"


async def post(harness: Harness, path: str, **form: str) -> str:
    answer = await harness.http.post(path, data=form)
    assert answer.status_code == 200
    return answer.text


async def kept(harness: Harness) -> dict[str, int | str]:
    rows = await harness.query("SELECT question, score, text FROM survey_answers")
    return {row["question"]: row["score"] if row["text"] is None else row["text"] for row in rows}


async def test_a_missing_answer_is_asked_for_again_and_an_optional_question_may_be_skipped(harness: Harness) -> None:
    path = await link(harness)
    for form in ({"question": "nps"}, {"question": "nps", "answer": "11"}, {"question": "nps", "skip": "1"}):
        assert "Please choose or write an answer." in await post(harness, path, **form)
    assert "How likely are you" in await post(harness, path, question="other", answer="9")
    assert await kept(harness) == {}
    assert "What did you like most?" in await post(harness, path, question="nps", answer="10")
    # The answer of a link is that of the first question.
    assert "3</textarea>" not in (await harness.http.get(f"{path}?answer=3")).text
    assert "Thank you" in await post(harness, path, question="liked", answer=" ", skip="1")
    assert "What did you like most?" in (await harness.http.get(path)).text
    assert "Thank you" in await post(harness, path, question="liked", answer="<b>All</b> 😀" * 200)
    assert await kept(harness) == {"nps": 10, "liked": "<b>All</b> 😀" * 200}


async def test_the_page_is_in_the_language_of_its_recipient(harness: Harness) -> None:
    path = await link(harness, locale="de")
    page = (await harness.http.get(f"{path}?answer=4")).text
    assert '<html lang="de">' in page
    assert "Antwort senden" in page
    # Words of the author are shown as they are, with what stands for characters of HTML.
    assert "How likely are you to recommend <strong>Example Shop</strong> to a friend?" in page
    assert "Vielen Dank" in await post(harness, path, question="nps", answer="8")


async def test_a_survey_is_closed_at_the_end_of_its_retention(harness: Harness) -> None:
    path = await link(harness)
    await post(harness, path, question="nps", answer="10")
    age = "UPDATE message_surveys SET recorded_at = now() - make_interval(days => %s, hours => 1) RETURNING message_id"
    await harness.query(age, DEFAULT_DAYS["surveys"] - 1)
    await apply_retention(harness.database)
    assert "What did you like most?" in (await harness.http.get(path)).text
    await harness.query(age, DEFAULT_DAYS["surveys"])
    await apply_retention(harness.database)
    for answer in (
        await harness.http.get(f"{path}?answer=9", headers={"Accept-Language": "de"}),
        await harness.http.post(path, data={"question": "liked", "answer": "All"}, headers={"Accept-Language": "de"}),
    ):
        assert answer.status_code == 404
        assert "Diese Umfrage ist beendet" in answer.text
    # What was answered in time stays.
    assert await kept(harness) == {"nps": 10}


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_link_that_is_not_ours_opens_nothing(harness: Harness, method: str) -> None:
    for token in ("forged", INERT):
        answer = await harness.http.request(method, f"/survey/{token}?answer=9")
        assert answer.status_code == 404
        assert "text/html" in answer.headers["content-type"]


async def test_the_link_of_another_page_answers_nothing(harness: Harness) -> None:
    path = await link(harness)
    [mail] = harness.inbox.messages
    unsubscribing = str(mail.message["List-Unsubscribe"]).partition("/unsubscribe/")[2].partition(">")[0]
    answer = await harness.http.post(f"/survey/{unsubscribing}", data={"question": "nps", "answer": "1"})
    assert answer.status_code == 404
    assert (await harness.http.get(path.replace("/survey/", "/unsubscribe/"))).status_code == 404
    assert await kept(harness) == {}
