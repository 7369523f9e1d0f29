"""Steer a deployment by clicks in the console: API, worker, Temporal and browser are real."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
from starlette.responses import HTMLResponse
from starlette.types import Receive, Scope, Send

from tests.api.inboxes import serve
from tests.api.live import open_live
from tests.clients.console_page import ConsolePage
from tests.clients.devtools import DevTools, devtools
from tests.databases import database_of
from tests.harness import ADMIN_KEY, PATIENCE, Harness, open_harness
from tests.servers import PostgresServer, TemporalServer

SCRIPT: Final = "<svg/onload=window.attacked=1>"
ATTACKED: Final = "window.attacked || document.querySelector('svg[onload]')"
EDITOR: Final = "document.querySelector('.editor')?.shadowRoot"
LAST_LINE: Final = f"{EDITOR}?.querySelector('.cm-line:last-child')"
# How far the mark of an error is from the last line.
MARK_AT: Final = f"""
Math.abs({EDITOR}.querySelector('.cm-lint-marker-error').getBoundingClientRect().top -
         {LAST_LINE}.getBoundingClientRect().top)
"""
IS_APPLY_DISABLED: Final = "[...document.querySelectorAll('button')].find(one => one.innerText === 'Apply').disabled"


def campaign(key: str, event: str = "Signed Up", name: str | None = None) -> str:
    return (
        f"key: {key}\nname: {name or key}\nentry: {{event: {event}, reentry: always}}\nsteps:\n"
        "- {id: rest, delay: 1d}\n"
        "- {id: hello, send: {channel: email, template: note, category: transactional}}\n"
        "- {id: more, delay: 1d}\n"
    )


@dataclass
class Stage:
    """A deployment whose console people use."""

    harness: Harness
    url: str
    tools: DevTools
    database_url: str

    async def page(self, key: str = ADMIN_KEY, url: str | None = None) -> ConsolePage:
        page = await ConsolePage.open(self.tools, url or self.url)
        await page.log_in(key)
        return page

    async def begin(self, key: str, *users: str) -> list[str]:
        """Run a campaign, and let people rest at its first step; the ids of their journeys."""
        event = f"Began {key}"
        await self.harness.run_campaign(campaign(key, event))
        for user in users:
            await self.harness.track(user, event)
            await self.harness.rests(await self.harness.journey(user, key), "rest")
        rows = await self.harness.query("SELECT id FROM journeys WHERE campaign_key = %s ORDER BY id", key)
        return [str(row["id"]) for row in rows]

    async def audited(self, target: str) -> list[str]:
        """Return what the audit log has of a target, the latest first."""
        entries = (await self.harness.admin("GET", f"/v1/audit-log?target={target}"))["entries"]
        return [entry["action"] for entry in entries]

    @asynccontextmanager
    async def beside(self, **settings: Any) -> AsyncIterator[str]:
        """Another API over the same database, with other settings; its URL."""
        async with open_live(self.database_url, rate_limit_address=0, **settings) as app, serve(app) as served:
            app.state.console_origins = frozenset({served.url})
            yield served.url


@pytest.fixture(scope="module")
async def stage(
    postgres: PostgresServer, migrated: str, temporal: TemporalServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("browser")
    async with (
        database_of(postgres, migrated) as url,
        open_harness(url, temporal, console_edit="apply", rate_limit_address=0) as harness,
        serve(harness.app) as served,
        devtools(folder) as tools,
    ):
        # Its port is not known before.
        harness.app.state.console_origins = frozenset({served.url})
        yield Stage(harness, served.url, tools, url)


async def test_a_campaign_is_started_paused_resumed_and_stopped(stage: Stage) -> None:
    await stage.harness.publish(campaign("acts"))
    page = await stage.page()
    await page.show("/campaigns/acts")
    for act, says, state in (
        ("Start", "Version 1 takes effect", "running"),
        ("Pause", "No message is sent until you resume", "paused"),
        ("Resume", "Messages are sent again", "running"),
        ("Stop", "They end now", "ended"),
    ):
        await page.click(act)
        await page.until_shown(says, "dialog[open]")
        if act == "Stop":
            await page.click("They end now, and nothing more is sent")
        await page.click(act)
        await page.until_closed()
        await page.until_shown(state, "main .badge")
        assert f"campaign.{act.lower()}" in (await stage.audited("acts"))[:2]


async def test_a_campaign_is_paused_by_the_keyboard_alone(stage: Stage) -> None:
    await stage.begin("keyed")
    page = await stage.page()
    await page.tab_to("keyed")
    await page.press("Enter")
    await page.until_shown("Graph")
    await page.tab_to("Pause")
    await page.press("Enter")
    await page.until_shown("No message is sent until you resume", "dialog[open]")
    await page.press("Escape")
    await page.until_closed()
    # It goes on where it was.
    assert await page.focused() == "Pause"
    await page.press("Enter")
    await page.until_shown("No message is sent until you resume", "dialog[open]")
    await page.tab_to("Pause")
    await page.press("Enter")
    await page.until_shown("paused", "main .badge")
    await page.until_closed()
    assert (await stage.audited("keyed"))[0] == "campaign.pause"


async def test_a_document_is_planned_and_applied(stage: Stage) -> None:
    await stage.begin("edited", "u-edited")
    page = await stage.page()
    await page.show("/campaigns/edited?tab=document")
    await page.click_on(LAST_LINE)
    await page.press("End", "Control")
    await page.type("- {id: last, delay: never}")
    await page.click("Plan")
    # On its line, and beside the editor with the remedy.
    await page.page.until(f"{MARK_AT} < 20")
    assert "campaign.yaml:8" in await page.read("[role=alert]")
    assert await page.page.run(IS_APPLY_DISABLED)
    await page.click_on(LAST_LINE)
    await page.press("End")
    await page.press("Home", "Shift")
    await page.type("- {id: last, delay: 2d}")
    await page.click("Plan")
    await page.until_shown("Makes version 2")
    await page.until_shown("1 journey of version 1 at rest: stays")
    await page.click("Apply")
    await stage.harness.until("SELECT 1 FROM campaign_versions WHERE campaign_key = 'edited' AND version = 2")
    await page.until_shown("version 2")
    assert (await stage.audited("edited"))[0] == "campaign.apply"


async def test_a_deployment_that_plans_applies_nothing(stage: Stage) -> None:
    await stage.begin("planned")
    async with stage.beside(console_edit="plan") as url:
        page = await stage.page(url=url)
        await page.show("/campaigns/planned?tab=document")
        await page.click("Plan")
        await page.until_shown("The same as version 1")
        assert await page.page.run(IS_APPLY_DISABLED)
        body = {"file": "c.yaml", "source": campaign("planned"), "templates": {}}
        assert await page.fetch("POST", "/v1/campaigns/planned/apply", {**body, "plan": "0" * 64}) == 403
        assert await page.fetch("PUT", "/v1/frequency-caps", {"file": "c.yaml", "source": "rules: []\n"}) == 403


async def test_a_campaign_that_needs_approval_says_so(stage: Stage) -> None:
    await stage.begin("many", "u-many-1", "u-many-2")
    await stage.harness.publish(campaign("vast", "Began many"))
    async with stage.beside(approval_above=1) as url:
        page = await stage.page(url=url)
        await page.show("/campaigns/vast")
        await page.click("Start")
        await page.click("Start")
        await page.until_shown("waits until another person approves it", "dialog[open]")
        await page.click("Close")
        await page.until_closed()
        assert "draft" in await page.read("main .badge")
    assert "campaign.start" not in await stage.audited("vast")


async def test_journeys_are_skipped_and_ended(stage: Stage) -> None:
    journeys = await stage.begin("walked", "u-1", "u-2", "u-3")
    page = await stage.page()
    await page.show(f"/journeys/{journeys[0]}")
    await page.click("Skip wait")
    await page.until_shown("The wait at rest ends now", "dialog[open]")
    await page.click("Skip wait")
    await page.until_closed()
    await page.until_shown("more")
    await page.click("End")
    await page.until_shown("nothing more is sent by it", "dialog[open]")
    await page.click("End")
    await page.until_closed()
    await stage.harness.until("SELECT 1 FROM journeys WHERE id = %s AND state = 'exited'", journeys[0])
    assert (await stage.audited(journeys[0]))[:2] == ["journey.exit", "journey.skip"]
    # All that the filters select, which are counted first.
    await page.show("/journeys?campaign=walked&step=rest&user=u-2")
    await page.click("Skip waits")
    await page.until_shown("1 journey of walked fit the filters now", "dialog[open]")
    await page.click("Skip waits")
    await page.until_shown("page by page", "dialog[open]")
    await page.click("Operations")
    await page.until_shown("Operations", "main h1")
    await page.until_shown("walked")
    await stage.harness.until(
        "SELECT FROM journeys WHERE campaign_key = 'walked' AND state = 'active' AND step = 'more'"
    )
    await page.show("/journeys?campaign=walked")
    await page.click("End journeys")
    await page.until_shown("2 journeys of walked fit the filters now", "dialog[open]")
    await page.click("End journeys")
    await page.until_shown("page by page", "dialog[open]")
    await page.click("Operations")
    await page.until_shown("Operations", "main h1")
    await stage.harness.until(
        "SELECT FROM journeys WHERE campaign_key = 'walked' HAVING count(*) = 3 AND bool_and(state = 'exited')"
    )


async def test_a_suppression_is_lifted(stage: Stage) -> None:
    await stage.harness.identify("u-quiet", email="quiet@example.com")
    await stage.harness.admin("PUT", "/v1/users/u-quiet/suppressions/email", {"reason": "asked support"})
    page = await stage.page()
    await page.show("/people/u-quiet?tab=consent")
    await page.click("Lift")
    await page.until_shown("are sent again where their consent allows it", "dialog[open]")
    await page.click("Lift")
    await page.until_closed()
    user = await stage.harness.admin("GET", "/v1/users/u-quiet")
    assert user["consent"]["email"]["suppressed"] is None
    assert (await stage.audited("u-quiet"))[0] == "user.lift"


async def test_a_test_is_sent_of_the_text_in_the_editor(stage: Stage) -> None:
    await stage.begin("tested")
    page = await stage.page()
    await page.show("/campaigns/tested?tab=document")
    await page.click("Send a test")
    await page.fill("Step", "hello")
    await page.fill("To the address", "operator@example.com")
    await page.click("Send a test")
    await page.until_shown("accepted", "dialog[open]")
    [mail] = await stage.harness.inbox.wait_for(1, PATIENCE)
    assert "A note for" in str(mail.message["subject"])
    await page.click("Close")
    await page.until_closed()
    assert await page.focused() == "Send a test"
    log = (await stage.harness.admin("GET", "/v1/audit-log?limit=5"))["entries"]
    assert "template.send_test" in {entry["action"] for entry in log}


async def test_a_segment_is_planned_and_applied(stage: Stage) -> None:
    await stage.harness.identify("u-pro", plan="pro")
    page = await stage.page()
    await page.show("/documents/new-segment")
    await page.click("Plan")
    await page.until_shown("Makes version 1 of my-segment")
    await page.until_shown("Join:")
    await page.click("Apply")
    await page.until_shown("My segment", "main h1")
    assert "segment.apply" in await stage.audited("my-segment")
    await page.show("/segments/my-segment?tab=document")
    await page.click("Plan")
    await page.until_shown("my-segment stays as it is")


async def test_a_key_is_shown_once_and_a_session_ends(stage: Stage) -> None:
    page = await stage.page()
    await page.show("/keys")
    await page.click("New key")
    await page.fill("Name", "Ada")
    await page.click("New key")
    token = await page.page.until("document.querySelector('dialog[open] input[readonly]')?.value")
    await page.click("Close")
    await page.until_closed()
    assert token not in await page.page.run("document.documentElement.outerHTML")
    ada = await stage.page(token)
    await page.show("/sessions")
    row = "[...document.querySelectorAll('tbody tr')].find(one => one.innerText.startsWith('Ada'))"
    await page.click_on(f"{row}?.querySelector('button')")
    await page.until_shown("show the sign-in from now on", "dialog[open]")
    await page.click("End")
    await page.until_closed()
    await ada.page.until("fetch('/v1/session').then(answer => answer.status === 401)")
    await page.show("/keys")
    await page.click_on(f"{row}?.querySelector('button')")
    await page.click("Revoke")
    await page.until_closed()
    await page.until_shown("revoked")
    [key] = await stage.harness.query("SELECT id FROM api_keys WHERE name = 'Ada'")
    assert await stage.audited(str(key["id"])) == ["key.revoke", "key.create"]


async def stranger(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer as the server of somebody else's page does."""
    await HTMLResponse("<!doctype html><title>Else</title><p>Hello</p>")(scope, receive, send)


