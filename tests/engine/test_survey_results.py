"""Results of surveys as the API gives them: by version, arm, segment and time."""

from collections.abc import Mapping
from typing import Any

from tests.docs.test_surveys import TEMPLATE
from tests.harness import Harness

CAMPAIGN = """
key: ask
name: Ask
entry: {event: Order Delivered, reentry: always}
steps:
  - id: offer
    split: {arms: {with: 50, without: 50}}
    with: []
    without: []
  - {id: ask, send: {channel: email, template: nps}}
  - {id: rest, delay: 30d}
"""
GOLD = """
key: gold
name: Gold
where: profile.traits.tier == "gold"
"""
# Grades by user; who has none does not answer.
GRADES: Mapping[str, int | None] = {"a": 10, "b": 9, "c": 8, "d": 3, "e": None}


async def answered(harness: Harness) -> dict[str, str]:
    """Five people who were asked, with the arm of each."""
    await harness.run_campaign(CAMPAIGN, {"nps.liquid": TEMPLATE})
    for user in GRADES:
        await harness.identify(user, email=f"{user}@example.com", tier="gold" if user in "ad" else "none")
        await harness.track(user, "Order Delivered")
    await harness.messages.until(len(GRADES), state="sent")
    mails = {str(mail.message["To"]): mail for mail in harness.inbox.messages}
    for user, grade in GRADES.items():
        body = mails[f"{user}@example.com"].message.get_body(("plain",))
        assert body is not None
        link = "/survey/" + body.get_content().partition("/survey/")[2].strip()
        if grade is not None:
            await harness.http.post(link, data={"question": "nps", "answer": str(grade)})
        if grade == 3:
            await harness.http.post(link, data={"question": "missed", "answer": "Late"})
    rows = await harness.query(
        "SELECT user_id, outcome FROM decisions JOIN profiles ON profiles.id = profile_id WHERE kind = 'split'"
    )
    return {row["user_id"]: row["outcome"] for row in rows}


async def results(harness: Harness, query: str = "") -> dict[str, dict[str, Any]]:
    found = await harness.admin("GET", f"/v1/surveys/nps/results{query}")
    return {group["group"]: group for group in found["groups"]}


def grades(group: Mapping[str, Any]) -> dict[str, int]:
    return {one["value"]: one["answers"] for one in group["questions"][0]["distribution"] if one["answers"]}


async def test_results_by_everything(harness: Harness) -> None:
    await harness.admin("PUT", "/v1/segments/gold", {"file": "gold.yaml", "source": GOLD})
    arms = await answered(harness)
    [everyone] = (await results(harness)).values()
    assert (everyone["shown"], everyone["answered"], everyone["response_rate"]["value"]) == (5, 4, 0.8)
    nps, _, missed = everyone["questions"]
    assert grades(everyone) == {"3": 1, "8": 1, "9": 1, "10": 1}
    assert nps["nps"]["value"] == 25.0
    assert nps["nps"]["low"] < 25.0 < nps["nps"]["high"]
    assert (missed["question"], missed["answers"], missed["distribution"]) == ("missed", 1, [])
    by_arm = await results(harness, "?by=arm")
    for arm in set(arms.values()):
        group = by_arm[f"offer: {arm}"]
        users = [user for user, one in arms.items() if one == arm]
        assert group["shown"] == len(users)
        assert grades(group) == {str(GRADES[user]): 1 for user in users if GRADES[user] is not None}
    by_segment = await results(harness, "?by=segment")
    assert (by_segment["gold"]["shown"], grades(by_segment["gold"])) == (2, {"3": 1, "10": 1})
    assert list(await results(harness, "?by=channel")) == ["email"]
    assert list(await results(harness, "?by=campaign")) == ["ask"]
    # An answer counts for the version that asked.
    await harness.run_campaign(CAMPAIGN.replace("30d", "31d"), {"nps.liquid": TEMPLATE})
    assert {name: one["answered"] for name, one in (await results(harness, "?by=version")).items()} == {"ask 1": 4}
    assert await results(harness, "?to=2020-01-01T00:00:00Z") == {}
    assert len(await results(harness, "?from=2020-01-01T00:00:00Z&campaign=ask")) == 1


async def test_a_list_and_texts_in_pages(harness: Harness) -> None:
    await answered(harness)
    [listed] = (await harness.admin("GET", "/v1/surveys"))["surveys"]
    assert (listed["template"], listed["campaign"], listed["version"], listed["answered"]) == ("nps", "ask", 1, 4)
    page = await harness.admin("GET", "/v1/surveys/nps/texts?limit=1")
    assert [(one["user_id"], one["question"], one["text"]) for one in page["texts"]] == [("d", "missed", "Late")]
    assert page["next"] is None
    await harness.query(
        "UPDATE survey_answers SET text = 'More', type = 'text', score = NULL WHERE score = 9 RETURNING question"
    )
    seen: list[str] = []
    after = ""
    for _ in range(2):
        page = await harness.admin("GET", f"/v1/surveys/nps/texts?limit=1{after}")
        seen += [one["text"] for one in page["texts"]]
        after = f"&after={page['next']}"
    assert (sorted(seen), page["next"]) == (["Late", "More"], None)
    assert (await harness.act("GET", "/v1/surveys/none/results")).status_code == 404
    assert (await harness.act("GET", "/v1/surveys/nps/results?by=weather")).status_code == 400


async def test_an_erasure_deletes_surveys_and_answers(harness: Harness) -> None:
    await answered(harness)
    assert (await harness.act("DELETE", "/v1/users/d")).is_success
    await harness.until("SELECT 1 FROM survey_answers HAVING count(*) = 3")
    await harness.until("SELECT 1 FROM message_surveys HAVING count(*) = 4")
