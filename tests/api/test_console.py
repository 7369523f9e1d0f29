"""The console's files as the API serves them."""

import re
from pathlib import Path

from api.app import create_app
from api.console import FOLDER, POLICY, ConsoleFiles
from tests.api.fakes import SETTINGS
from tests.api.live import client_of


async def test_each_address_shows_the_page_without_being_kept() -> None:
    async with client_of(create_app(SETTINGS), "") as http:
        for address in ("/console", "/console/", "/console/people/a%2Fb?tab=consent", "/console/index.html"):
            answer = await http.get(address)
            assert answer.content == (FOLDER / "index.html").read_bytes()
            assert answer.headers["content-type"].startswith("text/html")
            assert answer.headers["content-security-policy"] == POLICY
            assert answer.headers["cache-control"] == "no-cache"
            assert answer.headers["referrer-policy"] == "no-referrer"


async def test_assets_are_kept_for_ever_and_compressed() -> None:
    page = (FOLDER / "index.html").read_text()
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert all(address.startswith("/console/assets/") for address in addresses)
    async with client_of(create_app(SETTINGS), "") as http:
        for address in addresses:
            answer = await http.get(address)
            plain = await http.get(address, headers={"Accept-Encoding": "identity"})
            assert answer.content == plain.content == (FOLDER / address.removeprefix("/console/")).read_bytes()
            assert answer.headers["content-encoding"] == "gzip"
            assert "content-encoding" not in plain.headers
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        other = await http.get("/console/assets/index-of-another-release.js")
        assert (other.status_code, other.headers["cache-control"]) == (404, "no-store")


async def test_no_path_leads_out_of_the_folder(tmp_path: Path) -> None:
    app = create_app(SETTINGS)
    (tmp_path / "console").mkdir()
    (tmp_path / "console" / "index.html").write_text("page")
    (tmp_path / "secret").write_text("secret")
    app.state.console_files = ConsoleFiles(tmp_path / "console")
    async with client_of(app, "") as http:
        for path in ("../secret", "..%2Fsecret", "%2e%2e/secret", "assets/../../secret", f"/{tmp_path}/secret"):
            assert "secret" not in (await http.get(f"/console/{path}")).text.replace(path, "")


def test_the_page_has_no_script_and_no_style_of_its_own() -> None:
    page = (FOLDER / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=", page)
    assert re.findall(r"<script[^>]*>([^<]*)</script>", page) == [""]
