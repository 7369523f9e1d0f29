"""docs/webhooks.md is true: its templates are published and sent, its receivers verify, its statuses are the code's."""

import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from channels.webhook.http import MAX_REPLY_BYTES, TOTAL_SECONDS, read_reply
from channels.webhook.request import WebhookRequest, build
from domain.campaign.publication import check
from domain.channels import webhook_headers
from domain.channels.kinds import CHANNELS
from domain.channels.webhook import METHODS
from domain.sending import outbound_secrets, saved_values
from domain.sending.delivery import Accepted, Ambiguous, Rejected, Unavailable
from domain.sending.outbound_secrets import SecretKeeper
from settings import Settings
from tests import generated
from tests.docs import tables
from tests.domain.templates.sources import email, only, variables

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
BLOCKS = {
    f"{language} {name}".strip(): text
    for language, name, text in re.findall(r"^```(\w+) ?(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
}
ID, AT = "0b9c3a52-6a0e-5b6e-9d57-3a2f6f6f6f60", datetime(2026, 11, 2, 10, 30, tzinfo=UTC)
SECRET = generated.SIGNING_SECRET


def rendered(name: str, **properties: Any) -> dict[str, Any]:
    return only(BLOCKS[f"liquid {name}"]).render(variables(**properties), None)


def signed() -> WebhookRequest:
    content = rendered("event", cart_id="c-1", value=120)
    return build(content, ID, AT, [Webhook(SECRET)], datetime.now(UTC))


def test_every_block_is_run() -> None:
    assert set(BLOCKS) == {
        *("liquid event", "json event", "python standardwebhooks", "python hmac"),
        *("liquid slack", "sh", "liquid push", "liquid score", "yaml campaign"),
    }
    assert PAGE.count("```") == 2 * len(BLOCKS)


def test_an_event_is_sent_as_the_page_shows() -> None:
    assert json.loads(signed().body) == json.loads(BLOCKS["json event"])


def test_the_headers_of_an_event_are_those_of_the_page() -> None:
    said = {name.strip("`") for name, _ in tables.rows(PAGE, "## Signed events")}
    ours = {name for name in signed().headers if name.startswith("webhook-")} | {"idempotency-key"}
    assert said == ours == webhook_headers.OWN


@pytest.mark.parametrize("way", ["standardwebhooks", "hmac"])
def test_a_receiver_of_the_page_verifies(way: str) -> None:
    receiver: dict[str, Any] = {}
    exec(BLOCKS[f"python {way}"], receiver)  # noqa: S102 - the page's own lines
    request = signed()
    headers = dict(request.headers)
    assert receiver["read_event"](SECRET, headers, request.body)["data"]["cart"] == "c-1"
    rotated = {**headers, "webhook-signature": f"v1,AAAA {headers['webhook-signature']}"}
    assert receiver["read_event"](SECRET, rotated, request.body)
    for forged_headers, forged_body in [
        (headers, request.body.replace(b"c-1", b"c-2")),
        ({**headers, "webhook-id": "another"}, request.body),
        ({**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 600)}, request.body),
    ]:
        with pytest.raises((ValueError, WebhookVerificationError)):
            receiver["read_event"](SECRET, forged_headers, forged_body)


def test_the_keys_of_a_call_are_those_of_the_page() -> None:
    said = {key.strip("`") for key, _ in tables.rows(PAGE, "## Call any API")}
    kind = CHANNELS["webhook"]
    assert said == {*kind.required, *kind.optional, *kind.structured}
    [methods] = [text for key, text in tables.rows(PAGE, "## Call any API") if key == "`method`"]
    assert re.findall(r"`(\w+)`", methods) == list(METHODS)


def test_the_headers_that_cannot_be_set_are_those_of_the_page() -> None:
    listed = PAGE.partition("cannot be set:")[2].partition(".")[0]
    assert set(re.findall(r"`([\w-]+)`", listed)) == webhook_headers.FRAMING | webhook_headers.OWN


