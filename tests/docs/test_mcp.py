"""docs/mcp.md is true: its program runs, its call is answered. tests/api/test_mcp.py builds its campaign."""

import json
import re
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from mcp.client.stdio import StdioServerParameters

from api.mcp_calls import MAX_ANSWER_CHARACTERS
from cli.main import run
from tests.api.conftest import live, operator
from tests.docs.curl import curl_lines, read_curl
from tests.harness import ADMIN_KEY

__all__ = ["live", "operator"]  # fixtures

PAGE = (Path(__file__).parents[2] / "docs" / "mcp.md").read_text()


async def test_the_call_of_the_page(live: FastAPI, operator: httpx.AsyncClient) -> None:
    [line] = curl_lines(PAGE)
    call = read_curl(line, {"KEY": ADMIN_KEY})
    answer = await operator.send(call.request)
    assert answer.status_code == call.status, answer.text
    assert "request_start" in {tool["name"] for tool in answer.json()["result"]["tools"]}


def test_the_program_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    [block] = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    [program] = [StdioServerParameters.model_validate(each) for each in json.loads(block)["mcpServers"].values()]
    assert (program.command, set(program.env or {})) == ("sojourn", {"SOJOURN_API_URL", "SOJOURN_API_KEY"})
    assert run([*program.args, "--help"]) == 0
    assert "MCP server" in capsys.readouterr().out


def test_the_bound_is_that_of_the_code() -> None:
    assert f"at most {MAX_ANSWER_CHARACTERS:,} characters" in PAGE
