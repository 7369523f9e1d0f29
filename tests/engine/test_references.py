"""A version is started only while all names of the deployment's documents that it reads are in force."""

from typing import get_args

from application.references import REMEDIES
from store.references import Referenced
from tests.harness import MAIL, Harness

READING = """
key: hello
name: Hello
entry: {event: Signed Up, where: 'profile.stage in ["trial"]'}
steps: [{id: note, send: {channel: email, template: note, category: news}}]
"""
PLAIN = """
key: hello
name: Hello
entry: {event: Signed Up}
steps: [{id: note, send: {channel: email, template: note, category: transactional}}]
"""
ADDRESSED = MAIL.replace("text:", 'preheader: "{{ deployment.postal_address }}"\ntext:')
EVERYONE = '{key: reach, when: "true"}'
# Each document with and without what the campaign reads.
DOCUMENTS = {
    "lifecycle": (f"stages: [{EVERYONE}, {{key: trial, by: hand}}]\n", f"stages: [{EVERYONE}]\n"),
    "topics": ("topics: [{key: news, name: News}]\n", "topics: [{key: offers, name: Offers}]\n"),
    "senders": ("senders: []\npostal_address: Pier 1\n", "senders: []\n"),
}
SAID = {
    "lifecycle": "reads stages that are no longer there: trial. Apply them first: `sojourn lifecycle apply`",
    "topics": "reads topics that are no longer there: news. Apply them first: `sojourn topics apply`",
    "senders": "reads deployment values that are no longer there: postal_address.",
}


def test_each_kind_of_name_has_a_remedy() -> None:
    assert set(REMEDIES) == set(get_args(Referenced))


async def put(harness: Harness, name: str, source: str) -> None:
    await harness.admin("PUT", f"/v1/{name}", {"file": f"{name}.yaml", "source": source})


async def test_a_version_is_not_started_whose_names_were_taken_back(harness: Harness) -> None:
    for name, (source, _) in DOCUMENTS.items():
        await put(harness, name, source)
    await harness.publish(READING, {"note.liquid": ADDRESSED})
    await harness.run_campaign(PLAIN)
    for name, (source, without) in DOCUMENTS.items():
        await put(harness, name, without)
        refused = await harness.act("POST", "/v1/campaigns/hello/start", {"version": 1})
        assert (refused.status_code, SAID[name] in refused.json()["detail"]) == (409, True), refused.text
        await put(harness, name, source)
    await harness.admin("POST", "/v1/campaigns/hello/start", {"version": 1})
