"""The page of the API shows itself without any other host."""

import re

import httpx


async def test_the_page_of_the_api_loads_nothing_from_elsewhere(anyone: httpx.AsyncClient) -> None:
    page = await anyone.get("/docs")
    assert page.status_code == 200
    assert "https://" not in page.text
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert any(link.endswith(".js") for link in links)
    for link in links:
        assert (await anyone.get(link)).status_code == 200, link
