"""Pages of the console in a browser, over a real API: where they lead, and what they say."""

import json
from datetime import date, timedelta
from typing import Final

from tests.clients.console_site import SCRIPT, Console, click, look, read_rows
from tests.clients.devtools import Session
from tests.harness import ADMIN_KEY, PATIENCE, looks

ROW: Final = 'tbody tr:has(a[href$="/campaigns/welcome"])'


async def open_page(console: Console, address: str, key: str = ADMIN_KEY) -> Session:
    """A page at an address, logged in."""
    page = await console.open(key)
    await console.show(page, address)
    return page


async def test_a_session_opens_by_a_key_and_ends(console: Console) -> None:
    page = await console.page()
    await console.log_in(page, "sj_wrong")
    await page.until("!!document.querySelector('[role=alert]')")
    await console.log_in(page)
    await page.until("document.querySelector('h1')?.innerText === 'Campaigns'")
    # No script reads the session.
    assert await page.run("document.cookie") == ""
    await page.run("[...document.querySelectorAll('button')].find(one => one.innerText === 'Sign out').click()")
    await page.until("!!document.querySelector('input[name=key]')")


async def test_a_campaign_is_paused_after_it_is_said_what_that_does(console: Console) -> None:
    page = await console.page()
    await console.log_in(page)
    await page.until("document.querySelector('h1')?.innerText === 'Campaigns'")
    for act, state in (("Pause", "paused"), ("Resume", "running")):
        await click(page, f"{ROW} button", act)
        assert "in flight" in await page.run("document.querySelector('dialog[open]').innerText")
        await click(page, "dialog button", act)
        await page.until(f"document.querySelector({f'{ROW} .badge'!r})?.innerText.includes('{state}')")
    log = (await console.shop.operator.get("/v1/audit-log?limit=10")).json()["entries"]
    assert {"campaign.pause", "campaign.resume"} <= {entry["action"] for entry in log}, json.dumps(log)


async def test_why_people_got_nothing_is_answered_in_three_clicks(console: Console) -> None:
    page = await open_page(console, "/non-sends")
    rows = await read_rows(page, "People who got nothing, by reason")
    assert ("no consent", "6", "6") in [(row[0], row[1], row[3]) for row in rows]
    await click(page, "tbody th a", "no consent")
    assert await read_rows(page, "People who got nothing, by campaign") == [["welcome", "6", "100%", "6"]]
    await click(page, "tbody th a", "welcome")
    assert await read_rows(page, "People who got nothing, by step") == [["hello", "6", "100%", "6"]]
    people = [row[0] for row in await read_rows(page, "People who got nothing")]
    assert len(people) == 6
    await click(page, "tbody th a", people[0])
    await page.until("location.pathname.includes('/console/people/') && !!document.querySelector('.timeline')")
    # Its address alone leads there as well; entries have no step.
    await console.show(page, "/non-sends?campaign=welcome&step=%28none%29&by=reason")
    found = await read_rows(page, "People who got nothing, by reason")
    assert {row[0] for row in found} == {"already in", "history", "too many journeys"}


async def test_a_number_of_messages_leads_to_them_and_their_people(console: Console) -> None:
    page = await open_page(console, "/messages")
    whole = await page.until("document.querySelector('td[data-label=All] a')?.innerText")
    assert len(await read_rows(page, "Messages")) == int(whole)
    # The days that are counted where none were chosen.
    days = [
        date.fromisoformat(day)
        for day in await page.run("[...document.querySelectorAll('input[type=date]')].map(one => one.value)")
    ]
    assert days[1] - days[0] == timedelta(days=6)
    failed = await page.run("document.querySelector('td[data-label=Failed] a').innerText")
    await click(page, "td[data-label=Failed] a", failed)
    await page.until("location.search.includes('state=failed')")
    rows = await read_rows(page, "Messages")
    assert len(rows) == int(failed)
    assert all("failed" in row[1] for row in rows)
    await click(page, "tbody th a", rows[0][0])
    await page.until("location.pathname.includes('/console/people/') && !!document.querySelector('.timeline')")
    await console.show(page, "/campaigns/welcome?step=hello")
    sent = await page.until("document.querySelector('dd a[title^=\"The messages\"]')?.innerText")
    await click(page, "dd a[title^='The messages']", sent)
    await page.until("location.pathname.endsWith('/messages') && location.search.includes('step=hello')")


