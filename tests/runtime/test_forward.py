"""`sojourn dev forward` on the whole stack: what is due until then happens now, in its order."""

import asyncio
import json
import os
import re
import shlex
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.client import Client

from cli.dev_banner import print_banner
from cli.dev_stack import DevPorts, DevStack
from cli.main import run
from runtime.embedded import audience_clock, forward
from runtime.embedded.audience_clock import AudienceClock
from runtime.temporal import connect
from tests.docs.test_cli import DEVELOPMENT
from tests.harness import MAIL, PATIENCE, looks

Output = pytest.CaptureFixture[str]

WELCOME = """
key: welcome
name: Welcome
entry: {event: Signed Up, reentry: always}
steps:
  - {id: rest, delay: 1d}
  - {id: hello, send: {channel: email, template: note}}
  - {id: later, delay: 12h}
  - {id: again, send: {channel: email, template: note}}
"""
# Both by the same event; the first to be published sends last.
SECOND = """
key: second
name: Second
entry: {event: Signed Up}
steps:
  - {id: rest, delay: 2h}
  - {id: note, send: {channel: email, template: note, on_capped: skip}}
"""
FIRST = SECOND.replace("second", "first").replace("2h", "1h")
DAILY = """
key: daily
name: Daily
entry: {event: Signed Up}
steps:
  - id: three
    repeat: {every: 1h, times: 3}
    do:
      - {id: note, send: {channel: email, template: note, on_capped: wait, expires: 7d}}
"""
WAITS = """
key: waits
name: Waits
entry: {{event: Signed Up}}
send_window: {{from: "{opens:%H:%M}", to: "{closes:%H:%M}"}}
steps:
  - id: reacted
    wait_for: {{event: Clicked, timeout: 2h}}
    on_timeout:
      - {{id: note, send: {{channel: email, template: note}}}}
"""
CALLS = """
key: calls
name: Calls
entry: {event: Signed Up}
steps:
  - {id: call, send: {channel: webhook, template: note, expires: 12h}}
"""
CALL = """---
channel: webhook
url: http://127.0.0.1:1/
---
{"action": "ring"}
"""
NEWS = """
key: news
name: News
{schedule}
entry: {{audience: {{where: profile.traits.plan == "trial", again: {{every: day, at: "{at}"}}}}, reentry: always}}
steps:
  - {{id: note, send: {{channel: email, template: note}}}}
"""
HOUR = timedelta(hours=1)
ONE_A_DAY = "rules:\n  - {name: daily, limit: 1, per: 1d}\n"
# The end of a session is due before the message that follows from it, and that before the silence of a day.
LEFT = """
key: left
name: Left
entry: {event: Session Ended}
steps:
  - {id: rest, delay: 10m}
  - {id: note, send: {channel: email, template: note}}
"""
SILENT = """
key: silent
name: Silent
entry: {changed: profile.computed.active_1d, where: event.properties.after == false}
steps:
  - {id: note, send: {channel: email, template: note}}
"""


