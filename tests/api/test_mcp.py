"""The MCP server, by the official client over HTTP and over stdio: it reads, plans, and starts nothing."""

import asyncio
import json
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import httpx
import httpx2
import pytest
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from api.mcp_calls import MAX_ANSWER_CHARACTERS
from domain.access import Scope
from tests.api.fakes import ADMIN_KEY, WRITE_KEY
from tests.api.live import ApiProcess, api_process

ROOT = Path(__file__).parents[2]
Transport = Literal["http", "stdio"]
KEY = "trial-ending"
CAPS = "rules:\n  - {name: weekly, limit: 3, per: calendar_week}\n"
LIST: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@asynccontextmanager
async def assistant(url: str, key: str, transport: Transport = "http") -> AsyncIterator[Client]:
    """The official client with a key."""
    if transport == "stdio":
        environment = {"SOJOURN_API_URL": url, "SOJOURN_API_KEY": key}
        program = StdioServerParameters(
            command=sys.executable, args=["-m", "cli.main", "mcp"], env=environment, cwd=str(ROOT)
        )
        async with Client(program) as client:
            yield client
        return
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
    ):
        yield client


async def call(client: Client, tool: str, **arguments: Any) -> Any:
    """The answer of a tool, which it gives."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return json.loads(result.content[0].text)  # type: ignore[union-attr]


async def refusal(client: Client, tool: str, **arguments: Any) -> str:
    """The text of a tool that refuses."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, result.content
    return str(result.content[0].text)  # type: ignore[union-attr]


