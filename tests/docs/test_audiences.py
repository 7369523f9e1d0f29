"""docs/audiences.md is true: its documents are valid, its commands and calls are made, its tables are the code's."""

import asyncio
import re
import shlex
from pathlib import Path

from api.ad_audiences import AdAudienceNumbers
from cli.main import run
from domain.ad_audiences.audiences_document import MAX_AUDIENCES, parse_audiences
from domain.campaign.publication import check
from domain.deployed_names import DeployedNames
from domain.sending.providers.ad_account import AdAccountModel
from domain.sending.providers.ad_accounts import AD_ACCOUNT_MODELS
from domain.sending.providers.model import AccountModel
from domain.sending.providers_document import parse_providers
from tests.cli.conftest import Output, api_url, deployment, folder, no_logs
from tests.docs.curl import curl_lines, read_curl
from tests.docs.tables import rows
from tests.harness import ADMIN_KEY, WRITE_KEY, Harness

__all__ = ["api_url", "deployment", "folder", "no_logs"]  # fixtures

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "audiences.md").read_text()
BLOCKS = dict(re.findall(r"^```yaml (\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^(sojourn .*)$", PAGE, re.MULTILINE)
VIPS = 'key: vip\nname: VIPs\nwhere: profile.traits.plan == "pro"\n'


async def test_the_commands_and_the_calls_of_the_page(
    harness: Harness, folder: Path, deployment: str, capsys: Output
) -> None:
    (folder / "vip.yaml").write_text(VIPS)
    await harness.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": BLOCKS["providers"]})
    assert await asyncio.to_thread(run, ["segments", "apply", "vip.yaml"]) == 0
    assert len(COMMANDS) == 4
    shown = []
    for line in COMMANDS:
        words = shlex.split(line.replace("examples/", f"{ROOT}/examples/"))[1:]
        assert await asyncio.to_thread(run, words) == 0, (line, capsys.readouterr())
        shown.append(capsys.readouterr().out)
    assert "# vips: 0 people wanted, 0 sent, 0 pending, 0 failed, 0 without address" in shown[2]
    assert shown[3].startswith("vips: 120210000000000002 of meta, mirrors the segment vip\n0 people wanted")
    for text in curl_lines(PAGE):
        call = read_curl(text, {"URL": "http://test", "WRITE_KEY": WRITE_KEY, "KEY": ADMIN_KEY})
        answer = await harness.http.send(call.request)
        assert answer.status_code == call.status, answer.text
    assert answer.json()["numbers"].keys() == AdAudienceNumbers.model_fields.keys()


def test_the_documents_are_valid() -> None:
    audiences = parse_audiences(BLOCKS["audiences"], "audiences.yaml")
    assert audiences == parse_audiences((ROOT / "examples/audiences/audiences.yaml").read_text(), "audiences.yaml")
    accounts = parse_providers(BLOCKS["providers"], "providers.yaml")
    assert [rule.name for rule in accounts] == ["meta", "google", "linkedin"]
    names = DeployedNames({}, [], audiences=[one.name for one in audiences if one.mirror is None])
    published = check(BLOCKS["campaign"], "campaign.yaml", {}, names)
    assert published.definition.key == "trial-unused"


def test_every_account_is_listed() -> None:
    listed = {row[0].strip("`"): row[1:] for row in rows(PAGE, "## Accounts")}
    assert set(listed) == {model.name for model in AD_ACCOUNT_MODELS}
    for model in AD_ACCOUNT_MODELS:
        keys, kinds, people = listed[model.name]
        own = {name for name in model.model_fields if name not in AccountModel.model_fields}
        assert set(re.findall(r"`(\w+)`", keys)) == own
        assert tuple(re.findall(r"`(\w+)`", kinds)) == model.identifiers
        assert people == f"{model.max_people:,}"
    assert issubclass(AdAccountModel, AccountModel)


def test_the_numbers_are_those_of_the_api() -> None:
    assert [row[0].strip("`") for row in rows(PAGE, "## Flushes and their results")] == list(
        AdAudienceNumbers.model_fields
    )
    assert f"There are at most {MAX_AUDIENCES}." in PAGE