class Developer:
    """A developer at a running stack: reports events by HTTP, and moves the time by the command."""

    def __init__(self, stack: DevStack, http: httpx.AsyncClient) -> None:
        self.stack = stack
        self._http = http
        self._folder = stack.folder.path

    async def admin(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        key = self.stack.settings.admin_key.get_secret_value()
        answer = await self._http.request(method, path, json=body, headers={"Authorization": f"Bearer {key}"})
        assert answer.is_success, answer.text
        return answer.json()

    async def run_campaign(self, source: str, template: str = MAIL) -> None:
        document = {"file": "campaign.yaml", "source": source, "templates": {"note.liquid": template}}
        published = await self.admin("POST", "/v1/campaigns", document)
        await self.admin("POST", f"/v1/campaigns/{published['key']}/start")

    async def identify(self, user: str, **traits: Any) -> None:
        await self._report("identify", {"userId": user, "traits": {"email": f"{user}@example.com", **traits}})

    async def sign_up(self, user: str) -> None:
        await self.identify(user)
        await self._report("track", {"userId": user, "event": "Signed Up"})

    async def forward(self, duration: str, *options: str) -> int:
        """Run the command; its exit status."""
        return await asyncio.to_thread(run, ["dev", "forward", duration, "--data", str(self._folder), *options])

    async def temporal(self) -> Client:
        return await connect(self.stack.settings.temporal_address, self.stack.settings.temporal_namespace)

    async def messages(self, user: str) -> list[tuple[str, str | None, datetime]]:
        """The outcomes of the sends of a user: the step, the reason, and by the journey's clock."""
        items = (await self.admin("GET", f"/v1/users/{user}/timeline?limit=500"))["items"]
        return [
            (f"{item['campaign']}/{item['step']} {item['outcome']}", item["reason"], datetime.fromisoformat(item["at"]))
            for item in items
            if item["kind"] == "send"
        ]

    def dates(self) -> list[datetime]:
        assert self.stack.inbox is not None
        return [
            datetime.strptime(str(one.message["Date"]), "%a, %d %b %Y %H:%M:%S %z") for one in self.stack.inbox.messages
        ]

    async def _report(self, call: str, body: Mapping[str, Any]) -> None:
        key = self.stack.settings.write_key.get_secret_value()
        (await self._http.post(f"/v1/{call}", json=body, auth=(key, ""))).raise_for_status()


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SOJOURN_"):
            monkeypatch.delenv(name)


@asynccontextmanager
async def developing(folder: Path) -> AsyncIterator[Developer]:
    async with (
        DevStack(folder, durable=False) as stack,
        httpx.AsyncClient(base_url=stack.api_url, trust_env=False, timeout=60) as http,
    ):
        yield Developer(stack, http)


@pytest.mark.takes_long
async def test_a_mail_of_tomorrow_comes_now_and_the_clock_stays_ahead(
    folder: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder / ".sojourn"
    began = datetime.now(UTC)
    async with developing(folder) as developer:
        await developer.run_campaign(WELCOME)
        await developer.sign_up("ada")
        assert await developer.forward("23h") == 0
        assert "Nothing was due.\nNext: " in capsys.readouterr().out
        assert developer.dates() == []
        with developer.stack.folder.moving_time():
            assert await developer.forward("1h") == 1
        assert "another process moves the time of" in capsys.readouterr().err
        assert await developer.forward("1h") == 0
        out = capsys.readouterr().out
        assert "  ada  welcome  hello: email note sent\n" in out
        assert "now. 1 journey moved. 1 message sent." in out
        assert "  ada  welcome  later\n" in out
        [first] = developer.dates()
        assert timedelta(days=1) - timedelta(seconds=2) < first - began < timedelta(days=1, minutes=5)
        # By the new time: what is reported, and what that begins.
        await developer.sign_up("bob")
        entry = (await developer.admin("GET", "/v1/users/bob/timeline"))["items"][-1]
        assert timedelta(days=1) < datetime.fromisoformat(entry["at"]) - began < timedelta(days=1, minutes=5)

    async with developing(folder) as developer:
        capsys.readouterr()
        await print_banner(developer.stack, DevPorts())
        told = capsys.readouterr().out
        assert re.search(r"^It is \d{4}-\d\d-\d\d \d\d:\d\d here, 1 day ahead \(`sojourn dev forward`\)\.$", told, re.M)
        assert f"Remove {folder} to begin anew.\n" in told
        (folder.parent / "shop").mkdir()
        monkeypatch.chdir(folder.parent / "shop")
        async for is_last in looks(PATIENCE):
            capsys.readouterr()
            # The worker's first report may still be to come.
            if await asyncio.to_thread(run, ["check"]) == 0:
                break
            assert not is_last
        assert capsys.readouterr().out == f"Checking the `sojourn dev` of {folder}.\nNo problems found.\n"
        # As docs/cli.md has it, in the folder of the stack.
        monkeypatch.chdir(folder.parent)
        for line in DEVELOPMENT:
            assert await asyncio.to_thread(run, shlex.split(line)[1:]) == 0
        assert await developer.forward("1h") == 0
        # The first is still there. Ada's second is due before Bob's first.
        for hours, at in zip((24, 36, 48), developer.dates(), strict=True):
            assert timedelta(hours=hours, seconds=-2) < at - began < timedelta(hours=hours, minutes=6)
        assert datetime.now(UTC) - began < timedelta(minutes=5)
        capsys.readouterr()
        assert await developer.forward("12h", "--json") == 0
        done = json.loads(capsys.readouterr().out)
        assert done.keys() == {"now", "journeys_moved", "happened", "still_at_work", "next"}
        assert {(each["user"], each["event"]) for each in done["happened"]} >= {("bob", "message sent")}
        assert datetime.fromisoformat(done["now"]) - began > timedelta(hours=60)
        assert done["next"] is None


@pytest.mark.takes_long
async def test_caps_count_in_the_order_in_which_messages_are_due(folder: Path, capsys: Output) -> None:
    async with developing(folder) as developer:
        await developer.admin("PUT", "/v1/frequency-caps", {"file": "caps.yaml", "source": ONE_A_DAY})
        await developer.run_campaign(SECOND)
        await developer.run_campaign(FIRST)
        users = ("ada", "bob", "eve")
        for user in users:
            await developer.sign_up(user)
        assert await developer.forward("1d") == 0
        for user in users:
            assert [(step, reason) for step, reason, _ in await developer.messages(user)] == [
                ("first/note granted", None),
                ("second/note refused", "capped"),
            ]
        assert "second  note: refused: capped: 1 of 1 in 1d (daily), frees at" in capsys.readouterr().out

        await developer.run_campaign(DAILY)
        await developer.sign_up("dan")
        before = len(developer.dates())
        assert await developer.forward("3d") == 0
        sent = [at for step, _, at in await developer.messages("dan") if step == "daily/note granted"]
        assert len(sent) == 3
        assert all(timedelta(days=1) <= b - a < timedelta(days=1, minutes=5) for a, b in pairwise(sent))
        assert len(developer.dates()) >= before + 3


@pytest.mark.takes_long
async def test_waits_windows_and_expiries_go_by_the_new_time(
    folder: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward, "SETTLE_SECONDS", 2 * PATIENCE)
    async with developing(folder) as developer:
        opens = (datetime.now(UTC) + timedelta(hours=5)).replace(second=0, microsecond=0)
        await developer.run_campaign(WAITS.format(opens=opens, closes=opens + HOUR))
        await developer.run_campaign(CALLS, CALL)
        await developer.sign_up("ada")
        async with asyncio.timeout(PATIENCE):
            # The receiver stays away: between attempts the message keeps nothing from moving on.
            assert await developer.forward("1h") == 0
        assert await developer.forward("23h") == 0
        told = capsys.readouterr()
        [sent] = developer.dates()
        assert timedelta(0) <= sent - opens < timedelta(minutes=5)
        assert "calls  call: webhook note cancelled: expired" in told.out
        assert "Still at work" not in told.err


@pytest.mark.takes_long
async def test_people_change_by_time_at_their_instants(folder: Path, capsys: Output) -> None:
    async with developing(folder) as developer:
        document = {"file": "computed.yaml", "source": 'computed: {active_1d: {any: "*", within: 1d}}'}
        await developer.admin("PUT", "/v1/computed", document)
        await developer.run_campaign(LEFT)
        await developer.run_campaign(SILENT)
        began = datetime.now(UTC)
        await developer.sign_up("ada")
        assert await developer.forward("10m") == 0
        assert capsys.readouterr().out.endswith("  ada  Session Ended\n")
        assert await developer.forward("2d") == 0
        after_session, after_silence = developer.dates()
        assert timedelta(minutes=40, seconds=-2) < after_session - began < timedelta(minutes=45)
        assert timedelta(days=1, seconds=-2) < after_silence - began < timedelta(days=1, minutes=5)


@pytest.mark.takes_long
async def test_breakpoints_are_computed_at_each_midnight(folder: Path, capsys: Output) -> None:
    """Nothing else is due in these nights."""
    async with developing(folder) as developer:
        document = {"file": "rfm.yaml", "source": "rfm: {event: Order Completed, value: event.properties.value}"}
        await developer.admin("PUT", "/v1/rfm", document)
        assert await developer.forward("2m") == 0
        began = await developer.stack.database.now()
        midnight = began.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        following = f"{midnight.astimezone():%Y-%m-%d %H:%M}  the breakpoints of RFM are computed"
        assert capsys.readouterr().out.endswith(f"Next: {following}\n")
        assert await developer.forward("3d") == 0
        async with developer.stack.database.transaction() as connection:
            cursor = await connection.execute("SELECT as_of FROM rfm_days WHERE as_of > %s ORDER BY day", (midnight,))
            scored = [row["as_of"] async for row in cursor]
        late = [at - midnight - timedelta(days=number) for number, at in enumerate(scored)]
        assert len(late) == 3
        assert all(timedelta(0) < one < timedelta(minutes=5) for one in late)


@pytest.mark.takes_long
async def test_audiences_and_schedules_go_by_the_new_time(folder: Path, capsys: Output) -> None:
    begins, ends = (datetime.now(UTC) + timedelta(days=days) for days in (1, 4))
    schedule = f'schedule: {{starts_at: "{begins.isoformat()}", ends_at: "{ends.isoformat()}"}}'
    async with developing(folder) as developer:
        await developer.identify("ada", plan="trial")
        await developer.run_campaign(NEWS.format(schedule=schedule, at="09:00"))
        assert (await developer.admin("GET", "/v1/campaigns/news"))["state"] == "scheduled"
        assert await developer.forward("1h") == 0
        assert capsys.readouterr().out.endswith(f"Next: {begins.astimezone():%Y-%m-%d %H:%M}  news starts\n")
        assert await developer.forward("47h") == 0
        assert capsys.readouterr().out.endswith(":00  the audience of news enters\n")
        assert (await developer.admin("GET", "/v1/campaigns/news"))["state"] == "running"
        assert len(developer.dates()) in (1, 2)
        assert await developer.forward("4d") == 0
        dates = developer.dates()
        assert [at.strftime("%H:%M") for at in dates] == ["09:00"] * 3
        assert all(begins < at < ends for at in dates)
        async for is_last in looks(PATIENCE):
            state = (await developer.admin("GET", "/v1/campaigns/news"))["state"]
            if state == "ended":
                break
            assert not is_last, state


@pytest.mark.takes_long
async def test_an_audience_enters_at_the_new_time_while_the_stack_runs_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its schedule in Temporal would begin it hours later."""
    monkeypatch.setattr(audience_clock, "INTERVAL_SECONDS", 0.2)
    async with developing(folder) as developer:
        await developer.identify("ada", plan="trial")
        run_at = (await developer.stack.database.now() + timedelta(hours=5)).replace(second=0, microsecond=0)
        await developer.run_campaign(NEWS.format(schedule="", at=f"{run_at:%H:%M}"))
        # The schedule is there before the time is moved to some seconds before the run.
        async for is_last in looks(PATIENCE):
            if await AudienceClock(await developer.temporal()).find_due(["news"], run_at - HOUR, run_at):
                break
            assert not is_last
        left = run_at - await developer.stack.database.now() - timedelta(seconds=5)
        assert await developer.forward(f"{left.seconds}s") == 0
        assert developer.dates() == []
        assert developer.stack.inbox is not None
        await developer.stack.inbox.wait_for(1, PATIENCE)
        [sent] = developer.dates()
        assert timedelta(0) <= sent - run_at < timedelta(minutes=5)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["1"], "sojourn: `1` is not a duration. Add a unit: `1s`, `1m`, `1h` or `1d`\n"),
        (["400d"], "sojourn: `400d` is not between 1s and 366d. "),
        (["0s"], "sojourn: `0s` is not between 1s and 366d. "),
        (["1d"], "sojourn: no `sojourn dev` runs in .sojourn: start it, or name its folder by --data\n"),
        (
            ["1d", "--url", "https://sojourn.example.com"],
            "sojourn: only the time of a `sojourn dev` can be moved, and --url names https://sojourn.example.com: ",
        ),
    ],
)
def test_what_cannot_be_moved_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output, arguments: list[str], error: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert run(["dev", "forward", *arguments]) == 1
    assert capsys.readouterr().err.startswith(error)
