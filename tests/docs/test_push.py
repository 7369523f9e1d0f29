"""docs/push.md is true: its template is rendered, its calls are answered, its tables are the code's."""

import json
import re
from base64 import urlsafe_b64encode
from pathlib import Path
from subprocess import run

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from channels.push.web_push import read_vapid_key
from channels.registry import PROVIDERS
from domain.channels.kinds import CHANNELS
from domain.channels.push import MAX_ACTIONS, MAX_CONTENT_BYTES, MAX_DATA, URGENCIES
from domain.people.device_addresses import ADDRESS_KINDS, MAX_REACHED, SEEN_WITHIN
from domain.sending.ledger_marks import MARK_TIMES
from domain.sending.providers_document import parse_providers
from tests.docs.curl import curl_lines, read_curl
from tests.docs.tables import rows
from tests.domain.templates.sources import only, variables
from tests.engine.test_push import CAMPAIGN
from tests.harness import WRITE_KEY, Harness

PAGE = (Path(__file__).parents[2] / "docs" / "push.md").read_text()
EXAMPLE = Path(__file__).parents[2] / "examples" / "web-push"
BLOCKS = {
    f"{language} {name}".strip(): text
    for language, name, text in re.findall(r"^```(\w+) ?(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
}
INBOX = "providers: {pushes: {kind: console, channel: push}}\n"


def test_every_block_is_run() -> None:
    assert set(BLOCKS) == {
        *("liquid template", "json track", "sh", "yaml providers", "sh keys", "sh report", "js worker", "js page"),
    }
    assert PAGE.count("```") == 2 * len(BLOCKS)


def test_the_template_is_rendered() -> None:
    content = only(BLOCKS["liquid template"]).render(variables({"first_name": "Ada"}, cart_id="c-1"), None)
    assert (content["title"], content["body"]) == ("Your cart waits, Ada", "Cart c-1 is still there.")
    assert [action["id"] for action in content["actions"]] == ["buy", "later"]
    assert content["data"] == {"cart": "c-1"}


def test_the_keys_and_the_bounds_are_the_codes() -> None:
    kind = CHANNELS["push"]
    listed = {row[0].strip("`"): row[1] for row in rows(PAGE.replace("# Push", "\n# Push", 1), "# Push")}
    assert set(listed) == {*kind.required, *kind.optional, *kind.structured}
    assert set(re.findall(r"`([a-z-]+)`", listed["urgency"])) == set(URGENCIES)
    assert f"at most {MAX_ACTIONS} buttons" in listed["actions"]
    assert f"at most {MAX_DATA} texts" in listed["data"]
    assert f"at most {MAX_CONTENT_BYTES:,} bytes" in PAGE
    assert f"the {MAX_REACHED} seen last, within {SEEN_WITHIN.days} days" in PAGE
    assert [row[1].strip("`") for row in rows(PAGE, "## Devices")] == list(ADDRESS_KINDS)


def test_the_providers_are_valid_and_serve_what_the_page_says() -> None:
    rules = parse_providers(BLOCKS["yaml providers"], "providers.yaml")
    assert [rule.name for rule in rules][:3] == ["firebase", "apple", "browsers"]
    served = {row[0].strip("`"): set(re.findall(r"`(\w+)`", row[1])) for row in rows(PAGE, "## Providers")}
    own = [kind for kind in PROVIDERS if kind.model.channels == frozenset({"push"})]
    assert served == {kind.name: set(kind.model.serves) for kind in own}
    assert {row[2] for row in rows(PAGE, "## Providers")} == {"replaces the one before"}


def test_the_commands_make_both_halves_of_a_vapid_key(tmp_path: Path) -> None:
    lines = BLOCKS["sh keys"].splitlines()
    made, private, public = (
        run(["bash", "-c", line], cwd=tmp_path, check=True, capture_output=True, text=True).stdout for line in lines
    )
    assert made == ""
    point = read_vapid_key(private).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    assert public == urlsafe_b64encode(point).decode().rstrip("=")


def test_the_reports_are_the_codes() -> None:
    events = CHANNELS["push"].report_events
    for report, event, column in rows(PAGE, "## Reports"):
        kind = report.strip("`")
        assert events[kind] == re.findall(r"`([^`]+)`", event)[0]
        assert column.strip("`") == f"{kind}_at"
        assert f"{kind}_at" in MARK_TIMES
    assert events["failed"] == "Push Failed"


async def test_the_calls_are_answered_and_a_push_is_granted(harness: Harness) -> None:
    await harness.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": INBOX})
    source = CAMPAIGN.replace("  - {id: later, delay: 300d}\n", "").replace("nudge}", "nudge, category: transactional}")
    await harness.run_campaign(source, {"nudge.liquid": BLOCKS["liquid template"]})
    known = {"URL": "http://sojourn.example.com", "WRITE_KEY": WRITE_KEY}
    for line in curl_lines(BLOCKS["sh"]):
        call = read_curl(line, known)
        answer = await harness.http.send(call.request)
        assert answer.status_code == call.status, (line, answer.text)
    await harness.post("track", json.loads(BLOCKS["json track"]))
    found = await harness.until("SELECT * FROM device_addresses WHERE removed_at IS NULL")
    assert [(row["kind"], row["app"], row["device_id"]) for row in found] == [("token", "com.example.shop", "5f0c6a1e")]
    await harness.track("u-1", "Cart Abandoned", {"cart_id": "c-1"})
    [granted] = await harness.messages.until(provider="pushes")
    assert granted["channel"] == "push"


def test_the_worker_and_the_page_are_those_of_the_example() -> None:
    """Which tests/runtime/test_dev_in_browser.py runs in a browser."""
    assert (EXAMPLE / "worker.js").read_text() == BLOCKS["js worker"]
    assert BLOCKS["js page"] in (EXAMPLE / "page.js").read_text()