async def test_a_page_of_another_origin_steers_nothing(stage: Stage) -> None:
    await stage.begin("guarded")
    page = await stage.page()
    async with serve(stranger) as other:
        # The same site, since that has no port: the browser sends the cookie.
        await page.page.open(other.url)
        call = (
            f"fetch('{stage.url}/v1/campaigns/guarded/stop', {{method: 'POST', mode: 'no-cors', credentials: 'include',"
            ' body: \'{"mode": "exit"}\'}).then(answer => answer.type)'
        )
        assert await page.page.run(call) == "opaque"
        form = (
            f"(() => {{ const form = document.createElement('form'); form.method = 'post';"
            f" form.action = '{stage.url}/v1/campaigns/guarded/pause'; document.body.append(form); form.submit() }})()"
        )
        await page.page.run(form)
        await page.page.until(f"location.href.startsWith('{stage.url}')")
    statuses = [
        one["params"]["response"]["status"]
        for one in page.page.events
        if one["method"] == "Network.responseReceived" and "/guarded/" in one["params"]["response"]["url"]
    ]
    assert statuses == [403, 403]
    assert (await stage.harness.admin("GET", "/v1/campaigns/guarded"))["state"] == "running"


async def test_no_page_frames_the_console(stage: Stage) -> None:
    page = await stage.page()
    async with serve(stranger) as other:
        await page.page.open(other.url)
        frame = (
            f"new Promise(done => {{ const frame = document.createElement('iframe'); frame.src = '{stage.url}/console';"
            " frame.onload = () => done(true); document.body.append(frame) })"
        )
        await page.page.run(frame)
        failed = [one["params"] for one in page.page.events if one["method"] == "Network.loadingFailed"]
    assert [one["errorText"] for one in failed] == ["net::ERR_BLOCKED_BY_RESPONSE"], failed


