"""Approvals of people who log in at an identity provider: a person of two sessions is one."""

from typing import Any

from tests.api.approval_office import audience, document
from tests.api.fakes import ADMIN_KEY, WRITE_KEY
from tests.api.issuer import ADA, Issuer, open_issuer
from tests.api.live import client_of
from tests.api.test_single_sign_on import Browser, open_with

ABOVE = 3
BOB: dict[str, Any] = {"sub": "bob-1", "name": "Ada Lovelace", "groups": ["approvers"]}


async def log_in(app: Any, issuer: Issuer, person: dict[str, Any]) -> Browser:
    issuer.person = person
    browser = Browser(app)
    assert (await browser.log_in(issuer)).status_code == 303
    return browser


async def test_two_sessions_of_a_subject_are_one_person(database_url: str) -> None:
    """Under another name, with other groups, beside the session that asked or after it, and by keys that it makes."""
    async with (
        open_issuer() as issuer,
        open_with(database_url, issuer, approval_above=ABOVE) as app,
        client_of(app, ADMIN_KEY) as root,
        client_of(app, WRITE_KEY) as tracker,
    ):
        calls = [{"type": "identify", "userId": f"u{one}", "traits": {"plan": "trial"}} for one in range(ABOVE + 1)]
        assert (await tracker.post("/v1/batch", json={"batch": calls})).is_success
        assert (await root.post("/v1/campaigns", json=document(audience()))).is_success
        first = await log_in(app, issuer, ADA)
        asked = await first.open("/v1/campaigns/news/start", method="POST")
        assert asked.status_code == 202, asked.text
        approval = asked.json()["approval"]
        path = f"/v1/approvals/{approval['id']}"
        second = await log_in(app, issuer, ADA)
        renamed = await log_in(app, issuer, {**ADA, "name": "Bob", "groups": ["approvers"]})
        for browser in (first, second, renamed):
            answer = await browser.open(f"{path}/approve", method="POST")
            assert (answer.status_code, answer.json()["code"]) == (403, "same_person")
        made = await second.open("/v1/keys", method="POST", json={"name": "Bob", "scopes": ["read", "approve"]})
        assert made.status_code == 201, made.text
        async with client_of(app, made.json()["token"]) as key:
            assert (await key.post(f"{path}/approve")).json()["code"] == "same_person"
        assert (await first.open("/v1/session", method="DELETE")).is_success
        assert (await second.open(f"{path}/approve", method="POST")).json()["code"] == "same_person"
        # The name is not the person.
        bob = await log_in(app, issuer, BOB)
        assert (await bob.open(f"{path}/approve", method="POST")).status_code == 200
        decided = (await root.get(path)).json()
        assert (decided["state"], decided["requested_by_id"]) == ("approved", approval["requested_by_id"])
        assert decided["decided_by"] == "Ada Lovelace" == decided["requested_by"]