async def test_the_graph_shows_what_changes_and_leads_to_the_people(console: Console) -> None:
    page = await open_page(console, "/campaigns/welcome?version=2&compare=1")
    await page.until("!!document.querySelector('.step.added') && !!document.querySelector('.step.changed')")
    assert await page.run("document.querySelectorAll('.react-flow__edge.removed').length") == 1
    # Nothing has changed: what is asked for again has no body.
    async for is_last in looks(PATIENCE):
        answers = [one["params"] for one in page.events if one["method"] == "Network.responseReceivedExtraInfo"]
        if any(one["statusCode"] == 304 for one in answers):
            break
        assert not is_last, "no answer was 304"
    await console.show(page, "/campaigns/welcome")
    await click(page, ".react-flow__node a", "2 capped")
    assert {(row[1].strip("▲\n "), row[3]) for row in await read_rows(page, "People who got nothing")} == {
        ("capped", "hello")
    }


async def test_another_person_approves_after_it_is_said_what_that_does(console: Console) -> None:
    page = await open_page(console, "/approvals", console.asking)
    await page.until("document.querySelector('a[href$=\"/approvals\"] .badge')?.innerText.includes('1')")
    await click(page, "tbody button", "Approve")
    said = await page.run("document.querySelector('dialog[open]').innerText")
    assert "60 people" in said
    assert "in the name of Ada" in said
    await click(page, "dialog button", "Approve")
    await page.until("document.querySelector('dialog [role=alert]')?.innerText.includes('another person')")
    page = await open_page(console, "/approvals", console.another)
    await click(page, "tbody button", "Approve")
    await click(page, "dialog button", "Approve")
    await page.until("document.querySelector('tbody .badge')?.innerText.includes('approved')")
    await page.until("!document.querySelector('a[href$=\"/approvals\"] .badge')")
    assert (await console.shop.operator.get("/v1/campaigns/news")).json()["state"] == "running"


async def test_live_events_show_what_comes_and_what_it_does(console: Console) -> None:
    page = await open_page(console, "/live-events?user=u-live")
    await page.until("document.querySelector('main .badge')?.innerText.includes('live')")
    await console.shop.serve("track", userId="u-live", event="Signed Up", properties={SCRIPT: SCRIPT})
    await console.shop.serve("track", userId="u-other", event="Signed Up")
    await page.until("!!document.querySelector('tbody .badge')")
    await console.shop.serve("track", userId="u-live", event=SCRIPT)
    await page.until("document.querySelectorAll('tbody tr').length === 2")
    [script, entered] = await read_rows(page, "Live events")
    assert (script[0], script[4]) == (SCRIPT, "nothing")
    assert (entered[0], entered[2]) == ("Signed Up", "u-live")
    assert "entered" in entered[4]
    assert "welcome" in entered[4]
    await look(page, "live-events-with-events")


async def test_a_person_page_says_what_an_event_would_do(console: Console) -> None:
    await console.shop.serve("track", userId="u-asked", event="Signed Up")
    page = await open_page(console, "/people/u-asked?tab=what-if")
    await page.run("document.querySelector('input[name=event]').focus()")
    await page.call("Input.insertText", text="Signed Up")
    await page.run("document.querySelector('textarea[name=properties]').focus()")
    await page.call("Input.insertText", text="[]")
    await click(page, "form button", "Ask")
    await page.until("!!document.querySelector('form [role=alert]')")
    await page.run("document.querySelector('textarea[name=properties]').select()")
    await page.call("Input.insertText", text='{"value": 5}')
    await click(page, "form button", "Ask")
    await page.until("!!document.querySelector('tbody .badge')")
    rows = await read_rows(page, "Effects of the event")
    assert [row[0] for row in rows if "refused" in row[1]] == ["welcome"]
    assert "Already in" in rows[0][3]
    await look(page, "what-if-answered")