async def problem_of(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """The API's problem in the text of a tool that refuses."""
    said = await refusal(client, tool, **arguments)
    found: dict[str, Any] = json.loads(said[said.index("{") :])
    return found


async def read(client: Client, uri: str) -> str:
    return str((await client.read_resource(uri)).contents[0].text)  # type: ignore[union-attr]


async def key_of(api: ApiProcess, *scopes: Scope, name: str = "Assistant") -> str:
    async with api.client(ADMIN_KEY) as root:
        made = await root.post("/v1/keys", json={"name": name, "scopes": list(scopes)})
    assert made.status_code == 201, made.text
    return str(made.json()["token"])


async def trial(client: Client) -> dict[str, Any]:
    """The campaign of the page, as the assistant reads it."""
    page = await read(client, "sojourn://docs/mcp")
    [source] = re.findall(r"^```yaml trial-ending\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    [template] = re.findall(r"^```liquid trial-three-days.liquid\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return {"campaign": KEY, "source": source, "templates": {"trial-three-days.liquid": template}}


@pytest.fixture
async def editable(database_url: str) -> AsyncIterator[ApiProcess]:
    """A deployment where MCP clients apply plans."""
    async with api_process(database_url, mcp_edit="apply") as api:
        yield api


@pytest.mark.parametrize("transport", ["http", "stdio"])
async def test_an_assistant_builds_the_trial_campaign_and_a_person_starts_it(
    editable: ApiProcess, transport: Transport
) -> None:
    api = editable
    author = await key_of(api, Scope.AUTHOR)
    person = await key_of(api, Scope.READ, Scope.APPROVE, name="Bob")
    async with assistant(api.url, author, transport) as client, api.client(person) as bob:
        document = await trial(client)
        broken = {**document, "source": document["source"].replace("delay: 11d", "delay: soon")}
        problem = (await problem_of(client, "plan_campaign", **broken))["problems"][0]
        assert (problem["file"], problem["line"], problem["path"]) == (f"{KEY}.yaml", 6, "steps[0].delay")
        plan = await call(client, "plan_campaign", **document)
        other = await refusal(client, "apply_campaign", **broken | {"plan": plan["hash"]})
        assert "steps[0].delay" in other
        changed = {**document, "source": document["source"].replace("11d", "12d")}
        assert "plan_outdated" in await refusal(client, "apply_campaign", **changed, plan=plan["hash"])
        applied = await call(client, "apply_campaign", **document, plan=plan["hash"])
        assert (applied["version"], applied["state"]) == (1, "draft")
        assert await read(client, f"sojourn://campaigns/{KEY}") == document["source"]
        asked = await call(client, "request_start", campaign=KEY)
        assert (asked["state"], asked["approval"]["state"]) == ("draft", "waiting")
        # The same key goes no other way.
        async with api.client(author) as direct:
            assert (await direct.post(f"/v1/campaigns/{KEY}/start")).status_code == 403
            assert (await direct.post(f"/v1/approvals/{asked['approval']['id']}/approve")).status_code == 403
        approved = await bob.post(f"/v1/approvals/{asked['approval']['id']}/approve")
        assert approved.status_code == 200, approved.text
        assert (await bob.get(f"/v1/campaigns/{KEY}")).json()["state"] == "running"
        # A version of a campaign that runs waits as well.
        plan = await call(client, "plan_campaign", **changed)
        applied = await call(client, "apply_campaign", **changed, plan=plan["hash"])
        assert applied["approval"]["state"] == "waiting"
        assert (await bob.get(f"/v1/campaigns/{KEY}")).json()["running_version"] == 1


async def test_a_key_that_starts_only_asks_through_the_tool(editable: ApiProcess) -> None:
    async with assistant(editable.url, ADMIN_KEY) as client, editable.client(ADMIN_KEY) as root:
        document = await trial(client)
        plan = await call(client, "plan_campaign", **document)
        await call(client, "apply_campaign", **document, plan=plan["hash"])
        asked = await call(client, "request_start", campaign=KEY)
        own = await root.post(f"/v1/approvals/{asked['approval']['id']}/approve")
        assert (own.status_code, own.json()["code"]) == (403, "same_person")
        assert (await root.get(f"/v1/campaigns/{KEY}")).json()["state"] == "draft"


async def test_a_document_of_the_deployment_is_applied_as_planned(editable: ApiProcess) -> None:
    async with assistant(editable.url, await key_of(editable, Scope.AUTHOR)) as client:
        wrong = await problem_of(client, "plan_document", kind="frequency-caps", source="rules: [{name: weekly}]\n")
        assert wrong["problems"][0]["file"] == "frequency-caps.yaml"
        plan = await call(client, "plan_document", kind="frequency-caps", source=CAPS)
        other = await refusal(client, "apply_document", kind="frequency-caps", source=CAPS + "\n", plan=plan["hash"])
        assert "plan it again" in other
        await call(client, "apply_document", kind="frequency-caps", source=CAPS, plan=plan["hash"])
        assert await read(client, "sojourn://documents/frequency-caps") == CAPS
        again = await refusal(client, "apply_document", kind="frequency-caps", source=CAPS, plan=plan["hash"])
        assert "plan it again" in again


async def test_segments_are_applied_as_planned(editable: ApiProcess) -> None:
    pro, free = (f"key: {name}\nname: {name}\nwhere: profile.traits.plan == '{name}'\n" for name in ("pro", "free"))
    async with assistant(editable.url, await key_of(editable, Scope.AUTHOR)) as client:
        wrong = await problem_of(client, "plan_segments", sources=["key: pro\n"], removed=[])
        assert wrong["problems"][0]["file"] == "segment-1.yaml"
        plan = await call(client, "plan_segments", sources=[pro, free], removed=[])
        for other in ([pro], [pro, free + "\n"]):
            assert "plan_outdated" in await refusal(client, "apply_segments", sources=other, plan=plan["hash"])
        applied = await call(client, "apply_segments", sources=[pro, free], plan=plan["hash"])
        assert [one["version"] for one in applied["segments"]] == [1, 1]
        # What is in force is another by now.
        assert "plan_outdated" in await refusal(client, "apply_segments", sources=[pro, free], plan=plan["hash"])
        first = await call(client, "list_segments", limit=1)
        second = await call(client, "list_segments", limit=1, after=first["next"])
        assert [one["key"] for one in (*first["segments"], *second["segments"])] == ["free", "pro"]
        assert second["next"] is None


async def test_a_long_list_of_campaigns_has_pages(editable: ApiProcess) -> None:
    async with editable.client(ADMIN_KEY) as root, assistant(editable.url, ADMIN_KEY) as client:
        for number in range(3):
            source = f"key: c{number}\nname: C\nentry: {{event: Signed Up}}\nsteps: [{{id: rest, delay: 1h}}]\n"
            await root.post("/v1/campaigns", json={"file": "c.yaml", "source": source, "templates": {}})
        first = await call(client, "list_campaigns", limit=2)
        second = await call(client, "list_campaigns", limit=2, after=first["next"])
        pages = [[one["key"] for one in page["campaigns"]] for page in (first, second)]
        assert (pages, second["next"]) == ([["c0", "c1"], ["c2"]], None)
        assert len((await root.get("/v1/campaigns")).json()["campaigns"]) == 3
        assert (await root.get("/v1/campaigns", params={"after": "no cursor"})).status_code == 422


@pytest.mark.parametrize(("scope", "is_warned"), [(Scope.AUTHOR, False), (Scope.OPERATE, True), (Scope.ADMIN, True)])
async def test_a_key_that_could_start_is_warned_of(
    served: ApiProcess, scope: Scope, is_warned: bool, tmp_path: Path
) -> None:
    """In the instructions over HTTP, and on standard error of the command."""
    key = await key_of(served, scope)
    async with assistant(served.url, key) as client:
        assert ("Warning: this key may start" in str(client.instructions)) == is_warned
    program = StdioServerParameters(
        command=sys.executable,
        args=["-m", "cli.main", "mcp"],
        env={"SOJOURN_API_URL": served.url, "SOJOURN_API_KEY": key},
        cwd=str(ROOT),
    )
    with (tmp_path / "err").open("w+") as errors:
        async with Client(stdio_client(program, errlog=errors)) as client:
            assert (await client.list_tools()).tools
        errors.seek(0)
        assert ("Warning: this key may start" in errors.read()) == is_warned


@pytest.mark.parametrize(("url", "said"), [(None, "key"), ("http://127.0.0.1:1", "127.0.0.1:1")])
async def test_a_refused_key_or_an_api_that_is_away_is_one_line(served: ApiProcess, url: str | None, said: str) -> None:
    environment = {"SOJOURN_API_URL": url or served.url, "SOJOURN_API_KEY": "sj_wrong"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.main", "mcp"), cwd=ROOT, env=environment, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    printed, errors = await process.communicate()
    assert (printed, process.returncode) == (b"", 1 if url is None else 3)
    [line] = errors.decode().splitlines()
    assert line.startswith("sojourn: ")
    assert said in line


async def test_nothing_is_applied_where_the_deployment_does_not_say_so(served: ApiProcess) -> None:
    async with assistant(served.url, ADMIN_KEY) as client:
        document = await trial(client)
        plan = await call(client, "plan_campaign", **document)
        said = await refusal(client, "apply_campaign", **document, plan=plan["hash"])
        assert "SOJOURN_MCP_EDIT" in said
        caps = await call(client, "plan_document", kind="frequency-caps", source=CAPS)
        said = await refusal(client, "apply_document", kind="frequency-caps", source=CAPS, plan=caps["hash"])
        assert "SOJOURN_MCP_EDIT" in said
        assert "SOJOURN_MCP_EDIT" in await refusal(client, "apply_segments", sources=["key: pro"], plan="x")
        assert (await call(client, "list_campaigns"))["campaigns"] == []


async def test_every_reading_tool_answers(served: ApiProcess) -> None:
    script = "<script>alert(1)</script>"
    async with served.client(WRITE_KEY) as tracker:
        calls = [{"type": "identify", "userId": "ada", "traits": {"name": script}}]
        assert (await tracker.post("/v1/batch", json={"batch": calls})).is_success
    async with assistant(served.url, ADMIN_KEY) as client:
        tools = (await client.list_tools()).tools
        assert 10 <= len(tools) <= 24
        assert all(tool.description and tool.annotations for tool in tools)
        reading = [tool for tool in tools if tool.annotations and tool.annotations.read_only_hint]
        simple = [tool.name for tool in reading if not tool.input_schema.get("required")]
        assert {
            "list_campaigns",
            "count_non_sends",
            "get_cap_pressure",
            "count_messages",
            "list_messages",
            "list_rejects",
        } < set(simple)
        for name in simple:
            await call(client, name)
        assert (await call(client, "get_user", user="ada"))["traits"]
        assert script in json.dumps(await call(client, "get_user", user="ada"))
        await call(client, "get_timeline", user="ada", limit=1)
    async with assistant(served.url, await key_of(served, Scope.READ)) as viewer:
        assert script not in json.dumps(await call(viewer, "get_user", user="ada"))
    async with served.client(ADMIN_KEY) as root:
        looks = (await root.get("/v1/audit-log", params={"target": "ada"})).json()["entries"]
    assert {look["actor_name"] for look in looks} >= {"Assistant"}


async def test_resources_are_a_closed_list(served: ApiProcess) -> None:
    async with assistant(served.url, await key_of(served, Scope.READ)) as client:
        listed = {str(each.uri) for each in (await client.list_resources()).resources}
        assert {"sojourn://docs/mcp", "sojourn://docs/campaigns", "sojourn://schemas/campaign"} <= listed
        assert json.loads(await read(client, "sojourn://schemas/campaign"))["title"] == "Sojourn campaign"
        for uri in (
            "sojourn://docs/../../settings.py",
            "sojourn://docs/..%2F..%2FREADME",
            "sojourn://docs/%2Fetc%2Fpasswd",
            "sojourn://campaigns/..",
            "sojourn://campaigns/%2E%2E",
            "sojourn://documents/..%2Fkeys",
            "sojourn://documents/keys",
            "file:///etc/passwd",
        ):
            with pytest.raises(MCPError):
                await client.read_resource(uri)


async def test_a_tool_goes_to_no_other_route(served: ApiProcess) -> None:
    async with assistant(served.url, ADMIN_KEY) as client:
        for user in ("..", ".", ""):
            assert "`..`" in await refusal(client, "get_user", user=user)
        for user in ("../keys", "%2e%2e/keys", "a?limit=1", "a#b", "a/../../keys"):
            assert "tokens" not in await refusal(client, "get_user", user=user)
        assert "there is no document" in await refusal(client, "plan_document", kind="../keys", source="")
        assert await refusal(client, "list_journeys", limit=10_000)
        assert await refusal(client, "get_user", user="x" * 300)


async def test_keys_pages_and_sizes_are_those_of_the_api(served: ApiProcess) -> None:
    ingest = await key_of(served, Scope.INGEST)
    reader = await key_of(served, Scope.READ)
    async with httpx.AsyncClient(base_url=served.url, headers=ACCEPT) as http:
        assert (await http.post("/mcp", json=LIST)).status_code == 401
        wrong = await http.post("/mcp", json=LIST, headers={"Authorization": "Bearer wrong"})
        assert wrong.status_code == 401
        assert (await http.post("/mcp", json=LIST, headers={"Authorization": f"Bearer {ingest}"})).status_code == 403
        key = {"Authorization": f"Bearer {reader}"}
        assert (await http.get("/mcp", headers=key)).status_code == 405
        page = await http.post("/mcp", json=LIST, headers=key | {"Origin": "https://evil.example"})
        assert (page.status_code, page.json()["code"]) == (403, "forbidden")
        assert (await http.post("/mcp", json=LIST, headers=key | {"Origin": served.url})).status_code == 200
        huge = await http.post("/mcp", content=b" " * (4 * 1024 * 1024 + 1), headers=key)
        assert huge.status_code == 413
        session = await http.post("/v1/session", json={"key": reader}, headers={"Origin": served.url})
        cookie = {"Cookie": session.headers["set-cookie"].partition(";")[0], "Origin": served.url}
        assert (await http.post("/mcp", json=LIST, headers=cookie)).status_code == 401
    async with assistant(served.url, reader) as client:
        assert "SOJOURN_MCP_EDIT" in await refusal(
            client, "apply_campaign", campaign="x", source="", templates={}, plan="x"
        )
        forbidden = await problem_of(client, "request_start", campaign="x")
        assert (forbidden["code"], forbidden["scope"]) == ("forbidden", "author")


async def test_an_answer_that_fills_a_context_says_how_to_narrow_it(editable: ApiProcess) -> None:
    filler = "# " + "x" * 1000 + "\n"
    async with assistant(editable.url, await key_of(editable, Scope.AUTHOR)) as client:
        document = await trial(client)
        long = document | {"source": document["source"] + filler * (MAX_ANSWER_CHARACTERS // 1000 + 1)}
        plan = await call(client, "plan_campaign", **long)
        await call(client, "apply_campaign", **long, plan=plan["hash"])
        assert "at most 100,000" in await refusal(client, "get_campaign_document", campaign=KEY, version=1)
