"""Steer a deployment by clicks in the console: API, worker, Temporal and browser are real."""

from typing import Final
from urllib.parse import quote

from starlette.responses import HTMLResponse
from starlette.types import Receive, Scope, Send

from tests.api.inboxes import serve
from tests.clients.console_editor import LAST_LINE
from tests.clients.console_page import ConsolePage
from tests.clients.console_stage import Stage, campaign
from tests.harness import ADMIN_KEY

SCRIPT: Final = "<svg/onload=window.attacked=1>"
ATTACKED: Final = "window.attacked || document.querySelector('svg[onload]')"


async def test_a_campaign_is_started_paused_resumed_and_stopped(stage: Stage) -> None:
    await stage.harness.publish(campaign("acts"))
    page = await stage.page()
    await page.show("/campaigns/acts")
    for act, says, state in (
        ("Start", "no approval is needed", "running"),
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


async def test_a_campaign_that_needs_approval_says_so(stage: Stage) -> None:
    await stage.begin("many", "u-many-1", "u-many-2")
    await stage.harness.publish(campaign("vast", "Began many"))
    async with stage.beside(approval_above=1) as url:
        page = await stage.page(url=url)
        await page.show("/campaigns/vast")
        await page.click("Start")
        # Before it is asked for.
        await page.until_shown(
            "It will wait for another person's approval: it may reach up to 2 people", "dialog[open]"
        )
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


async def test_a_refusal_of_an_address_is_lifted(stage: Stage) -> None:
    """It stands at the address, whichever profile has it, and the profile itself is not suppressed."""
    for user in ("u-first", "u-second"):
        await stage.harness.identify(user, email="shared@example.com")
    await stage.harness.admin("PUT", "/v1/users/u-first/suppressions/email", {"reason": "hard bounce"})
    page = await stage.page()
    await page.show("/people/u-second?tab=consent")
    await page.until_shown("the address: hard bounce")
    await page.click("Lift")
    await page.until_shown("the address: hard bounce", "dialog[open]")
    await page.click("Lift")
    await page.until_closed()
    await page.page.until(
        "!document.querySelector('main').innerText.includes('hard bounce\\n') && "
        "![...document.querySelectorAll('main button')].some(one => one.innerText === 'Lift')"
    )
    email = (await stage.harness.admin("GET", "/v1/users/u-second"))["consent"]["email"]
    assert (email["address_refusals"], email["can_lift"]) == ({}, False)
    assert (await stage.audited("u-second"))[0] == "user.lift"


async def test_a_page_follows_an_act_without_its_polls(stage: Stage) -> None:
    [journey] = await stage.begin("swift", "u-swift")
    page = await stage.page()
    await page.page.call("Page.addScriptToEvaluateOnNewDocument", source="window.setInterval = () => 0")
    await page.show(f"/journeys/{journey}")
    await page.click("Skip wait")
    await page.click("Skip wait")
    await page.until_closed()
    await page.until_shown("more", "main .figures")


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
    await page.until_shown(SCRIPT, "[aria-label=Problems]")
    assert not await page.page.run(ATTACKED)