async def test_a_planted_session_is_not_the_victims(stage: Stage) -> None:
    attacker = await stage.page()
    planted = await attacker.cookie()
    assert planted is not None
    victim = await ConsolePage.open(stage.tools, stage.url)
    cookie = {"name": "__Host-sojourn", "value": planted, "url": stage.url, "path": "/", "secure": True}
    assert (await victim.page.call("Network.setCookie", **cookie))["success"]
    await victim.page.open(f"{stage.url}/console")
    await victim.click("Sign out")
    await victim.log_in(ADMIN_KEY)
    assert await victim.cookie() not in (None, planted)
    # What the attacker knows opens nothing.
    assert await attacker.fetch("GET", "/v1/session") == 401


async def test_script_that_operators_write_is_text(stage: Stage) -> None:
    note = f"---\nchannel: email\nsubject: '{SCRIPT}'\nfrom: a@example.com\ntext: T\n---\n<p>H</p>\n"
    await stage.harness.run_campaign(campaign("hostile", "Hostile", f"'{SCRIPT}'"), {"note.liquid": note})
    segment = {"file": "h.yaml", "source": f"key: hostile\nname: '{SCRIPT}'\nwhere: has(profile.traits.plan)\n"}
    await stage.harness.admin("PUT", "/v1/segments/hostile", segment)
    await stage.harness.admin("POST", "/v1/keys", {"name": SCRIPT, "scopes": ["read"]})
    await stage.harness.track("u-hostile", "Hostile", {SCRIPT: SCRIPT})
    await stage.harness.journey("u-hostile", "hostile")
    page = await stage.page()
    for address in (
        "/campaigns",
        "/campaigns/hostile",
        "/campaigns/hostile?tab=versions",
        "/campaigns/hostile?tab=document",
        "/segments",
        "/segments/hostile",
        "/documents",
        "/keys",
        "/sessions",
        "/audit-log",
        "/people/u-hostile",
        # Errors repeat what they refuse.
        f"/campaigns/{quote(SCRIPT, safe='')}",
        f"/people/{quote(SCRIPT, safe='')}",
        f"/segments?where={quote(SCRIPT, safe='')}",
        f"/documents/{quote(SCRIPT, safe='')}",
        f"/journeys?campaign={quote(SCRIPT, safe='')}",
    ):
        await page.show(address)
        assert not await page.page.run(ATTACKED), address
    await page.show("/campaigns/hostile?tab=document")
    await page.click_on(LAST_LINE)
    await page.press("End", "Control")
    await page.type(f"- {{id: last, delay: '{SCRIPT}'}}")
    await page.click("Plan")
    await page.until_shown(SCRIPT, "[role=alert]")
    assert not await page.page.run(ATTACKED)