def test_the_campaign_of_the_page_is_published() -> None:
    files = {f"{name}.liquid": BLOCKS[f"liquid {name}"] for name in ("score", "slack")}
    published = check(BLOCKS["yaml campaign"], "trial-score.yaml", {**files, "welcome.liquid": email()})
    assert set(published.plan.nodes) == {"ask", "decide", "call", "welcome"}
    paths = only(BLOCKS["liquid score"]).render(variables(), None)["save"]
    found = saved_values.read_saved(paths, re.findall(r"answers `(.*?)`", PAGE)[0].encode())
    assert found.values == {"score": 82, "segment": "gold"}


def test_slack_is_called_with_the_secret_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in re.findall(r"^export (\w+)=(.*)$", BLOCKS["sh"], re.MULTILINE):
        monkeypatch.setenv(name, value)
    settings = Settings.model_validate(
        {
            "database_url": "postgresql://sojourn@localhost/sojourn",
            "link_secret": generated.LINK_SECRET,
            "webhook_signing_secret": SECRET,
        }
    )
    keeper = SecretKeeper(settings.webhook_secrets)
    content = rendered("slack", plan="Team")
    request = build(keeper.fill(content, "hooks.slack.com"), ID, AT, [], AT)
    keeper.check_host(content, request.url.scheme, request.url.host)
    assert str(request.url) == f"https://hooks.slack.com/services/{os.environ['SOJOURN_SECRET_SLACK_PATH']}"
    assert json.loads(request.body) == {"text": "A customer has asked for a call about Team"}


def test_a_push_service_is_called_for_the_user() -> None:
    content = rendered("push", plan="Team")
    assert content["headers"] == {"Authorization": "Key {{ secrets.push_key }}"}
    assert content["body"]["include_aliases"] == {"external_id": ["u1"]}
    assert content["body"]["contents"] == {"en": "Team is one tap away."}
    assert content["body"]["idempotency_key"]
    host = content["url"].removeprefix("https://").partition("/")[0]
    assert f"`SOJOURN_SECRET_PUSH_KEY_HOSTS` is `{host}`" in PAGE


def test_the_call_for_a_score_is_built() -> None:
    content = rendered("score", model="b2b/eu", seats=12)
    assert content["url"] == "https://scores.example.com/v1/score?model=b2b%2Feu"
    assert content["body"] == {"user": "u1", "seats": 12}
    assert content["headers"] == {"Authorization": "Bearer {{ secrets.score_token }}"}


@pytest.mark.parametrize(
    "said",
    [
        f"A reply may be {MAX_REPLY_BYTES // 1024} KiB",
        f"a value {saved_values.MAX_VALUE_BYTES // 1024} KiB of JSON and {saved_values.MAX_DEPTH} levels deep",
        f"all values of a journey {saved_values.MAX_JOURNEY_BYTES // 1024} KiB",
        f"{outbound_secrets.MIN_CHARACTERS} to {outbound_secrets.MAX_CHARACTERS:,} printable ASCII characters",
        f"An attempt takes {TOTAL_SECONDS} s at most",
    ],
)
def test_bounds_are_those_of_the_code(said: str) -> None:
    assert said in PAGE


@pytest.mark.parametrize("is_repeatable", [True, False])
@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 404, 408, 410, 425, 429, 500, 501, 502, 503, 504, 599])
def test_a_status_means_what_the_page_says(status: int, *, is_repeatable: bool) -> None:
    rows = {row[0]: row[1:] for row in tables.rows(PAGE, "## Statuses and repetition")}
    other_errors = next(row for row in rows if row.startswith("any other 5xx"))
    named = next((row for row in rows if str(status) in row), None)
    row = named or ("2xx" if status < 300 else other_errors if status >= 500 else "any other, redirects too")
    safe, unsafe = rows[row]
    meaning = safe if is_repeatable or unsafe == "the same" else unsafe
    outcome = read_reply(status, None, AT, is_repeatable=is_repeatable)
    kinds = {"sent": Accepted, "repeated": Unavailable, "`unknown`": Ambiguous, "failed": Rejected}
    assert isinstance(outcome, next(kind for word, kind in kinds.items() if meaning.startswith(word)))
